// SPDX-License-Identifier: MulanPSL-2.0
/** Beside the HTTP/2 server of node, which is not ours; a real containerd answers in tests/e2e/engines_test.ts. */
import assert from "node:assert/strict";
import { type GrpcCall, sendGrpc, serveGrpc } from "../../tests/grpc_server.ts";
import type { ContainerNames } from "../core/container_names.ts";
import { protoFields, protoText } from "../core/protobuf.ts";
import { ContainerdNames } from "./containerd_names.ts";
import { RootFiles } from "./host_files.ts";

const A = "a".repeat(64);
const B = "b".repeat(64);
const C = "c".repeat(64);
const TASKS = "run/containerd/io.containerd.runtime.v2.task";

const field = (number: number, bytes: Uint8Array) =>
  Uint8Array.of(number * 8 + 2, bytes.length, ...bytes);
const label = (name: string, value: string) =>
  field(2, Uint8Array.of(...protoText(1, name), ...protoText(2, value)));

/** GetContainerResponse with a Container, as containerd would send it. */
const CONTAINER = field(
  1,
  Uint8Array.of(
    ...protoText(3, "docker.io/shop:7"),
    ...label("nerdctl/name", "shop"),
    ...label("io.kubernetes.pod.name", "p"),
  ),
);

class Rig implements AsyncDisposable {
  readonly root = Deno.makeTempDirSync();
  readonly files = new RootFiles({ root: this.root });
  readonly failures: string[] = [];
  readonly asked: string[] = [];
  now = 0;
  readonly names = new ContainerdNames({
    files: this.files,
    root: this.root,
    clock: () => this.now,
    limits: { timeoutMs: 2000, maxBytes: 10_000 },
    failed: (_what, error) => this.failures.push(String(error)),
  });
  #server: AsyncDisposable | undefined;

  async start(answer: (id: string, call: GrpcCall) => void): Promise<this> {
    for (const id of [A, B, C]) {
      Deno.mkdirSync(`${this.root}/${TASKS}/moby/${id}`, { recursive: true });
    }
    this.#server = await serveGrpc(`${this.root}/run/containerd/containerd.sock`, (call) => {
      const { path, headers, message } = call;
      const id = new TextDecoder().decode(protoFields(message)[0]!.bytes);
      this.asked.push(`${path} ${headers["containerd-namespace"]} ${id[0]}`);
      answer(id, call);
    });
    return this;
  }

  async complete(found: Map<string, ContainerNames>): Promise<Map<string, ContainerNames>> {
    await this.names.complete([A, B, C], this.names.tasks(), found);
    return found;
  }

  async [Symbol.asyncDispose]() {
    await this.#server?.[Symbol.asyncDispose]();
    this.files[Symbol.dispose]();
    Deno.removeSync(this.root, { recursive: true });
  }
}

const known: ContainerNames = {
  name: "web",
  image: "",
  podId: "",
  podName: "",
  podNamespace: "prod",
  sandbox: false,
};

Deno.test("containerd is asked about what its files do not say, over one connection", async () => {
  await using rig = await new Rig().start((id, call) => {
    if (id === B) call.stream.close(8);
    else sendGrpc(call, CONTAINER);
  });
  const found = await rig.complete(new Map([[A, known], [C, { ...known, image: "x:1" }]]));
  assert.deepEqual(rig.asked, [
    "/containerd.services.containers.v1.Containers/Get moby a",
    "/containerd.services.containers.v1.Containers/Get moby b",
  ]);
  assert.deepEqual(found.get(A), { ...known, image: "docker.io/shop:7", podName: "p" });
  assert.deepEqual([found.has(B), found.get(C)!.image], [false, "x:1"]);
  assert.deepEqual(rig.failures, []);
});

Deno.test("containerd that says too much is left alone for a while", async () => {
  await using rig = await new Rig().start((_id, { stream }) => {
    stream.respond({ ":status": 200 });
    stream.end(new Uint8Array(20_000));
  });
  assert.equal((await rig.complete(new Map())).size, 0);
  await rig.complete(new Map());
  assert.equal(rig.asked.length, 1);
  assert.match(rig.failures.join(), /more than 10000 bytes/);
  rig.now += 30_000;
  await rig.complete(new Map());
  assert.equal(rig.asked.length, 2);
});
