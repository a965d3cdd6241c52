// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { cutProbe, fuzzProbe } from "../../tests/fuzz_probe.ts";
import {
  fixture,
  NO_CALLS,
  runOnHost,
  runProbe,
  runWaiting,
  TICK_SECONDS,
} from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import systemNet from "./system_net.ts";

const HEADING = "Inter-| Receive | Transmit\n face |bytes packets |bytes packets\n";

const devText = (...lines: string[]) => ({ "proc/net/dev": `${HEADING}${lines.join("\n")}\n` });

const ROOT_QUEUE = {
  index: 7,
  handle: 0x1_0000,
  parent: 0xffff_ffff,
  kind: "tbf",
  packets: 2,
  backlogBytes: 700,
  drops: 3,
  requeues: 0,
  overlimits: 5,
  ecnMarks: NaN,
};

Deno.test("nic reports every device but the loopback, with its state", () => {
  assert.deepEqual(runProbe(systemNet, fixture("proc-4.19"))["nic"], [
    {
      dev_name: "eth0",
      status: "up",
      rx_bytes: 6000000007,
      rx_packets: 40009,
      rx_errs: 3,
      rx_dropped: 5,
      tx_bytes: 900000011,
      tx_packets: 30011,
      tx_errs: 7,
      tx_dropped: 13,
    },
    {
      dev_name: "docker0",
      status: "down",
      rx_bytes: 0,
      rx_packets: 0,
      rx_errs: 0,
      rx_dropped: 0,
      tx_bytes: 0,
      tx_packets: 0,
      tx_errs: 0,
      tx_dropped: 0,
    },
  ]);
});

Deno.test("nic takes names with digits and dots, numbers up to 2^64, and leaves out only lo", () => {
  const rows = runProbe(systemNet, fixture("proc-5.10"))["nic"]!;
  assert.deepEqual(rows.map((row) => [row["dev_name"], row["status"]]), [
    ["enp125s0f0", "up"],
    ["bond0.100", "lowerlayerdown"],
    ["lo1", ""],
  ]);
  assert.equal(rows[0]!["rx_bytes"], 2 ** 64);
  assert.equal(rows[0]!["rx_packets"], 123456789012);
});

Deno.test("nic reads lines without a blank behind the colon", () => {
  const [row] = runProbe(systemNet, devText("eth0:12 34 0 0 0 0 0 0 56 78 0 0 0 0 0 0"))["nic"]!;
  assert.deepEqual([row!["rx_bytes"], row!["tx_packets"]], [12, 78]);
});

Deno.test("nic measures speed over the last period, and not before there is one", () => {
  const reading = (rx: number, tx: number) =>
    devText(`  eth0: ${rx} 0 0 0 0 0 0 0 ${tx} 0 0 0 0 0 0 0`);
  const speeds = (...readings: [number, number][]) => {
    const [row] = runProbe(systemNet, readings.map(([rx, tx]) => reading(rx, tx)))["nic"]!;
    return [row!["rxspeed_KB"], row!["txspeed_KB"]];
  };
  assert.deepEqual(speeds([1000, 1000]), [undefined, undefined]);
  const second = 1024 * TICK_SECONDS;
  assert.deepEqual(speeds([0, 0], [7 * second, second / 2]), [7, 0.5]);
  assert.deepEqual(speeds([0, 0], [second, second], [second, 0]), [0, undefined]);
});

Deno.test("nic starts anew with a device that went and came back", () => {
  const line = (bytes: number) => `eth0: ${bytes} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0`;
  const other = "eth1: 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
  const rows = runProbe(systemNet, [
    devText(line(5), other),
    devText(other),
    devText(line(9), other),
  ])["nic"]!;
  const row = rows.find((row) => row["dev_name"] === "eth0")!;
  assert.deepEqual([row["rx_bytes"], row["rxspeed_KB"]], [9, undefined]);
});

Deno.test("nic takes no name that the kernel would not give", () => {
  const counts = "1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
  const names = ["..", "a/b", "../../etc", "sixteencharacter", "a b", ""];
  const rows = runProbe(systemNet, devText(...names.map((name) => `${name}: ${counts}`)))["nic"]!;
  assert.deepEqual(rows, []);
});

Deno.test("nic reports queueing disciplines by the device's index, looked up anew for a new device", async () => {
  const calls = { ...NO_CALLS, queues: () => Promise.resolve([ROOT_QUEUE]) };
  const path = "sys/class/net/eth0/ifindex";
  const read = async (...indexes: string[]) => {
    const readings = indexes.map((index) => ({ ...fixture("proc-4.19"), [path]: index }));
    const rows = (await runWaiting(systemNet, readings, calls))["nic"]!;
    return rows.map((row) => [row["dev_name"], row["tc_sent_drop"], row["tc_backlog"]]);
  };
  assert.deepEqual((await read("7\n"))[0], ["eth0", 3, 700]);
  assert.deepEqual((await read("2\n"))[0], ["eth0", undefined, undefined]);
  assert.deepEqual((await read("2\n", "7\n"))[0], ["eth0", 3, 700]);
});

Deno.test("nic goes on counting drops when their 32 bits start again", async () => {
  const answers = [
    { ...ROOT_QUEUE, drops: 2 ** 32 - 2 },
    { ...ROOT_QUEUE, drops: 3, overlimits: 6 },
  ];
  const calls = { ...NO_CALLS, queues: () => Promise.resolve([answers.shift()!]) };
  const files = { ...fixture("proc-4.19"), "sys/class/net/eth0/ifindex": "7\n" };
  const [row] = (await runWaiting(systemNet, [files, files], calls))["nic"]!;
  assert.deepEqual([row!["tc_sent_drop"], row!["tc_sent_overlimits"]], [2 ** 32 + 3, 6]);
});

Deno.test("system_net is unsupported without /proc/net/dev", () => {
  assert.throws(() => runProbe(systemNet, {}), Unsupported);
});

Deno.test("system_net reports only what is certain of a file that is cut short", () => {
  cutProbe(systemNet, ["proc/net/dev"]);
});

Deno.test("system_net survives spoilt files", () => {
  fuzzProbe(systemNet, ["proc/net/dev"], (_table, row) => {
    assert.match(String(row["dev_name"]), /^[^/:\s]{1,15}$/);
  });
});

Deno.test("system_net agrees with this host's /proc/net/dev", () => {
  const before = hostNumbers();
  const host = runOnHost(systemNet);
  const after = hostNumbers();
  const ours = new Map<string, number>();
  for (const row of host["nic"]!) {
    for (const metric of ["rx_bytes", "rx_packets", "tx_bytes", "tx_packets"]) {
      ours.set(`${row["dev_name"]} ${metric}`, Number(row[metric]));
    }
    const state = Deno.readTextFileSync(`/sys/class/net/${row["dev_name"]}/operstate`).trim();
    assert.equal(row["status"], state);
  }
  assert.deepEqual([...ours.keys()].sort(), [...before.keys()].sort());
  for (const [name, value] of ours) {
    assert.ok(value >= before.get(name)! && value <= after.get(name)!, `${name}: ${value}`);
  }
});

/** The same numbers, by splitting text. */
function hostNumbers(): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const line of Deno.readTextFileSync("/proc/net/dev").split("\n").slice(2, -1)) {
    const [name, counts] = line.split(":");
    if (name!.trim() === "lo") continue;
    const columns = counts!.trim().split(/\s+/).map(Number);
    const wanted = { rx_bytes: 0, rx_packets: 1, tx_bytes: 8, tx_packets: 9 };
    for (const [metric, column] of Object.entries(wanted)) {
      numbers.set(`${name!.trim()} ${metric}`, columns[column]!);
    }
  }
  return numbers;
}
