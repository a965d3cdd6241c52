// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutate, randomNumbers } from "../../tests/mutate.ts";
import {
  type FileTexts,
  fixture,
  type Row,
  type Rows,
  runProbe,
  runWaiting,
} from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import container from "./container.ts";

const HOSTS = [
  "container-v1-3.10",
  "container-hybrid-5.4",
  "container-v2-5.10",
  "container-v2-6.12",
].map(fixture);
const [V1, HYBRID, OLD_V2, V2] = HOSTS as [FileTexts, FileTexts, FileTexts, FileTexts];
const A = "a1b2c3d4e5f6";
const B = "b1b2c3d4e5f6";

function rowOf(rows: Rows, table: string, id: string, labels: Row = {}): Row | undefined {
  return rows[table]?.find((row) =>
    row["container_id"] === id && Object.entries(labels).every(([name, text]) => row[name] === text)
  );
}

const without = (files: FileTexts, pattern: RegExp) =>
  Object.fromEntries(Object.entries(files).filter(([path]) => !pattern.test(path)));

Deno.test("container reads cgroup v1 of kernel 3.10, with what CFQ counts", () => {
  const rows = runProbe(container, V1);
  const cpu = rowOf(rows, "container_cpu", A)!;
  assert.deepEqual(
    [
      cpu["cpu_usage_seconds_total"],
      cpu["cpu_user_seconds_total"],
      cpu["cpu_system_seconds_total"],
    ],
    [12.345678901, 7, 5],
  );
  const fs = rowOf(rows, "container_fs", A, { device: "/dev/sda" })!;
  assert.deepEqual(
    [fs["fs_reads_bytes_total"], fs["fs_read_seconds_total"], fs["fs_sector_writes_total"]],
    [4096, 2, 16],
  );
  // The kernel does not count kills yet.
  assert.ok(!("oom_events_total" in rowOf(rows, "container_oom", A)!));
  assert.equal(rowOf(rows, "container_memory", A)!["memory_working_set_bytes"], 104857600 - 21e6);
});

Deno.test("container reads cgroup v2, and a kernel without memory.peak leaves that out", () => {
  for (const [files, peak] of [[OLD_V2, undefined], [V2, 60e6]] as const) {
    const rows = runProbe(container, files);
    const memory = rowOf(rows, "container_memory", A)!;
    assert.equal(memory["memory_max_usage_bytes"], peak);
    assert.deepEqual(
      [memory["memory_rss"], memory["memory_cache"], memory["memory_failcnt"]],
      [30e6, 15e6, 4],
    );
    assert.equal(memory["memory_working_set_bytes"], 41e6);
    const spec = rowOf(rows, "container_spec", "deb-12")!;
    assert.equal(spec["spec_cpu_shares"], 998); // weight 39, which a runtime makes of 1000
    assert.equal(spec["spec_memory_swap_limit_bytes"], 2 ** 31);
    assert.equal(rowOf(rows, "container_spec", A)!["spec_cpu_shares"], 2597);
    assert.equal(rowOf(rows, "container_oom", "deb-12")!["oom_events_total"], 2);
    const fs = rowOf(rows, "container_fs", A, { device: "/dev/nvme0n1" })!;
    assert.deepEqual([fs["fs_reads_total"], fs["fs_writes_bytes_total"]], [10, 4096]);
    assert.ok(rowOf(rows, "container_fs", A, { device: "253:1" }), "a device without a name");
    assert.deepEqual(
      rows["container_blkio"]!.filter((row) => row["device"] === "253:1").map((row) =>
        [row["container_id"], row["operation"], row["blkio_device_usage_total"]].join()
      ),
      [`${A},Read,512`, `${A},Write,0`, `${A},Discard,0`].concat(
        ["deb-12,Read,512", "deb-12,Write,0", "deb-12,Discard,0"],
      ),
    );
  }
});

Deno.test("container of a pod has the pod's id, and the pod's network is shown once", () => {
  const rows = runProbe(container, HYBRID);
  assert.equal(
    rowOf(rows, "container_cpu", A)!["pod_id"],
    "12345678-9abc-def0-1234-56789abcdef0",
  );
  assert.deepEqual(rows["container_network"]!.map((row) => row["container_id"]), [A]);
  assert.equal(rowOf(rows, "container_oom", B)!["oom_events_total"], 1);
  assert.deepEqual(rows["container_pids"]!.map((row) => row["processes"]), [1, 2]);
  assert.equal(rowOf(rows, "container_tasks", B, { state: "stopped" })!["tasks_state"], 1);
  // What watches over a container is none.
  assert.equal(rows["container_cpu"]!.length, 2);
});

Deno.test("container shares the host's network: no traffic is its own", () => {
  const rows = runProbe(container, V1);
  assert.equal(rowOf(rows, "container_network", B), undefined);
  assert.equal(rowOf(rows, "container_network", A, { interface: "eth0" })!["failure_type"], "");
});

Deno.test("container start is that of its oldest process, also after that one has ended", () => {
  const rows = runProbe(container, [V1, without(V1, /^proc\/700\//)]);
  assert.equal(rowOf(rows, "container_start", A)!["start_time_seconds"], 1600001234);
  assert.equal(rowOf(rows, "container_pids", A)!["processes"], 1);
});

Deno.test("container load rises and falls with its running processes", () => {
  const load = (ticks: number) =>
    rowOf(runProbe(container, V1, ticks), "container_cpu", A)!["cpu_load_average_10s"];
  assert.equal(load(1), 1);
  assert.equal(load(3), 1);
  const asleep = {
    ...V1,
    "proc/701/stat": String(V1["proc/701/stat"]).replace("(x) R ", "(x) S "),
  };
  const [row] = runProbe(container, [V1, asleep, asleep])["container_cpu"]!;
  assert.ok(Math.abs(Number(row!["cpu_load_average_10s"]) - Math.exp(-1)) < 1e-9);
});

Deno.test("container keeps its rows when a file is missing, and says nothing of what it had", () => {
  const gone = without(V1, /memory\.stat$|cpuacct\.usage$|blkio/);
  const rows = runProbe(container, gone);
  assert.ok(!("cpu_usage_seconds_total" in rowOf(rows, "container_cpu", A)!));
  assert.ok(!("memory_rss" in rowOf(rows, "container_memory", A)!));
  assert.equal(rowOf(rows, "container_memory", A)!["memory_usage_bytes"], 104857600);
  assert.equal(rows["container_fs"]!.length, 0);
});

Deno.test("container is unsupported where no cgroup is mounted, and quiet where no container runs", () => {
  assert.throws(
    () => runProbe(container, { ...V2, "proc/self/mountinfo": "1 0 8:1 / / rw - ext4 x rw\n" }),
    (error) => error instanceof Unsupported && error.mend !== undefined,
  );
  const rows = runProbe(container, without(V2, /^proc\/3/));
  assert.deepEqual(Object.values(rows).flat(), []);
});

Deno.test("container reads many new ones in parts, and lets others run in between", async () => {
  const files: Record<string, string | Uint8Array> = without(V2, /^proc\/3/);
  for (let i = 1; i <= 100; i++) {
    files[`proc/${1000 + i}/stat`] = V2["proc/300/stat"]!;
    files[`proc/${1000 + i}/cgroup`] = `0::/docker/${
      i.toString(16).padStart(12, "0").padEnd(64, "0")
    }\n`;
  }
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  const rows = await runWaiting(container, files);
  clearInterval(timer);
  assert.equal(rows["container_cpu"]!.length, 100);
  assert.ok(turns >= 2, `${turns} turns`);
});

/** One of each kind of file, by the host that has it. */
const KINDS: readonly [FileTexts, RegExp][] = [
  [V1, /^proc\/700\/cgroup$/],
  [V1, /^proc\/700\/stat$/],
  [V1, /^proc\/700\/net\/dev$/],
  [V1, /^proc\/self\/mountinfo$/],
  [V1, /docker\/.*cpuacct\.usage$/],
  [V1, /docker\/.*cpuacct\.stat$/],
  [V1, /docker\/.*\/cpu\.stat$/],
  [V1, /docker\/.*memory\.stat$/],
  [V1, /docker\/.*io_service_bytes$/],
  [V1, /docker\/.*io_merged_recursive$/],
  [HYBRID, /oom_control$/],
  [HYBRID, /cpu\.cfs_quota_us$/],
  [V2, /libpod.*cpu\.stat$/],
  [V2, /libpod.*cpu\.max$/],
  [V2, /libpod.*memory\.stat$/],
  [V2, /libpod.*memory\.events$/],
  [V2, /libpod.*io\.stat$/],
  [V2, /libpod.*pids\.max$/],
];

Deno.test("container survives spoilt files of every kind, and no value is infinite or negative", () => {
  for (const [seed, [host, pattern]] of KINDS.entries()) {
    const path = Object.keys(host).find((name) => pattern.test(name))!;
    assert.ok(path !== undefined, String(pattern));
    const random = randomNumbers(seed + 1);
    for (let round = 0; round < 60; round++) {
      const spoilt = { ...host, [path]: mutate(String(host[path]), random) };
      let rows: Rows;
      try {
        rows = runProbe(container, [host, spoilt]);
        // From the start, too: then nothing of before hides it.
        if (path !== "proc/self/mountinfo") rows = runProbe(container, spoilt);
      } catch (error) {
        if (error instanceof Unsupported) continue;
        throw error;
      }
      for (const [table, all] of Object.entries(rows)) {
        for (const row of all) {
          for (const [name, value] of Object.entries(row)) {
            if (typeof value === "string") continue;
            assert.ok(Number.isFinite(value), `${path} round ${round}: ${table} ${name} ${value}`);
          }
        }
      }
    }
  }
});

Deno.test("container takes no number that is cut short", () => {
  for (const [host, pattern] of KINDS) {
    const path = Object.keys(host).find((name) => pattern.test(name))!;
    if (!path.startsWith("sys/")) continue;
    const whole = runProbe(container, host);
    const text = String(host[path]);
    for (let size = 0; size < text.length; size += 1 + (size >> 6)) {
      const cut = runProbe(container, { ...host, [path]: text.slice(0, size) });
      for (const [table, rows] of Object.entries(cut)) {
        for (const row of rows) {
          const labels = Object.entries(row).filter(([, value]) => typeof value === "string");
          const full = rowOf(
            whole,
            table,
            String(row["container_id"]),
            Object.fromEntries(labels),
          )!;
          assert.ok(full !== undefined, `${path} cut to ${size}: ${JSON.stringify(row)}`);
          assert.deepEqual({ ...full, ...row }, full, `${path} cut to ${size}`);
        }
      }
    }
  }
});
