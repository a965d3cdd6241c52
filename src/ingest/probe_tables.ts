// SPDX-License-Identifier: MulanPSL-2.0
/** The tables of one external probe: from its meta files into the store, and out of it again. */
import { ConfigError, Unsupported } from "../core/errors.ts";
import type { Store } from "../core/store.ts";
import { addIngestTable, type IngestTable } from "./ingest_table.ts";
import { type ExternalTable, parseMeta, type ParseTree } from "./meta.ts";

/** The original's largest has 40 KB. */
const MAX_META_BYTES = 1 << 20;

/** Reads all files. Throws ConfigError for what is wrong in them, Unsupported for what is not possible yet. */
export async function readMetas(
  files: readonly string[],
  parseYaml: ParseTree,
): Promise<ExternalTable[]> {
  const tables: ExternalTable[] = [];
  for (const file of files) {
    for (const table of parseMeta(await readText(file), file, parseYaml)) {
      if (tables.some((other) => other.name === table.name)) {
        throw new ConfigError(`table "${table.name}" is in another file too`, { file });
      }
      tables.push(table);
    }
  }
  return tables;
}

async function readText(file: string): Promise<string> {
  try {
    const { isFile, size } = await Deno.stat(file);
    if (!isFile || size > MAX_META_BYTES) {
      throw new ConfigError("too large, or no file", { file }, `up to ${MAX_META_BYTES} bytes`);
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(await Deno.readFile(file));
  } catch (error) {
    if (!(error instanceof Error) || error instanceof ConfigError) throw error;
    const problem = error instanceof TypeError ? "not UTF-8" : `cannot be read: ${error.message}`;
    throw new ConfigError(problem, { file }, "a .meta file", { cause: error });
  }
}

export class ProbeTables {
  readonly #probe: string;
  readonly #store: Store;
  readonly #added: IngestTable[] = [];

  constructor(probe: string, store: Store) {
    this.#probe = probe;
    this.#store = store;
  }

  get all(): readonly IngestTable[] {
    return this.#added;
  }

  /** Adds all, or none and throws. Tables without anything to export stay out: the original lists its events so. */
  addAll(described: readonly ExternalTable[]): void {
    try {
      for (const table of described) {
        if (table.columns.some(({ kind }) => kind !== "ignored")) this.add(table);
      }
    } catch (error) {
      this.remove();
      if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
      // The store's refusals: another probe has such a table, or there are too many.
      throw new Unsupported(error.message, "other names in its .meta file", { cause: error });
    }
  }

  add(table: ExternalTable): IngestTable {
    const added = addIngestTable(this.#store, this.#probe, table);
    this.#added.push(added);
    return added;
  }

  remove(): void {
    for (const { table } of this.#added.splice(0)) this.#store.remove(table);
  }
}
