// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Writes what follows from other files: src/gen/layouts.ts from the compiled objects in build/bpf, src/gen/all.ts
 * from the files in src/probes, src/gen/protocols.ts from those in src/core/messages/protocols. With --check it writes nothing and fails if a file in the tree differs.
 */
import type { ObjectLayout } from "../src/core/layout.ts";
import { BtfReader, type BtfType } from "./btf_layout.ts";
import { elfSymbols } from "./elf_symbols.ts";
import { printLayouts } from "./print_layout.ts";

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

interface List {
  readonly name: string;
  readonly type: string;
  /** Imports, as seen from src/gen. */
  readonly typeFrom: string;
  readonly from: string;
}

async function listText(folder: URL, { name, type, typeFrom, from }: List): Promise<string> {
  const stems = await stemsOf(folder);
  const imports = stems.map((stem) => `import ${stem} from "${from}/${stem}.ts";\n`).join("");
  return `// SPDX-License-Identifier: MulanPSL-2.0
/** Written by scripts/gen.ts from the files in src/${from.slice("../".length)}: do not edit. */
import type { ${type} } from "${typeFrom}";
${imports}
export const ${name}: readonly ${type}[] = [
${stems.map((stem) => `  ${stem},\n`).join("")}];
`;
}

export function probeListText(folder: URL): Promise<string> {
  const typeFrom = "../core/probe.ts";
  return listText(folder, { name: "probes", type: "AnyProbe", typeFrom, from: "../probes" });
}

function protocolListText(): Promise<string> {
  return listText(new URL("src/core/messages/protocols/", ROOT), {
    name: "protocols",
    type: "Protocol",
    typeFrom: "../core/messages/protocol.ts",
    from: "../core/messages/protocols",
  });
}

async function readOrEmpty(path: URL): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

async function main(check: boolean): Promise<number> {
  const wanted: readonly [string, string][] = [
    ["src/gen/layouts.ts", await layoutsText()],
    ["src/gen/all.ts", await probeListText(new URL("src/probes/", ROOT))],
    ["src/gen/protocols.ts", await protocolListText()],
  ];
  let stale = 0;
  for (const [name, text] of wanted) {
    const path = new URL(name, ROOT);
    if (await readOrEmpty(path) === text) continue;
    stale++;
    if (check) console.error(`${name} is not what scripts/gen.ts writes: run scripts/build.sh`);
    else {
      await Deno.mkdir(new URL(".", path), { recursive: true });
      await Deno.writeTextFile(path, text);
      console.log(`wrote ${name}`);
    }
  }
  return check && stale > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args.includes("--check")));
