// SPDX-License-Identifier: MulanPSL-2.0
/**
 * CPU time, soft interrupts and packet backlog of each CPU.
 *
 * Sources: /proc/stat (time since boot in USER_HZ ticks, which is 100 a second for user space whatever the kernel's HZ;
 * guest time is part of user and nice), /proc/softirqs, /proc/net/softnet_stat, /proc/cpuinfo (clock rate, x86 only).
 * The first is needed, the others may be missing.
 */
import { named, NamedNumbers } from "../core/named_numbers.ts";
import { counter, gauge, nativeProbe, raises, table } from "../core/declare.ts";
import type { HostFiles, Writers } from "../core/probe.ts";
import { Scanner } from "../core/scan.ts";
import {
  type Cpu,
  type Cpus,
  newTimes,
  scanCpuinfo,
  scanSoftirqs,
  scanSoftnet,
  scanStat,
  SOFTIRQS,
  TICKS_PER_SECOND,
  TIMES,
} from "./cpu_files.ts";

const MS_PER_TICK = 1000 / TICKS_PER_SECOND;
/** Older kernels (4.15 to 5.18) wake every CPU and sleep 10 ms for /proc/cpuinfo, and it is the longest file here. */
const MHZ_PERIOD_SECONDS = 60;

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
  system_softirq: table({
    entity: "softirq",
    keys: ["cpu"],
    metrics: {
      hi_total: counter("High-priority tasklets.", "count"),
      net_tx_total: counter("Network transmit soft interrupts.", "count"),
      block_total: counter("Block device soft interrupts.", "count"),
      irq_poll_total: counter("Block devices polled.", "count"),
      tasklet_total: counter("Tasklets.", "count"),
      hrtimer_total: counter("High-resolution timer soft interrupts.", "count"),
    },
  }),
  system_softnet: table({
    entity: "softnet",
    keys: ["cpu"],
    metrics: {
      packets_total: counter("Packets received by this CPU.", "packets"),
      squeezed_total: counter(
        "Times receiving stopped with packets left: budget used up.",
        "count",
      ),
      flow_limited_total: counter("Packets dropped as their flow took too much.", "packets"),
    },
  }),
  system_stat: table({
    entity: "kernel",
    keys: [],
    metrics: {
      context_switches_total: named("ctxt", counter("Context switches.", "count")),
      interrupts_total: named("intr", counter("Hardware interrupts.", "count")),
      soft_interrupts_total: named("softirq", counter("Soft interrupts.", "count")),
      forks_total: named("processes", counter("Processes and threads made.", "count")),
      runnable_threads: named("procs_running", gauge("Threads that run or could run.", "count")),
      blocked_threads: named("procs_blocked", gauge("Threads that wait for I/O.", "count")),
      boot_time_seconds: named("btime", gauge("When the host was started: Unix time.", "seconds")),
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
    const totals = new NamedNumbers([tables.system_stat.metrics]);
    const scan = new Scanner();
    let sinceMhz = Infinity;
    return (rows, elapsed) => {
      scanStat(scan.over(files.read("proc/stat")), cpus, totals);
      scanIfThere(files, "proc/softirqs", scan, cpus, scanSoftirqs);
      scanIfThere(files, "proc/net/softnet_stat", scan, cpus, scanSoftnet);
      sinceMhz += elapsed;
      if (!(sinceMhz < MHZ_PERIOD_SECONDS)) {
        scanIfThere(files, "proc/cpuinfo", scan, cpus, scanCpuinfo);
        sinceMhz = 0;
      }
      for (const cpu of cpus.online) {
        writeCpu(rows.system_cpu, cpu);
        writeSoft(rows, cpu);
      }
      if (!Number.isNaN(cpus.all.usedPercent)) {
        rows.system_cpu_util.row("cpu").set("total_used_per", cpus.all.usedPercent);
      }
      if (totals.known) totals.show(rows.system_stat.row());
    };
  },
});

function writeSoft({ system_softirq, system_softnet }: Writers<typeof tables>, cpu: Cpu): void {
  const { id, softirqs, softnet } = cpu;
  if (!Number.isNaN(softirqs[SOFTIRQS.TASKLET]!)) {
    system_softirq.row(id)
      .set("hi_total", softirqs[SOFTIRQS.HI]!)
      .set("net_tx_total", softirqs[SOFTIRQS.NET_TX]!)
      .set("block_total", softirqs[SOFTIRQS.BLOCK]!)
      .set("irq_poll_total", softirqs[SOFTIRQS.IRQ_POLL]!)
      .set("tasklet_total", softirqs[SOFTIRQS.TASKLET]!)
      .set("hrtimer_total", softirqs[SOFTIRQS.HRTIMER]!);
  }
  if (!Number.isNaN(softnet.packets)) {
    system_softnet.row(id)
      .set("packets_total", softnet.packets)
      .set("squeezed_total", softnet.squeezed)
      .set("flow_limited_total", softnet.flowLimited);
  }
}

function writeCpu(row: Writers<typeof tables>["system_cpu"], cpu: Cpu): void {
  const { id, ticks, softirqs } = cpu;
  row.row(id, id)
    .set("rcu", softirqs[SOFTIRQS.RCU]!)
    .set("timer", softirqs[SOFTIRQS.TIMER]!)
    .set("sched", softirqs[SOFTIRQS.SCHED]!)
    .set("net_rx", softirqs[SOFTIRQS.NET_RX]!)
    .set("user_total_second", ticks[TIMES.USER]! / TICKS_PER_SECOND)
    .set("nice_total_second", ticks[TIMES.NICE]! / TICKS_PER_SECOND)
    .set("system_total_second", ticks[TIMES.SYSTEM]! / TICKS_PER_SECOND)
    .set("iowait_total_second", ticks[TIMES.IOWAIT]! / TICKS_PER_SECOND)
    .set("irq_total_second", ticks[TIMES.IRQ]! / TICKS_PER_SECOND)
    .set("softirq_total_second", ticks[TIMES.SOFTIRQ]! / TICKS_PER_SECOND)
    .set("user_msec", ticks[TIMES.USER]! * MS_PER_TICK)
    .set("nice_msec", ticks[TIMES.NICE]! * MS_PER_TICK)
    .set("system_msec", ticks[TIMES.SYSTEM]! * MS_PER_TICK)
    .set("idle_msec", ticks[TIMES.IDLE]! * MS_PER_TICK)
    .set("iowait_msec", ticks[TIMES.IOWAIT]! * MS_PER_TICK)
    .set("irq_msec", ticks[TIMES.IRQ]! * MS_PER_TICK)
    .set("softirq_msec", ticks[TIMES.SOFTIRQ]! * MS_PER_TICK)
    .set("steal_msec", ticks[TIMES.STEAL]! * MS_PER_TICK)
    .set("backlog_drops", cpu.softnet.dropped)
    .set("rps_count", cpu.softnet.receivedRps)
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
