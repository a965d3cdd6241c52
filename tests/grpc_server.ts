// SPDX-License-Identifier: MulanPSL-2.0
/** A gRPC service behind a unix socket, by the HTTP/2 server of node, which is not ours. */
import { createServer, type ServerHttp2Stream } from "node:http2";

export interface GrpcCall {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly message: Uint8Array;
  readonly stream: ServerHttp2Stream;
}

/** Serves each call by `answer`, for which `sendGrpc` and `refuseGrpc` are there. */
export async function serveGrpc(
  socket: string,
  answer: (call: GrpcCall) => void,
): Promise<AsyncDisposable> {
  const server = createServer();
  server.on("stream", (stream, headers) => {
    const parts: Uint8Array[] = [];
    stream.on("data", (part: Uint8Array) => parts.push(part));
    stream.on("end", () => {
      const body = Uint8Array.from(parts.flatMap((part) => [...part]));
      answer({ path: String(headers[":path"]), headers, message: body.subarray(5), stream });
    });
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(socket, resolve);
  await promise;
  return {
    async [Symbol.asyncDispose]() {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      await promise;
    },
  };
}

export function sendGrpc({ stream }: GrpcCall, message: Uint8Array): void {
  const body = new Uint8Array(5 + message.length);
  new DataView(body.buffer).setUint32(1, message.length);
  body.set(message, 5);
  stream.respond({ ":status": 200, "content-type": "application/grpc" });
  stream.end(body);
}

/** As a service says that it does not know the method. */
export function refuseGrpc({ stream }: GrpcCall): void {
  const status = { "grpc-status": "12", "grpc-message": "unknown service" };
  stream.respond({ ":status": 200, "content-type": "application/grpc", ...status }, {
    endStream: true,
  });
}
