// SPDX-License-Identifier: MulanPSL-2.0
/** Parsers of the files of one process: /proc/PID/stat, io, limits, smaps_rollup. Text may be cut short or garbled. */
import { COLON, Scanner, word, WordList } from "./scan.ts";
import {
  COMM_BYTES,
  IO_FIELDS,
  PF_KTHREAD,
  PF_WQ_WORKER,
  TASK,
  type TaskBatch,
} from "./task_batch.ts";

const OPEN = 0x28;
const CLOSE = 0x29;
const PLUS = 0x2b;
const MINUS = 0x2d;

/** Columns of stat from the fourth word (ppid) on; -1 is not used. The state before them is skipped. */
const STAT_COLUMNS: readonly number[] = [
  TASK.ppid,
  TASK.pgid,
  ...Array(3).fill(-1), // session, terminal, its group
  TASK.flags,
  TASK.minor_faults,
  -1,
  TASK.major_faults,
  -1,
  TASK.utime,
  TASK.stime,
  TASK.cutime,
  TASK.cstime,
  TASK.priority,
  TASK.nice,
  TASK.threads,
  -1,
  TASK.start,
  TASK.size_bytes,
  TASK.resident_bytes, // pages, see below
  ...Array(3).fill(-1), // limit of the resident size, code
  TASK.image,
  ...Array(10).fill(-1), // registers, signals, where it waits
  TASK.cpu,
];
const BEFORE_START = STAT_COLUMNS.indexOf(TASK.start);

const IO_NAMES = new WordList(IO_FIELDS);
const IO_COLUMNS = IO_FIELDS.map((name) => TASK[name]);

/** Lines of smaps_rollup that are exported, in the file's order. */
export const SMAPS_LINES = [
  "Shared_Clean",
  "Shared_Dirty",
  "Private_Clean",
  "Private_Dirty",
  "Referenced",
  "LazyFree",
  "Swap",
  "SwapPss",
] as const;
const SMAPS_NAMES = new WordList(SMAPS_LINES);

const MAX = word("Max");
const OPEN_WORD = word("open");
const FILES = word("files");
const UNLIMITED = word("unlimited");

const scan = new Scanner();

export interface ProcessStat {
  /** `R`, `S`, `D`, `T`, `Z` ...; empty when the text is not one of a process. */
  readonly state: string;
  /** Since boot, in clock ticks; tells a process from another that has its pid later. NaN if unknown. */
  readonly start: number;
}

/** What /proc/PID/stat says of a process's life. */
export function processStat(bytes: Uint8Array): ProcessStat {
  const name = bytes.lastIndexOf(CLOSE);
  if (name < 0 || !scan.over(bytes.subarray(name + 1)).word()) return { state: "", start: NaN };
  const state = scan.text();
  for (let i = 0; i < BEFORE_START; i++) if (!scan.word()) return { state, start: NaN };
  return { state, start: scan.number() };
}

/** One line of /proc/PID/stat. False: it is not whole, and what was filled in means nothing. */
export function parseStat(
  bytes: Uint8Array,
  batch: TaskBatch,
  index: number,
  pageBytes: number,
): boolean {
  const open = bytes.indexOf(OPEN);
  const close = bytes.lastIndexOf(CLOSE);
  if (open < 0 || close < open) return false;
  scan.over(bytes.subarray(close + 1)).word();
  for (const column of STAT_COLUMNS) {
    const value = scan.number();
    if (Number.isNaN(value)) return false;
    if (column >= 0) batch.set(index, column, value);
  }
  batch.set(index, TASK.resident_bytes, batch.get(index, TASK.resident_bytes) * pageBytes);
  copyComm(bytes.subarray(open + 1, close), batch, index);
  return true;
}

/**
 * The name as the kernel keeps it. Of kernel threads stat shows more: whole names, and what a worker is at, which
 * changes all the time and would make a new series each time.
 */
function copyComm(shown: Uint8Array, batch: TaskBatch, index: number): void {
  const flags = batch.get(index, TASK.flags);
  const worker = (flags & PF_KTHREAD) !== 0 && (flags & PF_WQ_WORKER) !== 0;
  const name = worker ? workerName(shown) : shown;
  batch.comms.set(name.subarray(0, COMM_BYTES - 1), index * COMM_BYTES);
}

const WORKER = word("kworker/");
const RESCUER = word("kworker/R-");

/** `kworker/0:1-events` to `kworker/0:1`. Rescuers (`kworker/R-xfs`; before 6.7 just `xfs-wq`) are workers too. */
function workerName(shown: Uint8Array): Uint8Array {
  if (!startsWith(shown, WORKER) || startsWith(shown, RESCUER)) return shown;
  const end = shown.findIndex((byte, at) =>
    at > WORKER.length && (byte === PLUS || byte === MINUS)
  );
  return end < 0 ? shown : shown.subarray(0, end);
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, i) => bytes[i] === byte);
}

/** /proc/PID/io; a line that is missing stays unknown. */
export function parseIo(bytes: Uint8Array, batch: TaskBatch, index: number): void {
  for (scan.over(bytes); !scan.ended; scan.nextLine()) {
    const line = scan.field(COLON) ? IO_NAMES.indexOf(scan) : -1;
    if (line >= 0) batch.set(index, IO_COLUMNS[line]!, scan.number());
  }
}

/** The soft limit of open files in /proc/PID/limits; NaN when it is not there. */
export function parseFileLimit(bytes: Uint8Array): number {
  for (scan.over(bytes); !scan.ended; scan.nextLine()) {
    const found = scan.word() && scan.is(MAX) && scan.word() && scan.is(OPEN_WORD) &&
      scan.word() && scan.is(FILES);
    if (!found) continue;
    const soft = scan.word() && scan.is(UNLIMITED) ? Infinity : scan.numberAfter(NOTHING);
    return scan.word() ? soft : NaN; // the hard limit follows, so the soft one is whole
  }
  return NaN;
}

const NOTHING = word("");

/** Numbers of SMAPS_LINES in kB; NaN for a line that is missing. */
export function parseSmaps(bytes: Uint8Array, values: Float64Array): void {
  values.fill(NaN);
  for (scan.over(bytes); !scan.ended; scan.nextLine()) {
    const line = scan.field(COLON) ? SMAPS_NAMES.indexOf(scan) : -1;
    if (line >= 0) values[line] = scan.number();
  }
}
