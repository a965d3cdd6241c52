// SPDX-License-Identifier: MulanPSL-2.0
/** Load averages and the number of threads beside what the kernel allows, from /proc/loadavg and /proc/sys/kernel. */
import { gauge, nativeProbe, table } from "../core/declare.ts";
import { Scanner, SLASH } from "../core/scan.ts";

export default nativeProbe({
  name: "system_load",
  help: "Load averages and threads, from /proc/loadavg and /proc/sys/kernel.",
  partOf: ["baseinfo"],
  tables: {
    system_load: table({
      entity: "load",
      keys: [],
      metrics: {
        average_1m: gauge(
          "Threads that ran or waited for CPU or disk, in the last minute.",
          "count",
        ),
        average_5m: gauge("The same in the last 5 minutes.", "count"),
        average_15m: gauge("The same in the last 15 minutes.", "count"),
        runnable_threads: gauge("Threads that run or could run right now.", "count"),
        threads: gauge("Threads of all processes.", "count"),
        threads_limit: gauge("Threads that there may be: threads-max.", "count"),
        pid_limit: gauge("First thread id that is not given out: pid_max.", "count"),
      },
    }),
  },
  open(files) {
    files.read("proc/loadavg");
    const scan = new Scanner();
    const single = (path: string) => {
      const bytes = files.readOptional(path);
      return bytes === undefined ? NaN : scan.over(bytes).number();
    };
    return ({ system_load }) => {
      scan.over(files.read("proc/loadavg"));
      const first = scan.number();
      if (Number.isNaN(first)) return;
      system_load.row()
        .set("average_1m", first)
        .set("average_5m", scan.number())
        .set("average_15m", scan.number());
      if (scan.field(SLASH)) {
        system_load.set("runnable_threads", scan.wholeNumber()).set("threads", scan.number());
      }
      system_load
        .set("threads_limit", single("proc/sys/kernel/threads-max"))
        .set("pid_limit", single("proc/sys/kernel/pid_max"));
    };
  },
});
