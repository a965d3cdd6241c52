// SPDX-License-Identifier: MulanPSL-2.0
/** What /proc/stat, /proc/softirqs, /proc/net/softnet_stat and /proc/cpuinfo say of each CPU, in the terms of system_cpu. */
import type { NamedNumbers } from "../core/named_numbers.ts";
import { COLON, type Scanner, word, WordList } from "../core/scan.ts";
import { WrappingCounters } from "../core/wrapping_counters.ts";

export const TICKS_PER_SECOND = 100;
/** The kernel's largest NR_CPUS. */
const MAX_CPUS = 8192;
/** Idle and iowait of a tickless CPU may step back a little: shown as standing still, so that no rate sees a restart. */
const STEP_BACK_TICKS = 3 * TICKS_PER_SECOND;

/** Columns of /proc/stat behind the name. */
export const TIMES = {
  USER: 0,
  NICE: 1,
  SYSTEM: 2,
  IDLE: 3,
  IOWAIT: 4,
  IRQ: 5,
  SOFTIRQ: 6,
  STEAL: 7,
} as const;
const TIME_COLUMNS = 8;
/** Places of the counts in `Cpu.softirqs`, in the order of the file. */
export const SOFTIRQS = {
  HI: 0,
  TIMER: 1,
  NET_TX: 2,
  NET_RX: 3,
  BLOCK: 4,
  IRQ_POLL: 5,
  TASKLET: 6,
  SCHED: 7,
  HRTIMER: 8,
  RCU: 9,
} as const;
const SOFTIRQ_NAMES = new WordList(Object.keys(SOFTIRQS));
const SOFTIRQ_COUNT = Object.keys(SOFTIRQS).length;
/** Columns of /proc/net/softnet_stat; older kernels do not have the CPU's number. */
const SOFTNET = {
  PACKETS: 0,
  DROPPED: 1,
  SQUEEZED: 2,
  RECEIVED_RPS: 9,
  FLOW_LIMITED: 10,
  CPU: 12,
} as const;
const SOFTNET_COLUMNS = 13;

const ALL_CPUS = word("cpu");
const CPU_HEADER = word("CPU");
const PROCESSOR = word("processor");
const CPU_MHZ = word("cpu MHz");

/** A line of /proc/stat: what it says, and the share of time used between this reading and the one before. */
interface Times {
  readonly ticks: Float64Array;
  total: number;
  used: number;
  usedPercent: number;
  /** In this reading. */
  listed: boolean;
}

interface Softnet {
  readonly packets: number;
  readonly dropped: number;
  readonly squeezed: number;
  readonly receivedRps: number;
  readonly flowLimited: number;
}

const NO_SOFTNET: Softnet = {
  packets: NaN,
  dropped: NaN,
  squeezed: NaN,
  receivedRps: NaN,
  flowLimited: NaN,
};

export interface Cpu extends Times {
  readonly id: string;
  readonly softirqs: Float64Array;
  softnet: Softnet;
  /** Both are kept in 32 bits. */
  readonly softirqCounters: WrappingCounters;
  readonly softnetCounters: WrappingCounters;
  mhz: number;
}

export interface Cpus {
  readonly all: Times;
  /** By number; a CPU that went offline stays. */
  readonly known: (Cpu | undefined)[];
  /** In the order of /proc/stat. */
  readonly online: Cpu[];
}

/** Also forgets what the other files said before: each reading shows only what it found itself. */
export function scanStat(scan: Scanner, cpus: Cpus, totals: NamedNumbers): void {
  totals.clear();
  cpus.online.length = 0;
  cpus.all.listed = false;
  for (const cpu of cpus.known) if (cpu !== undefined) cpu.listed = false;
  for (; !scan.ended; scan.nextLine()) {
    if (!scan.word()) continue;
    if (scan.is(ALL_CPUS)) {
      scanTimes(scan, cpus.all);
      continue;
    }
    const number = scan.numberAfter(ALL_CPUS);
    if (!(number < MAX_CPUS)) {
      const index = totals.find(scan);
      if (index >= 0) totals.set(index, scan.number());
      continue;
    }
    const cpu = cpus.known[number] ??= newCpu(number);
    if (cpu.listed) continue;
    cpu.softirqs.fill(NaN);
    cpu.softnet = NO_SOFTNET;
    cpus.online.push(cpu);
    scanTimes(scan, cpu);
  }
  for (const cpu of cpus.known) if (cpu !== undefined && !cpu.listed) forgetPeriod(cpu);
  if (!cpus.all.listed) forgetPeriod(cpus.all);
}

/** When it is listed again, its last known time is not that of one period ago. */
function forgetPeriod(times: Times): void {
  times.total = times.used = times.usedPercent = NaN;
}

function scanTimes(scan: Scanner, times: Times): void {
  times.listed = true;
  const { ticks } = times;
  let total = 0;
  for (let column = 0; column < TIME_COLUMNS; column++) {
    const before = ticks[column]!;
    const now = scan.number();
    ticks[column] = now < before && before - now < STEP_BACK_TICKS ? before : now;
    total += ticks[column]!;
  }
  const used = total - ticks[TIMES.IDLE]! - ticks[TIMES.IOWAIT]!;
  const period = total - times.total;
  const usedInPeriod = used - times.used;
  const known = period > 0 && usedInPeriod >= 0 && usedInPeriod <= period;
  times.usedPercent = known ? usedInPeriod / period * 100 : NaN;
  times.total = total;
  times.used = used;
}

/** The columns are named by the first line: those of possible CPUs, of which some may not be online. */
export function scanSoftirqs(scan: Scanner, { known }: Cpus): void {
  const columns: (Cpu | undefined)[] = [];
  while (columns.length < MAX_CPUS && scan.word()) {
    columns.push(known[scan.numberAfter(CPU_HEADER)]);
  }
  while (scan.nextLine()) {
    const name = scan.field(COLON) ? SOFTIRQ_NAMES.indexOf(scan) : -1;
    if (name < 0) continue;
    for (const cpu of columns) {
      const count = scan.number();
      if (cpu !== undefined) cpu.softirqs[name] = cpu.softirqCounters.next(name, count);
    }
  }
}

/** One line for each online CPU; older kernels do not say which, but keep to the order. */
export function scanSoftnet(scan: Scanner, { known, online }: Cpus): void {
  const columns = new Float64Array(SOFTNET_COLUMNS);
  for (let line = 0; !scan.ended; line++) {
    for (let column = 0; column < SOFTNET_COLUMNS; column++) columns[column] = scan.hex();
    const number = columns[SOFTNET.CPU]!;
    const cpu = Number.isNaN(number) ? online[line] : known[number];
    if (!scan.nextLine() || cpu === undefined) continue;
    const { softnetCounters } = cpu;
    const total = (column: number) => softnetCounters.next(column, columns[column]!);
    cpu.softnet = {
      packets: total(SOFTNET.PACKETS),
      dropped: total(SOFTNET.DROPPED),
      squeezed: total(SOFTNET.SQUEEZED),
      receivedRps: total(SOFTNET.RECEIVED_RPS),
      flowLimited: total(SOFTNET.FLOW_LIMITED),
    };
  }
}

export function scanCpuinfo(scan: Scanner, { known }: Cpus): void {
  for (const cpu of known) if (cpu !== undefined) cpu.mhz = NaN;
  let cpu: Cpu | undefined;
  for (; !scan.ended; scan.nextLine()) {
    if (!scan.field(COLON)) continue;
    if (scan.is(PROCESSOR)) cpu = known[scan.number()];
    else if (cpu !== undefined && scan.is(CPU_MHZ)) cpu.mhz = scan.number();
  }
}

export function newTimes(): Times {
  const ticks = new Float64Array(TIME_COLUMNS).fill(NaN);
  return { ticks, total: NaN, used: NaN, usedPercent: NaN, listed: false };
}

function newCpu(number: number): Cpu {
  return {
    ...newTimes(),
    id: String(number),
    softirqs: new Float64Array(SOFTIRQ_COUNT),
    softnet: NO_SOFTNET,
    softirqCounters: new WrappingCounters(SOFTIRQ_COUNT),
    softnetCounters: new WrappingCounters(SOFTNET_COLUMNS),
    mhz: NaN,
  };
}
