// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import type { IterReader } from "../../src/sys/iter_reader.ts";
import { BpfObject } from "../../src/sys/object.ts";
import { openInstalled, testImage } from "./test_object.ts";

const CONNECTIONS = 1009;

Deno.test("IterReader finds this process among all tasks", async () => {
  using libbpf = openInstalled();
  using object = await BpfObject.load(libbpf, await testImage("sample", { off: ["sample_call"] }));
  const tasks = object.iterator("sample_tasks", "task_record");
  let name = "";
  const records = tasks.read((bytes, offset) => {
    if (tasks.words[offset / 4] !== Deno.pid) return;
    const comm = bytes.subarray(offset + 8, offset + 24);
    name = new TextDecoder().decode(comm.subarray(0, comm.indexOf(0)));
  });
  assert.equal(`${name}\n`, Deno.readTextFileSync("/proc/self/comm"));
  assert.ok(records > 1);
});

Deno.test("IterReader finds each of 1,009 open connections, each time", async () => {
  using libbpf = openInstalled();
  using object = await BpfObject.load(libbpf, await testImage("sample", { off: ["sample_call"] }));
  const sockets = object.iterator("sample_sockets", "tcp_record");
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open: Deno.Conn[] = [];
  try {
    for (let i = 0; i < CONNECTIONS; i++) {
      const [client, server] = await Promise.all([
        Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
        listener.accept(),
      ]);
      open.push(client, server);
    }
    const own = endpoint(AF_INET, listener.addr.port);
    for (let round = 0; round < 2; round++) {
      const lines = iteratedSockets(sockets, AF_INET, own);
      assert.equal(lines.filter((line) => isAccepted(line, own)).length, CONNECTIONS);
    }
  } finally {
    for (const connection of open) connection.close();
  }
});

const AF_INET = 2;
const AF_INET6 = 10;
const LOOPBACK = { [AF_INET]: "0100007F", [AF_INET6]: "00000000000000000000000001000000" };
type Family = keyof typeof LOOPBACK;

const hex = (value: number, digits: number) =>
  value.toString(16).toUpperCase().padStart(digits, "0");

/** As /proc/net/tcp writes one of the loopback address: `0100007F:1F90`. */
function endpoint(family: Family, port: number): string {
  return `${LOOPBACK[family]}:${hex(port, 4)}`;
}

/** Sockets at an end as iter/tcp lists them, in the form of /proc/net/tcp: `0100007F:1F90 0100007F:C350 01`. */
function iteratedSockets(sockets: IterReader, family: Family, end: string): string[] {
  const found: string[] = [];
  const text = (address: Uint32Array) => Array.from(address, (word) => hex(word, 8)).join("");
  sockets.read((bytes, offset) => {
    if (bytes[offset + 6] !== family) return;
    const at = offset / 4;
    const { words } = sockets;
    const port = bytes[offset + 4]! | bytes[offset + 5]! << 8;
    const length = family === AF_INET ? 1 : 4;
    const [from, to] = [at + 3, at + 7].map((start) => words.subarray(start, start + length));
    const ends = [`${text(from!)}:${hex(port, 4)}`, `${text(to!)}:${hex(words[at + 2]!, 4)}`];
    if (ends.includes(end)) found.push(`${ends.join(" ")} ${hex(words[at]!, 2)}`);
  });
  return found.sort();
}

function isAccepted(line: string, own: string): boolean {
  return line.startsWith(own) && line.endsWith(" 01");
}

/** The same of /proc/net. */
function listedSockets(file: string, end: string): string[] {
  return Deno.readTextFileSync(`/proc/net/${file}`).split("\n").slice(1).flatMap((line) => {
    const [, own, peer, state] = line.trim().split(/\s+/);
    return own === end || peer === end ? [`${own} ${peer} ${state}`] : [];
  }).sort();
}

for (
  const [family, hostname, file, count] of [
    [AF_INET, "127.0.0.1", "tcp", 5003],
    [AF_INET6, "::1", "tcp6", 503],
  ] as const
) {
  Deno.test(`IterReader finds with ${count} connections exactly what /proc/net/${file} lists`, async () => {
    using libbpf = openInstalled();
    using object = await BpfObject.load(
      libbpf,
      await testImage("sample", { off: ["sample_call"] }),
    );
    const sockets = object.iterator("sample_sockets", "tcp_record");
    using listener = Deno.listen({ hostname, port: 0 });
    const { port } = listener.addr;
    const open: Deno.Conn[] = [];
    try {
      for (let i = 0; i < count; i++) {
        open.push(...await Promise.all([Deno.connect({ hostname, port }), listener.accept()]));
      }
      const own = endpoint(family, port);
      const listed = listedSockets(file, own);
      assert.equal(listed.length, 2 * count + 1);
      assert.deepEqual(iteratedSockets(sockets, family, own), listed);
    } finally {
      for (const connection of open) connection.close();
    }
  });
}

Deno.test("IterReader drains an iterator that writes nothing, which ran for each task", async () => {
  using libbpf = openInstalled();
  using object = await BpfObject.load(libbpf, await testImage("sample", { off: ["sample_call"] }));
  assert.equal(object.iterator("sample_silent").read(), 0);
  const tasks = object.iterator("sample_tasks", "task_record").read();
  let visited = 0;
  object.table("tiny").read(({ numbers }) => visited += numbers[0]!);
  assert.ok(Math.abs(visited - tasks) < 50, `${visited} of ${tasks} tasks`);
});

Deno.test("IterReader refuses records that do not have the said size", async () => {
  using libbpf = openInstalled();
  using object = await BpfObject.load(libbpf, await testImage("sample", { off: ["sample_call"] }));
  assert.throws(() => object.iterator("sample_tasks").read(), /is said to write none/);
  assert.throws(() => object.iterator("sample_tasks", "no_such"), /has no record "no_such"/);
  assert.throws(() => object.iterator("sample_call"), /"sample_call" is not attached/);
});
