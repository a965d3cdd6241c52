// SPDX-License-Identifier: MulanPSL-2.0
/** Beside a service of the test's own; a real containerd answers in tests/e2e/cri_test.ts. */
import assert from "node:assert/strict";
import { type GrpcCall, refuseGrpc, sendGrpc, serveGrpc } from "../../tests/grpc_server.ts";
import { protoFields } from "../core/protobuf.ts";
import { CriNames } from "./cri_names.ts";

const A = "a".repeat(64);
const B = "b".repeat(64);
const POD = "c".repeat(64);
const IMAGE_ID = `sha256:${"d".repeat(64)}`;
const encoder = new TextEncoder();

const field = (number: number, value: string | Uint8Array) => {
  const bytes = typeof value === "string" ? encoder.encode(value) : value;
  const size = bytes.length < 128 ? [bytes.length] : [bytes.length % 128 + 128, bytes.length >> 7];
  return Uint8Array.of(number * 8 + 2, ...size, ...bytes);
};
const message = (...fields: Uint8Array[]) => Uint8Array.from(fields.flatMap((it) => [...it]));

const SANDBOXES = field(
  1,
  message(field(1, POD), field(2, message(field(1, "shop-0"), field(3, "prod")))),
);
const container = (id: string, name: string, image: string) =>
  field(
    1,
    message(field(1, id), field(2, POD), field(3, field(1, name)), field(4, field(1, image))),
  );
const CONTAINERS = message(container(A, "web", IMAGE_ID), container(B, "db", "pg:15"));
const STATUS = field(1, message(field(8, field(1, "nginx:1")), field(9, IMAGE_ID)));

/** What a runtime answers to a method, without its version. */
function answerTo(method: string): Uint8Array {
  if (method === "ListPodSandbox") return SANDBOXES;
  return method === "ListContainers" ? CONTAINERS : STATUS;
}

class Rig implements AsyncDisposable {
  readonly root = Deno.makeTempDirSync();
  readonly failures: string[] = [];
  readonly asked: string[] = [];
  now = 0;
  readonly names: CriNames;
  #server: AsyncDisposable | undefined;

  constructor(timeoutMs = 20_000) {
    this.names = new CriNames({
      root: this.root,
      clock: () => this.now,
      limits: { timeoutMs, maxBytes: 100_000 },
      failed: (what, error) => this.failures.push(`${what}: ${error}`),
    });
  }

  async start(path: string, answer: (call: GrpcCall, method: string) => void): Promise<this> {
    const socket = `${this.root}/${path}`;
    Deno.mkdirSync(socket.replace(/\/[^/]*$/, ""), { recursive: true });
    this.#server = await serveGrpc(socket, (call) => {
      this.asked.push(call.path.replace(/^\/runtime\./, ""));
      answer(call, call.path.split("/")[2]!);
    });
    return this;
  }

  /** Names of these containers, as `name image pod`. */
  async find(...ids: string[]): Promise<string[]> {
    const found = await this.names.find(ids);
    return [...found.values()].map(({ name, image, podNamespace, podName }) =>
      `${name} ${image} ${podNamespace}/${podName}`
    );
  }

  async [Symbol.asyncDispose]() {
    await this.#server?.[Symbol.asyncDispose]();
    Deno.removeSync(this.root, { recursive: true });
  }
}

Deno.test("CRI-O is asked for what is wanted, and for the image of which the list has but the id", async () => {
  await using rig = await new Rig().start("run/crio/crio.sock", (call, method) => {
    sendGrpc(call, answerTo(method));
  });
  const all = ["web nginx:1 prod/shop-0", "db pg:15 prod/shop-0"];
  assert.deepEqual(await rig.find(A, B), all);
  assert.deepEqual(rig.asked, [
    "v1.RuntimeService/ListPodSandbox",
    "v1.RuntimeService/ListContainers",
    "v1.RuntimeService/ContainerStatus",
  ]);
  assert.deepEqual(await rig.find(POD), ["POD  prod/shop-0"]);
  assert.equal(rig.asked.length, 5);
  assert.deepEqual(await rig.find(), []);
  assert.equal(rig.asked.length, 5);
  assert.deepEqual(rig.failures, []);
});

Deno.test("a status is asked for by the id of its container", async () => {
  const ids: string[] = [];
  await using rig = await new Rig().start("run/containerd/containerd.sock", (call, method) => {
    const [first] = protoFields(call.message);
    if (method === "ContainerStatus") ids.push(new TextDecoder().decode(first!.bytes));
    if (method === "ContainerStatus") refuseGrpc(call);
    else sendGrpc(call, answerTo(method));
  });
  assert.deepEqual(await rig.find(A), [`web ${IMAGE_ID} prod/shop-0`]);
  assert.deepEqual(ids, [A]);
});

Deno.test("a runtime of before is asked in the version that it speaks, from then on at once", async () => {
  await using rig = await new Rig().start("var/run/isulad.sock", (call, method) => {
    if (call.path.startsWith("/runtime.v1.")) refuseGrpc(call);
    else sendGrpc(call, answerTo(method));
  });
  assert.deepEqual(await rig.find(B), ["db pg:15 prod/shop-0"]);
  assert.equal(rig.asked.length, 4);
  assert.deepEqual(await rig.find(B), ["db pg:15 prod/shop-0"]);
  assert.deepEqual(rig.asked.slice(4), [
    "v1alpha2.RuntimeService/ListPodSandbox",
    "v1alpha2.RuntimeService/ListContainers",
  ]);
});

Deno.test("a containerd without CRI is no failure, and is asked again after a while", async () => {
  await using rig = await new Rig().start("run/containerd/containerd.sock", refuseGrpc);
  assert.deepEqual(await rig.find(A), []);
  assert.equal(rig.asked.length, 4);
  rig.now += 29_000;
  assert.deepEqual(await rig.find(A), []);
  assert.equal(rig.asked.length, 4);
  rig.now += 1000;
  assert.deepEqual(await rig.find(A), []);
  assert.equal(rig.asked.length, 8);
  assert.deepEqual(rig.failures, []);
});

Deno.test("a runtime that hangs is left after its time, and one that says too much at once", async () => {
  for (
    const [timeoutMs, answer, reason] of [
      [300, () => {}, /no answer within 300 ms/],
      [
        20_000,
        (call: GrpcCall) => sendGrpc(call, new Uint8Array(200_000)),
        /more than 100000 bytes/,
      ],
    ] as const
  ) {
    await using rig = await new Rig(timeoutMs).start("run/crio/crio.sock", answer);
    assert.deepEqual(await rig.find(A), []);
    assert.equal(rig.failures.length, 1);
    assert.match(rig.failures[0]!, /Cannot ask ".*\/run\/crio\/crio.sock"/);
    assert.match(rig.failures[0]!, reason);
    const asked = rig.asked.length;
    assert.deepEqual(await rig.find(A), []);
    assert.equal(rig.asked.length, asked);
  }
});
