// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { gauge } from "../core/declare.ts";
import { Store } from "../core/store.ts";
import type { Table } from "../core/table.ts";
import { type HeldPage, Snapshot } from "./snapshot.ts";

const LIMITS = { maxTables: 10, maxRows: 100_000, maxFields: 64, timeoutMs: 60_000 };

function oneTable(rows = 1): { store: Store; table: Table } {
  const store = new Store(LIMITS, {});
  const metrics = { up: gauge("Up.", "count") };
  const spec = { entity: "thing", version: "1.0.0", keys: ["name"], labels: [], metrics };
  const table = store.add("thing", "test", spec);
  for (let row = 0; row < rows; row++) put(table, String(row), row);
  return { store, table };
}

function put(table: Table, name: string, value: number): void {
  table.set(table.row([name], 0), 0, value);
}

function textOf(page: HeldPage): string {
  return new TextDecoder().decode(page.bytes);
}

Deno.test("Snapshot encodes once for requests at the same time and until a table changes", async () => {
  const { store, table } = oneTable();
  const snapshot = new Snapshot({ store });
  const pages = await Promise.all(Array.from({ length: 50 }, () => snapshot.page("text")));
  assert.equal(snapshot.stats.pages, 1);
  for (const page of pages) {
    assert.match(textOf(page), /thing_up{name="0"} 0\n$/);
    page[Symbol.dispose]();
  }
  (await snapshot.page("text"))[Symbol.dispose]();
  assert.equal(snapshot.stats.pages, 1);
  put(table, "0", 5);
  using page = await snapshot.page("text");
  assert.equal(snapshot.stats.pages, 2);
  assert.match(textOf(page), /thing_up{name="0"} 5\n$/);
});

Deno.test("Snapshot consumes nothing: every reader sees every value", async () => {
  const snapshot = new Snapshot({ store: oneTable(3).store });
  using first = await snapshot.page("text");
  using second = await snapshot.page("text");
  using open = await snapshot.page("openmetrics");
  assert.equal(textOf(first), textOf(second));
  assert.equal(textOf(open), `${textOf(first)}# EOF\n`);
});

Deno.test("Snapshot does not touch a page while it is held, and reuses buffers afterwards", async () => {
  const { store, table } = oneTable();
  const snapshot = new Snapshot({ store });
  const held = await snapshot.page("text");
  const before = textOf(held);
  const buffers = new Set<ArrayBufferLike>();
  for (let round = 1; round <= 20; round++) {
    put(table, "0", round);
    using page = await snapshot.page("text");
    assert.match(textOf(page), new RegExp(` ${round}\n$`));
    assert.notEqual(page.bytes.buffer, held.bytes.buffer);
    buffers.add(page.bytes.buffer);
  }
  assert.equal(textOf(held), before);
  held[Symbol.dispose]();
  held[Symbol.dispose]();
  assert.equal(buffers.size, 1);
});

Deno.test("Snapshot shows what changed during an encoding in the next page", async () => {
  const { store, table } = oneTable(100_000);
  const snapshot = new Snapshot({ store });
  const first = snapshot.page("text");
  await new Promise((resolve) => setTimeout(resolve, 0));
  put(table, "0", 77);
  (await first)[Symbol.dispose]();
  using second = await snapshot.page("text");
  assert.match(textOf(second), /{name="0"} 77\n/);
});

Deno.test("Snapshot compresses a page once", async () => {
  const snapshot = new Snapshot({ store: oneTable(50_000).store });
  const pages = await Promise.all(
    Array.from({ length: 5 }, () => snapshot.compressedPage("text")),
  );
  using plain = await snapshot.page("text");
  for (const page of pages) {
    assert.equal(page.bytes, pages[0]!.bytes);
    page[Symbol.dispose]();
  }
  assert.equal(new TextDecoder().decode(gunzipSync(pages[0]!.bytes)), textOf(plain));
  assert.ok(pages[0]!.bytes.length < plain.bytes.length / 4);
});

Deno.test("Snapshot renews loose families when they have aged", async () => {
  let asked = 0;
  const loose = () => {
    const samples = [{ labels: {}, value: ++asked }];
    return Promise.resolve([{ name: "asked", type: "gauge" as const, help: "Asked.", samples }]);
  };
  const { store } = oneTable();
  const slow = new Snapshot({ store, loose, looseMaxAgeMs: 60_000 });
  for (let n = 0; n < 3; n++) (await slow.page("text"))[Symbol.dispose]();
  assert.equal(asked, 1);
  const quick = new Snapshot({ store, loose, looseMaxAgeMs: 0 });
  for (let n = 0; n < 3; n++) (await quick.page("text"))[Symbol.dispose]();
  assert.equal(asked, 4);
});

Deno.test("Snapshot recovers from a source of loose families that fails", async () => {
  let broken = true;
  const loose = () => broken ? Promise.reject(new Error("broken")) : Promise.resolve([]);
  const snapshot = new Snapshot({ store: oneTable().store, loose });
  const requests = [snapshot.page("text"), snapshot.compressedPage("text")];
  for (const request of requests) await assert.rejects(request, /broken/);
  broken = false;
  using page = await snapshot.page("text");
  assert.match(textOf(page), /thing_up/);
});
