// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { cutProbe, fuzzProbe } from "../../tests/fuzz_probe.ts";
import { fixture, type Row, runOnHost, runProbe } from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import systemCpu from "./system_cpu.ts";

const FILES = ["proc/stat", "proc/softirqs", "proc/net/softnet_stat", "proc/cpuinfo"];

const cpusOf = (rows: readonly Row[]) => rows.map((row) => row["cpu"]);
const cpuRows = (rows: readonly Row[]) => rows.map((row) => row["cpu_num"]);

Deno.test("system_cpu reports every column of a CPU, times in seconds and in ms", () => {
  const row = runProbe(systemCpu, fixture("proc-4.19"))["system_cpu"]![0]!;
  assert.deepEqual(row, {
    cpu_num: "0",
    cpu: "0",
    rcu: 90001,
    timer: 100003,
    sched: 30011,
    net_rx: 50021,
    user_total_second: 100.1,
    nice_total_second: 2,
    system_total_second: 50.1,
    iowait_total_second: 4.1,
    irq_total_second: 0,
    softirq_total_second: 1.1,
    user_msec: 100100,
    nice_msec: 2000,
    system_msec: 50100,
    idle_msec: 8001000,
    iowait_msec: 4100,
    irq_msec: 0,
    softirq_msec: 1100,
    steal_msec: 300,
    backlog_drops: 3,
    rps_count: 11,
    mhz: 2500,
  });
});

Deno.test("system_cpu gives the columns of /proc/softirqs to the CPUs of its heading", () => {
  const rows = runProbe(systemCpu, fixture("proc-4.19"))["system_cpu"]!;
  assert.deepEqual(cpuRows(rows), ["0", "1", "3"]);
  assert.deepEqual(rows.map((row) => row["rcu"]), [90001, 90007, 90011]);
  assert.deepEqual(rows.map((row) => row["net_rx"]), [50021, 50023, 50033]);
  assert.deepEqual(rows.map((row) => row["mhz"]), [2500, 2499.998, 3100.25]);
});

Deno.test("system_cpu goes on counting when soft interrupts and packets of 32 bits start again", () => {
  const files = fixture("proc-4.19");
  const full = String(2 ** 32 - 7);
  const first = {
    ...files,
    "proc/softirqs": files["proc/softirqs"]!.replace("90001", full),
    "proc/net/softnet_stat": files["proc/net/softnet_stat"]!.replace(/^\w+/, "fffffff0"),
  };
  const later = {
    ...files,
    "proc/softirqs": files["proc/softirqs"]!.replace("90001", "11"),
    "proc/net/softnet_stat": files["proc/net/softnet_stat"]!.replace(/^\w+/, "0000000a"),
  };
  const rows = runProbe(systemCpu, [first, later]);
  assert.equal(rows["system_cpu"]![0]!["rcu"], 2 ** 32 + 11);
  assert.equal(rows["system_softnet"]![0]!["packets_total"], 2 ** 32 + 10);
  assert.equal(rows["system_cpu"]![1]!["rcu"], 90007);
});

Deno.test("system_cpu ties softnet_stat to CPUs by order on old kernels and by number on new ones", () => {
  const old = runProbe(systemCpu, fixture("proc-4.19"))["system_cpu"]!;
  assert.deepEqual(old.map((row) => row["backlog_drops"]), [3, 5, 255]);
  assert.deepEqual(old.map((row) => row["rps_count"]), [11, 13, 17]);

  const files = fixture("proc-6.12");
  const lines = files["proc/net/softnet_stat"]!.trimEnd().split("\n");
  const reversed = `${lines.reverse().join("\n")}\n`;
  const now = runProbe(systemCpu, { ...files, "proc/net/softnet_stat": reversed })["system_cpu"]!;
  assert.deepEqual(cpuRows(now), ["0", "2"]);
  assert.deepEqual(now.map((row) => row["backlog_drops"]), [1, 4]);
});

Deno.test("system_cpu leaves out a line of softnet_stat that is cut before its CPU's number", () => {
  const files = fixture("proc-6.12");
  const second = files["proc/net/softnet_stat"]!.split("\n")[1]!;
  for (const size of [second.length, 12 * 9, 11 * 9 + 3]) {
    const cut = { ...files, "proc/net/softnet_stat": second.slice(0, size) };
    const rows = runProbe(systemCpu, cut)["system_cpu"]!;
    assert.deepEqual(rows.map((row) => row["backlog_drops"]), [undefined, undefined]);
  }
});

Deno.test("system_cpu takes the first of two lines of one CPU", () => {
  const text = "cpu0 100 0 0 0 0 0 0 0 0 0\ncpu0 200 0 0 0 0 0 0 0 0 0\n";
  const rows = runProbe(systemCpu, { "proc/stat": text })["system_cpu"]!;
  assert.deepEqual(rows.map((row) => row["user_msec"]), [1000]);
});

Deno.test("system_cpu leaves the clock rate out where /proc/cpuinfo has none", () => {
  const rows = runProbe(systemCpu, fixture("proc-5.10"))["system_cpu"]!;
  assert.equal(rows.length, 1);
  assert.equal(rows[0]!["mhz"], undefined);
  assert.equal(rows[0]!["user_msec"], 10090);
});

Deno.test("system_cpu measures the use of the last period, and not before there is one", () => {
  const times = (used: number, idle: number, iowait: number) =>
    `${used} 0 0 ${idle} ${iowait} 0 0 0 0 0\n`;
  const stat = (used: number, idle: number, iowait = 7) => ({
    "proc/stat": `cpu  ${times(2 * used, 2 * idle, 2 * iowait)}cpu0 ${times(used, idle, iowait)}`,
  });
  const first = runProbe(systemCpu, stat(1000, 1000));
  assert.equal(first["system_cpu"]![0]!["util_per"], undefined);
  assert.deepEqual(first["system_cpu_util"], []);
  const second = runProbe(systemCpu, [stat(1000, 1000, 7), stat(1100, 1200, 107)]);
  assert.equal(second["system_cpu"]![0]!["util_per"], 25);
  assert.deepEqual(second["system_cpu_util"], [{ cpu: "cpu", total_used_per: 25 }]);
  const third = runProbe(systemCpu, [stat(1000, 1000), stat(1100, 1300), stat(1100, 1300)]);
  assert.equal(third["system_cpu"]![0]!["util_per"], undefined, "no time went by");
  const gap = runProbe(systemCpu, [stat(1000, 1000), { "proc/stat": "" }, stat(1100, 1300)]);
  assert.deepEqual(gap["system_cpu_util"], [], "two periods went by");
});

Deno.test("system_cpu lets idle time that steps back stand still, and follows a restart", () => {
  const stat = (idle: number) => ({ "proc/stat": `cpu0 1000 0 0 ${idle} 0 0 0 0 0 0\n` });
  const idle = (...readings: number[]) =>
    runProbe(systemCpu, readings.map(stat))["system_cpu"]![0]!["idle_msec"];
  assert.equal(idle(5000, 4999), 50000);
  assert.equal(idle(5000, 4999, 5001), 50010);
  assert.equal(idle(5000, 100), 1000);
});

Deno.test("system_cpu follows CPUs that go offline and come back", () => {
  const line = (cpu: number, used: number) => `cpu${cpu} ${used} 0 0 ${used} 0 0 0 0 0 0\n`;
  const reading = (...lines: string[]) => ({ "proc/stat": lines.join("") });
  const readings = [
    reading(line(0, 100), line(1, 100)),
    reading(line(0, 200)),
    reading(line(0, 300), line(1, 150), line(4, 10)),
  ];
  const rows = runProbe(systemCpu, readings)["system_cpu"]!;
  assert.deepEqual(cpuRows(rows), ["0", "1", "4"]);
  assert.deepEqual(rows.map((row) => row["user_msec"]), [3000, 1500, 100]);
  assert.deepEqual(rows.map((row) => row["util_per"]), [50, undefined, undefined]);
});

Deno.test("system_cpu reads 256 CPUs", () => {
  const all = Array.from({ length: 256 }, (_, cpu) => cpu);
  const rows = runProbe(systemCpu, {
    "proc/stat": `cpu  1 2 3 4 5 6 7 8 9 10\n${
      all.map((cpu) => `cpu${cpu} ${cpu} 0 0 1 0 0 0 0 0 0\n`).join("")
    }intr ${"7 ".repeat(5000)}\nctxt 1\n`,
    "proc/softirqs": `${all.map((cpu) => `CPU${cpu}`).join(" ")}\n  RCU: ${
      all.map((cpu) => cpu * 3).join(" ")
    }\n`,
    "proc/net/softnet_stat": all.map((cpu) =>
      `0 ${cpu.toString(16)} 0 0 0 0 0 0 0 1 0 0 ${cpu.toString(16)} 0 0\n`
    ).join(""),
  })["system_cpu"]!;
  assert.equal(rows.length, 256);
  assert.deepEqual(rows[200], {
    ...rows[200]!,
    cpu_num: "200",
    cpu: "200",
    rcu: 600,
    user_msec: 2000,
    backlog_drops: 200,
    rps_count: 1,
  });
});

Deno.test("system_cpu forgets what a file no longer says", () => {
  const files = fixture("proc-6.12");
  const { "proc/softirqs": _gone, ...rest } = files;
  const row = runProbe(systemCpu, [files, rest])["system_cpu"]![0]!;
  assert.equal(row["rcu"], undefined);
  assert.equal(row["user_msec"], 10000);
});

Deno.test("system_cpu reads the clock rate once a minute", () => {
  const reading = (mhz: number) => ({
    "proc/stat": "cpu0 1 1 1 1 1 1 1 1 0 0\n",
    "proc/cpuinfo": `processor\t: 0\ncpu MHz\t\t: ${mhz}.000\n`,
  });
  const mhz = (ticks: number) =>
    runProbe(systemCpu, [reading(1000), reading(2000)], ticks)["system_cpu"]![0]!["mhz"];
  assert.equal(mhz(12), 1000);
  assert.equal(mhz(13), 2000);
});

Deno.test("system_cpu is unsupported without /proc/stat", () => {
  assert.throws(() => runProbe(systemCpu, {}), Unsupported);
});

Deno.test("system_stat, system_softirq and system_softnet report the rest of the same files", () => {
  const rows = runProbe(systemCpu, fixture("proc-4.19"));
  assert.deepEqual(rows["system_stat"], [{
    context_switches_total: 23000000,
    interrupts_total: 9000000,
    soft_interrupts_total: 900000,
    forks_total: 5003,
    runnable_threads: 2,
    blocked_threads: 0,
    boot_time_seconds: 1700000000,
  }]);
  assert.deepEqual(cpusOf(rows["system_softirq"]!), ["0", "1", "3"]);
  const words = fixture("proc-4.19")["proc/softirqs"]!.match(/TASKLET: *(\d+)/)!;
  assert.equal(rows["system_softirq"]![0]!["tasklet_total"], Number(words[1]));
  const first = fixture("proc-4.19")["proc/net/softnet_stat"]!.split(" ");
  assert.deepEqual(rows["system_softnet"]![0], {
    cpu: "0",
    packets_total: parseInt(first[0]!, 16),
    squeezed_total: parseInt(first[2]!, 16),
    flow_limited_total: parseInt(first[10]!, 16),
  });
});

/** Files of a host whose CPUs have these numbers. */
function hostOf(cpus: readonly number[], ticks = 100): Record<string, string> {
  const line = (name: string) => `${name} ${ticks} 0 ${ticks} ${ticks} 0 0 0 0 0 0\n`;
  const hex = (value: number) => value.toString(16).padStart(8, "0");
  return {
    "proc/stat": `${line("cpu ")}${cpus.map((cpu) => line(`cpu${cpu}`)).join("")}ctxt 5\n`,
    "proc/softirqs": `${cpus.map((cpu) => ` CPU${cpu}`).join("")}\n` +
      `  NET_RX: ${cpus.map((cpu) => 1000 + cpu).join(" ")}\n`,
    "proc/net/softnet_stat": cpus.map((cpu) =>
      `${Array.from({ length: 12 }, (_, i) => hex(i === 1 ? cpu : 0)).join(" ")} ${hex(cpu)}\n`
    ).join(""),
  };
}

Deno.test("system_cpu follows a CPU that is taken out and put back", () => {
  const rows = runProbe(systemCpu, [
    hostOf([0, 1], 100),
    hostOf([0], 200),
    hostOf([0, 1, 7], 300),
  ])["system_cpu"]!;
  assert.deepEqual(cpuRows(rows), ["0", "1", "7"]);
  assert.deepEqual(rows.map((row) => row["user_msec"]), [3000, 3000, 3000]);
  assert.deepEqual(rows.map((row) => row["util_per"]), [200 / 300 * 100, undefined, undefined]);
});

Deno.test("system_cpu reports only what is certain of a file that is cut short", () => {
  cutProbe(systemCpu, FILES);
});

Deno.test("system_cpu survives spoilt files", () => {
  fuzzProbe(systemCpu, FILES, (_table, row) => {
    if (row["cpu_num"] !== undefined) assert.match(String(row["cpu_num"]), /^\d{1,4}$/);
    for (const share of [row["util_per"], row["total_used_per"]]) {
      if (share !== undefined) assert.ok(Number(share) >= 0 && Number(share) <= 100, String(share));
    }
  });
});

Deno.test("system_cpu agrees with this host's /proc/stat and /proc/softirqs", () => {
  const before = hostCpus();
  const host = runOnHost(systemCpu);
  const after = hostCpus();
  const rows = host["system_cpu"]!;
  assert.deepEqual(cpuRows(rows), [...before.keys()]);
  for (const row of rows) {
    const [least, most] = [before.get(String(row["cpu"]))!, after.get(String(row["cpu"]))!];
    for (
      const name of [
        "user_msec",
        "system_msec",
        "softirq_msec",
        "steal_msec",
        "rcu",
        "timer",
        "net_rx",
      ]
    ) {
      const value = Number(row[name]);
      assert.ok(
        value >= least[name]! && value <= most[name]!,
        `${name} of ${row["cpu"]}: ${value}`,
      );
    }
    assert.equal(row["user_total_second"], Number(row["user_msec"]) / 1000);
  }
});

/** The same numbers, by splitting text. */
function hostCpus(): Map<string, Record<string, number>> {
  const softirqs = Deno.readTextFileSync("/proc/softirqs").split("\n").map((line) =>
    line.trim().split(/\s+/)
  );
  const cpus = new Map<string, Record<string, number>>();
  for (const line of Deno.readTextFileSync("/proc/stat").split("\n")) {
    const [name, ...ticks] = line.split(/\s+/);
    if (!/^cpu\d+$/.test(name!)) continue;
    const cpu = name!.slice(3);
    const softirq = (irq: string) =>
      Number(softirqs.find(([first]) => first === irq)![1 + softirqs[0]!.indexOf(`CPU${cpu}`)]);
    cpus.set(cpu, {
      user_msec: Number(ticks[0]) * 10,
      system_msec: Number(ticks[2]) * 10,
      softirq_msec: Number(ticks[6]) * 10,
      steal_msec: Number(ticks[7]) * 10,
      rcu: softirq("RCU:"),
      timer: softirq("TIMER:"),
      net_rx: softirq("NET_RX:"),
    });
  }
  return cpus;
}
