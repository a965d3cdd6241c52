// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutate, randomNumbers } from "../../tests/mutate.ts";
import { fixture, runOnHost, runProbe } from "../../tests/run_probe.ts";
import systemNic from "./system_nic.ts";

const files = fixture("proc-4.19");
const ETH0 = "sys/class/net/eth0";

Deno.test("nic_failure reports hardware and the queue that timed out, nic_link its speed", () => {
  assert.deepEqual(runProbe(systemNic, files), {
    nic_failure: [{
      name: "eth0",
      dev_name: "eth0",
      driver: "ixgbe",
      queue_index: "1",
      xmit_timeout_count: 5,
      carrier_up_count: 3,
      carrier_down_count: 2,
    }],
    nic_link: [{ dev_name: "eth0", up: 1, speed_bits_per_second: 1e10, mtu_bytes: 1500 }],
  });
});

Deno.test("nic_failure looks at the queues every 30 s, and keeps the last that timed out", () => {
  const queue = (number: number) => `${ETH0}/queues/tx-${number}/tx_timeout`;
  const later = { ...files, [queue(10)]: "2\n" };
  const rows = (ticks: number) =>
    runProbe(systemNic, [files, ...Array.from({ length: ticks }, () => later)])["nic_failure"]![0]!;
  assert.deepEqual([rows(5)["queue_index"], rows(5)["xmit_timeout_count"]], ["1", 5]);
  assert.deepEqual([rows(6)["queue_index"], rows(6)["xmit_timeout_count"]], ["10", 7]);
  assert.deepEqual([rows(13)["queue_index"], rows(13)["xmit_timeout_count"]], ["10", 7]);
});

Deno.test("nic_link knows no speed where the driver does not, and a link that is down", () => {
  for (const speed of ["-1\n", "4294967295\n", ""]) {
    const down = { ...files, [`${ETH0}/speed`]: speed, [`${ETH0}/operstate`]: "down\n" };
    assert.deepEqual(runProbe(systemNic, down)["nic_link"], [
      { dev_name: "eth0", up: 0, mtu_bytes: 1500 },
    ]);
  }
});

Deno.test("system_nic has no row where there is no hardware", () => {
  assert.deepEqual(runProbe(systemNic, fixture("proc-6.12")), { nic_failure: [], nic_link: [] });
  assert.deepEqual(runProbe(systemNic, {}), { nic_failure: [], nic_link: [] });
});

Deno.test("system_nic survives spoilt files", () => {
  const random = randomNumbers(3);
  const names = ["device/uevent", "speed", "carrier_up_count", "queues/tx-1/tx_timeout"];
  for (let round = 0; round < 10_000; round++) {
    const path = `${ETH0}/${names[round % names.length]}`;
    const rows = runProbe(systemNic, { ...files, [path]: mutate(files[path]!, random) });
    for (const row of rows["nic_failure"]!) assert.equal(row["name"], "eth0");
  }
});

Deno.test("system_nic agrees with this host's sysfs", () => {
  for (const row of runOnHost(systemNic)["nic_failure"]!) {
    const path = `/sys/class/net/${row["name"]}/carrier_up_count`;
    assert.equal(row["carrier_up_count"], Number(Deno.readTextFileSync(path)));
  }
});
