// SPDX-License-Identifier: MulanPSL-2.0
/** Written by scripts/gen.ts from the BTF of bpf/*.bpf.c: do not edit. */
import type { ObjectLayout } from "../core/layout.ts";
