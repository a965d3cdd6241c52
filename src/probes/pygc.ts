// SPDX-License-Identifier: MulanPSL-2.0
/** Garbage collections of Python processes. Kernel side: bpf/pygc.bpf.c. */
import { id, ofValue, text } from "../core/labels.ts";
import { bpfProbe, mapTable, ofField } from "../core/declare.ts";
import { ofDurations } from "../core/durations.ts";
import { pygc } from "../gen/layouts.ts";

export default bpfProbe({
  name: "pygc",
  help:
    "Garbage collections of CPython, from its gc__start and gc__done (USDT) or gc_collect_main; other interpreters are unseen.",
  partOf: ["proc"],
  on: false,
  capabilities: {
    CAP_SYS_PTRACE: "collections by interpreters that only other users' processes run",
  },
  layout: pygc,
  iterators: [{ program: "pygc_reading" }],
  alive: "reading",
  userHooks: {
    library: "CPython",
    marks: [
      { provider: "python", name: "gc__done", program: "pygc_end" },
      { provider: "python", name: "gc__start", program: "pygc_begin" },
    ],
    functions: [{ symbol: "gc_collect_main", entry: "pygc_enter", returns: "pygc_end" }],
    private: true,
  },
  lacking: {
    "collections of some interpreters":
      "Python built without --with-dtrace and stripped of its names shows nothing of them, nor does PyPy",
  },
  tables: {
    proc_pygc: mapTable(pygc, {
      map: "proc_pygc",
      entity: "proc",
      keys: { tgid: id("tgid") },
      labels: { comm: ofValue(text("comm")) },
      metrics: {
        python_gc: ofField(
          "counter",
          "count",
          "Garbage collections of Python; the original counts those of 1 ms and more only.",
          "count",
        ),
        latency_sum: ofField("counter", "ns", "Time that they took.", "ms", 1e-6),
        latency_max: ofField(
          "gauge",
          "max_ns",
          "Longest that ended in the last period.",
          "ms",
          1e-6,
        ),
        python_gc_seconds: ofDurations("slots", "ns", "Time of collections."),
      },
    }),
  },
});
