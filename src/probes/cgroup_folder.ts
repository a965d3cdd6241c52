// SPDX-License-Identifier: MulanPSL-2.0
/** Reads the files of one cgroup: a number, or lines of a name and a number. What cannot be read is NaN. */
import type { HostFiles } from "../core/probe.ts";
import { Scanner, word, type WordList } from "../core/scan.ts";

const MAX = word("max");
const NOTHING = word("");
const scanner = new Scanner();

export type CgroupFiles = Pick<HostFiles, "readOptional">;

export class CgroupFolder {
  readonly #files: CgroupFiles;
  /** Not there: a kernel that lacks a file lacks it the next time too, and to fail is dearer than to read. */
  readonly #missing = new Set<string>();

  readonly #listed: ReadonlySet<string> | undefined;

  /** `listed`: all names of files that such a folder can have, if they are known. */
  constructor(
    files: CgroupFiles,
    readonly path: string,
    readonly version: 1 | 2,
    listed?: ReadonlySet<string>,
  ) {
    this.#files = files;
    this.#listed = listed;
  }

  /** A reader at the file's start, valid until the next call; undefined when there is no such file. */
  scan(name: string): Scanner | undefined {
    if (this.#missing.has(name) || this.#listed?.has(name) === false) return undefined;
    const bytes = this.#files.readOptional(`${this.path}/${name}`);
    if (bytes !== undefined) return scanner.over(bytes);
    this.#missing.add(name);
    return undefined;
  }

  number(name: string): number {
    return this.scan(name)?.number() ?? NaN;
  }

  /** The number in the file; Infinity for `max`. */
  limit(name: string): number {
    const scan = this.scan(name);
    if (scan === undefined) return NaN;
    const value = limit(scan);
    // A line without its end may lack digits.
    return scan.nextLine() ? value : NaN;
  }

  /** The numbers of lines such as `user 12`, in the order of `words`. */
  keyed(name: string, words: WordList, values: Float64Array): void {
    values.fill(NaN);
    const scan = this.scan(name);
    if (scan === undefined) return;
    for (; !scan.ended; scan.nextLine()) {
      if (!scan.word()) continue;
      const index = words.indexOf(scan);
      if (index >= 0) values[index] = scan.number();
    }
  }
}

/** The next word: a whole number, or Infinity for `max`. */
export function limit(scan: Scanner): number {
  if (!scan.word()) return NaN;
  return scan.is(MAX) ? Infinity : scan.numberAfter(NOTHING);
}
