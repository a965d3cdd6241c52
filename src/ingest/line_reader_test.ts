// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Store } from "../core/store.ts";
import type { Table } from "../core/table.ts";
import { addIngestTable } from "./ingest_table.ts";
import { LineReader, type LineReaderOptions } from "./line_reader.ts";
import { parseMeta } from "./meta.ts";

const TYPES: Readonly<Record<string, string>> = {
  k: "key",
  l: "label",
  g: "gauge",
  c: "counter",
  u: "Unknown",
  h: "histogram",
};

/** Tables with fields named by type and position: `k0`, `g1`. */
function setUp(
  shapes: Readonly<Record<string, string>>,
  maxRows = 100,
  options: LineReaderOptions = {},
) {
  const tables = Object.entries(shapes).map(([name, shape]) => {
    const fields = [...shape].map((letter, i) =>
      `{ description: "d", type: "${TYPES[letter]}", name: "${letter}${i}" }`
    );
    return `{ table_name: "${name}", entity_name: "${name}", fields: ( ${fields.join()} ) }`;
  });
  const text = `version = "1"; measurements: ( ${tables.join()} )`;
  const limits = { maxTables: 10, maxRows, maxFields: 64, timeoutMs: 60000 };
  const store = new Store(limits, { host: "h" });
  const added = parseMeta(text, "test.meta", () => assert.fail("no YAML"))
    .map((table) => addIngestTable(store, "p", table));
  const records: string[] = [];
  const texts: string[] = [];
  const reader = new LineReader(added, {
    record: (kind, line) => records.push(`${kind}:${line}`),
    text: (bytes) => texts.push(new TextDecoder().decode(bytes)),
  }, options);
  const encoder = new TextEncoder();
  const feed = (...lines: string[]) => {
    for (const line of lines) reader.feed(encoder.encode(`${line}\n`), 1);
  };
  return { reader, records, texts, feed, store, table: added[0]!.table };
}

function rowsOf(table: Table, columns = table.metricNames.length): string[] {
  const rows: string[] = [];
  for (let slot = 0; slot < table.slots; slot++) {
    if (!table.isRow(slot)) continue;
    const numbers = Array.from({ length: columns }, (_, column) => table.get(slot, column));
    rows.push(`${new TextDecoder().decode(table.labelText(slot))} ${numbers.join(" ")}`);
  }
  return rows;
}

Deno.test("LineReader puts every field where the meta says", () => {
  const { reader, table, feed } = setUp({ tcp: "gkulcgk" });
  feed("|tcp|1.5|key|ignored|lab|7|-2|last|", "|tcp|2|key|x|lab2|8|3|last|", "|tcp|3|Ä|x|l|0|0|b|");
  assert.deepEqual(rowsOf(table), [
    '{k1="key",k6="last",l3="lab2",host="h"} 2 8 3',
    '{k1="Ä",k6="b",l3="l",host="h"} 3 0 0',
  ]);
  assert.equal(reader.rows, 3);
  assert.deepEqual(reader.refusals.counts, {});
});

Deno.test("LineReader takes empty fields, and on request missing ones, as not known", () => {
  const { table, feed, reader } = setUp({ t: "klgg" }, 100, { shortLines: true });
  feed("|t|a|lab|1|2|", "|t|a|(null)||nan|", "|t|b|", "|t|c|lab|5", "|t|d|x|1|2|||");
  assert.deepEqual(rowsOf(table), [
    '{k0="a",host="h"} NaN NaN',
    '{k0="b",host="h"} NaN NaN',
    '{k0="c",l1="lab",host="h"} 5 NaN',
    '{k0="d",l1="x",host="h"} 1 2',
  ]);
  assert.deepEqual(reader.refusals.counts, {});
});

Deno.test("LineReader reads a table without key", () => {
  const { table, feed } = setUp({ example: "ggc" });
  feed("|example|1|2|3|", "|example|4|5|6|");
  assert.deepEqual(rowsOf(table), ['{host="h"} 4 5 6']);
});

const REFUSED: readonly (readonly [line: string, reason: string, field?: string])[] = [
  ["|nope|a|b|1|2|", "unknown_table"],
  ["|", "unknown_table"],
  ["||", "unknown_table"],
  ["|t", "too_few_fields", "g0"],
  ["|t|", "too_few_fields", "g0"],
  ["|t|1|", "too_few_fields", "k1"],
  ["|t|1|a", "too_few_fields", "g2"],
  ["|t|1|a|", "too_few_fields", "g2"],
  ["|event|x|", "bad_event"],
  ["|event|nic|eth0|drops|WARN|12|body|", "bad_event"],
  ["|event|nic|eth0|drops|1|c|WARN|13|body|", "bad_event"],
  ["|event||eth0|drops|WARN|13|body|", "bad_event"],
  ["|log|1|", "bad_log"],
  ["|tt|1|a|", "unknown_table"],
  ["|t||a|2|", "empty_first_field", "g0"],
  ["|t|1|a|2|3|", "too_many_fields"],
  ["|t|1|a|2||3|", "too_many_fields"],
  ["|t|1|a|2|3", "too_many_fields"],
  ["|t|one|a|2|", "bad_number", "g0"],
  ["|t|1|a|0x2|", "bad_number", "g2"],
  ["|t|1|a\0|2|", "nul"],
  ["text with \0 in it", "nul"],
  ["|t|1|a\x1b[31m|2|", "control_character"],
  ["|t|1|a\rb|2|", "control_character"],
];

Deno.test("LineReader refuses bad lines by reason and keeps the good ones around", () => {
  for (const [line, reason, field] of REFUSED) {
    const { reader, table, feed } = setUp({ t: "gkg" });
    feed("|t|1|a|2|", line, "|t|3|b|4|");
    assert.deepEqual(reader.refusals.counts, { [reason]: 1 }, line);
    assert.equal(reader.refusals.lines[0]!.field, field, line);
    assert.deepEqual(rowsOf(table), ['{k1="a",host="h"} 1 2', '{k1="b",host="h"} 3 4'], line);
  }
});

Deno.test("LineReader refuses a null key in front", () => {
  const { reader, table, feed } = setUp({ t: "kg" });
  feed("|t||1|", "|t|(null)|1|");
  assert.deepEqual(reader.refusals.counts, { empty_first_field: 2 });
  assert.equal(table.rows, 0);
});

Deno.test("LineReader refuses what is not UTF-8, too long or unfinished", () => {
  const { reader, table, feed } = setUp({ t: "kg" });
  reader.feed(Uint8Array.of(124, 116, 124, 0xc3, 124, 49, 124, 10, 0xff, 10), 1);
  feed(`|t|${"x".repeat(9000)}|1|`, "|t|good|1|");
  reader.feed(new TextEncoder().encode("|t|half|1|"), 1);
  reader.end();
  assert.deepEqual(reader.refusals.counts, { not_utf8: 2, too_long: 1, unfinished: 1 });
  assert.deepEqual(rowsOf(table), ['{k0="good",host="h"} 1']);
  assert.equal(reader.refusals.lines[0]!.text, "|t|\\xc3|1|");
});

Deno.test("LineReader hands over events, logs and text", () => {
  const { reader, records, texts, feed } = setUp({ t: "kg" });
  const event = "|event|nic|eth0|tx_dropped||||||eth0|WARN|13|Fri May 10 WARN Entity(eth0) x|";
  const first = "|event|tcp_link|1_0|drops|ERROR|17|body";
  const log = '|log|1700000000000|"INFO"|9|{"a|b":1}|{}|"text"|';
  feed(event, first, log, "[WARN] no route", "", "t|a|1|", "\x1b[31mred");
  assert.deepEqual(records, [`event:${event}`, `event:${first}`, `log:${log}`]);
  assert.deepEqual(texts, ["[WARN] no route", "t|a|1|", "\x1b[31mred"]);
  assert.deepEqual([reader.lines, reader.records, reader.texts], [6, 3, 3]);
});

Deno.test("LineReader lets a full table drop and count its rows", () => {
  const { table, feed, reader } = setUp({ t: "kg" }, 2);
  feed("|t|a|1|", "|t|b|2|", "|t|c|3|", "|t|a|4|");
  assert.deepEqual([table.rows, table.dropped, reader.rows], [2, 1, 3]);
  assert.deepEqual(rowsOf(table), ['{k0="a",host="h"} 4', '{k0="b",host="h"} 2']);
});

/** Numbers from 0 up to but without `below`, the same in every run. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 4294967296 * below);
  };
}

function mutate(line: Uint8Array, roll: (below: number) => number): Uint8Array {
  let bytes = [...line];
  for (let changes = 1 + roll(4); changes > 0; changes--) {
    const at = roll(bytes.length + 1);
    const change = roll(8);
    if (change === 0) bytes[at] = roll(256);
    else if (change === 1) bytes.splice(at, roll(5));
    else if (change === 2) bytes.splice(at, 0, "|\n\r\0\x80-e."[roll(8)]!.charCodeAt(0));
    else if (change === 3) {
      bytes.splice(at, 0, ...bytes.slice(roll(bytes.length + 1)).slice(0, 300));
    } else if (change === 4) bytes = bytes.slice(0, at);
    else if (change === 5) bytes.splice(at, 0, ...Array(roll(12) === 0 ? 9000 : 3).fill(roll(256)));
    else if (change === 6) bytes.reverse();
    else bytes.splice(at, 0, 0xf0, 0x9d, 0x84, 0x9e);
  }
  return Uint8Array.from(bytes);
}

Deno.test("LineReader survives 10,000 mutated lines and loses no good one between them", () => {
  const roll = dice(20251123);
  const { reader, feed, records, texts, table: sound } = setUp({ sound: "kg", t: "klgc" }, 12000);
  const encoder = new TextEncoder();
  const bases = [
    "|t|key|label|12.5|99|",
    "|t|ключ|метка|1|2|",
    "|event|a|b|c|INFO|9|d|",
    "[INFO] text",
    "|t|a|",
  ]
    .map((text) => encoder.encode(text));
  const parts: number[] = [];
  for (let i = 0; i < 10_000; i++) {
    parts.push(...mutate(bases[roll(bases.length)]!, roll), 10);
    parts.push(...encoder.encode(`|sound|s${i}|${i}|\n`));
  }
  const input = Uint8Array.from(parts);
  for (let at = 0; at < input.length;) {
    const size = 1 + roll(roll(2) === 0 ? 40 : 5000);
    reader.feed(input.subarray(at, at + size), 1);
    at += size;
  }
  feed("|sound|last|1|");
  const values = sound.values(sound.column("g1"));
  for (let i = 0; i < 10_000; i++) {
    const slot = sound.row([`s${i}`], 1);
    assert.equal(values[slot], i);
  }
  assert.ok(sound.rows < 10_020, `${sound.rows} rows`);
  const { counts, lines } = reader.refusals;
  const refused = Object.values(counts).reduce((sum, count) => sum + count, 0);
  assert.equal(reader.lines, reader.rows + records.length + texts.length + refused);
  assert.deepEqual(Object.keys(counts).sort(), [
    "bad_event",
    "bad_number",
    "control_character",
    "empty_first_field",
    "not_utf8",
    "nul",
    "too_few_fields",
    "too_long",
    "too_many_fields",
    "unknown_table",
  ]);
  assert.ok(lines.every(({ text }) => text.length <= 200));
});

Deno.test("LineReader takes a histogram's bounds from its first line and counts each range", () => {
  const { reader, store, feed } = setUp({ rtt: "khg" });
  const rows = () => [...store.tables].flatMap((table) => rowsOf(table, table.columns));
  feed("|rtt|a||1|");
  assert.deepEqual(rows(), ['{k0="a",host="h"} NaN NaN 1 NaN']);
  feed("|rtt|a|5 50 10 100 18 200 20 500 20 1000 20 1310 160|2|", "|rtt|b||3|");
  assert.deepEqual(rows(), [
    '{k0="a",host="h"} 10 8 2 0 0 0 1310 2 160',
    '{k0="b",host="h"} NaN NaN NaN NaN NaN NaN NaN 3 NaN',
  ]);
  const [table] = store.tables;
  const { h1, h1_max } = table!.spec.metrics;
  assert.ok(h1?.type === "histogram");
  assert.deepEqual(h1.bounds, [50, 100, 200, 500, 1000]);
  assert.equal(h1_max!.type, "gauge");
  feed("|rtt|a|5 50 11 100 19 200 22 500 22 1000 22 1500 190|4|");
  assert.equal([...store.tables][0], table);
  assert.equal(rows()[0], '{k0="a",host="h"} 11 8 3 0 0 0 1500 4 190');
  assert.deepEqual(reader.refusals.counts, {});
});

Deno.test("LineReader refuses a histogram that is none, and one with other bounds, and keeps the row", () => {
  const { reader, store, feed } = setUp({ rtt: "kh" });
  feed("|rtt|a|2 1 5 2 7 9 2|");
  for (const bad of ["2 1 5", "x 1", "1 1 5 9 2 2", "2 2 5 1 7 9 2", "2 1 5 2 4 9 2", "0 0 0"]) {
    feed(`|rtt|a|${bad}|`);
  }
  feed("|rtt|a|2 1 5 3 7 9 2|", "|rtt|a|1 1 5 9 2|");
  assert.deepEqual(reader.refusals.counts, { bad_histogram: 6, other_bounds: 2 });
  assert.deepEqual(reader.refusals.lines.at(-1)!.field, "h1");
  const [table] = store.tables;
  assert.deepEqual(rowsOf(table!, table!.columns), ['{k0="a",host="h"} 5 2 0 9 2']);
});

Deno.test("LineReader has the row of a line right whether its bytes are known or not", () => {
  const { feed, table, reader } = setUp({ t: "klg" });
  feed("|t|a|x|1|", "|t|b|x|2|", "|t|a|x|3|");
  assert.deepEqual(rowsOf(table), ['{k0="a",l1="x",host="h"} 3', '{k0="b",l1="x",host="h"} 2']);
  feed("|t|a|y|4|", "|t|a|x|5|", "|t|a|y|6|", "|t|b|x|no number|", "|t|b|x|");
  assert.deepEqual(rowsOf(table), ['{k0="a",l1="y",host="h"} 6', '{k0="b",l1="x",host="h"} 2']);
  feed("|t|a|(null)|7|", "|t|b|x|8|");
  assert.deepEqual(rowsOf(table), ['{k0="a",host="h"} 7', '{k0="b",l1="x",host="h"} 8']);
  assert.deepEqual(reader.refusals.counts, { bad_number: 1, too_few_fields: 1 });
});

Deno.test("LineReader puts the first histogram of a known row into that row", () => {
  const { store, feed } = setUp({ t: "kh" });
  feed("|t|a||", "|t|b||", "|t|a|1 5 2 7 5|");
  const [table] = store.tables;
  assert.deepEqual(rowsOf(table!, table!.columns), ['{k0="a",host="h"} 2 0 7 5']);
});
