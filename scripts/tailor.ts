// SPDX-License-Identifier: MulanPSL-2.0
/**
 * For scripts/build.sh --without: writes the list of probes without some of them into a copy of the sources, and prints
 * the BPF objects that the others need.
 */
import type { AnyProbe } from "../src/core/probe.ts";
import { probes } from "../src/gen/all.ts";
import { probeListText } from "./gen.ts";

/**
 * The probes that a list means: `tcp,container` or the original's `tcp.probe|system_infos.probe`, whose groups stand for
 * their parts. Throws TypeError for a name that none has, and when none would be left.
 */
export function probesNamed(list: string, all: readonly AnyProbe[] = probes): AnyProbe[] {
  const names = list.split(/[,|\s]+/).filter((name) => name !== "")
    .map((name) => name.replace(/\.probe$/, ""));
  const found = new Set<AnyProbe>();
  for (const name of names) {
    const meant = all.filter((probe) => probe.name === name || probe.partOf.includes(name));
    if (meant.length === 0) {
      const allowed = new Set(all.flatMap((probe) => [probe.name, ...probe.partOf]));
      throw new TypeError(`there is no probe "${name}"; there are: ${[...allowed].join(", ")}`);
    }
    for (const probe of meant) found.add(probe);
  }
  if (found.size === all.length) throw new TypeError("no probe would be left");
  return [...found];
}

/** Names of the object files of these probes. */
export function objectsOf(some: readonly AnyProbe[]): string[] {
  const objects = some.flatMap((probe) => probe.kind === "ebpf" ? [probe.layout.object] : []);
  return [...new Set(objects)];
}

async function main([list = "", stage = ""]: readonly string[]): Promise<void> {
  const gone = probesNamed(list);
  const leftOut = gone.map(({ name, kind }) => ({ name, kind }));
  const folder = new URL("../src/probes/", import.meta.url);
  await Deno.writeTextFile(`${stage}/src/gen/all.ts`, await probeListText(folder, leftOut));
  for (const name of objectsOf(probes.filter((probe) => !gone.includes(probe)))) console.log(name);
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(`scripts/build.sh --without: ${error.message}`);
    Deno.exit(2);
  }
}
