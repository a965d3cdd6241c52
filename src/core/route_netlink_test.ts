// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutateBytes, randomNumbers } from "../../tests/mutate.ts";
import {
  dumpRequest,
  endsDump,
  parseAddresses,
  parseDisciplines,
  parseLinks,
  queueTotals,
} from "./route_netlink.ts";

const u32 = (...values: number[]) => [...new Uint8Array(new Uint32Array(values).buffer)];
const u16 = (...values: number[]) => [...new Uint8Array(new Uint16Array(values).buffer)];
const padded = (bytes: number[]) => [...bytes, ...Array(-bytes.length & 3).fill(0)];
const attribute = (type: number, body: number[]) =>
  padded([...u16(4 + body.length, type), ...body]);
const message = (type: number, body: number[]) =>
  padded([...u32(16 + body.length), ...u16(type, 2), ...u32(1, 0), ...body]);
const text = (word: string) => [...new TextEncoder().encode(`${word}\0`)];

const DONE = message(3, u32(0));
const address = (family: number, scope: number, ...attributes: number[][]) =>
  message(20, [family, 24, 0x80, scope, ...u32(2), ...attributes.flat()]);
const qdisc = (index: number, parent: number, kind: string, queue: number[], app: number[] = []) =>
  message(36, [
    ...[0, 0, 0, 0],
    ...u32(index, 0x8001_0000, parent, 2),
    ...attribute(1, text(kind)),
    ...attribute(7 | 0x8000, [
      ...attribute(3, u32(...queue)),
      ...(app.length > 0 ? attribute(4, u32(...app)) : []),
    ]),
  ]);
const ROOT = 0xffff_ffff;

const ADDRESSES = Uint8Array.from([
  ...address(2, 254, attribute(1, [127, 0, 0, 1]), attribute(2, [127, 0, 0, 1])),
  ...address(
    2,
    0,
    attribute(1, [192, 0, 2, 9]),
    attribute(2, [192, 0, 2, 7]),
    attribute(3, text("eth0")),
  ),
  ...address(10, 253, attribute(1, [0xfe, 0x80, ...Array(13).fill(0), 1])),
  ...address(10, 0, attribute(1, [0x20, 0x01, 0x0d, 0xb8, ...Array(11).fill(0), 7])),
  ...DONE,
]);
const QUEUES = Uint8Array.from([
  ...qdisc(2, ROOT, "mq", [5, 700, 11, 3, 13]),
  ...qdisc(2, 0x8001_0001, "fq_codel", [2, 300, 6, 1, 7], [0, 1500, 4, 17, 5]),
  ...qdisc(2, 0x8001_0002, "fq_codel", [3, 400, 5, 2, 6], [0, 1500, 4, 19, 5]),
  ...qdisc(3, ROOT, "noqueue", [0, 0, 0, 0, 0]),
  ...DONE,
]);
const LINKS = Uint8Array.from([
  ...message(16, [...Array(4).fill(0), ...u32(1, 0, 0), ...attribute(3, text("lo"))]),
  ...message(16, [
    ...[...Array(4).fill(0), ...u32(7, 0, 0)],
    ...attribute(1, [2, 0, 0, 0, 0, 1]),
    ...attribute(3, text("eth0.100")),
  ]),
  ...DONE,
]);

Deno.test("dumpRequest asks for all there is", () => {
  const bytes = dumpRequest(22);
  assert.deepEqual([...bytes.subarray(0, 8)], [...u32(36), ...u16(22, 0x301)]);
});

Deno.test("parseAddresses gives those by which others may reach the host, our end of a link", () => {
  assert.deepEqual(parseAddresses(ADDRESSES), ["192.0.2.7", "2001:db8::7"]);
});

Deno.test("dumpRequest asks for devices without their counters", () => {
  const attribute = [...u16(8, 29), ...u32(8)];
  assert.deepEqual([...dumpRequest(18)], [
    ...u32(40),
    ...u16(18, 0x301),
    ...u32(0, 0),
    ...Array(16).fill(0),
    ...attribute,
  ]);
});

Deno.test("parseLinks gives the names of devices", () => {
  assert.deepEqual([...parseLinks(LINKS)], [[1, "lo"], [7, "eth0.100"]]);
});

Deno.test("parseDisciplines gives each discipline, and what it does not say as not known", () => {
  const [root, first, , none] = parseDisciplines(QUEUES);
  assert.deepEqual(root, {
    index: 2,
    handle: 0x8001_0000,
    parent: ROOT,
    kind: "mq",
    packets: 5,
    backlogBytes: 700,
    drops: 11,
    requeues: 3,
    overlimits: 13,
    ecnMarks: NaN,
  });
  assert.deepEqual([first!.kind, first!.parent, first!.ecnMarks], ["fq_codel", 0x8001_0001, 17]);
  assert.deepEqual([none!.index, none!.kind, none!.requeues], [3, "noqueue", 0]);
  const silent = Uint8Array.from(message(36, [...Array(4).fill(0), ...u32(9, 0, ROOT, 1)]));
  assert.deepEqual(parseDisciplines(silent).map(({ kind, drops }) => [kind, drops]), [["", NaN]]);
});

Deno.test("queueTotals takes drops and backlog from the root, and sums the marks below it", () => {
  assert.deepEqual([...queueTotals(parseDisciplines(QUEUES))], [
    [2, { drops: 11, overlimits: 13, backlogBytes: 700, ecnMarks: 36 }],
    [3, { drops: 0, overlimits: 0, backlogBytes: 0, ecnMarks: NaN }],
  ]);
});

Deno.test("endsDump sees the end and a refusal", () => {
  assert.ok(endsDump(ADDRESSES) && endsDump(Uint8Array.from(message(2, u32(0xffff_fff3)))));
  assert.ok(!endsDump(ADDRESSES.subarray(0, ADDRESSES.length - DONE.length)));
});

Deno.test("netlink answers that are cut short or spoilt do no harm", () => {
  const random = randomNumbers(11);
  for (const whole of [ADDRESSES, QUEUES, LINKS]) {
    const [disciplines, links] = [parseDisciplines(whole), parseLinks(whole)];
    for (let size = 0; size < whole.length; size++) {
      const cut = whole.slice(0, size);
      for (const found of parseAddresses(cut)) assert.ok(parseAddresses(ADDRESSES).includes(found));
      assert.deepEqual(parseDisciplines(cut), disciplines.slice(0, parseDisciplines(cut).length));
      for (const [index, name] of parseLinks(cut)) assert.equal(links.get(index), name);
    }
    for (let round = 0; round < 10_000; round++) {
      const spoilt = mutateBytes(whole, random);
      endsDump(spoilt);
      parseLinks(spoilt);
      for (const found of parseAddresses(spoilt)) assert.match(found, /^[\d.]+$|:/);
      for (const found of parseDisciplines(spoilt)) assert.ok(!(found.drops >= 2 ** 32));
      queueTotals(parseDisciplines(spoilt));
    }
  }
});
