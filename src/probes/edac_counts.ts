// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Where the kernel's memory controller drivers (EDAC) count errors, below /sys/devices/system/edac/mc/mcN: for each DIMM
 * (dimmN, or rankN where the driver knows no more) since Linux 4.10; before, for the channels of each chip-select row
 * (csrowN). Errors that no DIMM is known for are counted by the controller only.
 */
import type { HostFiles } from "../core/probe.ts";

const FOLDER = "sys/devices/system/edac/mc";

/** As the kernel names them in ras:mc_event. */
export const ERROR_TYPES = { ce: "Corrected", ue: "Uncorrected" } as const;

/** A file with a total of errors. */
export interface ErrorCount {
  readonly path: string;
  /** What counts, as a path below the folder of controllers: mc0/dimm3. */
  readonly name: string;
  readonly type: keyof typeof ERROR_TYPES;
  /** Of the DIMM, as its slot is called; empty when nobody said. */
  readonly label: string;
  /** Number of the controller, and of the two upper layers of what it knows of the place; -1: not known. */
  readonly place: readonly [mc: string, top: string, mid: string];
}

const TYPES = ["ce", "ue"] as const;
const UNKNOWN = "-1";
const CONTROLLER_REGEXP = /^mc(\d{1,4})$/;
const DIMM_REGEXP = /^(?:dimm|rank)(\d{1,4})$/;
const ROW_REGEXP = /^csrow(\d{1,4})$/;
const CHANNEL_REGEXP = /^ch(\d{1,2})_ce_count$/;
/** `csrow 0 channel 1 `, `branch 0 channel 1 slot 2 ` */
const LAYER_REGEXP = /[a-z]+ (\d{1,5})\b/g;
/** The kernel's labels have 31 characters. */
const MAX_TEXT = 256;
// deno-lint-ignore no-control-regex -- what a label must not have
const CONTROL_REGEXP = /[\x00-\x1f\x7f]+/g;
/** Each file takes 2 us to read. */
const MAX_COUNTS = 4096;

/** All that there are, the same thing at the same place each time; `dropped` are those beyond the limit. */
export function findErrorCounts(files: HostFiles): { counts: ErrorCount[]; dropped: number } {
  const all = numbered(files.list(FOLDER), CONTROLLER_REGEXP)
    .flatMap(({ name, number }) => new Controller(files, name, number).counts());
  return { counts: all.slice(0, MAX_COUNTS), dropped: Math.max(0, all.length - MAX_COUNTS) };
}

class Controller {
  readonly #files: HostFiles;
  readonly #name: string;
  readonly #mc: string;
  readonly #folder: string;

  constructor(files: HostFiles, name: string, mc: string) {
    this.#files = files;
    this.#name = name;
    this.#mc = mc;
    this.#folder = `${FOLDER}/${name}`;
  }

  counts(): ErrorCount[] {
    const names = this.#files.list(this.#folder);
    let found = numbered(names, DIMM_REGEXP).flatMap(({ name }) => this.#ofDimm(name));
    if (found.length === 0) {
      found = numbered(names, ROW_REGEXP).flatMap(({ name, number }) => this.#ofRow(name, number));
    }
    // All that it has counted, where nothing below it counts.
    const rest = found.length === 0 ? "count" : "noinfo_count";
    const own = TYPES.map((type) => this.#count("", `${type}_${rest}`, type, "", []));
    return [...found, ...own.filter(({ path }) => this.#isThere(path))];
  }

  #ofDimm(dimm: string): ErrorCount[] {
    const label = this.#text(`${dimm}/dimm_label`);
    const place = [...this.#text(`${dimm}/dimm_location`).matchAll(LAYER_REGEXP)]
      .map(([, number]) => number!);
    return TYPES.map((type) => this.#count(dimm, `dimm_${type}_count`, type, label, place))
      .filter(({ path }) => this.#isThere(path));
  }

  /** Uncorrected errors are those of the whole row. */
  #ofRow(row: string, number: string): ErrorCount[] {
    const names = this.#files.list(`${this.#folder}/${row}`);
    const channels = numbered(names, CHANNEL_REGEXP).map(({ name, number: channel }) => {
      const label = this.#text(`${row}/ch${channel}_dimm_label`);
      const count = this.#count(row, name, "ce", label, [number, channel]);
      return { ...count, name: `${count.name}/ch${channel}` };
    });
    const label = channels.map(({ label }) => label).filter((label) => label !== "").join(" or ");
    const whole = TYPES.filter((type) => type === "ue" || channels.length === 0)
      .map((type) => this.#count(row, `${type}_count`, type, label, [number]));
    return [...channels, ...whole].filter(({ path }) => this.#isThere(path));
  }

  #count(
    below: string,
    file: string,
    type: ErrorCount["type"],
    label: string,
    [top = UNKNOWN, mid = UNKNOWN]: readonly string[],
  ): ErrorCount {
    const slash = below === "" ? "" : "/";
    return {
      path: `${this.#folder}/${below}${slash}${file}`,
      name: `${this.#name}${slash}${below}`,
      type,
      label,
      place: [this.#mc, top, mid],
    };
  }

  #isThere(path: string): boolean {
    return this.#files.readOptional(path, 1) !== undefined;
  }

  #text(path: string): string {
    const bytes = this.#files.readOptional(`${this.#folder}/${path}`, MAX_TEXT);
    return new TextDecoder().decode(bytes).replace(CONTROL_REGEXP, " ").trim();
  }
}

/** Those that match, by their number. */
function numbered(names: readonly string[], regexp: RegExp): { name: string; number: string }[] {
  return names.map((name) => ({ name, number: regexp.exec(name)?.[1] ?? "" }))
    .filter(({ number }) => number !== "")
    .sort((a, b) => Number(a.number) - Number(b.number));
}
