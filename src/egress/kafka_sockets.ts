// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The sockets of one kafkajs client. kafkajs copies a request twice into buffers of the next power of two before it
 * writes it, keeps it for each attempt, and leaves a socket whose broker hangs with all that in it. So kafkajs gets a
 * stand-in for the body of a batch, the body goes out from the memory that it was written in, and sockets are destroyed
 * with their client.
 */
import { Buffer } from "node:buffer";
import net, { type Socket } from "node:net";
import tls from "node:tls";

const KEEP_ALIVE_MS = 60_000;
/** Size of the request, its kind and version, its number, and the client's name of at most this. */
export const HEAD_ROOM = 64;
const SIZE_BYTES = 4;
const PRODUCE = 0;
const STAND_IN_BYTES = 4;

/** What kafkajs asks for. */
interface SocketWanted {
  readonly host: string;
  readonly port: number;
  readonly ssl?: tls.ConnectionOptions;
  readonly onConnect: () => void;
}

export class KafkaSockets {
  readonly #open = new Set<Socket>();
  readonly #bodies = new Map<number, { readonly frame: Buffer; readonly written: () => void }>();
  #last = 0;

  /** As kafkajs makes them, but for what they write. */
  readonly create = (args: SocketWanted): Socket => {
    const socket = connect(args);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
    const write = socket.write.bind(socket) as (bytes: Uint8Array, done?: () => void) => boolean;
    socket.write = (bytes: Uint8Array) => {
      const body = this.#bodyFor(bytes);
      return body === undefined ? write(bytes) : write(body.frame, body.written);
    };
    return socket;
  };

  /** Bytes that were to be sent and that the system has not taken. */
  get waitingBytes(): number {
    return [...this.#open].reduce((sum, { writableLength }) => sum + writableLength, 0);
  }

  /**
   * What kafkajs is to send in the place of a body, which stands behind HEAD_ROOM bytes of the frame. `written`: the
   * system has the bytes, or never will.
   */
  standIn(frame: Buffer, written: () => void): Buffer {
    const stand = Buffer.alloc(STAND_IN_BYTES);
    this.#last = (this.#last + 1) >>> 0;
    stand.writeUInt32BE(this.#last);
    this.#forget(); // an attempt came to nothing before it was written
    this.#bodies.set(this.#last, { frame, written });
    return stand;
  }

  /** No broker that hangs may hold what it does not read. */
  destroy(): void {
    this.#forget();
    for (const socket of this.#open) socket.destroy();
  }

  #forget(): void {
    for (const { written } of this.#bodies.values()) written();
    this.#bodies.clear();
  }

  /** The body that belongs to a request of kafkajs, with its head in front. */
  #bodyFor(bytes: Uint8Array) {
    const request = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (request.length > HEAD_ROOM || request.length < 2 * SIZE_BYTES + STAND_IN_BYTES) return;
    if (request.readInt16BE(SIZE_BYTES) !== PRODUCE) return;
    const headBytes = request.length - STAND_IN_BYTES;
    const number = request.readUInt32BE(headBytes);
    const body = this.#bodies.get(number);
    if (body === undefined) return;
    this.#bodies.delete(number);
    const frame = body.frame.subarray(HEAD_ROOM - headBytes);
    request.copy(frame, 0, 0, headBytes);
    frame.writeInt32BE(frame.length - SIZE_BYTES, 0);
    return { frame, written: body.written };
  }
}

function connect({ host, port, ssl, onConnect }: SocketWanted): Socket {
  if (!ssl) return net.connect({ host, port }, onConnect);
  // A certificate is for a name; an address cannot be asked for by name.
  const name = net.isIP(host) === 0 ? { servername: host } : {};
  return tls.connect({ host, port, ...name, ...ssl }, onConnect);
}
