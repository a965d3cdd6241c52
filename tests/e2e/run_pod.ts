// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Makes a pod in the host's network, with one container, by Kubernetes' runtime interface (CRI). Numbers of fields are
 * those of api.proto of k8s.io/cri-api; the transport is node's.
 */
import { type ClientHttp2Session, connect } from "node:http2";
import { createConnection } from "node:net";
import { protoFields, protoTextOf } from "../../src/core/protobuf.ts";
import { until } from "./run_agent.ts";

export interface PodOptions {
  readonly image: string;
  /** Of its control group. */
  readonly parent: string;
  readonly command: readonly string[];
}

export interface Pod extends AsyncDisposable {
  readonly sandbox: string;
  readonly container: string;
}

type Value = string | number | readonly Field[];
type Field = readonly [number, Value];

const LENGTH = 2;
/** Of NamespaceMode: the node's own. */
const NODE = 2;

function varint(value: number): number[] {
  return value < 128 ? [value] : [value % 128 + 128, ...varint(Math.floor(value / 128))];
}

function encode(fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(fields.flatMap(([number, value]) => {
    if (typeof value === "number") return [...varint(number * 8), ...varint(value)];
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : encode(value);
    return [...varint(number * 8 + LENGTH), ...varint(bytes.length), ...bytes];
  }));
}

/** The answer's message; rejects with what the service says when it refuses. */
async function call(
  session: ClientHttp2Session,
  method: string,
  fields: readonly Field[],
): Promise<Uint8Array> {
  const message = encode(fields);
  const body = new Uint8Array(5 + message.length);
  new DataView(body.buffer).setUint32(1, message.length);
  body.set(message, 5);
  const stream = session.request({
    ":method": "POST",
    ":path": `/runtime.v1.RuntimeService/${method}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const parts: number[] = [];
  let status: Record<string, unknown> = {};
  const note = (headers: Record<string, unknown>) => status = { ...status, ...headers };
  stream.on("response", note).on("trailers", note).on("error", reject);
  stream.on("data", (part: Uint8Array) => parts.push(...part)).on("end", resolve);
  stream.end(body);
  await promise;
  if (status["grpc-status"] !== "0") throw new TypeError(`${method}: ${status["grpc-message"]}`);
  return Uint8Array.from(parts.slice(5));
}

const idOf = (answer: Uint8Array) => protoTextOf(protoFields(answer), 1);

export async function runPod(socket: string, options: PodOptions): Promise<Pod> {
  await using stack = new AsyncDisposableStack();
  const session = connect("http://localhost", { createConnection: () => createConnection(socket) });
  stack.defer(async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    session.close(resolve);
    await promise;
  });
  const { image, parent, command } = options;
  const network: Field = [1, [[1, NODE]]];
  const config: readonly Field[] = [
    [1, [[1, "barn-0"], [2, "b4-2"], [3, "farm"]]],
    [8, [[1, parent], [2, [network]]]],
  ];
  // Its plugin comes up a moment after its socket.
  await until("CRI", async () => {
    try {
      return await call(session, "Version", []);
    } catch (error) {
      if (error instanceof TypeError) return undefined;
      throw error;
    }
  });
  const sandbox = idOf(await call(session, "RunPodSandbox", [[1, config]]));
  stack.defer(async () => {
    await call(session, "StopPodSandbox", [[1, sandbox]]);
    await call(session, "RemovePodSandbox", [[1, sandbox]]);
  });
  const wanted: readonly Field[] = [
    [1, [[1, "barn"]]],
    [2, [[1, image]]],
    ...command.map((it): Field => [3, it]),
  ];
  const made = await call(session, "CreateContainer", [[1, sandbox], [2, wanted], [3, config]]);
  const container = idOf(made);
  await call(session, "StartContainer", [[1, container]]);
  const all = stack.move();
  return { sandbox, container, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
