// SPDX-License-Identifier: MulanPSL-2.0
/** Runs a native probe on given file texts, through the real runner and store, and gives back the rows it wrote. */
import { Unsupported } from "../src/core/errors.ts";
import type {
  AnyProbe,
  HostCalls,
  HostFiles,
  Mount,
  MountAnswer,
  NativeProbe,
  ProbeHost,
  Settings,
  SettingValue,
} from "../src/core/probe.ts";
import { Store } from "../src/core/store.ts";
import type { Table } from "../src/core/table.ts";
import { probeSettings } from "../src/manager/probe_settings.ts";
import { LibcHostCalls } from "../src/sys/host_calls.ts";
import { RootFiles } from "../src/sys/host_files.ts";
import { numbersOf, tableRows } from "./table_rows.ts";
import { type RunningNative, startNative } from "../src/sys/native_runner.ts";

/** Files of a host by path: `{ "proc/stat": "cpu ..." }`. */
export type FileTexts = Readonly<Record<string, string | Uint8Array>>;

/** Keys, labels and the known metrics, in the declared order. */
export type Row = Record<string, string | number>;
export type Rows = Record<string, Row[]>;

/** Time between two readings. */
export const TICK_SECONDS = 5;

/** A host from `tests/fixtures`; the paths are those that a probe asks for. */
export function fixture(name: string): Record<string, string> {
  // Not as URLs: systemd puts backslashes into the names of cgroups.
  const root = new URL(`./fixtures/${name}/`, import.meta.url).pathname;
  const texts: Record<string, string> = {};
  const walk = (folder: string) => {
    for (const entry of Deno.readDirSync(`${root}${folder}`)) {
      const path = `${folder}${entry.name}`;
      const name = asked(path);
      const at = `${root}${path}`;
      if (entry.isDirectory) walk(`${path}/`);
      // Such as /proc/PID/ns/net: it says something, and leads nowhere.
      else if (entry.isSymlink) texts[name] = Deno.readLinkSync(at);
      else texts[name] = Deno.readTextFileSync(at);
    }
  };
  walk("./");
  return Object.fromEntries(Object.entries(texts).map(([path, text]) => [path.slice(2), text]));
}

/** Below a root, files of the first process stand for those of whoever reads. */
function asked(path: string): string {
  return path.replace("proc/1/net/", "proc/net/").replace("proc/1/mount", "proc/self/mount");
}

export type Values = Readonly<Record<string, SettingValue>>;

/** Settings as the configuration gives them, by default without any value. */
export function settingsOf(
  { settings }: Pick<AnyProbe, "settings">,
  values: Values = {},
): Settings {
  return probeSettings(settings, values, { file: "test" });
}

export function newStore(maxRows = 10_000): Store {
  return new Store({ maxTables: 64, maxRows, maxFields: 64, timeoutMs: 60_000 }, {});
}

/** What a run has besides its files. */
export interface RunOptions {
  readonly settings?: Values;
  readonly shared?: Partial<ProbeHost>;
}

/** Answers of a host that has no file system. */
export const NO_CALLS: HostCalls = {
  mountSizes: (mounts) => Promise.resolve(mounts.map(() => ({ state: "refused" }))),
};

/** Answers that the test gives, by mount point. */
export function mountAnswers(answer: (mount: Mount) => MountAnswer): HostCalls {
  return { mountSizes: (mounts) => Promise.resolve(mounts.map(answer)) };
}

/** Rows after the last of several readings: either of one text several times, or of one text each. */
export function runProbe(
  probe: NativeProbe,
  files: FileTexts | readonly FileTexts[],
  ticks = Array.isArray(files) ? files.length : 1,
  options: RunOptions = {},
): Rows {
  const run = new Run(probe, Array.isArray(files) ? files : [files], options);
  for (let tick = 0; tick < ticks; tick++) {
    if (run.tick() !== undefined) throw new TypeError(`${probe.name} waits: use runWaiting`);
  }
  return run.rows;
}

/** The same with time between the readings, in which `readLater` comes back. */
export async function runProbeSlowly(
  probe: NativeProbe,
  files: FileTexts | readonly FileTexts[],
  ticks = Array.isArray(files) ? files.length : 1,
  options: RunOptions = {},
): Promise<Rows> {
  const run = new Run(probe, Array.isArray(files) ? files : [files], options);
  for (let tick = 0; tick < ticks; tick++) {
    await run.tick();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return run.rows;
}

/** The same for a probe that has to wait. */
export async function runWaiting(
  probe: NativeProbe,
  files: FileTexts | readonly FileTexts[],
  calls: HostCalls = NO_CALLS,
): Promise<Rows> {
  const readings = Array.isArray(files) ? files : [files];
  const run = new Run(probe, readings, { shared: { calls } });
  for (const _ of readings) await run.tick();
  return run.rows;
}

class Run {
  readonly #readings: readonly FileTexts[];
  readonly #host: TextFiles;
  readonly #store = newStore();
  readonly #running: RunningNative;
  #ticks = 0;

  constructor(
    probe: NativeProbe,
    readings: readonly FileTexts[],
    { settings = {}, shared = {} }: RunOptions,
  ) {
    this.#readings = readings;
    this.#host = new TextFiles(readings[0]!);
    const own = { store: this.#store, files: this.#host, settings: settingsOf(probe, settings) };
    this.#running = startNative(probe, { calls: NO_CALLS, ...shared, ...own });
  }

  get rows(): Rows {
    return storeRows(this.#store);
  }

  tick(): void | Promise<void> {
    this.#host.texts = this.#readings[Math.min(this.#ticks, this.#readings.length - 1)]!;
    return this.#running.tick(1000 * TICK_SECONDS * ++this.#ticks);
  }
}

/** Rows of one reading of this host. */
export function runOnHost(probe: NativeProbe): Rows {
  using files = new RootFiles();
  const store = newStore();
  startNative(probe, { store, files, calls: NO_CALLS, settings: settingsOf(probe) }).tick(0);
  return storeRows(store);
}

/** Rows of one reading of this host by a probe that has to wait. */
export async function waitOnHost(probe: NativeProbe): Promise<Rows> {
  using files = new RootFiles();
  using calls = new LibcHostCalls();
  const store = newStore();
  await startNative(probe, { store, files, calls, settings: settingsOf(probe) }).tick(0);
  return storeRows(store);
}

export function storeRows(store: Store): Rows {
  const rows: Rows = {};
  for (const table of store.tables) rows[table.name] = shownRows(table);
  return rows;
}

function shownRows(table: Table): Row[] {
  return [...tableRows(table)].map(({ slot, labels }) => {
    const shown = parseLabels(labels);
    const row: Row = {};
    for (const label of [...table.spec.keys, ...table.spec.labels]) row[label] = shown[label] ?? "";
    for (const [metric, value] of Object.entries(numbersOf(table, slot))) {
      if (!Number.isNaN(value)) row[metric] = value;
    }
    return row;
  });
}

const LABEL_REGEXP = /(\w+)="((?:[^"\\]|\\.)*)"/gs;

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name, value] of text.matchAll(LABEL_REGEXP)) {
    labels[name!] = value!.replace(/\\(.)/g, (_, char) => char === "n" ? "\n" : char);
  }
  return labels;
}

/** Holds what the contract says and no more: what was read is spoilt by the next call. */
class TextFiles implements HostFiles {
  #given = new Uint8Array(0);

  constructor(public texts: FileTexts) {}

  read(path: string): Uint8Array {
    const bytes = this.readOptional(path);
    if (bytes === undefined) throw new Unsupported(`Cannot read "/${path}": ENOENT`);
    return bytes;
  }

  readOptional(path: string, maxBytes = Infinity): Uint8Array | undefined {
    this.#given.fill(0xff);
    const text = this.texts[path];
    if (text === undefined) return undefined;
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    this.#given = bytes.slice(0, Math.min(bytes.length, maxBytes));
    return this.#given;
  }

  readLater(path: string): Promise<Uint8Array | undefined> {
    const text = this.texts[path];
    if (text === undefined) return Promise.resolve(undefined);
    return Promise.resolve(typeof text === "string" ? new TextEncoder().encode(text) : text);
  }

  count(path: string): number {
    return this.list(path).length || NaN;
  }

  /** Of a text beside the path with "#inode" behind it. */
  inode(path: string): number {
    return Number(this.texts[`${path}#inode`] ?? NaN);
  }

  link(path: string): string | undefined {
    const text = this.texts[path];
    return typeof text === "string" ? text : undefined;
  }

  list(path: string): string[] {
    this.#given.fill(0xff);
    const below = Object.keys(this.texts).filter((name) => name.startsWith(`${path}/`));
    return [...new Set(below.map((name) => name.slice(path.length + 1).split("/")[0]!))];
  }
}
