// SPDX-License-Identifier: MulanPSL-2.0
/** gala-gopher: see README.md. */
import { runCommandLine } from "./src/app/commands.ts";

Deno.exit(await runCommandLine(Deno.args));
