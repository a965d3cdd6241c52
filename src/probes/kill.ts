// SPDX-License-Identifier: MulanPSL-2.0
/** Signals between processes. Kernel side: bpf/kill.bpf.c. */
import { containerOf, id, text } from "../core/labels.ts";
import { bpfProbe, mapTable, ofField } from "../core/declare.ts";
import { kill } from "../gen/layouts.ts";

export default bpfProbe({
  name: "kill",
  help: "Signals that processes send to each other, from signal_generate.",
  partOf: ["killprobe"],
  layout: kill,
  alive: "last_ns",
  tables: {
    kill_info: mapTable(kill, {
      map: "kills",
      entity: "kill_info",
      keys: {
        killer_pid: id("killer"),
        signal: id("signal"),
        killed_pid: id("killed"),
        comm: text("comm"),
      },
      labels: { container_id: containerOf(id("killed")) },
      metrics: { signals: ofField("counter", "signals", "Times it sent this signal.", "count") },
    }),
  },
});
