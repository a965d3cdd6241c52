// SPDX-License-Identifier: MulanPSL-2.0
/** As much of DNS as a test needs: one question, and a server that knows one answer. */
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { once } from "node:events";

const HEADER_BYTES = 12;
const TYPE_A = 1;
const CLASS_IN = 1;
/** Long for loopback. */
const PATIENCE_MS = 5000;

function question(name: string): Buffer {
  const labels = name.split(".").map((label) => String.fromCharCode(label.length) + label);
  return Buffer.concat([
    Buffer.from(`${labels.join("")}\0`, "latin1"),
    Buffer.from([0, TYPE_A, 0, CLASS_IN]),
  ]);
}

function header(id: number, flags: number, answers: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(flags, 2);
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt16BE(answers, 6);
  return bytes;
}

let lastId = 0;

/** Asks for the address of a name; gives the code of the answer. */
export async function lookUp(
  port: number,
  name: string,
  patienceMs = PATIENCE_MS,
): Promise<number> {
  const socket = createSocket("udp4");
  try {
    const signal = AbortSignal.timeout(patienceMs);
    const answered = once(socket, "message", { signal });
    lastId = (lastId + 1) & 0xffff;
    socket.send(Buffer.concat([header(lastId, 0x0100, 0), question(name)]), port, "127.0.0.1");
    const [message] = await answered as [Buffer];
    return message.readUInt16BE(2) & 15;
  } finally {
    socket.close();
  }
}

/** Serves the same address for every name. */
export async function dnsUpstream(): Promise<{ port: number; close: () => void }> {
  const socket = createSocket("udp4");
  socket.on("message", (message: Buffer, { port, address }) => {
    const end = message.indexOf(0, HEADER_BYTES) + 5;
    const record = [0xc0, HEADER_BYTES, 0, TYPE_A, 0, CLASS_IN, 0, 0, 1, 0, 0, 4, 192, 0, 2, 1];
    const answer = [
      header(message.readUInt16BE(0), 0x8180, 1),
      message.subarray(HEADER_BYTES, end),
      Buffer.from(record),
    ];
    socket.send(Buffer.concat(answer), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { port: socket.address().port, close: () => void socket.close() };
}
