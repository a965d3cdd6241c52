// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { tableDescriptions } from "../src/app/meta.ts";
import { probes } from "../src/gen/all.ts";
import { SECTIONS } from "../src/manager/schema.ts";
import { configurationText, metricsText } from "./docs.ts";

const read = (path: string) => Deno.readTextFileSync(new URL(`../${path}`, import.meta.url));

Deno.test("metricsText gives docs/metrics.md, with every metric of every table", () => {
  const text = metricsText();
  assert.equal(read("docs/metrics.md"), text, "run scripts/build.sh");
  for (const { table, entity, metrics } of tableDescriptions()) {
    assert.ok(text.includes(`### ${table}\n`), table);
    for (const { name } of metrics) {
      assert.ok(text.includes(`| \`gala_gopher_${entity}_${name}\` |`), `${entity}_${name}`);
    }
  }
  for (const { name } of probes) assert.ok(text.includes(`## ${name}\n`), name);
  for (const folder of ["redis", "jvm", "example"]) {
    assert.ok(text.includes(`## ${folder} (third-party)`), folder);
  }
});

Deno.test("configurationText gives docs/configuration.md, with every key", () => {
  const text = configurationText();
  assert.equal(read("docs/configuration.md"), text, "run scripts/build.sh");
  for (const [section, { keys }] of Object.entries(SECTIONS)) {
    for (const key of Object.keys(keys)) assert.ok(text.includes(`| \`${section}.${key}\` |`), key);
  }
  for (const line of text.split("\n").filter((line) => line.startsWith("| "))) {
    assert.equal(line.replaceAll("\\|", "").split("|").length, 7, line);
  }
});
