// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { chunkOf } from "../../../tests/message_replay.ts";
import { randomNumbers } from "../../../tests/mutate.ts";
import { Forwarding } from "./forwarding.ts";
import { Hop } from "./hop.ts";
import { ForwardCounts } from "./forward_counts.ts";

const encoder = new TextEncoder();

function markOf(text: string): number {
  return [...text].reduce((mark, character) => mark * 31 + character.charCodeAt(0) | 0, 0);
}

/** A proxy of which the events are told one by one. Clients are named c1 ..., connections to servers u1 ... */
class Proxy {
  readonly counts = new ForwardCounts(4096, true);
  readonly forwarding = new Forwarding(this.counts);
  readonly #hops = new Map<string, Hop>();
  thread = 1;

  constructor(readonly comm: string, readonly protocol = "http") {}

  hop(name: string): Hop {
    let hop = this.#hops.get(name);
    if (hop !== undefined) return hop;
    const number = Number(name.slice(1));
    const isClient = name.startsWith("c");
    hop = new Hop({
      tgid: 1,
      comm: this.comm,
      localIp: isClient ? "10.0.0.1" : "10.0.0.9",
      localPort: isClient ? 80 : number,
      remoteIp: isClient ? "10.1.0.1" : "10.2.0.1",
      remotePort: number,
    });
    this.#hops.set(name, hop);
    return hop;
  }

  opens(name: string): void {
    this.forwarding.connecting(this.hop(name), this.thread);
  }

  reads(name: string, text: string): void {
    const hop = this.hop(name);
    hop.met(this.protocol, name.startsWith("c"));
    this.forwarding.received(hop, this.thread, chunkOf(encoder.encode(text), 0));
    if (name.startsWith("u")) this.forwarding.answered(hop, this.thread, text);
    else this.forwarding.asked(hop, this.thread, markOf(text.split("\n")[0]!));
  }

  writes(name: string, text: string): void {
    const hop = this.hop(name);
    hop.met(this.protocol, name.startsWith("c"));
    this.forwarding.sent(hop, this.thread, chunkOf(encoder.encode(text), 0));
    if (name.startsWith("c")) this.forwarding.answered(hop, this.thread, text);
    else this.forwarding.asked(hop, this.thread, markOf(text.split("\n")[0]!));
  }

  /** A request on a new connection. */
  sends(server: string, text: string): void {
    this.opens(server);
    this.writes(server, text);
  }

  /** The server's answer goes to the client. */
  returns(server: string, client: string, status: string): void {
    this.reads(server, status);
    this.writes(client, status);
  }

  leaves(name: string, established = true): void {
    this.forwarding.left(this.hop(name), this.thread, established);
    this.ends(name);
  }

  ends(name: string): void {
    this.forwarding.closed(this.hop(name), this.thread);
    this.#hops.delete(name);
  }

  /** All that was not paired, also what might still be. */
  get unpaired(): number {
    for (let reading = 0; reading < 3; reading++) this.forwarding.age();
    return this.forwarding.unpaired;
  }

  /** "client>server" with the layer, and how often. */
  get told(): Record<string, number> {
    return Object.fromEntries(
      [...this.counts.all()].map((
        { ends, count },
      ) => [`c${ends.clientPort}>u${ends.serverPort} ${ends.isL7 ? "L7" : "L4"}`, count]).sort(),
    );
  }
}

Deno.test("Forwarding pairs a new connection of nginx with the request before it", () => {
  const proxy = new Proxy("nginx");
  proxy.reads("c1", "GET /a");
  proxy.opens("u1");
  proxy.reads("c2", "GET /a");
  proxy.sends("u2", "GET /b");
  proxy.writes("u1", "GET /b");
  proxy.returns("u2", "c2", "200");
  proxy.returns("u1", "c1", "200");
  assert.deepEqual(proxy.told, { "c1>u1 L7": 1, "c2>u2 L7": 1 });
  // Kept connections, and an answer of its own.
  proxy.reads("c1", "GET /own");
  proxy.writes("c1", "404");
  proxy.reads("c2", "GET /a");
  proxy.writes("u1", "GET /b");
  proxy.returns("u1", "c2", "200");
  assert.deepEqual(proxy.told, { "c1>u1 L7": 1, "c2>u1 L7": 1, "c2>u2 L7": 1 });
  assert.equal(proxy.unpaired, 0);
});

for (const comm of ["nginx", "haproxy"]) {
  Deno.test(`Forwarding follows ${comm} to the next server, and counts those that heard`, () => {
    const proxy = new Proxy(comm);
    proxy.reads("c1", "GET /a");
    proxy.opens("u1");
    proxy.reads("c2", "GET /a");
    proxy.opens("u2");
    proxy.leaves("u1", false); // refused
    proxy.sends("u3", "GET /a");
    proxy.leaves("u3"); // broke off
    proxy.opens("u4");
    proxy.writes("u2", "GET /a");
    proxy.writes("u4", "GET /a");
    proxy.reads("u4", "200");
    proxy.reads("u2", "200");
    if (comm === "nginx") proxy.reads("u4", "more");
    proxy.writes("c1", "200");
    if (comm === "nginx") proxy.reads("u2", "more");
    proxy.writes("c2", "200");
    assert.deepEqual(proxy.told, { "c1>u3 L7": 1, "c1>u4 L7": 1, "c2>u2 L7": 1 });
    assert.equal(proxy.unpaired, 0);
  });
}

Deno.test("Forwarding pairs in order what HAProxy reads and sends, and what differs by content", () => {
  const proxy = new Proxy("haproxy");
  for (const client of ["c1", "c2", "c3"]) proxy.reads(client, "GET /same");
  proxy.opens("u1");
  proxy.opens("u2");
  proxy.opens("u3");
  for (const server of ["u3", "u1", "u2"]) proxy.writes(server, "GET /same");
  for (const server of ["u3", "u1", "u2"]) proxy.reads(server, "200");
  for (const client of ["c3", "c1", "c2"]) proxy.writes(client, "200");
  assert.deepEqual(proxy.told, { "c1>u1 L7": 1, "c2>u2 L7": 1, "c3>u3 L7": 1 });
  proxy.reads("c1", "GET /a");
  proxy.reads("c2", "GET /b");
  proxy.reads("c3", "GET /c");
  // The first one waits for a server.
  proxy.writes("u2", "GET /b");
  proxy.writes("u1", "GET /c");
  proxy.reads("u1", "200");
  proxy.reads("u2", "200");
  proxy.writes("c3", "200");
  proxy.writes("c2", "200");
  const first = { "c1>u1 L7": 1, "c3>u3 L7": 1 };
  assert.deepEqual(proxy.told, { ...first, "c2>u2 L7": 2, "c3>u1 L7": 1 });
  assert.equal(proxy.unpaired, 0);
});

Deno.test("Forwarding is not misled by HAProxy's own answers and checks", () => {
  const proxy = new Proxy("haproxy");
  proxy.reads("c1", "GET /denied");
  proxy.reads("c2", "GET /denied");
  proxy.reads("c3", "GET /denied");
  proxy.opens("u8"); // a check
  proxy.opens("u2");
  proxy.opens("u3");
  proxy.writes("c1", "403");
  proxy.leaves("u8");
  proxy.writes("u2", "GET /denied");
  proxy.writes("u3", "GET /denied");
  proxy.reads("u3", "200");
  proxy.reads("u2", "200");
  proxy.writes("c3", "200");
  proxy.writes("c2", "200");
  assert.deepEqual(proxy.told, { "c2>u2 L7": 1, "c3>u3 L7": 1 });
  assert.equal(proxy.unpaired, 0);
});

Deno.test("Forwarding counts what is not certain, and tells nothing of it", () => {
  const proxy = new Proxy("haproxy");
  for (const client of ["c1", "c2", "c3"]) proxy.reads(client, "GET /same");
  for (const server of ["u1", "u2"]) {
    proxy.sends(server, "GET /same");
  }
  proxy.ends("c1"); // was its server the first one, or the next?
  for (const server of ["u1", "u2"]) proxy.reads(server, "200");
  for (const client of ["c2", "c3"]) proxy.writes(client, "200");
  for (const server of ["u1", "u2"]) proxy.ends(server);
  assert.deepEqual(proxy.told, {});
  assert.equal(proxy.unpaired, 2);
});

Deno.test("Forwarding learns from nginx's answer what a timer sent on", () => {
  const proxy = new Proxy("nginx");
  proxy.reads("c1", "GET /late");
  proxy.reads("c2", "GET /late");
  proxy.sends("u1", "GET /late"); // by a timer, for the first one
  proxy.reads("c3", "GET /late");
  proxy.sends("u2", "GET /late"); // for the second one
  proxy.returns("u1", "c1", "200");
  proxy.returns("u2", "c2", "200");
  proxy.writes("c3", "503");
  assert.deepEqual(proxy.told, { "c1>u1 L7": 1, "c2>u2 L7": 1 });
  assert.equal(proxy.unpaired, 0);
});

Deno.test("Forwarding pairs any number of connections that are closed before the answer is written", () => {
  const proxy = new Proxy("nginx");
  for (let i = 0; i < 10_000; i++) {
    proxy.reads("c1", "GET /a");
    proxy.sends("u1", "GET /a");
    proxy.reads("u1", "200");
    proxy.leaves("u1");
    proxy.writes("c1", "200");
  }
  assert.deepEqual(proxy.told, { "c1>u1 L7": 10_000 });
  assert.equal(proxy.unpaired, 0);
});

Deno.test("Forwarding doubts an answer of nginx that may be another client's", () => {
  const proxy = new Proxy("nginx");
  proxy.reads("c1", "GET /late");
  proxy.reads("c2", "GET /late");
  proxy.sends("u1", "GET /written/anew"); // by a timer, for the first one
  proxy.returns("u1", "c1", "200");
  proxy.writes("c2", "503");
  for (const name of ["u1", "c1", "c2"]) proxy.ends(name);
  assert.deepEqual(proxy.told, {});
  assert.equal(proxy.unpaired, 1);
});

Deno.test("Forwarding pairs whole connections by what is passed on at once", () => {
  for (const protocol of ["http", "redis"]) {
    const nginx = new Proxy("nginx", protocol);
    nginx.opens("u1");
    nginx.opens("u2");
    nginx.reads("c2", "GET /\nHost: a");
    nginx.writes("u2", "GET /\nHost: a");
    nginx.reads("c1", "GET /\nHost: a");
    nginx.writes("u1", "GET /\nHost: a");
    nginx.returns("u1", "c1", "200");
    assert.deepEqual(nginx.told, { "c1>u1 L4": 1, "c2>u2 L4": 1 });
    const haproxy = new Proxy("haproxy", protocol);
    haproxy.reads("c1", "GET /\nHost: a");
    haproxy.opens("u1");
    haproxy.opens("u2");
    haproxy.reads("c2", "GET /\nHost: a");
    haproxy.writes("u2", "GET /\nHost: a");
    haproxy.writes("u1", "GET /\nHost: a");
    haproxy.returns("u2", "c2", "200");
    haproxy.returns("u1", "c1", "200");
    for (const name of ["u1", "u2", "c1", "c2"]) haproxy.ends(name);
    assert.deepEqual(haproxy.told, { "c1>u1 L4": 1, "c2>u2 L4": 1 });
    assert.equal(haproxy.unpaired + nginx.unpaired, 0);
  }
});

Deno.test("Forwarding pairs in other programs only what is alone with its target", () => {
  const proxy = new Proxy("envoy");
  for (const client of ["c1", "c2", "c3"]) {
    proxy.reads(client, client === "c3" ? "GET /b" : "GET /a");
  }
  for (const server of ["u1", "u2", "u3"]) {
    proxy.sends(server, server === "u1" ? "GET /b" : "GET /a");
    proxy.reads(server, "200");
  }
  for (const client of ["c3", "c2", "c1"]) proxy.writes(client, "200");
  for (const server of ["u1", "u2", "u3"]) proxy.ends(server);
  assert.deepEqual(proxy.told, { "c3>u1 L7": 1 });
});

/** Random events of any kind in any order. */
function disturb(proxy: Proxy, random: (limit: number) => number): void {
  const client = `c${1 + random(6)}`;
  const server = `u${1 + random(6)}`;
  const text = `GET /${random(3)}`;
  proxy.thread = 1 + random(2);
  const acts = [
    () => proxy.reads(client, text),
    () => proxy.writes(client, "200"),
    () => proxy.opens(server),
    () => proxy.writes(server, text),
    () => proxy.reads(server, "200"),
    () => proxy.leaves(server, random(2) === 0),
    () => proxy.ends(random(2) === 0 ? client : server),
    () => proxy.forwarding.missed(proxy.hop(random(2) === 0 ? client : server), proxy.thread),
    () => proxy.forwarding.age(),
  ];
  acts[random(acts.length)]!();
}

Deno.test("Forwarding bears 100,000 events in any order, and never tells more than was sent", () => {
  for (const comm of ["nginx", "haproxy", "other"]) {
    const random = randomNumbers(17);
    let sent = 0;
    const proxy = new Proxy(comm);
    const { asked } = proxy.forwarding;
    proxy.forwarding.asked = (hop, id, mark) => {
      if (hop.isUpstream) sent++;
      asked.call(proxy.forwarding, hop, id, mark);
    };
    for (let i = 0; i < 100_000; i++) disturb(proxy, random);
    const told = [...proxy.counts.all()].reduce(
      (sum, { count, ends }) => sum + (ends.isL7 ? count : 0),
      0,
    );
    assert.ok(told + proxy.unpaired > 0);
    assert.ok(told <= sent, `${told} of ${sent}`);
    assert.ok(proxy.forwarding.threads <= 2);
  }
});

/** HAProxy with so many requests at a time; a part of the events is lost. Gives pairs: wanted, told right, told wrong. */
function simulate(
  seed: number,
  isLossy: boolean,
): { wanted: number; right: number; wrong: number } {
  const random = randomNumbers(seed);
  const proxy = new Proxy("haproxy");
  const truth = new Map<string, number>();
  let wanted = 0;
  const perhaps = (name: string, act: () => void) => {
    if (isLossy && random(1000) === 0) proxy.forwarding.missed(proxy.hop(name), proxy.thread);
    else act();
  };
  for (let turn = 0; turn < 200; turn++) {
    const clients = Array.from({ length: 1 + random(9) }, (_, i) => `c${i + 1}`);
    const texts = clients.map(() => `GET /${random(3)}`);
    clients.forEach((client, i) => perhaps(client, () => proxy.reads(client, texts[i]!)));
    const servers = clients.map((_, i) => `u${(turn * 7 + i) % 40 + 1}`);
    servers.forEach((server, i) => perhaps(server, () => proxy.writes(server, texts[i]!)));
    clients.forEach((client, i) => {
      const key = `${client}>${servers[i]!} L7`;
      truth.set(key, (truth.get(key) ?? 0) + 1);
      wanted++;
    });
    const shuffled = clients.map((_, i) => i).sort(() => random(3) - 1);
    for (const i of shuffled) perhaps(servers[i]!, () => proxy.reads(servers[i]!, "200"));
    for (const i of shuffled) perhaps(clients[i]!, () => proxy.writes(clients[i]!, "200"));
  }
  let [right, wrong] = [0, 0];
  for (const [key, count] of Object.entries(proxy.told)) {
    const both = Math.min(count, truth.get(key) ?? 0);
    right += both;
    wrong += count - both;
  }
  return { wanted, right, wrong };
}

Deno.test("Forwarding is wrong for none of many requests at a time, and for few when pieces are lost", () => {
  const lost = { wanted: 0, right: 0, wrong: 0 };
  for (let seed = 1; seed <= 20; seed++) {
    const { wanted, right, wrong } = simulate(seed, false);
    assert.deepEqual([right, wrong], [wanted, 0]);
    const { wanted: all, right: some, wrong: bad } = simulate(seed, true);
    lost.wanted += all;
    lost.right += some;
    lost.wrong += bad;
  }
  assert.ok(lost.wrong <= lost.right / 1000, `${lost.wrong} wrong, ${lost.right} right`);
  assert.ok(lost.right > lost.wanted / 2);
});
