// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { acceptValue, type Key, type Keys } from "../core/setting_key.ts";
import { loadConfig } from "../manager/config.ts";
import { EVENT_SETTINGS, SECTIONS } from "../manager/schema.ts";
import { renderDefaultYaml } from "../manager/schema_yaml.ts";
import { KNOWN_PROBES } from "./known_probes.ts";

const FIXTURES = new URL("../../tests/fixtures/conf/", import.meta.url).pathname;
const FILE = new URL("../../conf/gala-gopher.yaml", import.meta.url);

Deno.test("renderDefaultYaml gives conf/gala-gopher.yaml, which scripts/build.sh writes", () => {
  assert.equal(Deno.readTextFileSync(FILE), renderDefaultYaml(KNOWN_PROBES));
});

Deno.test("renderDefaultYaml gives a file that means the built-in defaults and the example", () => {
  const { origin, probes, extend_probes, ...config } = loadConfig(FILE.pathname, KNOWN_PROBES);
  const files = {
    kindOf: () => "missing" as const,
    read: () => new Uint8Array(),
  };
  const defaults = loadConfig(undefined, KNOWN_PROBES, {}, files);
  assert.equal(origin, FILE.pathname);
  assert.deepEqual({ ...defaults, ...config }, defaults);
  const switched = (list: typeof probes) => list.map((entry) => [entry.name, entry.switch]);
  assert.deepEqual(switched(probes), switched(defaults.probes));
  for (const [at, { settings }] of KNOWN_PROBES.entries()) {
    const values = Object.entries(settings).map(([name, key]) => [name, key.default]);
    assert.deepEqual(probes[at]!.settings, Object.fromEntries(values));
  }
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

Deno.test("Each probe has settings whose defaults pass their own check, and a sentence for each", () => {
  for (
    const { name: probe, settings } of [...KNOWN_PROBES, { name: "any", settings: EVENT_SETTINGS }]
  ) {
    for (const [name, key] of Object.entries<Key>(settings)) {
      assert.ok(key.kind !== "map" && acceptValue(key, key.default) === key.default, name);
      assert.match(key.help, /^\S.*\.$/, `${probe}.${name}`);
    }
  }
});

Deno.test("loadConfig reads the settings of version 1, probes in the place of its programs", () => {
  const config = loadConfig(`${FIXTURES}v1.conf`, KNOWN_PROBES);
  assert.equal(config.global.log_file_name, "gopher.log");
  assert.equal(config.kafka.kafka_broker, "localhost:9092");
  assert.deepEqual(
    config.probes.map(({ name, switch: state, param }) => [name, state, param]),
    [
      ...KNOWN_PROBES.filter(({ name }) => name.startsWith("system_")).map(({ name }) => [
        name,
        "on",
        "-t 5 -w /opt/gala-gopher/task_whitelist.conf -l warn",
      ]),
      ["event", "off", ""],
      ["tcp", "on", "-l warn -P 7"],
      ["messages", "on", ""],
      ["task", "on", "-w /opt/gala-gopher/task_whitelist.conf -P 3174"],
      ["endpoint", "on", "-l warn"],
      ["container_ns", "off", ""],
      ["qdisc", "off", ""],
      ["io", "on", "-l warn"],
      ["oom", "off", ""],
    ],
  );
  assert.deepEqual(
    config.extend_probes.map(({ name, switch: state }) => [name, state]),
    [["cadvisor", "off"], ["redis", "off"], ["redis_client", "off"], ["jvmprobe", "auto"]],
  );
  const missing = config.warnings.filter((line) => line.includes("not in this version"));
  assert.deepEqual(
    missing.map((line) => /probe "(\w+)"/.exec(line)?.[1]),
    ["lvs"],
  );
  assert.match(missing[0]!, /v1\.conf:126:5: /);
});

Deno.test("loadConfig reads the settings of later versions, which list no probes", () => {
  const config = loadConfig(`${FIXTURES}master.conf`, KNOWN_PROBES);
  assert.equal(config.rest_api_server.port, 9999);
  assert.equal(config.probes.length, KNOWN_PROBES.length);
  assert.deepEqual(config.warnings, []);
});
