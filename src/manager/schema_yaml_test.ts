// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { loadConfig } from "./config.ts";
import { EVENT_SETTINGS, PROBE_SETTINGS, SECTIONS } from "./schema.ts";
import { acceptValue, type Key, type Keys } from "./schema_key.ts";
import { renderDefaultYaml } from "./schema_yaml.ts";

const FILE = new URL("../../conf/gala-gopher.yaml", import.meta.url);

Deno.test("renderDefaultYaml gives conf/gala-gopher.yaml, to be written anew when the schema changes", () => {
  assert.equal(Deno.readTextFileSync(FILE), renderDefaultYaml());
});

Deno.test("renderDefaultYaml gives a file that means the built-in defaults and the example", () => {
  const { origin, probes, extend_probes, ...config } = loadConfig(FILE.pathname);
  const files = {
    kindOf: () => "missing" as const,
    read: () => new Uint8Array(),
  };
  const defaults = loadConfig(undefined, {}, files);
  assert.equal(origin, FILE.pathname);
  assert.deepEqual({ ...defaults, ...config }, defaults);
  const named = (list: typeof probes) => list.map(({ place: _, ...rest }) => rest);
  assert.deepEqual(named(probes), named(defaults.probes));
  assert.deepEqual(extend_probes.map((probe) => [probe.name, probe.command, probe.switch]), [
    ["example", "../probes/example/example.sh", "on"],
  ]);
});

Deno.test("SECTIONS has defaults that its own checks accept, and a sentence for every key", () => {
  for (const [section, { keys }] of Object.entries(SECTIONS)) {
    for (const [name, key] of Object.entries(keys as Keys)) {
      assert.ok(
        key.kind !== "map" && acceptValue(key, key.default) === key.default,
        `${section}.${name}`,
      );
      assert.match(key.help, /^\S.*\.$/, `${section}.${name}`);
    }
  }
});

Deno.test("PROBE_SETTINGS has defaults that its own checks accept, and a sentence for every setting", () => {
  for (const [probe, keys] of Object.entries({ ...PROBE_SETTINGS, any: EVENT_SETTINGS })) {
    for (const [name, key] of Object.entries<Key>(keys)) {
      assert.ok(key.kind !== "map" && acceptValue(key, key.default) === key.default, name);
      assert.match(key.help, /^\S.*\.$/, `${probe}.${name}`);
    }
  }
});
