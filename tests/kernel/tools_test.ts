// SPDX-License-Identifier: MulanPSL-2.0
/** Our tables beside df, ss, nstat, free and iostat: each of their numbers must lie between two readings of ours. */
import assert from "node:assert/strict";
import type { NamedMetric } from "../../src/core/named_numbers.ts";
import systemDisk from "../../src/probes/system_disk.ts";
import systemProtocols from "../../src/probes/system_protocols.ts";
import { LibcHostCalls } from "../../src/sys/host_calls.ts";
import { RootFiles } from "../../src/sys/host_files.ts";
import { runProbe, TICK_SECONDS } from "../run_probe.ts";
import { hostPage, type Samples } from "./host_page.ts";

/** The host is at work meanwhile: readings until each number was seen to agree. */
const MOST_TRIES = 50;

async function run(command: string, ...args: string[]): Promise<string> {
  const env = { LC_ALL: "C", POSIXLY_CORRECT: "" };
  const { success, stdout, stderr } = await new Deno.Command(command, { args, env }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Fails unless each of the tool's numbers is between ours before and after, at least once. */
async function agrees(tool: () => Promise<Samples>, least: number): Promise<void> {
  using files = new RootFiles();
  using calls = new LibcHostCalls();
  const read = hostPage(files, calls);
  const agreed = new Set<string>();
  let wrong: string[] = [];
  let before = await read();
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const theirs = await tool();
    const after = await read();
    wrong = [];
    for (const [sample, value] of theirs) {
      const [low, high] = [before.get(sample), after.get(sample)];
      if (low !== undefined && high !== undefined) {
        if (Math.min(low, high) <= value && value <= Math.max(low, high)) agreed.add(sample);
      }
      if (!agreed.has(sample)) wrong.push(`${sample}: ${value}, ours ${low} to ${high}`);
    }
    before = after;
    if (wrong.length === 0) break;
  }
  assert.deepEqual(wrong, []);
  assert.ok(agreed.size >= least, `only ${agreed.size}`);
}

Deno.test("fs_df has the numbers and the mounts of df", async () => {
  const columns = ["target", "source", "fstype", "itotal", "iused", "iavail", "ipcent"];
  const blocks = ["size", "used", "avail", "pcent"];
  await agrees(async () => {
    const text = await run("df", "-k", `--output=${[...columns, ...blocks].join()}`);
    const samples: Samples = new Map();
    for (const line of text.trim().split("\n").slice(1)) {
      const [target, source, type, inodes, ...rest] = line.trim().split(/\s+/);
      const [iused, ifree, iper, size, used, free, per] = rest.map((word) => parseInt(word));
      const status = Deno.readTextFileSync("/proc/self/mountinfo").split("\n")
        .findLast((mount) => mount.split(" ")[4] === target)!.split(" ")[5]!.split(",")[0];
      const labels = `{Blocks="${size}",Fsname="${source}",Fstype="${type}",Inodes="${inodes}",` +
        `MountOn="${target}",MountStatus="${status}"}`;
      const values = { IUsed: iused, IFree: ifree, IUsePer: iper, Used: used, Free: free };
      for (const [metric, value] of Object.entries({ ...values, UsePer: per })) {
        if (Number.isNaN(value)) continue;
        samples.set(`gala_gopher_fs_${metric}${labels}`, value!);
      }
    }
    return samples;
  }, 6);
});

Deno.test("system_sockets has the numbers of ss -s", async () => {
  await agrees(async () => {
    const text = await run("ss", "-s");
    const [, total] = /^Total: (\d+)/m.exec(text)!;
    const tcp = /^TCP: +\d+ \(estab (\d+), closed \d+, orphaned (\d+), timewait (\d+)\)/m.exec(
      text,
    )!;
    const row = (name: string) =>
      new RegExp(`^${name}\\s+\\d+\\s+(\\d+)\\s+(\\d+)`, "m").exec(text)!;
    const sockets: Record<string, string> = {
      used: total!,
      tcp_orphans: tcp[2]!,
      tcp_time_wait: tcp[3]!,
      tcp_inuse: row("TCP")[1]!,
      tcp6_inuse: row("TCP")[2]!,
      udp_inuse: row("UDP")[1]!,
      udp6_inuse: row("UDP")[2]!,
      raw_inuse: row("RAW")[1]!,
      fragment_queues: row("FRAG")[1]!,
    };
    const samples: Samples = new Map(
      Object.entries(sockets).map((
        [metric, text],
      ) => [`gala_gopher_sockets_${metric}{}`, Number(text)]),
    );
    samples.set('gala_gopher_net_tcp_curr_estab{origin="/proc/dev/snmp"}', Number(tcp[1]));
    return samples;
  }, 10);
});

Deno.test("the tables of protocols have the numbers of nstat", async () => {
  const prefixes: Record<string, readonly [labels: string, prefixes: string[]]> = {
    tcp_stack: ["{}", ["Tcp", "TcpExt"]],
    udp_stack: ['{family="ipv4"}', ["Udp"]],
    icmp_stack: ['{family="ipv4"}', ["Icmp"]],
    ip_stack: ['{family="ipv4"}', ["Ip", "IpExt"]],
  };
  await agrees(async () => {
    const samples: Samples = new Map();
    const values = new Map(
      (await run("nstat", "-asz")).split("\n").map((line) => line.split(/\s+/))
        .map(([name, value]) => [name!, Number(value)]),
    );
    for (const [table, [labels, names]] of Object.entries(prefixes)) {
      for (const [metric, spec] of Object.entries(systemProtocols.tables[table]!.metrics)) {
        const from = (spec as NamedMetric).from;
        const value = names.map((name) => values.get(`${name}${from}`)).find((v) =>
          v !== undefined
        );
        if (value !== undefined) samples.set(`gala_gopher_${table}_${metric}${labels}`, value);
      }
    }
    return samples;
  }, 50);
});

Deno.test("system_meminfo has the numbers of free", async () => {
  await agrees(async () => {
    const text = await run("free", "-k", "--wide");
    const [total, , free, shared, buffers, , available] = /^Mem:\s+(.*)$/m.exec(text)![1]!
      .split(/\s+/).map(Number);
    const [swap, , swapFree] = /^Swap:\s+(.*)$/m.exec(text)![1]!.split(/\s+/).map(Number);
    const values = {
      total_kB: total,
      free_kB: free,
      shmem_kB: shared,
      buffers_kB: buffers,
      available_kB: available,
      swap_total_kB: swap,
      swap_free_kB: swapFree,
    };
    return new Map(
      Object.entries(values).map((
        [metric, value],
      ) => [`gala_gopher_mem_${metric}{infos="/proc/meminfo"}`, value!]),
    );
  }, 7);
});

interface IostatDisk extends Record<string, number | string> {
  disk_device: string;
}

/** What iostat says of the time since boot, the text it took (nearly, where disks never rest), and the seconds. */
async function iostatSinceBoot(): Promise<{ disks: IostatDisk[]; text: string; seconds: number }> {
  for (let tries = 1;; tries++) {
    const text = await Deno.readTextFile("/proc/diskstats");
    const seconds = Number((await Deno.readTextFile("/proc/uptime")).split(" ")[0]);
    const report = JSON.parse(await run("iostat", "-o", "JSON", "-dxk"));
    if (await Deno.readTextFile("/proc/diskstats") === text || tries === MOST_TRIES) {
      return { disks: report.sysstat.hosts[0].statistics[0].disk, text, seconds };
    }
  }
}

Deno.test("system_iostat has the arithmetic of iostat", async () => {
  const { disks, text, seconds } = await iostatSinceBoot();
  const boot = text.replace(/^( *\d+ +\d+ +\S+) .*$/gm, `$1${" 0".repeat(17)}`);
  const rows = runProbe(systemDisk, [{ "proc/diskstats": boot }, { "proc/diskstats": text }])[
    "system_iostat"
  ]!;
  // Ours takes a period of TICK_SECONDS, theirs the time since boot.
  const share = TICK_SECONDS / seconds;
  const names = { rspeed: "r/s", wspeed: "w/s", rspeed_kB: "rkB/s", wspeed_kB: "wkB/s" };
  const sizes = { r_await: "r_await", rareq: "rareq-sz", w_await: "w_await", wareq: "wareq-sz" };
  let compared = 0;
  for (const disk of disks) {
    const row = rows.find((row) => row["disk_name"] === disk.disk_device);
    if (row === undefined) continue;
    const equal = (metric: string, ours: number, theirs: number | string) => {
      // Theirs have two digits behind the point, and the seconds since boot one reading later.
      const tolerance = 0.0051 + 1e-3 * Math.abs(Number(theirs));
      assert.ok(Math.abs(ours - Number(theirs)) <= tolerance, `${metric}: ${ours}, ${theirs}`);
      compared++;
    };
    for (const [metric, name] of Object.entries(names)) {
      equal(metric, Number(row[metric]) * share, disk[name]!);
    }
    for (const [metric, name] of Object.entries(sizes)) {
      equal(metric, Number(row[metric]), disk[name]!);
    }
    equal("aqu", Number(row["aqu"]) * share, disk["aqu-sz"]!);
  }
  assert.ok(compared >= 9, `only ${compared}`);
});
