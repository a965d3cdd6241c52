// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Unsupported } from "../core/errors.ts";
import type { AnyProbe, Settings } from "../core/probe.ts";
import { Store } from "../core/store.ts";
import { probes } from "../gen/all.ts";
import { RootFiles } from "../sys/host_files.ts";
import { startNative } from "../sys/native_runner.ts";
import { settingsOf } from "../../tests/run_probe.ts";

/** Names of the settings that a probe asks for when it starts. */
async function askedBy(probe: AnyProbe): Promise<Set<string>> {
  const asked = new Set<string>();
  const given = settingsOf(probe);
  const settings = new Proxy(given, {
    get: (target, kind: keyof Settings) => (name: string) => {
      asked.add(name);
      return target[kind](name);
    },
  });
  if (probe.kind === "ebpf") {
    probe.constants(settings, new Set());
    probe.entries(settings);
    if ("mostUsed" in probe) probe.mostUsed(settings);
    if ("ring" in probe) {
      probe.ways(settings);
      await probe.open({ settings, containerOf: () => "", update: () => {} });
    }
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
  Deno.test(`${probe.name} asks for each setting that it declares, and for no other`, async () => {
    assert.deepEqual(await askedBy(probe), new Set(Object.keys(probe.settings)));
  });
}
