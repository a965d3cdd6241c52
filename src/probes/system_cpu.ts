// SPDX-License-Identifier: MulanPSL-2.0
/**
 * CPU time, soft interrupts and packet backlog of each CPU.
 *
 * Sources: /proc/stat (time since boot in USER_HZ ticks, which is 100 a second for user space whatever the kernel's HZ;
 * guest time is part of user and nice), /proc/softirqs, /proc/net/softnet_stat, /proc/cpuinfo (clock rate, x86 only).
 * The first is needed, the others may be missing.
 */
import {
  counter,
  gauge,
  type HostFiles,
  nativeProbe,
  raises,
  table,
  type Writers,
} from "../core/probe.ts";
import { COLON, Scanner, word, WordList } from "../core/scan.ts";

const TICKS_PER_SECOND = 100;
const MS_PER_TICK = 1000 / TICKS_PER_SECOND;
/** The kernel's largest NR_CPUS. */
const MAX_CPUS = 8192;
/** Idle and iowait of a tickless CPU may step back a little: shown as standing still, so that no rate sees a restart. */
const STEP_BACK_TICKS = 3 * TICKS_PER_SECOND;
/** Older kernels (4.15 to 5.18) wake every CPU and sleep 10 ms for /proc/cpuinfo, and it is the longest file here. */
const MHZ_PERIOD_SECONDS = 60;

/** Columns of /proc/stat behind the name. */
const [USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const TIME_COLUMNS = 8;
const [RCU, TIMER, SCHED, NET_RX] = [0, 1, 2, 3] as const;
const SOFTIRQ_NAMES = new WordList(["TIMER", "NET_RX", "SCHED", "RCU"]);
const SOFTIRQ_OF_NAME = [TIMER, NET_RX, SCHED, RCU] as const;
/** Columns of /proc/net/softnet_stat; older kernels do not have the CPU's number. */
const [DROPPED, RECEIVED_RPS, CPU_NUMBER, SOFTNET_COLUMNS] = [1, 9, 12, 13] as const;

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

interface Cpu extends Times {
  readonly id: string;
  readonly softirqs: Float64Array;
  dropped: number;
  receivedRps: number;
  mhz: number;
}

interface Cpus {
  readonly all: Times;
  /** By number; a CPU that went offline stays. */
  readonly known: (Cpu | undefined)[];
  /** In the order of /proc/stat. */
  readonly online: Cpu[];
}

const tables = {
  // One reading under the names of both states of the original: its older key is cpu_num, its newer one is cpu.
  // Two series of one name would double every sum.
  system_cpu: table({
    entity: "cpu",
    keys: ["cpu_num"],
    labels: ["cpu"],
    metrics: {
      rcu: counter("RCU soft interrupts.", "count"),
      timer: counter("Timer soft interrupts.", "count"),
      sched: counter("Scheduler soft interrupts.", "count"),
      net_rx: counter("Network receive soft interrupts.", "count"),
      user_total_second: counter("Time in user mode, without niced processes.", "seconds"),
      nice_total_second: counter("Time of niced processes in user mode.", "seconds"),
      system_total_second: counter("Time in kernel mode.", "seconds"),
      iowait_total_second: counter("Idle time while I/O was outstanding.", "seconds"),
      irq_total_second: counter("Time in hardware interrupts.", "seconds"),
      softirq_total_second: counter("Time in soft interrupts.", "seconds"),
      user_msec: counter("Time in user mode, without niced processes.", "ms"),
      nice_msec: counter("Time of niced processes in user mode.", "ms"),
      system_msec: counter("Time in kernel mode.", "ms"),
      idle_msec: counter("Idle time without outstanding I/O.", "ms"),
      iowait_msec: counter("Idle time while I/O was outstanding.", "ms"),
      irq_msec: counter("Time in hardware interrupts.", "ms"),
      softirq_msec: counter("Time in soft interrupts.", "ms"),
      steal_msec: counter("Time the hypervisor ran something else.", "ms"),
      backlog_drops: counter("Packets dropped as the receive backlog was full.", "packets"),
      rps_count: counter("Wake-ups to process packets that another CPU received.", "count"),
      util_per: gauge("Time neither idle nor in iowait, of the last period.", "percent"),
      mhz: gauge("Clock rate, read once a minute.", "MHz"),
    },
  }),
  system_cpu_util: table({
    entity: "cpu",
    keys: ["cpu"],
    metrics: {
      total_used_per: raises(
        gauge(
          "Time of all CPUs neither idle nor in iowait, of the last period.",
          "percent",
        ),
        { above: "res_upper_thr", below: "res_lower_thr", says: "CPU utilisation" },
      ),
    },
  }),
};

export default nativeProbe({
  name: "system_cpu",
  help:
    "CPU time, soft interrupts and packet backlog of each CPU, from /proc/stat, /proc/softirqs, " +
    "/proc/net/softnet_stat and /proc/cpuinfo.",
  partOf: ["system_infos", "baseinfo"],
  tables,
  open(files) {
    files.read("proc/stat");
    const cpus: Cpus = { all: newTimes(), known: [], online: [] };
    const scan = new Scanner();
    let sinceMhz = Infinity;
    return ({ system_cpu, system_cpu_util }, elapsed) => {
      scanStat(scan.over(files.read("proc/stat")), cpus);
      scanIfThere(files, "proc/softirqs", scan, cpus, scanSoftirqs);
      scanIfThere(files, "proc/net/softnet_stat", scan, cpus, scanSoftnet);
      sinceMhz += elapsed;
      if (!(sinceMhz < MHZ_PERIOD_SECONDS)) {
        scanIfThere(files, "proc/cpuinfo", scan, cpus, scanCpuinfo);
        sinceMhz = 0;
      }
      for (const cpu of cpus.online) writeCpu(system_cpu, cpu);
      if (!Number.isNaN(cpus.all.usedPercent)) {
        system_cpu_util.row("cpu").set("total_used_per", cpus.all.usedPercent);
      }
    };
  },
});

function writeCpu(row: Writers<typeof tables>["system_cpu"], cpu: Cpu): void {
  const { id, ticks, softirqs } = cpu;
  row.row(id, id)
    .set("rcu", softirqs[RCU]!)
    .set("timer", softirqs[TIMER]!)
    .set("sched", softirqs[SCHED]!)
    .set("net_rx", softirqs[NET_RX]!)
    .set("user_total_second", ticks[USER]! / TICKS_PER_SECOND)
    .set("nice_total_second", ticks[NICE]! / TICKS_PER_SECOND)
    .set("system_total_second", ticks[SYSTEM]! / TICKS_PER_SECOND)
    .set("iowait_total_second", ticks[IOWAIT]! / TICKS_PER_SECOND)
    .set("irq_total_second", ticks[IRQ]! / TICKS_PER_SECOND)
    .set("softirq_total_second", ticks[SOFTIRQ]! / TICKS_PER_SECOND)
    .set("user_msec", ticks[USER]! * MS_PER_TICK)
    .set("nice_msec", ticks[NICE]! * MS_PER_TICK)
    .set("system_msec", ticks[SYSTEM]! * MS_PER_TICK)
    .set("idle_msec", ticks[IDLE]! * MS_PER_TICK)
    .set("iowait_msec", ticks[IOWAIT]! * MS_PER_TICK)
    .set("irq_msec", ticks[IRQ]! * MS_PER_TICK)
    .set("softirq_msec", ticks[SOFTIRQ]! * MS_PER_TICK)
    .set("steal_msec", ticks[STEAL]! * MS_PER_TICK)
    .set("backlog_drops", cpu.dropped)
    .set("rps_count", cpu.receivedRps)
    .set("util_per", cpu.usedPercent)
    .set("mhz", cpu.mhz);
}

function scanIfThere(
  files: HostFiles,
  path: string,
  scan: Scanner,
  cpus: Cpus,
  read: (scan: Scanner, cpus: Cpus) => void,
): void {
  const bytes = files.readOptional(path);
  if (bytes !== undefined) read(scan.over(bytes), cpus);
}

/** Also forgets what the other files said before: each reading shows only what it found itself. */
function scanStat(scan: Scanner, cpus: Cpus): void {
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
    if (!(number < MAX_CPUS)) continue;
    const cpu = cpus.known[number] ??= newCpu(number);
    if (cpu.listed) continue;
    cpu.softirqs.fill(NaN);
    cpu.dropped = cpu.receivedRps = NaN;
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
  const used = total - ticks[IDLE]! - ticks[IOWAIT]!;
  const period = total - times.total;
  const usedInPeriod = used - times.used;
  const known = period > 0 && usedInPeriod >= 0 && usedInPeriod <= period;
  times.usedPercent = known ? usedInPeriod / period * 100 : NaN;
  times.total = total;
  times.used = used;
}

/** The columns are named by the first line: those of possible CPUs, of which some may not be online. */
function scanSoftirqs(scan: Scanner, { known }: Cpus): void {
  const columns: (Cpu | undefined)[] = [];
  while (columns.length < MAX_CPUS && scan.word()) {
    columns.push(known[scan.numberAfter(CPU_HEADER)]);
  }
  while (scan.nextLine()) {
    const name = scan.field(COLON) ? SOFTIRQ_NAMES.indexOf(scan) : -1;
    if (name < 0) continue;
    for (const cpu of columns) {
      const count = scan.number();
      if (cpu !== undefined) cpu.softirqs[SOFTIRQ_OF_NAME[name]!] = count;
    }
  }
}

/** One line for each online CPU; older kernels do not say which, but keep to the order. */
function scanSoftnet(scan: Scanner, { known, online }: Cpus): void {
  for (let line = 0; !scan.ended; line++) {
    let dropped = NaN;
    let receivedRps = NaN;
    let cpu: Cpu | undefined = online[line];
    for (let column = 0; column < SOFTNET_COLUMNS; column++) {
      const value = scan.hex();
      if (column === DROPPED) dropped = value;
      else if (column === RECEIVED_RPS) receivedRps = value;
      else if (column === CPU_NUMBER && !Number.isNaN(value)) cpu = known[value];
    }
    if (!scan.nextLine() || cpu === undefined) continue;
    cpu.dropped = dropped;
    cpu.receivedRps = receivedRps;
  }
}

function scanCpuinfo(scan: Scanner, { known }: Cpus): void {
  for (const cpu of known) if (cpu !== undefined) cpu.mhz = NaN;
  let cpu: Cpu | undefined;
  for (; !scan.ended; scan.nextLine()) {
    if (!scan.field(COLON)) continue;
    if (scan.is(PROCESSOR)) cpu = known[scan.number()];
    else if (cpu !== undefined && scan.is(CPU_MHZ)) cpu.mhz = scan.number();
  }
}

function newTimes(): Times {
  const ticks = new Float64Array(TIME_COLUMNS).fill(NaN);
  return { ticks, total: NaN, used: NaN, usedPercent: NaN, listed: false };
}

function newCpu(number: number): Cpu {
  return {
    ...newTimes(),
    id: String(number),
    softirqs: new Float64Array(SOFTIRQ_OF_NAME.length),
    dropped: NaN,
    receivedRps: NaN,
    mhz: NaN,
  };
}
