// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import type { Mount } from "../core/probe.ts";
import { LibcHostCalls } from "./host_calls.ts";
import { MAX_STALLED, MountSizes } from "./mount_sizes.ts";

const mount = (path: string, isRemote = false): Mount => ({ id: "1", path, isRemote });
const text = (name: Uint8Array) => new TextDecoder().decode(name.subarray(0, -1));

/** Answers at once, but for paths in `hung`: those when told to. */
function newServer() {
  const hung = new Set<string>();
  const asked: string[] = [];
  const waiting = new Map<string, (result: number) => void>();
  const prompt: string[] = [];
  const statfs64 = (name: Uint8Array, buffer: Uint8Array) => {
    prompt.push(text(name));
    new DataView(buffer.buffer).setUint32(16, 1, true);
    return text(name).endsWith("refused") ? -1 : 0;
  };
  const statfs = (name: Uint8Array, buffer: Uint8Array) => {
    const path = text(name);
    asked.push(path);
    new DataView(buffer.buffer).setUint32(16, asked.length, true);
    if (path.endsWith("refused")) return Promise.resolve(-1);
    if (!hung.has(path)) return Promise.resolve(0);
    return new Promise<number>((resolve) => waiting.set(path, resolve));
  };
  return { hung, asked, prompt, waiting, statfs, statfs64 };
}

/** Lets what was resolved go on. */
const settle = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("mountSizes agrees with the runtime's own statfs about this host's root", async () => {
  using calls = new LibcHostCalls();
  const [answer, gone] = await calls.mountSizes([mount("/"), mount("/no/such/folder")]);
  assert.ok(answer?.state === "known");
  const { statfsSync } = await import("node:fs");
  const truth = statfsSync("/");
  assert.deepEqual(
    [answer.size.blockBytes, answer.size.blocks, answer.size.inodes],
    [truth.bsize, truth.blocks, truth.files],
  );
  assert.deepEqual(gone, { state: "refused" });
});

Deno.test("mountSizes asks below the root", async () => {
  const server = newServer();
  const sizes = new MountSizes({ root: "/host/", calls: server });
  await sizes.mountSizes([mount("/"), mount("/a b")]);
  assert.deepEqual(server.asked, ["/host/", "/host/a b"]);
});

Deno.test("mountSizes answers for the others while one hangs, and does not ask that one again", async () => {
  const server = newServer();
  server.hung.add("/dead");
  let now = 0;
  const sizes = new MountSizes({ calls: server, now: () => now, patienceMs: 1 });
  const mounts = ["/", "/dead", "/home", "/refused"].map((path) => mount(path));
  const states = async () => (await sizes.mountSizes(mounts)).map(({ state }) => state);
  assert.deepEqual(await states(), ["known", "stalled", "known", "refused"]);
  now = 7000;
  const again = await sizes.mountSizes(mounts);
  assert.deepEqual(again[1], { state: "stalled", seconds: 7 });
  assert.equal(server.asked.filter((path) => path === "/dead").length, 1);
  assert.equal(sizes.underWay, 1);

  server.waiting.get("/dead")!(0);
  await settle();
  server.hung.clear();
  assert.deepEqual(await states(), ["known", "known", "known", "refused"]);
  assert.equal(sizes.underWay, 0);
});

Deno.test("mountSizes shows the late answers of a slow mount one reading later", async () => {
  const server = newServer();
  server.hung.add("/slow");
  const sizes = new MountSizes({ calls: server, patienceMs: 1 });
  assert.equal((await sizes.mountSizes([mount("/slow")]))[0]!.state, "stalled");
  for (let reading = 0; reading < 2; reading++) {
    server.waiting.get("/slow")!(0);
    await settle();
    const answer = (await sizes.mountSizes([mount("/slow")]))[0]!;
    assert.ok(answer.state === "known");
    assert.equal(answer.size.blocks, reading + 1, "of the call before");
  }
  assert.equal((await sizes.mountSizes([mount("/slow")]))[0]!.state, "stalled");
});

Deno.test("mountSizes lets no more than MAX_STALLED dead servers take a thread, nor all of them", async () => {
  const server = newServer();
  const dead = Array.from({ length: 20 }, (_, i) => `/nfs/${i}`);
  for (const path of dead) server.hung.add(path);
  const sizes = new MountSizes({ calls: server, patienceMs: 1 });
  const mounts = [...dead.map((path) => mount(path, true)), mount("/home"), mount("/nfs/ok", true)];
  for (let reading = 0; reading < 3; reading++) {
    const states = (await sizes.mountSizes(mounts)).map(({ state }) => state);
    assert.equal(states.filter((state) => state === "stalled").length, MAX_STALLED);
    assert.equal(states[20], "known", "a local one is asked all the same");
    assert.equal(sizes.underWay, MAX_STALLED);
  }
});

Deno.test("mountSizes tells a mount from the dead one before it at the same path", async () => {
  const server = newServer();
  server.hung.add("/data");
  const sizes = new MountSizes({ calls: server, patienceMs: 1 });
  assert.equal((await sizes.mountSizes([mount("/data")]))[0]!.state, "stalled");
  server.hung.clear();
  const [answer] = await sizes.mountSizes([{ ...mount("/data"), id: "2" }]);
  assert.equal(answer!.state, "known");
});

Deno.test("mountSizes asks a prompt mount without a thread, and tells its refusal", async () => {
  const server = newServer();
  const sizes = new MountSizes({ root: "/host", calls: server });
  const mounts = [{ ...mount("/run"), isPrompt: true }, { ...mount("/refused"), isPrompt: true }];
  const answers = await sizes.mountSizes(mounts);
  assert.deepEqual(answers.map(({ state }) => state), ["known", "refused"]);
  assert.deepEqual([server.prompt, server.asked], [["/host/run", "/host/refused"], []]);
  assert.equal(sizes.underWay, 0);
});

Deno.test("mountSizes has the same answer for a mount asked at once and on a thread", async () => {
  using calls = new LibcHostCalls();
  const [now, later] = await calls.mountSizes([{ ...mount("/"), isPrompt: true }, mount("/")]);
  assert.ok(now?.state === "known" && later?.state === "known");
  assert.deepEqual([now.size.blockBytes, now.size.blocks], [
    later.size.blockBytes,
    later.size.blocks,
  ]);
  assert.equal(now.size.inodes, later.size.inodes);
});
