// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Unsupported } from "../core/errors.ts";
import type { AnyProbe, Settings, SettingValue } from "../core/probe.ts";
import { Store } from "../core/store.ts";
import { probes } from "../gen/all.ts";
import { PROBE_SETTINGS } from "../manager/schema.ts";
import { RootFiles } from "../sys/host_files.ts";
import { startNative } from "../sys/native_runner.ts";

/** Settings that a probe asks for when it starts, with the values that it takes by itself. */
function askedBy(probe: AnyProbe): Record<string, SettingValue> {
  const asked: Record<string, SettingValue> = {};
  const note = <Value extends SettingValue>(name: string, fallback: Value): Value => {
    asked[name] = fallback;
    return fallback;
  };
  const settings: Settings = {
    number: note,
    text: note,
    flag: note,
    pattern: (name, fallback) => new RegExp(note(name, fallback)),
    list: (name) => note(name, "").split(",").filter((part) => part !== ""),
    fileText: (name) => note(name, ""),
  };
  if (probe.kind === "ebpf") {
    probe.constants(settings, new Set());
    probe.entries(settings);
    if ("ring" in probe) probe.open({ settings, containerOf: () => "", update: () => {} });
    return asked;
  }
  using files = new RootFiles();
  const store = new Store({ maxTables: 64, maxRows: 16, maxFields: 64, timeoutMs: 60_000 }, {});
  try {
    startNative(probe, { store, files, settings }).stop();
  } catch (error) {
    // This host lacks what it reads.
    if (!(error instanceof Unsupported)) throw error;
  }
  return asked;
}

for (const probe of probes) {
  Deno.test(`PROBE_SETTINGS declares what ${probe.name} asks for, and its defaults`, () => {
    const declared = Object.entries(PROBE_SETTINGS[probe.name] ?? {});
    assert.deepEqual(
      askedBy(probe),
      Object.fromEntries(declared.map(([name, key]) => [name, key.default])),
    );
  });
}
