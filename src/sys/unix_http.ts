// SPDX-License-Identifier: MulanPSL-2.0
/**
 * One GET over a unix socket, bounded in time and size, or some questions to a gRPC service. HTTP/1.0, so that the
 * server closes when it has said all.
 *
 * By hand, as fetch over a unix socket is unstable in Deno, and node:http and http2 would be loaded for this alone.
 */
import { GrpcAnswers, grpcHello, type GrpcMetadata, grpcQuestion } from "../core/grpc.ts";
import { type HttpReply, httpReply } from "../core/http_reply.ts";

export interface GetLimits {
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

const CHUNK_BYTES = 64 * 1024;

/** Rejects with a TypeError or Error that says why there is no answer; the socket is closed in any case. */
export function getOverUnix(
  socket: string,
  path: string,
  { timeoutMs, maxBytes }: GetLimits,
): Promise<HttpReply> {
  return overUnix(socket, timeoutMs, (connection) => ask(connection, path, maxBytes));
}

export interface GrpcQuestion {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly metadata: GrpcMetadata;
  readonly message: Uint8Array;
}

/** Asks one after the other over one connection; undefined for what the service refuses. Rejects as getOverUnix. */
export function grpcOverUnix(
  socket: string,
  questions: readonly GrpcQuestion[],
  { timeoutMs, maxBytes }: GetLimits,
): Promise<(Uint8Array | undefined)[]> {
  return overUnix(socket, timeoutMs, async (connection) => {
    const answers = new GrpcAnswers(maxBytes);
    const chunk = new Uint8Array(CHUNK_BYTES);
    const found: (Uint8Array | undefined)[] = [];
    await writeAll(connection, grpcHello());
    for (const { path, metadata, message } of questions) {
      const stream = found.length * 2 + 1;
      answers.expect(stream);
      await writeAll(connection, grpcQuestion(stream, path, metadata, message));
      while (!answers.ended) {
        const read = await connection.read(chunk);
        if (read === null) throw new TypeError("the answer is cut short");
        await writeAll(connection, answers.take(chunk.subarray(0, read)));
      }
      found.push(answers.message);
    }
    return found;
  });
}

async function overUnix<T>(
  socket: string,
  timeoutMs: number,
  talk: (connection: Deno.UnixConn) => Promise<T>,
): Promise<T> {
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
    return await talk(connection);
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
  await writeAll(connection, new TextEncoder().encode(request));
  const reply = httpReply(await readAll(connection, maxBytes));
  if (reply === undefined) throw new TypeError("the answer is no HTTP, or cut short");
  return reply;
}

async function writeAll(connection: Deno.UnixConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
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

export function isSocket(path: string): boolean {
  try {
    return Deno.statSync(path).isSocket === true;
  } catch (error) {
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}
