// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Processes: those that the filter names, or without a filter those that use most CPU and memory. Numbers come from
 * iter/task or /proc/PID/{stat,io,limits,fd}; sizes by kind of memory from /proc/PID/smaps_rollup, which has a slower
 * period of its own: measured 0.08 ms for a small process, 12 ms more for each GB, off the event loop.
 */
import { NO_FILTER, parseWhiteList, type ProcFilter } from "../core/proc_filter.ts";
import { nativeProbe, table } from "../core/declare.ts";
import type { Read, Settings } from "../core/probe.ts";
import { COLON, Scanner, word } from "../core/scan.ts";
import { CONTAINERS, OPTIONAL_PATH, PATTERN, PIDS } from "../core/setting_format.ts";
import { listKey, numberKey, textKey } from "../core/setting_key.ts";
import { PROC_METRICS, ProcColumns } from "./proc_columns.ts";
import { ProcWatch } from "./proc_watch.ts";

/** What an empty setting makes: everything has it. */
const NO_PATTERN = new RegExp("");

const MEM_TOTAL = word("MemTotal");
const BYTES_PER_KB = 1024;
/** A day. */
const MAX_SECONDS = 86_400;

const TABLES = {
  system_proc: table({
    entity: "proc",
    keys: ["tgid"],
    labels: ["pgid", "ppid", "comm", "cmdline", "container_id", "start_time"],
    metrics: PROC_METRICS,
  }),
};

export default nativeProbe({
  name: "system_proc",
  help: "Processes, from iter/task or /proc/PID/{stat,io,limits,fd}, and /proc/PID/smaps_rollup.",
  partOf: ["system_infos", "baseinfo"],
  capabilities: {
    CAP_SYS_PTRACE: "I/O, limits, descriptors and memory by kind of other users' processes",
  },
  options: { w: "whitelist" },
  tasks: true,
  tables: TABLES,
  settings: {
    proc_name: textKey(
      "",
      "Regular expression that is found in the names of the processes to report.",
      { format: PATTERN },
    ),
    cmdline: textKey("", "Text that their command lines contain; with proc_name, both must hold."),
    proc_id: listKey(PIDS, "Ids of processes to report."),
    container_id: listKey(CONTAINERS, "Containers whose processes to report."),
    whitelist: textKey(
      "",
      "File with names of processes to report, one a line; also given by -w.",
      { format: OPTIONAL_PATH },
    ),
    top: numberKey(5, [0, 1000], "Without all of these, so many with most CPU and most memory.", {
      unit: "processes",
    }),
    smaps_interval: numberKey(
      60,
      [0, MAX_SECONDS],
      "Time between two readings of smaps_rollup, 0 for none; they cost 0.1 ms a process, 12 ms a GB.",
      { unit: "s" },
    ),
  },
  open(files, settings, host) {
    const scan = new Scanner();
    // A filter that was set at run time outlives a restart.
    if (host.snooper.filter === undefined) host.snooper.filter = filterOf(settings);
    const watch = new ProcWatch(files, host, {
      top: settings.number("top"),
      smapsSeconds: settings.number("smaps_interval"),
    });
    const columns = new ProcColumns();
    files.read("proc/meminfo");
    const read: Read<typeof TABLES> = ({ system_proc }, elapsed) => {
      const memory = totalMemory(scan.over(files.read("proc/meminfo")));
      columns.write(system_proc, watch.read(elapsed), watch.batch, memory);
    };
    return { read, losses: () => watch.losses };
  },
});

/** What the settings name; without any, nothing is filtered. Throws ConfigError. */
function filterOf(settings: Settings): ProcFilter {
  const comm = settings.pattern("proc_name");
  const cmdline = settings.text("cmdline");
  return {
    ...NO_FILTER,
    pids: new Set(settings.list("proc_id").map(Number)),
    comms: parseWhiteList(settings.fileText("whitelist")),
    rules: comm.source === NO_PATTERN.source && cmdline === "" ? [] : [{ comm, cmdline }],
    containers: settings.list("container_id").map((id) => id.toLowerCase()),
  };
}

/** In bytes; NaN when it is not told. */
function totalMemory(scan: Scanner): number {
  for (; !scan.ended; scan.nextLine()) {
    if (scan.field(COLON) && scan.is(MEM_TOTAL)) return scan.number() * BYTES_PER_KB || NaN;
  }
  return NaN;
}
