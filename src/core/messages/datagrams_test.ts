// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { captures, chunkOf } from "../../../tests/message_replay.ts";
import { mutateBytes, randomNumbers } from "../../../tests/mutate.ts";
import { Datagrams } from "./datagrams.ts";
import dns from "./protocols/dns.ts";
import { Traffic } from "./traffic.ts";

const SERVER = 1;
const LENGTH_BYTES = 2;

/** Recorded on TCP, where two bytes of length stand in front. */
async function recorded() {
  const [capture] = await captures("dns");
  return capture!.pieces.map(({ side, bytes }) => ({ side, bytes: bytes.slice(LENGTH_BYTES) }));
}

function setUp(maxFlows = 8) {
  const decided: [number, string][] = [];
  const traffic = new Traffic(64);
  const datagrams = new Datagrams({
    protocols: [dns],
    traffic,
    maxFlows,
    decide: (id, verdict) => decided.push([id, verdict]),
  });
  const open = (id: number) =>
    datagrams.opened({
      id,
      tgid: 7,
      comm: "named",
      transport: "udp",
      fd: 9,
      localIp: "0.0.0.0",
      localPort: 53,
      remoteIp: "0.0.0.0",
      remotePort: 0,
      isNew: true,
      isTls: false,
    });
  let time = 0;
  const piece = (sent: boolean, bytes: Uint8Array, remotePort = 4000, host = "a", id = SERVER) => {
    datagrams.piece(id, sent, chunkOf(bytes, time += 10), {
      key: host,
      localPort: 53,
      remotePort,
      localIp: () => "10.0.0.1",
      remoteIp: () => host,
    });
  };
  return { datagrams, traffic, decided, open, piece };
}

Deno.test("Datagrams pairs answers with questions by number, question and who asked, in any order", async () => {
  const { datagrams, traffic, decided, open, piece } = setUp();
  const [question, answer] = await recorded();
  open(SERVER);
  piece(false, question!.bytes, 4000);
  piece(false, question!.bytes, 4001);
  piece(false, question!.bytes, 4000, "b");
  piece(true, answer!.bytes, 4001);
  piece(true, answer!.bytes, 4000, "b");
  piece(true, answer!.bytes, 4000);
  piece(true, answer!.bytes, 4000); // once more
  assert.deepEqual(decided, [[SERVER, "wanted"]]);
  const [a, b] = [...traffic.links.values()];
  assert.deepEqual(a!.labels, ["7", "a", "10.0.0.1", "53", "udp_server", "server", "dns"]);
  assert.deepEqual([a!.all.requests, a!.all.responses, a!.all.latencySum], [2, 2, 20 + 50]);
  assert.deepEqual([b!.all.requests, b!.all.responses, b!.all.latencySum], [1, 1, 20]);
  assert.deepEqual([...a!.codes], [["NOERROR", 2]]);
  assert.equal(datagrams.losses.unpaired_messages, 1);
});

Deno.test("Datagrams knows each recorded type and code, also on the asking side", async () => {
  const { traffic, open, piece } = setUp();
  open(SERVER);
  for (const { side, bytes } of await recorded()) piece(side === "request", bytes, 53);
  const { labels, operations, codes } = [...traffic.links.values()][0]!;
  assert.deepEqual(labels.slice(1, 6), ["10.0.0.1", "a", "53", "udp_client", "client"]);
  const counts = [...operations].map(([name, { responses }]) => [name, responses]);
  assert.deepEqual(counts, [["A", 2], ["TXT", 1], ["AAAA", 1], ["NS", 1]]);
  assert.deepEqual([...codes], [["NOERROR", 3], ["NXDOMAIN", 1], ["REFUSED", 1]]);
});

Deno.test("Datagrams bounds flows, gives up other sockets, and forgets silent ones", async () => {
  const { datagrams, decided, open, piece } = setUp(2);
  const [question] = await recorded();
  open(SERVER);
  for (const host of ["a", "b", "c"]) piece(false, question!.bytes, 4000, host);
  assert.equal(datagrams.losses.flows_full, 1);
  open(2);
  for (let i = 0; i < 6; i++) piece(false, Uint8Array.of(1, 2, 3), 4000, "a", 2);
  piece(false, question!.bytes, 4000, "a", 2);
  assert.deepEqual(decided, [[SERVER, "wanted"], [2, "unwanted"]]);
  for (let i = 0; i < 20; i++) datagrams.age();
  assert.equal(datagrams.size, 0);
  assert.equal(datagrams.losses.unpaired_messages, 2);
  assert.deepEqual(decided.at(-1), [SERVER, "forgotten"]);
});

Deno.test("Datagrams bears 100000 spoiled ones, and answers nobody who has not asked", async () => {
  const pieces = await recorded();
  const random = randomNumbers(5);
  const { traffic, open, piece } = setUp();
  open(SERVER);
  open(2);
  for (let i = 0; i < 100_000; i++) {
    const { side, bytes } = pieces[i % pieces.length]!;
    const spoiled = i % 3 === 0 ? mutateBytes(bytes, random) : bytes;
    piece(side !== "request", spoiled, 4000 + random(3));
  }
  for (const { all } of traffic.links.values()) assert.ok(all.responses <= all.requests);
});
