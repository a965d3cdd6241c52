// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Queueing disciplines of a network namespace of the test's own, with as many packets as are known, beside what tc says.
 * Nothing else is sent there, so the numbers stay as they are.
 */
import assert from "node:assert/strict";
import { hasNetem, hasQdisc } from "./kernel_has.ts";

const CHILD = new URL("qdisc_child.ts", import.meta.url).pathname;
const SENT = 97;
/** With the headers of UDP, IP and Ethernet. */
const PACKET_BYTES = 1042;
const ROOM = 7;
/** IPv6 would send packets of its own. Cards with several queues have such as d0. */
const SCRIPT = `
set -e
ip link add d0 numtxqueues 3 type veth peer name d1 numrxqueues 3
ip link set d0 addrgenmode none
ip link set d1 addrgenmode none
ip address add 192.0.2.1/24 dev d0
ip link set d1 up
ip link set d0 up
ip neigh replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev d0
eval "$2"
for ((i = 0; i < ${SENT}; i++)); do printf %01000d 0 >/dev/udp/192.0.2.2/9; done
tc -s -j qdisc show
"$0" run --no-lock --allow-all "$1"
tc -s -j qdisc show
readlink /proc/self/ns/net
`;

const NUMBERS = ["qlen", "backlog", "drops", "requeues", "overlimits"] as const;
type Counts = Readonly<Record<(typeof NUMBERS)[number], number>>;

interface Tc extends Counts {
  readonly dev: string;
  readonly handle: string;
  readonly kind: string;
}

interface Row extends Counts {
  readonly handle: string;
  readonly ifindex: string;
  readonly dev_name: string;
  readonly kind: string;
  readonly netns: string;
}

/** Rows of d0. */
async function rowsWith(setUp: string): Promise<Row[]> {
  const args = ["--net", "bash", "-c", SCRIPT, Deno.execPath(), CHILD, setUp];
  const { success, stdout, stderr } = await new Deno.Command("unshare", { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  const [before, ours, after] = lines.slice(0, 3).map((line) => JSON.parse(line));
  assert.deepEqual(before, after);
  agree(ours, after);
  for (const { netns } of ours) assert.equal(`net:[${netns}]`, lines[3]);
  const rows: Row[] = ours;
  return rows.filter(({ dev_name }) => dev_name === "d0");
}

/** What tc says, with those of one device, handle and kind added up. */
function agree(ours: readonly Row[], said: readonly Tc[]): void {
  const sums = new Map<string, number[]>();
  for (const one of said) {
    const key = `${one.dev} ${one.handle} ${one.kind}`;
    const sum = sums.get(key) ?? NUMBERS.map(() => 0);
    sums.set(key, sum.map((number, i) => number + one[NUMBERS[i]!]));
  }
  const shown = ours.map((row) =>
    [
      `${row.dev_name} ${row.handle} ${row.kind}`,
      NUMBERS.map((name) => row[name]),
    ] as const
  );
  assert.deepEqual(new Map(shown), sums);
  assert.equal(shown.length, sums.size);
}

const waiting = { qlen: ROOM, backlog: ROOM * PACKET_BYTES, requeues: 0 };

function has(rows: readonly Row[], kind: string, expected: Partial<Row>): void {
  const row = rows.find((row) => row.kind === kind);
  assert.ok(row, `no ${kind}`);
  assert.deepEqual({ ...row, ...expected }, row);
}

/** One packet takes the burst, the next ones have to wait for a quarter of an hour each. */
const SLOW = "rate 8bit burst 1100";
const TBF = `tbf ${SLOW} limit ${ROOM * PACKET_BYTES}`;
const noTbf = !(await hasQdisc(TBF));

Deno.test({
  name: "qdisc has what tbf holds back and drops",
  ignore: noTbf,
  async fn() {
    const rows = await rowsWith(`tc qdisc add dev d0 root handle 1: ${TBF}`);
    has(rows, "tbf", { handle: "1:", drops: SENT - 1 - ROOM, ...waiting });
  },
});

Deno.test({
  name: "qdisc has what is below a class, and the root with it",
  ignore: !(await hasQdisc("htb")),
  async fn() {
    const rows = await rowsWith(`tc qdisc add dev d0 root handle 1: htb default 10
tc class add dev d0 parent 1: classid 1:10 htb ${SLOW} cburst 1100 quantum 1514
tc qdisc add dev d0 parent 1:10 handle a1b2: pfifo limit ${ROOM}`);
    has(rows, "htb", { handle: "1:", drops: SENT - 1 - ROOM, ...waiting });
    has(rows, "pfifo", { handle: "a1b2:", drops: SENT - 1 - ROOM, overlimits: 0, ...waiting });
  },
});

Deno.test({
  name: "qdisc has as one what the kernel made for the queues of a device, and what it did not",
  ignore: noTbf,
  async fn() {
    const rows = await rowsWith(`tc qdisc add dev d0 root handle 7: mq
tc qdisc replace dev d0 parent 7:1 handle 8: ${TBF}`);
    assert.deepEqual(rows.map(({ handle }) => handle).sort(), ["0:", "7:", "8:"]);
    const [mq, tbf] = ["mq", "tbf"].map((wanted) => rows.find(({ kind }) => kind === wanted)!);
    assert.deepEqual([mq!.drops, mq!.qlen], [tbf!.drops, tbf!.qlen]);
  },
});

Deno.test({
  name: "qdisc has what netem holds back and drops",
  ignore: !(await hasNetem()),
  async fn() {
    const rows = await rowsWith(
      `tc qdisc add dev d0 root handle 1: netem delay 200s limit ${ROOM}`,
    );
    has(rows, "netem", { handle: "1:", drops: SENT - ROOM, ...waiting });
  },
});
