// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { HEAD_ROOM, KafkaSockets } from "./kafka_sockets.ts";

/** A request as kafkajs writes it: size, kind, version, number, name of the client, and then the body. */
function request(kind: number, body: Uint8Array): Buffer {
  const rest = Buffer.from([0, kind, 0, 7, 0, 0, 0, 9, 0, 3, 97, 98, 99, ...body]);
  const size = Buffer.alloc(4);
  size.writeInt32BE(rest.length);
  return Buffer.concat([size, rest]);
}

/** A peer that reads when asked to, and a socket to it. */
async function withSocket(
  work: (given: {
    sockets: KafkaSockets;
    write: (bytes: Uint8Array) => void;
    peer: Deno.Conn;
  }) => Promise<void>,
): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const sockets = new KafkaSockets();
  const { promise, resolve } = Promise.withResolvers<void>();
  const where = { host: "127.0.0.1", port: listener.addr.port };
  const socket = sockets.create({ ...where, onConnect: resolve });
  const closed = new Promise((done) => socket.once("close", done));
  const peer = await listener.accept();
  try {
    await promise;
    await work({ sockets, write: (bytes) => socket.write(bytes), peer });
  } finally {
    sockets.destroy();
    peer.close();
    await closed;
  }
}

async function read(peer: Deno.Conn, bytes: number): Promise<Buffer> {
  const all = Buffer.alloc(bytes);
  for (let at = 0; at < bytes;) at += await peer.read(all.subarray(at)) ?? assert.fail("ended");
  return all;
}

function frameOf(body: string): Buffer {
  return Buffer.concat([Buffer.alloc(HEAD_ROOM, 0xff), Buffer.from(body)]);
}

Deno.test("KafkaSockets sends a body behind the head that kafkajs wrote for its stand-in", () =>
  withSocket(async ({ sockets, write, peer }) => {
    const written = Promise.withResolvers<void>();
    const body = "the records of a batch";
    const stand = sockets.standIn(frameOf(body), written.resolve);
    const wanted = request(0, Buffer.from(body));
    write(request(0, stand));
    assert.deepEqual(await read(peer, wanted.length), wanted);
    await written.promise;
  }));

Deno.test("KafkaSockets lets other requests through as they are", () =>
  withSocket(async ({ sockets, write, peer }) => {
    let written = false;
    const stand = sockets.standIn(frameOf("body"), () => written = true);
    const others = [request(3, stand), request(0, Buffer.from("others")), Buffer.from("\0alice")];
    for (const other of others) {
      write(other);
      assert.deepEqual(await read(peer, other.length), other);
    }
    assert.equal(written, false);
  }));

Deno.test("KafkaSockets gives a body back when another takes its place, and all at the end", () =>
  withSocket(async ({ sockets, write, peer }) => {
    const back: string[] = [];
    sockets.standIn(frameOf("first"), () => back.push("first"));
    const second = Promise.withResolvers<void>();
    // More than the system takes from one whose peer does not read.
    const large = Buffer.alloc(64 << 20);
    const stand = sockets.standIn(large, () => {
      back.push("second");
      second.resolve();
    });
    assert.deepEqual(back, ["first"]);
    write(request(0, stand));
    await read(peer, 100);
    assert.ok(sockets.waitingBytes > 0);
    sockets.standIn(frameOf("third"), () => back.push("third"));
    sockets.destroy();
    await second.promise;
    assert.deepEqual(back.toSorted(), ["first", "second", "third"]);
    assert.equal(sockets.waitingBytes, 0);
  }));
