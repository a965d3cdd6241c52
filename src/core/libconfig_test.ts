// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ConfigError } from "./errors.ts";
import {
  type LibconfigNode,
  MAX_LIBCONFIG_CHARACTERS,
  MAX_LIBCONFIG_DEPTH,
  parseLibconfig,
} from "./libconfig.ts";

const FIXTURES = new URL("../../tests/fixtures/conf/", import.meta.url);

type Plain = string | number | boolean | Plain[] | { [name: string]: Plain };

function plain(node: LibconfigNode): Plain {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(plain);
  return Object.fromEntries([...node.entries].map(([name, entry]) => [name, plain(entry.node)]));
}

const read = (text: string) => plain(parseLibconfig(text, "x.conf"));

function messageOf(text: string): string {
  try {
    parseLibconfig(text, "x.conf");
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  return "accepted";
}

const ACCEPTED: [string, Plain][] = [
  ["", {}],
  ["# only\n// comments\n/* of\nall * kinds */", {}],
  [`a = 1; b : "x", c = TRUE d = fAlSe`, { a: 1, b: "x", c: true, d: false }],
  ["a = -7; b = +7; c = 0x1F; d = 0XffL; e = 5000000000L; f = 1LL", {
    a: -7,
    b: 7,
    c: 31,
    d: 255,
    e: 5000000000,
    f: 1,
  }],
  ["a = 1.5; b = .5; c = 2.; d = 1e3; e = -2.5E-1;", { a: 1.5, b: 0.5, c: 2, d: 1000, e: -0.25 }],
  [`a = "one" "two" /* and */\n"three";`, { a: "onetwothree" }],
  [String.raw`a = "q\" b\\ t\t n\n x\x41 \$HOME \.";`, {
    a: 'q" b\\ t\t n\n xA \\$HOME \\.',
  }],
  [`a = "# no // comment /* here";`, { a: "# no // comment /* here" }],
  [`a = "two\nlines"; `, { a: "two\nlines" }],
  ["a = (); b = []; c = {};", { a: [], b: [], c: {} }],
  [`a = ( { n = 1; }, ( "x", 2 ), [ 1, 2, ], );`, { a: [{ n: 1 }, ["x", 2], [1, 2]] }],
  ["g = { out-channel = 1; s_1* : { t = true } };", {
    g: { "out-channel": 1, "s_1*": { t: true } },
  }],
  [`version = "1.0.0" measurements: ( { table_name: "t", fields: ( { type: "key" } ) } )`, {
    version: "1.0.0",
    measurements: [{ table_name: "t", fields: [{ type: "key" }] }],
  }],
];

Deno.test("parseLibconfig reads every form of value, separator and comment", () => {
  for (const [text, expected] of ACCEPTED) assert.deepEqual(read(text), expected, text);
});

const REFUSED: [string, string][] = [
  ["a", `x.conf:1:2: unexpected end of file after "a"; allowed: "=" or ":"`],
  ["a = ;", `x.conf:1:5: unexpected ";"; allowed: a string in "", a number, true or false`],
  ["a = yes;", `x.conf:1:5: unexpected "yes"; allowed: a string in "", a number, true or false`],
  ["\n a = 1;;", `x.conf:2:8: unexpected ";"; allowed: a setting name`],
  ["a = 1;\nb = 2;\na = 3;", `x.conf:3:1: duplicate "a", first in line 1; allowed: each name once`],
  [
    "a = 8888x;",
    `x.conf:1:5: unexpected "8888x"; allowed: a string in "", a number, true or false`,
  ],
  [
    "a = 1.2.3;",
    `x.conf:1:5: unexpected "1.2.3"; allowed: a string in "", a number, true or false`,
  ],
  [
    "a = 9007199254740993L;",
    "x.conf:1:5: number 9007199254740993 is too large; allowed: up to 9007199254740991",
  ],
  ["a = 1e999;", "x.conf:1:5: number 1e999 is too large; allowed: up to 1.79e308"],
  [`a = "open\n`, `x.conf:1:5: string is not closed; allowed: '"'`],
  [String.raw`a = "\x00";`, String.raw`x.conf:1:6: bad escape "\x"; allowed: \x01 to \x7F`],
  [String.raw`a = "\xZZ";`, String.raw`x.conf:1:6: bad escape "\x"; allowed: \x01 to \x7F`],
  ["a = 1; /* open", `x.conf:1:8: comment is not closed; allowed: "*/"`],
  [
    `@include "b.conf"`,
    `x.conf:1:1: "@include" is not supported; allowed: all settings in one file`,
  ],
  [
    "g = {\n a = 1;\n",
    `x.conf:3:1: unexpected end of file in "{" of line 1; allowed: a setting name or "}"`,
  ],
  ["a = ( 1 2 );", `x.conf:1:9: unexpected "2" in "(" of line 1; allowed: "," or ")"`],
  ['a = [ 1, "x" ];', "x.conf:1:10: array mixes types; allowed: numbers only"],
  ["a = [ {} ];", `x.conf:1:7: unexpected "{"; allowed: a string in "", a number, true or false`],
  ["true = 1;", `x.conf:1:1: "true" as a name; allowed: a setting name`],
  ["a = 1 }", `x.conf:1:7: unexpected "}"; allowed: a setting name`],
  ["a\u0000 = 1", `x.conf:1:2: unexpected "\\u0000" after "a"; allowed: "=" or ":"`],
  [`a = "\u0000";`, "x.conf:1:6: NUL character; allowed: text"],
];

Deno.test("parseLibconfig refuses what libconfig refuses, naming line and column", () => {
  for (const [text, expected] of REFUSED) assert.equal(messageOf(text), expected, text);
});

Deno.test("parseLibconfig keeps line and column of every key and value", () => {
  const root = parseLibconfig('a = 1;\nlist =\n  ( { name = "n"; } );\n', "x.conf");
  const list = root.entries.get("list")!;
  assert.deepEqual([list.line, list.column, list.node.line, list.node.column], [2, 1, 3, 3]);
  assert.ok(list.node.kind === "list");
  const [group] = list.node.items;
  assert.ok(group?.kind === "group");
  const name = group.entries.get("name")!;
  assert.deepEqual([name.line, name.column, name.node.line, name.node.column], [3, 7, 3, 14]);
});

Deno.test("parseLibconfig bounds depth and size", () => {
  const nested = (levels: number) => "a = " + "(".repeat(levels) + ")".repeat(levels) + ";";
  assert.equal(messageOf(nested(MAX_LIBCONFIG_DEPTH)), "accepted");
  assert.match(messageOf(nested(MAX_LIBCONFIG_DEPTH + 1)), /nested too deeply; allowed: up to 32/);
  assert.match(messageOf("a = " + "(".repeat(100_000)), /nested too deeply/);
  assert.match(messageOf(" ".repeat(MAX_LIBCONFIG_CHARACTERS + 1)), /allowed: up to 1048576 char/);
});

Deno.test("parseLibconfig takes time in proportion to the text", () => {
  for (const unit of ["/* * ", "\\", "# x\n", "0x", "1e", "a=1;", "("]) {
    const began = performance.now();
    messageOf(`k = "${"x".repeat(9)}" ${unit.repeat(MAX_LIBCONFIG_CHARACTERS / 8)}`);
    assert.ok(performance.now() - began < 1000, unit);
  }
});

/** Small seeded generator, so that a failure can be repeated. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const PIECES = [
  '"',
  "{",
  "}",
  "(",
  ")",
  "[",
  "]",
  "=",
  ":",
  ";",
  ",",
  "\\",
  "/*",
  "*/",
  "#",
  "@include",
  "\n",
  "\0",
  "0x",
  "1e9",
  "-",
  "true",
  "é",
  "\u{1F600}",
  "\uD800",
  "__proto__ = 1;",
];

function mutate(text: string, random: (below: number) => number): string {
  let mutated = text;
  for (let left = 1 + random(4); left > 0; left--) {
    const at = random(mutated.length + 1);
    const removed = random(3) === 0 ? random(40) : random(2);
    const inserted = random(4) === 0
      ? mutated.slice(at, at + random(80))
      : PIECES[random(PIECES.length)]!;
    mutated = mutated.slice(0, at) + inserted + mutated.slice(at + removed);
  }
  return mutated;
}

Deno.test("parseLibconfig lets only ConfigError escape from 10,000 mutations", () => {
  const texts = ["v1.conf", "master.conf"].map((n) => Deno.readTextFileSync(new URL(n, FIXTURES)));
  const random = randomOf(20220822);
  let refused = 0;
  for (let round = 0; round < 10_000; round++) {
    const text = mutate(texts[round % texts.length]!, random);
    try {
      parseLibconfig(text, "x.conf");
    } catch (error) {
      if (!(error instanceof ConfigError)) throw new Error(`round ${round}`, { cause: error });
      assert.ok(error.place.line! >= 1 && error.place.column! >= 1);
      refused++;
    }
  }
  assert.ok(refused > 3000 && refused < 10_000, `${refused} refused: mutations are too weak`);
});
