// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Compiles the programs of the kernel tests, lays BPF objects out, and opens libbpf as installed here. A host without a
 * compiler, as those that vm.sh boots, has them ready in the folder that PREPARED names.
 */
import type { ObjectLayout } from "../../src/core/layout.ts";
import { readLayout } from "../../scripts/gen.ts";
import { installedLibrary, type Libbpf, openLibbpf } from "../../src/sys/libbpf.ts";
import type { ObjectImage } from "../../src/sys/object_loader.ts";

const ROOT = new URL("../../", import.meta.url);
const FOLDER = new URL("build/test-bpf/", ROOT);
/** Environment variable. */
const PREPARED = "GALA_GOPHER_TEST_OBJECTS";
const FLAGS = "-g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall -Werror";
const images = new Map<string, Promise<Compiled>>();

interface Compiled {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly layout: ObjectLayout;
}

export function openInstalled(): Libbpf {
  return openLibbpf(installedLibrary);
}

/** tests/kernel/<name>.bpf.c, ready to be loaded. */
export async function testImage(
  name: string,
  options: Partial<ObjectImage> = {},
): Promise<ObjectImage> {
  let image = images.get(name);
  if (image === undefined) images.set(name, image = compile("tests/kernel", name));
  return { name, ...await image, ...options };
}

/** bpf/<name>.bpf.c as it stands now, whether built or not. */
export async function probeBytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
  return (await compile("bpf", name)).bytes;
}

/** tests/kernel/<name>.c, ready to be run; compiled into the folder unless this host has it already. */
export async function testProgram(name: string, folder: string): Promise<string> {
  const prepared = Deno.env.get(PREPARED);
  if (prepared !== undefined) return `${prepared}/${name}`;
  const path = `${folder}/${name}`;
  const { success, stderr } = await new Deno.Command("clang-19", {
    args: ["-O2", "-pthread", `${ROOT.pathname}tests/kernel/${name}.c`, "-o", path],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return path;
}

/** Leaves the object and its layout where a host with PREPARED finds them. */
export async function prepare(source: "bpf" | "tests/kernel", name: string, folder: string) {
  const { bytes, layout } = await build(source, name);
  await Deno.writeFile(`${folder}/${name}.bpf.o`, bytes);
  await Deno.writeTextFile(`${folder}/${name}.json`, JSON.stringify(layout));
}

async function compile(source: string, name: string): Promise<Compiled> {
  const folder = Deno.env.get(PREPARED);
  if (folder === undefined) return await build(source, name);
  const layout = JSON.parse(await Deno.readTextFile(`${folder}/${name}.json`));
  return { bytes: await Deno.readFile(`${folder}/${name}.bpf.o`), layout };
}

async function build(folder: string, name: string): Promise<Compiled> {
  await Deno.mkdir(FOLDER, { recursive: true });
  // Test files may be compiled by several processes at a time.
  const file = `${name}.${Deno.pid}.bpf.o`;
  const path = new URL(file, FOLDER);
  const { success, stderr } = await new Deno.Command("clang-19", {
    args: [...FLAGS.split(" "), `-I${ROOT.pathname}bpf`, "-c", `${folder}/${name}.bpf.c`, "-o"]
      .concat(path.pathname),
    cwd: ROOT,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  try {
    return { bytes: await Deno.readFile(path), layout: await readLayout(FOLDER, file) };
  } finally {
    await Deno.remove(path);
  }
}
