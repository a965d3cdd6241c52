// SPDX-License-Identifier: MulanPSL-2.0
/** Written by scripts/gen.ts from the files in src/probes: do not edit. */
import type { AnyProbe } from "../core/probe.ts";
import io from "../probes/io.ts";
import kill from "../probes/kill.ts";
import oom from "../probes/oom.ts";
import system_cpu from "../probes/system_cpu.ts";
import system_meminfo from "../probes/system_meminfo.ts";
import system_net from "../probes/system_net.ts";
import task from "../probes/task.ts";
import tcp from "../probes/tcp.ts";

export const probes: readonly AnyProbe[] = [
  io,
  kill,
  oom,
  system_cpu,
  system_meminfo,
  system_net,
  task,
  tcp,
];
