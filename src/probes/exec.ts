// SPDX-License-Identifier: MulanPSL-2.0
/** Programs that processes start. Kernel side: bpf/exec.bpf.c. */
import { containerOfCgroup, text } from "../core/labels.ts";
import { bpfProbe, mapTable, ofField } from "../core/declare.ts";
import { flagKey } from "../core/setting_key.ts";
import { exec } from "../gen/layouts.ts";

export default bpfProbe({
  name: "exec",
  help: "Programs that processes start, from sched_process_exec.",
  on: false,
  layout: exec,
  settings: { by_parent: flagKey("Whether rows tell the name of the parent process, too.") },
  constants: (settings) => ({ by_parent: Number(settings.flag("by_parent")) }),
  ceilings: ["execs"],
  lacking: { "failed execs": "the kernel has no hook for them alone" },
  tables: {
    exec_info: mapTable(exec, {
      map: "execs",
      entity: "exec",
      keys: {
        comm: text("comm"),
        parent_comm: text("parent"),
        container_id: containerOfCgroup("cgroup"),
      },
      metrics: { starts: ofField("counter", "starts", "Times a program was started.", "count") },
    }),
  },
});
