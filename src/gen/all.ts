// SPDX-License-Identifier: MulanPSL-2.0
/** Written by scripts/gen.ts from the files in src/probes: do not edit. */
import type { AnyProbe } from "../core/probe.ts";
import container from "../probes/container.ts";
import container_dirs from "../probes/container_dirs.ts";
import container_ns from "../probes/container_ns.ts";
import dns from "../probes/dns.ts";
import endpoint from "../probes/endpoint.ts";
import exec from "../probes/exec.ts";
import io from "../probes/io.ts";
import kill from "../probes/kill.ts";
import messages from "../probes/messages.ts";
import oom from "../probes/oom.ts";
import pygc from "../probes/pygc.ts";
import qdisc from "../probes/qdisc.ts";
import sli_cpu from "../probes/sli_cpu.ts";
import system_cpu from "../probes/system_cpu.ts";
import system_disk from "../probes/system_disk.ts";
import system_edac from "../probes/system_edac.ts";
import system_files from "../probes/system_files.ts";
import system_fs from "../probes/system_fs.ts";
import system_host from "../probes/system_host.ts";
import system_load from "../probes/system_load.ts";
import system_meminfo from "../probes/system_meminfo.ts";
import system_net from "../probes/system_net.ts";
import system_nic from "../probes/system_nic.ts";
import system_pressure from "../probes/system_pressure.ts";
import system_proc from "../probes/system_proc.ts";
import system_protocols from "../probes/system_protocols.ts";
import system_sockets from "../probes/system_sockets.ts";
import system_vmstat from "../probes/system_vmstat.ts";
import task from "../probes/task.ts";
import tcp from "../probes/tcp.ts";
import virt from "../probes/virt.ts";

export const probes: readonly AnyProbe[] = [
  container,
  container_dirs,
  container_ns,
  dns,
  endpoint,
  exec,
  io,
  kill,
  messages,
  oom,
  pygc,
  qdisc,
  sli_cpu,
  system_cpu,
  system_disk,
  system_edac,
  system_files,
  system_fs,
  system_host,
  system_load,
  system_meminfo,
  system_net,
  system_nic,
  system_pressure,
  system_proc,
  system_protocols,
  system_sockets,
  system_vmstat,
  task,
  tcp,
  virt,
];

/** Those that this build was made without. */
export const leftOut: readonly Pick<AnyProbe, "name" | "kind">[] = [];
