// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ConfigError } from "../core/errors.ts";
import { parseMeta as parseMetaFile } from "./meta.ts";

const parseMeta = (text: string, file: string) =>
  parseMetaFile(text, file, () => assert.fail("no YAML here"));

function field(type: string, name: string): string {
  return `{ description: "About ${name}.", type: "${type}", name: "${name}" }`;
}

function meta(fields: string, table = "t", entity = "e"): string {
  return `version = "1.2.0"\nmeasurements: (\n{ table_name: "${table}", entity_name: "${entity}",\n` +
    `fields: ( ${fields} ) } )\n`;
}

Deno.test("parseMeta keeps the order of the fields and sorts them by what they are for", () => {
  const fields = [
    field("gauge", "size"),
    field("label", "comm"),
    field("key", "tgid"),
    field("Unknown", "skipped"),
    field("counter", "hits"),
    field("summary", "seconds_sum"),
    field("byte sequence", "body"),
    field("key", "fd"),
  ];
  const [table] = parseMeta(meta(fields.join(",\n")), "a.meta");
  assert.deepEqual(table, {
    name: "t",
    spec: {
      entity: "e",
      version: "1.2.0",
      keys: ["tgid", "fd"],
      labels: ["comm"],
      metrics: {
        size: { type: "gauge", help: "About size.", unit: "" },
        hits: { type: "counter", help: "About hits.", unit: "" },
        seconds_sum: { type: "gauge", help: "About seconds_sum.", unit: "" },
      },
      fields: ["size", "comm", "tgid", "hits", "seconds_sum", "fd"],
    },
    columns: [
      { kind: "metric", name: "size" },
      { kind: "label", name: "comm", index: 2 },
      { kind: "key", name: "tgid", index: 0 },
      { kind: "ignored", name: "skipped" },
      { kind: "metric", name: "hits" },
      { kind: "metric", name: "seconds_sum" },
      { kind: "ignored", name: "body" },
      { kind: "key", name: "fd", index: 1 },
    ],
  });
});

Deno.test("parseMeta reads the example probe's file and a table without a key", () => {
  const file = new URL("../../probes/example/example.meta", import.meta.url);
  const [example] = parseMeta(Deno.readTextFileSync(file), "example.meta");
  assert.deepEqual(example!.spec.keys, ["key_name"]);
  assert.deepEqual(Object.keys(example!.spec.metrics), [
    "cpu_usage",
    "memory_usage",
    "tcp_connection_num",
  ]);
  const [keyless] = parseMeta(meta(field("gauge", "size")), "a.meta");
  assert.deepEqual(keyless!.spec.keys, []);
});

Deno.test("parseMeta takes names up to the longest allowed and refuses one character more", () => {
  const longest = "t".repeat(31);
  assert.equal(parseMeta(meta(field("gauge", "f".repeat(63)), longest), "a")[0]!.name, longest);
  assert.throws(() => parseMeta(meta(field("gauge", "f"), "t".repeat(32)), "a"), ConfigError);
  assert.throws(() => parseMeta(meta(field("gauge", "f".repeat(64))), "a"), ConfigError);
});

const REFUSED: Readonly<Record<string, readonly [text: string, message: RegExp]>> = {
  "an unknown type": [
    meta(field("guage", "a")),
    /^a\.meta:4:38: type "guage" of field "a"; .*gauge/,
  ],
  "a field twice": [meta(`${field("key", "a")}, ${field("gauge", "a")}`), /field "a" twice/],
  "a field without name": [meta(`{ description: "", type: "key" }`), /"name" is missing/],
  "a number as a name": [meta(`{ description: "", type: "key", name: 1 }`), /"name" is no string/],
  "a name with a dash": [meta(field("gauge", "a-b")), /name "a-b"; allowed: 1 to 63 letters/],
  "a name of the language": [meta(field("gauge", "__proto__")), /name "__proto__"/],
  "an empty name": [meta(field("gauge", "")), /name ""/],
  "an entity with a blank": [meta(field("gauge", "a"), "t", "e e"), /entity_name "e e"/],
  "a table for event lines": [meta(field("gauge", "a"), "event"), /table "event", which/],
  "an unknown setting": [meta(`{ description: "", type: "key", name: "a", unit: "s" }`), /"unit"/],
  "no fields": [meta(""), /empty list/],
  "a field that is no group": [meta(`"a"`), /a scalar in the list/],
  "no version": [`measurements: ( )`, /"version" is missing/],
  "no tables": [`version = "1"; measurements: ( )`, /empty list/],
  "a table that is no group": [`version = "1"; measurements: ( ( ) )`, /a list in the list/],
  "no list of tables": [`version = "1"; measurements: 5`, /a scalar; allowed: a list of tables/],
  "an empty file": ["", /"version" is missing/],
  "broken grammar": [`version = `, /a\.meta:1:1/],
};

Deno.test("parseMeta refuses what is wrong, with place and what is allowed", () => {
  for (const [name, [text, message]] of Object.entries(REFUSED)) {
    assert.throws(() => parseMeta(text, "a.meta"), (error) => {
      assert.ok(error instanceof ConfigError, name);
      assert.match(error.message, message, name);
      assert.ok(error.place.line !== undefined && error.allowed !== undefined, name);
      return true;
    });
  }
});

Deno.test("parseMeta refuses a table twice", () => {
  const table = `{ table_name: "t", entity_name: "e", fields: ( ${field("key", "a")} ) }`;
  const text = `version = "1"; measurements: ( ${table}, ${table} )`;
  assert.throws(() => parseMeta(text, "a.meta"), /table "t" twice/);
});

Deno.test("parseMeta takes a histogram, whose bounds are not known yet, and adds its largest value", () => {
  const [table] = parseMeta(meta(`${field("key", "a")}, ${field("histogram", "rtt")}`), "a.meta");
  assert.deepEqual(table!.spec.metrics, {
    rtt: { type: "histogram", bounds: [], help: "About rtt.", unit: "" },
    rtt_max: { type: "gauge", help: "Largest value: About rtt.", unit: "" },
  });
  assert.deepEqual(table!.columns[1], { kind: "histogram", name: "rtt" });
  const taken = meta(`${field("histogram", "rtt")}, ${field("counter", "rtt_max")}`);
  assert.equal(parseMeta(taken, "a.meta")[0]!.spec.metrics.rtt_max!.type, "counter");
});
