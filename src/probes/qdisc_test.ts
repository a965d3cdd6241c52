// SPDX-License-Identifier: MulanPSL-2.0
/** With answers of a kernel in tests/fixtures/netlink: of 6.18, a device with mq, pfifo_fast, tbf and clsact. */
import assert from "node:assert/strict";
import { mutateBytes, randomNumbers } from "../../tests/mutate.ts";
import { NO_CALLS, type Row, runProbe, runWaiting } from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import type { HostCalls } from "../core/probe.ts";
import { parseDisciplines, parseLinks } from "../core/route_netlink.ts";
import qdisc from "./qdisc.ts";

const FOLDER = new URL("../../tests/fixtures/netlink/", import.meta.url);
const QDISCS = Deno.readFileSync(new URL("qdisc.bin", FOLDER));
const LINKS = Deno.readFileSync(new URL("link.bin", FOLDER));
const FILES = { "proc/self/ns/net": "net:[4026531840]" };

function answers(qdiscs: Uint8Array, links = LINKS): HostCalls {
  return {
    ...NO_CALLS,
    queues: () => Promise.resolve(parseDisciplines(qdiscs)),
    links: () => Promise.resolve(parseLinks(links)),
  };
}

async function rowsOf(calls: HostCalls, readings = 1): Promise<Row[]> {
  return (await runWaiting(qdisc, Array(readings).fill(FILES), calls))["qdisc"]!;
}

/** What tc said of the same, at the same time. */
interface TcQdisc {
  readonly dev: string;
  readonly kind: string;
  readonly handle: string;
  readonly qlen: number;
  readonly backlog: number;
  readonly drops: number;
  readonly requeues: number;
  readonly overlimits: number;
}

Deno.test("qdisc shows what tc shows, and those without a handle of their own as one", async () => {
  const said: TcQdisc[] = JSON.parse(Deno.readTextFileSync(new URL("tc.json", FOLDER)));
  const [none, mq, fast, otherFast, tbf, clsact] = said;
  assert.deepEqual([fast!.kind, fast!.handle, otherFast!.handle], ["pfifo_fast", "0:", "0:"]);
  assert.ok(tbf!.drops > 0 && tbf!.qlen > 0 && mq!.drops === tbf!.drops);
  const expected = [none!, mq!, fast!, tbf!, clsact!].map((one) => ({
    handle: one.handle,
    ifindex: one.dev === "d0" ? "3" : "2",
    dev_name: one.dev,
    kind: one.kind,
    netns: "4026531840",
    qlen: one.qlen,
    backlog: one.backlog,
    drops: one.drops,
    requeues: one.requeues,
    overlimits: one.overlimits,
  }));
  assert.deepEqual(await rowsOf(answers(QDISCS)), expected);
});

Deno.test("qdisc asks for names when a device is new, and leaves out one that has none", async () => {
  let asked = 0;
  const calls: HostCalls = {
    ...answers(QDISCS),
    links: () => Promise.resolve(new Map([[3, asked++ === 0 ? "d0" : "renamed"]])),
  };
  const names = async (readings: number) => {
    asked = 0;
    const rows = await rowsOf(calls, readings);
    return [rows.length, new Set(rows.map((row) => row["dev_name"])), asked] as const;
  };
  assert.deepEqual(await names(1), [4, new Set(["d0"]), 1]);
  assert.deepEqual(await names(6), [4, new Set(["d0"]), 1]);
  assert.deepEqual(await names(7), [8, new Set(["d0", "renamed"]), 2]);
});

Deno.test("qdisc shows nothing, and goes on, while the kernel does not answer in time", async () => {
  const late = [true, false];
  const calls: HostCalls = {
    ...answers(QDISCS),
    queues: () => Promise.resolve(late.shift() ? undefined : parseDisciplines(QDISCS)),
  };
  assert.equal((await rowsOf(calls)).length, 0);
  assert.equal((await rowsOf(calls)).length, 5);
  assert.deepEqual(await rowsOf({ ...calls, links: () => Promise.resolve(undefined) }), []);
});

Deno.test("qdisc is unsupported where the host's network is not this process's", () => {
  assert.throws(() => runProbe(qdisc, FILES), Unsupported);
});

Deno.test("qdisc survives spoilt answers", async () => {
  const random = randomNumbers(17);
  for (let round = 0; round < 3000; round++) {
    const calls = answers(mutateBytes(QDISCS, random), mutateBytes(LINKS, random));
    for (const row of await rowsOf(calls, 2)) {
      assert.match(String(row["handle"]), /^[0-9a-f]{1,4}:$/);
      for (const value of Object.values(row)) {
        if (typeof value === "number") assert.ok(value >= 0 && Number.isFinite(value));
      }
    }
  }
});
