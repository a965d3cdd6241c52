// SPDX-License-Identifier: MulanPSL-2.0
/** Finds the meta files of a probe: the one named, those beside the program, or a common folder of them. */
import { basename, dirname, extname, resolve } from "node:path";
import { ConfigError, Unsupported } from "../core/errors.ts";
import { type ExternalTable, META_REGEXP, type ParseTree } from "./meta.ts";
import { readMetas } from "./probe_tables.ts";

const MAX_FILES = 256;

export interface MetaSearch {
  readonly name: string;
  /** The command in words, the program as an absolute path. */
  readonly words: readonly string[];
  /** What relative paths are relative to. */
  readonly folder: string;
  /** The file or folder that the configuration names; "" is none. */
  readonly meta: string;
}

/**
 * Meta files of this probe alone. `redis_probe.py` has `redis_probe.meta`, else `NAME.meta`, else all in its folder
 * that are not so of another program; for `python3 redis_probe.py` the script counts and not the interpreter. Empty: there are none.
 */
export function metaFilesOf({ name, words, folder, meta }: MetaSearch): string[] {
  if (meta !== "") {
    const path = resolve(folder, meta);
    return isFolder(path) ? metasIn(path) : [path];
  }
  for (const word of words.filter((word, at) => at === 0 || !word.startsWith("-"))) {
    const path = resolve(folder, word);
    if (!isFile(path)) continue;
    const here = metasIn(dirname(path));
    const stem = basename(path, extname(path));
    for (const wanted of [stem, name]) {
      const own = here.filter((file) => stemOf(file) === wanted);
      if (own.length > 0) return own;
    }
    const free = here.filter((file) => !othersOf(dirname(path)).has(stemOf(file)));
    if (free.length > 0) return free;
  }
  return [];
}

function stemOf(file: string): string {
  return basename(file).replace(META_REGEXP, "");
}

/** Stems of the files that are no meta: a meta file called as one of them is that program's. */
function othersOf(folder: string): ReadonlySet<string> {
  const names = listed(folder).filter((name) => !META_REGEXP.test(name));
  return new Set(names.map((name) => basename(name, extname(name))));
}

export function metasIn(folder: string): string[] {
  const names = listed(folder).filter((name) => META_REGEXP.test(name)).sort();
  if (names.length > MAX_FILES) {
    const problem = `${names.length} meta files`;
    throw new ConfigError(problem, { file: folder }, `up to ${MAX_FILES}`);
  }
  return names.map((name) => `${folder === "/" ? "" : folder}/${name}`);
}

/** All tables of a common folder by name; files that are not in order are told and left out. */
export async function readCatalogue(
  folder: string,
  parseYaml: ParseTree,
  warn: (text: string) => void,
): Promise<ReadonlyMap<string, ExternalTable>> {
  const tables = new Map<string, ExternalTable>();
  for (const file of metasIn(folder)) {
    try {
      for (const table of await readMetas([file], parseYaml)) {
        if (table.columns.some(({ kind }) => kind !== "ignored")) tables.set(table.name, table);
      }
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof Unsupported)) throw error;
      warn(error.message);
    }
  }
  return tables;
}

function listed(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].filter((entry) => !entry.isDirectory)
      .map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return [];
    }
    throw error;
  }
}

function isFile(path: string): boolean {
  return kindOf(path) === "file";
}

function isFolder(path: string): boolean {
  return kindOf(path) === "folder";
}

function kindOf(path: string): "file" | "folder" | "other" {
  try {
    const { isFile, isDirectory } = Deno.statSync(path);
    return isFile ? "file" : isDirectory ? "folder" : "other";
  } catch (error) {
    if (error instanceof Error && !(error instanceof TypeError)) return "other";
    throw error;
  }
}
