// SPDX-License-Identifier: MulanPSL-2.0
/** Queueing disciplines and addresses of a network namespace of the test's own, beside what tc says of them. */
import assert from "node:assert/strict";

const CHILD = new URL("network_child.ts", import.meta.url).pathname;
/** A rate of 1 kbit lets one packet through and queues 2: all others are dropped. */
const SCRIPT = `
set -e
mount -t sysfs sysfs /sys # it shows the network of whoever mounts it
ip link add d0 type veth peer name d1
ip address add 192.0.2.1/24 dev d0
ip address add 2001:db8::1/64 dev d0 nodad
ip link set d1 up
ip link set d0 up
ip neigh replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev d0
tc qdisc add dev d0 root tbf rate 1kbit burst 1100 limit 2200
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do
	head -c 1000 /dev/zero >/dev/udp/192.0.2.2/9
done
tc -s -j qdisc show dev d0
"$0" run --no-lock --allow-all "$1"
tc -s -j qdisc show dev d0
`;

Deno.test("nic has what tc says of the queue, system_host has the addresses", async () => {
  const args = ["--net", "--mount", "bash", "-c", SCRIPT, Deno.execPath(), CHILD];
  const { success, stdout, stderr } = await new Deno.Command("unshare", { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const [before, ours, after] = new TextDecoder().decode(stdout).trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assert.deepEqual(ours.addresses, ["192.0.2.1", "2001:db8::1"]);
  const d0 = ours.nic.find((row: Record<string, unknown>) => row["dev_name"] === "d0");
  // The kernel sends packets of its own as well.
  const between = (ours: number, name: string) => {
    const [low, high] = [before[0][name], after[0][name]];
    assert.ok(low > 0 && low <= ours && ours <= high, `${name}: ${low} ${ours} ${high}`);
  };
  between(d0.tc_sent_drop, "drops");
  between(d0.tc_sent_overlimits, "overlimits");
  assert.ok(d0.tc_backlog > 0 && d0.tc_backlog <= 2200);
});
