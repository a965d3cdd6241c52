// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import type { Container } from "../core/process_cgroups.ts";
import { RootFiles } from "./host_files.ts";
import { RuntimeNames } from "./runtime_names.ts";

const ID = "a".repeat(64);
const OTHER = "b".repeat(64);
const LIMITS = { timeoutMs: 200, maxBytes: 100_000 };

const container = (id: string): Container => ({
  id,
  shortId: id.slice(0, 12),
  runtime: "docker",
  podId: "",
  paths: new Map(),
});
const LIST = [{ Id: ID, Names: ["/web"], Image: "nginx:1" }];

/** A host's file tree of its own, with what the test writes into it. */
class Host implements Disposable {
  readonly root = Deno.makeTempDirSync();
  readonly files = new RootFiles({ root: this.root });
  readonly said: string[] = [];
  now = 0;
  readonly names = new RuntimeNames(this.files, {
    root: this.root,
    clock: () => this.now,
    log: (text) => this.said.push(text),
    limits: LIMITS,
    maxNames: 8,
  });

  write(path: string, value: unknown): void {
    const full = `${this.root}/${path}`;
    Deno.mkdirSync(full.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(full, typeof value === "string" ? value : JSON.stringify(value));
  }

  socket(name = "run/docker.sock"): string {
    const path = `${this.root}/${name}`;
    Deno.mkdirSync(path.replace(/\/[^/]*$/, ""), { recursive: true });
    return path;
  }

  /** What is known after all questions were answered. */
  async ask(id = ID) {
    this.names.namesOf(container(id));
    await this.names.settled();
    return this.names.namesOf(container(id));
  }

  [Symbol.dispose](): void {
    this.files[Symbol.dispose]();
    Deno.removeSync(this.root, { recursive: true });
  }
}

function serve(path: string, handler: (request: Request) => Response | Promise<Response>) {
  return Deno.serve({ path, onListen: () => {} }, handler);
}

/** A server that does with each connection what HTTP does not foresee. */
function serveRaw(path: string, act: (connection: Deno.UnixConn) => Promise<void>) {
  const listener = Deno.listen({ transport: "unix", path });
  const done = (async () => {
    for await (const connection of listener) {
      try {
        await act(connection);
      } catch (error) {
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      }
      connection.close();
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      listener.close();
      await done;
    },
  };
}

Deno.test("names are asked from a real HTTP server over its socket, once for all containers", async () => {
  using host = new Host();
  const asked: string[] = [];
  await using _server = serve(host.socket(), (request) => {
    asked.push(`${request.method} ${new URL(request.url).pathname}`);
    return Response.json(LIST);
  });
  assert.equal(host.names.namesOf(container(ID)), undefined);
  assert.equal(host.names.namesOf(container(OTHER)), undefined);
  await host.names.settled();
  assert.equal(host.names.namesOf(container(ID))?.name, "web");
  assert.deepEqual(asked, ["GET /containers/json"]);
  host.now += 299_000;
  assert.equal(host.names.namesOf(container(ID))?.image, "nginx:1");
  await host.names.settled();
  assert.equal(asked.length, 1);
});

Deno.test("names follow a container that is renamed, and outlive a server that is gone", async () => {
  using host = new Host();
  let name = "/old";
  const server = serve(host.socket(), () => Response.json([{ Id: ID, Names: [name] }]));
  assert.equal((await host.ask())?.name, "old");
  name = "/new";
  host.now += 300_000;
  assert.equal((await host.ask())?.name, "new");
  await server.shutdown();
  host.now += 300_000;
  assert.equal((await host.ask())?.name, "new");
});

Deno.test("names come from podman's socket too", async () => {
  using host = new Host();
  await using _server = serve(host.socket("run/podman/podman.sock"), () => Response.json(LIST));
  assert.equal((await host.ask())?.name, "web");
});

Deno.test("names do not wait for a socket that hangs, and leave it alone for a while", async () => {
  using host = new Host();
  const { promise: end, resolve } = Promise.withResolvers<void>();
  let connections = 0;
  {
    await using _server = serveRaw(host.socket(), async () => {
      connections++;
      await end;
    });
    assert.equal(await host.ask(), undefined);
    host.now += 29_000;
    assert.equal(await host.ask(), undefined);
    resolve();
  }
  assert.deepEqual([connections, host.names.failures], [1, 1]);
  assert.match(host.said.join(), /no answer within 200 ms/);
});

Deno.test("names bear a socket that drips, and is never done", async () => {
  using host = new Host();
  const { promise: end, resolve } = Promise.withResolvers<void>();
  {
    await using _server = serveRaw(host.socket(), async (connection) => {
      await connection.write(new TextEncoder().encode("HTTP/1.0 200 OK\r\n\r\n["));
      await end;
    });
    assert.equal(await host.ask(), undefined);
    resolve();
  }
  assert.match(host.said.join(), /no answer within 200 ms/);
});

Deno.test("names bear a socket that sends garbage, an error or too much", async () => {
  const cases: [string, RegExp][] = [
    ["garbage", /no HTTP/],
    ["HTTP/1.0 200 OK\r\n\r\n{", /no list/],
    ["HTTP/1.0 200 OK\r\n\r\n{}", /no list/],
    ["HTTP/1.0 500 Oh\r\n\r\n", /status 500/],
    ["HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n[]", /cut short/],
    [`HTTP/1.0 200 OK\r\n\r\n${" ".repeat(300_000)}`, /more than 100000 bytes/],
  ];
  for (const [answer, said] of cases) {
    using host = new Host();
    await using _server = serveRaw(host.socket(), async (connection) => {
      await connection.read(new Uint8Array(1000));
      const bytes = new TextEncoder().encode(answer);
      for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    });
    assert.equal(await host.ask(), undefined, answer.slice(0, 40));
    assert.match(host.said.join(), said);
  }
});

Deno.test("names come from Docker's file when its socket is stuck", async () => {
  using host = new Host();
  const file = { Name: "/web", Config: { Image: "nginx:1" } };
  host.write(`var/lib/docker/containers/${ID}/config.v2.json`, file);
  host.write("run/docker.sock", "not a socket");
  assert.equal((await host.ask())?.name, "web");
  assert.equal(host.names.failures, 0);
});

Deno.test("names come from the bundles of containerd and CRI-O, completed by the storage", async () => {
  using host = new Host();
  const tasks = "run/containerd/io.containerd.runtime.v2.task";
  host.write(`${tasks}/k8s.io/${ID}/config.json`, {
    annotations: {
      "io.kubernetes.cri.container-name": "web",
      "io.kubernetes.cri.sandbox-name": "shop-0",
      "io.kubernetes.cri.sandbox-namespace": "prod",
    },
  });
  const storage = "containers/storage/overlay-containers";
  host.write(`run/${storage}/${OTHER}/userdata/config.json`, {
    annotations: { "io.kubernetes.pod.name": "shop-1" },
  });
  host.write(`var/lib/${storage}/containers.json`, [
    { id: OTHER, metadata: JSON.stringify({ name: "db", "image-name": "pg:1" }) },
  ]);
  assert.deepEqual(await host.ask(), {
    name: "web",
    image: "",
    podId: "",
    podName: "shop-0",
    podNamespace: "prod",
    sandbox: false,
  });
  const other = await host.ask(OTHER);
  assert.deepEqual([other?.name, other?.image, other?.podName], ["db", "pg:1", "shop-1"]);
});

Deno.test("names of machines without an id are those of their cgroups, and nobody is asked", async () => {
  using host = new Host();
  assert.equal(host.names.namesOf(container("../x"))?.name, "../x");
  await host.names.settled();
});

Deno.test("names are asked again ever more rarely, and no more are kept than allowed", async () => {
  using host = new Host();
  let asked = 0;
  await using _server = serve(host.socket(), () => {
    asked++;
    return Response.json([]);
  });
  for (let second = 0; second < 100; second++) {
    await host.ask();
    host.now += 1000;
  }
  assert.equal(asked, 5); // after 0, 5, 15, 35 and 75 s
  for (let i = 0; i < 20; i++) await host.ask(i.toString(16).padStart(64, "0"));
  assert.equal(host.names.dropped, 13);
});
