// SPDX-License-Identifier: MulanPSL-2.0
/**
 * One GET over a unix socket, bounded in time and size. HTTP/1.0, so that the server closes when it has said all.
 *
 * By hand, as fetch over a unix socket is unstable in Deno, and node:http would be loaded for this alone.
 */
import { type HttpReply, httpReply } from "../core/http_reply.ts";

export interface GetLimits {
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

const CHUNK_BYTES = 64 * 1024;

/** Rejects with a TypeError or Error that says why there is no answer; the socket is closed in any case. */
export async function getOverUnix(
  socket: string,
  path: string,
  { timeoutMs, maxBytes }: GetLimits,
): Promise<HttpReply> {
  let connection: Deno.UnixConn | undefined;
  let late = false;
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late = true;
    reject(new Error(`no answer within ${timeoutMs} ms`));
    connection?.close();
  }, timeoutMs);
  const exchange = async () => {
    connection = await Deno.connect({ transport: "unix", path: socket });
    if (late) connection.close();
    return await ask(connection, path, maxBytes);
  };
  const asked = exchange();
  // What it still says after its time is of no interest.
  asked.catch(() => {});
  try {
    return await Promise.race([asked, tooLate]);
  } finally {
    clearTimeout(timer);
    if (!late) connection?.close();
  }
}

async function ask(
  connection: Deno.UnixConn,
  path: string,
  maxBytes: number,
): Promise<HttpReply> {
  const request = `GET ${path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n`;
  let rest = new TextEncoder().encode(request);
  while (rest.length > 0) rest = rest.subarray(await connection.write(rest));
  const reply = httpReply(await readAll(connection, maxBytes));
  if (reply === undefined) throw new TypeError("the answer is no HTTP, or cut short");
  return reply;
}

async function readAll(connection: Deno.UnixConn, maxBytes: number): Promise<Uint8Array> {
  let bytes = new Uint8Array(CHUNK_BYTES);
  let size = 0;
  for (;;) {
    const read = await connection.read(bytes.subarray(size));
    if (read === null) return bytes.subarray(0, size);
    size += read;
    if (size > maxBytes) throw new Error(`the answer has more than ${maxBytes} bytes`);
    if (size < bytes.length) continue;
    const larger = new Uint8Array(bytes.length * 2);
    larger.set(bytes);
    bytes = larger;
  }
}
