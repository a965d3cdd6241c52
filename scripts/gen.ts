// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Writes what follows from other files: src/gen/layouts.ts from the compiled objects in build/bpf, src/gen/all.ts
 * from the files in src/probes, src/gen/protocols.ts from those in src/core/messages/protocols. With --check it writes
 * nothing and fails if a file in the tree differs.
 */
import type { ObjectLayout } from "../src/core/layout.ts";
import type { AnyProbe } from "../src/core/probe.ts";
import { BtfReader, type BtfType } from "./btf_layout.ts";
import { elfSymbols } from "./elf_symbols.ts";
import { printLayouts } from "./print_layout.ts";
import { writeOrCompare } from "./write_or_compare.ts";

const ROOT = new URL("../", import.meta.url);

async function fileNames(folder: URL, wanted: (name: string) => boolean): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isFile && wanted(entry.name)) names.push(entry.name);
  }
  return names.sort();
}

async function bpftool(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("bpftool", { args }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`Cannot run "bpftool ${args.join(" ")}": ${new TextDecoder().decode(stderr)}`);
}

/** The layout of one compiled object. */
export async function readLayout(folder: URL, name: string): Promise<ObjectLayout> {
  const path = new URL(name, folder);
  const dump: { types: BtfType[] } = JSON.parse(
    await bpftool("btf", "dump", "file", path.pathname, "-j"),
  );
  return new BtfReader(name, dump.types).layout(elfSymbols(await Deno.readFile(path)));
}

async function layoutsText(): Promise<string> {
  const folder = new URL("build/bpf/", ROOT);
  const names = await fileNames(folder, (name) => name.endsWith(".bpf.o"));
  return printLayouts(await Promise.all(names.map((name) => readLayout(folder, name))));
}

const PROTOCOLS = "core/messages/protocols";

type LeftOut = Pick<AnyProbe, "name" | "kind">;

/** Names of the files that have a default export; what they share has none. */
async function stemsOf(folder: URL): Promise<string[]> {
  const names = await fileNames(
    folder,
    (name) => name.endsWith(".ts") && !name.endsWith("_test.ts"),
  );
  const stems: string[] = [];
  for (const name of names) {
    const text = await Deno.readTextFile(new URL(name, folder));
    if (/^export default /m.test(text)) stems.push(name.slice(0, -".ts".length));
  }
  return stems;
}

/** The imports of these files in `folder`, and the start of a list of them. */
function listLines(stems: readonly string[], folder: string, list: string): string {
  const imports = stems.map((stem) => `import ${stem} from "../${folder}/${stem}.ts";\n`).join("");
  return `${imports}
export const ${list} = [
${stems.map((stem) => `  ${stem},\n`).join("")}];
`;
}

/** A probe is a file with a default export. `leftOut` are not listed. */
export async function probeListText(
  folder: URL,
  leftOut: readonly LeftOut[] = [],
): Promise<string> {
  const stems = (await stemsOf(folder)).filter((stem) =>
    leftOut.every(({ name }) => name !== stem)
  );
  return `// SPDX-License-Identifier: MulanPSL-2.0
/** Written by scripts/gen.ts from the files in src/probes: do not edit. */
import type { AnyProbe } from "../core/probe.ts";
${listLines(stems, "probes", "probes: readonly AnyProbe[]")}
/** Those that this build was made without. */
export const leftOut: readonly Pick<AnyProbe, "name" | "kind">[] = ${JSON.stringify(leftOut)};
`;
}

async function protocolListText(): Promise<string> {
  const stems = await stemsOf(new URL(`src/${PROTOCOLS}/`, ROOT));
  return `// SPDX-License-Identifier: MulanPSL-2.0
/** Written by scripts/gen.ts from the files in src/${PROTOCOLS}: do not edit. */
import type { Protocol } from "../core/messages/protocol.ts";
${listLines(stems, PROTOCOLS, "protocols: readonly Protocol[]")}`;
}

if (import.meta.main) {
  Deno.exit(
    await writeOrCompare([
      ["src/gen/layouts.ts", await layoutsText()],
      ["src/gen/all.ts", await probeListText(new URL("src/probes/", ROOT))],
      ["src/gen/protocols.ts", await protocolListText()],
    ]),
  );
}
