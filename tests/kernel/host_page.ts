// SPDX-License-Identifier: MulanPSL-2.0
/** Our tables of this host, read on demand in this process and shown by the real exposition. */
import { Store } from "../../src/core/store.ts";
import { ByteWriter } from "../../src/egress/byte_writer.ts";
import { Exposition } from "../../src/egress/exposition.ts";
import { probes } from "../../src/gen/all.ts";
import type { LibcHostCalls } from "../../src/sys/host_calls.ts";
import type { RootFiles } from "../../src/sys/host_files.ts";
import { startNative } from "../../src/sys/native_runner.ts";
import { settingsOf } from "../run_probe.ts";

/** `name{a="1",b="2"}` with sorted labels to the number. */
export type Samples = Map<string, number>;

export function parseSamples(page: string): Samples {
  const samples: Samples = new Map();
  for (const line of page.split("\n")) {
    const found = /^([a-zA-Z_]\w*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (found === null) continue;
    const labels = [...(found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)]
      .map(([, name, value]) => `${name}="${value}"`).sort();
    samples.set(`${found[1]}{${labels.join(",")}}`, Number(found[3]));
  }
  return samples;
}

/** Tables that are of no process and no container. */
const ELSEWHERE: ReadonlySet<string> = new Set(["system_proc"]);

/** Reads once at each call. */
export function hostPage(files: RootFiles, calls: LibcHostCalls): () => Promise<Samples> {
  const limits = { maxTables: 256, maxRows: 10_000, maxFields: 128, timeoutMs: 60_000 };
  const store = new Store(limits, {});
  const running = probes.filter((probe) => probe.kind === "native")
    .filter(({ name }) => name.startsWith("system_") && !ELSEWHERE.has(name))
    .map((probe) => startNative(probe, { store, files, calls, settings: settingsOf(probe) }));
  const exposition = new Exposition(store);
  let now = 0;
  return async () => {
    now += 1000;
    await Promise.all(running.map((probe) => probe.tick(now)));
    const out = new ByteWriter();
    await exposition.encode("text", out);
    return parseSamples(new TextDecoder().decode(out.written));
  };
}
