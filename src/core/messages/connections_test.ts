// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { chunkOf } from "../../../tests/message_replay.ts";
import { Connections } from "./connections.ts";
import { Forwarding } from "./forwarding.ts";
import { ForwardCounts } from "./forward_counts.ts";
import type { Verdict } from "./peers.ts";
import http from "./protocols/http.ts";
import redis from "./protocols/redis.ts";
import { Traffic } from "./traffic.ts";

const encoder = new TextEncoder();
const GET = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";

function setUp(maxConnections = 4) {
  const decided: [number, Verdict][] = [];
  const traffic = new Traffic(maxConnections);
  const connections = new Connections({
    protocols: [http, redis],
    traffic,
    forwarding: new Forwarding(new ForwardCounts(maxConnections, false)),
    maxConnections,
    proxies: false,
    tls: false,
    decide: (id, verdict) => decided.push([id, verdict]),
  });
  let time = 0;
  const serials = new Map<number, number>();
  const piece = (id: number, sent: boolean, text: string, lost = 0) => {
    const serial = (serials.get(id) ?? 0) + 1 + lost;
    serials.set(id, serial);
    const chunk = chunkOf(encoder.encode(text), time += 10);
    connections.piece(id, sent, serial % 2 ** 16, chunk, 7);
  };
  const open = (id: number, isNew = true) =>
    connections.opened({
      isNew,
      isTls: false,
      id,
      tgid: 7,
      comm: "redis-server",
      transport: "tcp",
      fd: 9,
      localIp: "10.0.0.1",
      localPort: 6379,
      remoteIp: "10.0.0.2",
      remotePort: 40000 + id,
    });
  return { connections, traffic, decided, piece, open };
}

Deno.test("Connections find protocol and role by the first request, for both sides", () => {
  const { traffic, decided, piece, open } = setUp();
  open(1);
  piece(1, false, GET);
  piece(1, true, "$-1\r\n");
  open(2);
  piece(2, true, GET);
  piece(2, false, "-ERR x\r\n");
  assert.deepEqual(decided, [[1, "wanted"], [2, "wanted"]]);
  const [server, client] = [...traffic.links.values()];
  const labels = ["7", "10.0.0.2", "10.0.0.1", "6379", "tcp_server", "server", "redis"];
  assert.deepEqual(server!.labels, labels);
  assert.deepEqual(client!.labels.slice(1, 6), [
    "10.0.0.1",
    "10.0.0.2",
    "40002",
    "tcp_client",
    "client",
  ]);
  assert.deepEqual([server!.all.responses, server!.all.errors, server!.all.latencySum], [1, 0, 10]);
  assert.deepEqual([client!.all.responses, client!.all.errors], [1, 1]);
});

Deno.test("Connections want no more of what speaks none of the protocols, or ends to do so", () => {
  const { connections, decided, piece, open } = setUp();
  open(1);
  for (let i = 0; i < 6; i++) piece(1, false, "\x16\x03\x01 something else");
  open(2);
  piece(2, false, "*1\r\n$7\r\nMONITOR\r\n");
  assert.deepEqual(decided, [[1, "unwanted"], [2, "wanted"], [2, "unwanted"]]);
  assert.equal(connections.size, 0);
});

Deno.test("Connections pair nobody across lost pieces, and go on behind them", () => {
  const { connections, traffic, piece, open } = setUp();
  open(1);
  piece(1, false, GET);
  piece(1, true, "$-1\r\n", 2); // its request was another one
  piece(1, false, GET);
  piece(1, true, "$-1\r\n");
  piece(1, false, GET, 1);
  piece(1, true, "$-1\r\n");
  piece(1, false, GET);
  piece(1, true, "$-1\r\n");
  const { all } = [...traffic.links.values()][0]!;
  assert.deepEqual([all.responses, all.latencySum], [2, 20]);
  connections.closed(1, 0, true);
  assert.ok(connections.losses.unpaired_messages > 0);
});

Deno.test("Connections are bounded, and so are links and operations", () => {
  const { connections, traffic, decided, piece, open } = setUp(2);
  for (let id = 1; id <= 3; id++) open(id);
  assert.equal(connections.losses.connections_full, 1);
  assert.deepEqual(decided, [[3, "unwanted"]]);
  piece(3, false, GET);
  assert.equal(connections.losses.unknown_pieces, 1);
  piece(1, false, GET);
  for (const command of ["SET", "DEL", "TTL", "TYPE", "KEYS", "INCR", "DECR", "APPEND"]) {
    piece(1, false, `*1\r\n$${command.length}\r\n${command}\r\n`);
  }
  assert.equal([...traffic.links.values()][0]!.operations.size, 8);
  assert.equal(traffic.refused, 1);
});

Deno.test("Connections show the last and the slowest answer once, also of what has ended", () => {
  const { connections, piece, open } = setUp();
  open(1);
  piece(1, false, GET);
  piece(1, true, "$-1\r\n");
  connections.closed(1, 0, true);
  const shown = [...connections.answered()].map(({ last }) => last.operation);
  assert.deepEqual(shown, ["GET"]);
  assert.deepEqual([...connections.answered()], []);
});

Deno.test("Connections and links that stay silent are forgotten", () => {
  const { connections, traffic, piece, open } = setUp();
  open(1);
  piece(1, false, GET);
  for (let i = 0; i < 150; i++) {
    connections.age();
    traffic.age();
  }
  assert.deepEqual([connections.size, traffic.links.size], [0, 0]);
});

Deno.test("Connections are announced again when they were forgotten, and then pair with care", () => {
  const { connections, traffic, decided, piece, open } = setUp();
  open(1);
  for (let i = 0; i < 61; i++) connections.age();
  assert.deepEqual(decided, [[1, "forgotten"]]);
  piece(1, false, GET);
  piece(1, false, GET);
  assert.deepEqual(decided.slice(1), [[1, "forgotten"]]);
  open(1, false);
  piece(1, false, GET, -2);
  piece(1, true, "$-1\r\n");
  piece(1, false, GET);
  piece(1, true, "$-1\r\n");
  const { all } = [...traffic.links.values()][0]!;
  assert.deepEqual([all.requests, all.responses], [2, 1]);
  assert.equal(connections.losses.unpaired_messages, 2);
});

Deno.test("Connections that ended to be of interest are not asked for again by what was under way", () => {
  const { connections, decided, piece, open } = setUp();
  open(2);
  piece(2, false, "*1\r\n$7\r\nMONITOR\r\n");
  piece(2, true, "+OK\r\n");
  assert.deepEqual(decided, [[2, "wanted"], [2, "unwanted"]]);
  assert.equal(connections.losses.unknown_pieces, 1);
});

Deno.test("Connections recognise a protocol whose first bytes come one by one", () => {
  const { connections, traffic, decided, piece, open } = setUp();
  open(1);
  for (const text of ["*", "2\r", GET.slice(3)]) piece(1, false, text);
  piece(1, true, "$-1\r\n");
  assert.deepEqual(decided, [[1, "wanted"]]);
  const { all } = [...traffic.links.values()][0]!;
  assert.deepEqual([all.responses, all.latencySum], [1, 30]);
  assert.equal(connections.losses.unpaired_messages, 0);
});
