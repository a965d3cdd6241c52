// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { observedConstants, observedEntries, observeKeys } from "./observe.ts";
import { settingsOf, type Values } from "../../tests/run_probe.ts";

const settings = (values: Values) => settingsOf({ settings: observeKeys() }, values);

Deno.test("observedEntries makes keys of names, cut to 15 bytes, and of process ids", () => {
  const entries = observedEntries(
    settings({ observe_names: "redis, a-name-of-20-bytes", observe_pids: "1,70000" }),
  );
  assert.deepEqual(entries.map(({ map }) => map), [
    "observed_names",
    "observed_names",
    "observed",
    "observed",
  ]);
  const text = (i: number) => new TextDecoder().decode(entries[i]!.key);
  assert.equal(text(0), "redis".padEnd(16, "\0"));
  assert.equal(text(1), "a-name-of-20-by\0");
  assert.deepEqual([...entries[3]!.key], [0x70, 0x11, 1, 0]);
});

Deno.test("observedEntries takes the first 12 digits of a container's id, and tells named from default", () => {
  const [entry] = observedEntries(
    settings({ observe_names: "", observe_containers: "0123456789ABcdef" }),
  );
  assert.equal(new TextDecoder().decode(entry!.key), "0123456789ab");
  assert.deepEqual([...entry!.value], [2]);
  assert.deepEqual([...observedEntries(settings({ observe_names: "redis" }))[0]!.value], [2]);
  assert.deepEqual([...observedEntries(settings({}))[0]!.value], [1]);
});

Deno.test("observedEntries takes the original's names by default", () => {
  assert.equal(observedEntries(settings({})).length, 4);
});

Deno.test("observedEntries refuses what is no process id, and observedConstants what is no choice", () => {
  for (const observe_pids of ["0", "-1", "1.5", "x", "4194305"]) {
    assert.throws(() => observedEntries(settings({ observe_pids })), /observe_pids/);
  }
  assert.throws(() => observedConstants(settings({ observe: "some" })), /allowed: listed or all/);
  assert.deepEqual(observedConstants(settings({ observe: "all" })), {
    observe_all: 1,
    containers_listed: 0,
  });
  assert.deepEqual(observedConstants(settings({ observe_containers: "0123456789ab" })), {
    observe_all: 0,
    containers_listed: 1,
  });
});
