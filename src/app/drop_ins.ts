// SPDX-License-Identifier: MulanPSL-2.0
/** Probe folders in the configured folder: found, started, restarted when they change and ended when they go. */
import { ConfigError, messageOf } from "../core/errors.ts";
import type { Logger } from "../manager/log.ts";
import type { Manager } from "../manager/manager.ts";
import type { ExtendProbeConfig } from "../manager/schema.ts";
import type { ExternalStarter } from "./external_starter.ts";
import { demandOwned, filesOf, PROBE_FILE, readProbeFolder } from "./probe_folder.ts";

export interface DropInsOptions {
  readonly folder: string;
  readonly intervalMs: number;
  readonly starter: ExternalStarter;
  readonly manager: Manager;
  readonly log: Logger;
}

/** More are not looked at. */
const MAX_FOLDERS = 64;

interface DropIn {
  /** Name in the manager. */
  readonly name: string;
  /** What of the folder is seen without reading its files. */
  readonly stamp: string;
  /** The entry, or what is wrong with the folder. */
  entry: ExtendProbeConfig | ConfigError;
}

export class DropIns {
  readonly #options: DropInsOptions;
  readonly #known = new Map<string, DropIn>();
  readonly #timer: ReturnType<typeof setInterval>;
  #scanning: Promise<void>;
  #closed = false;

  /** Looks at once, and then on the interval. */
  constructor(options: DropInsOptions) {
    this.#options = options;
    this.#scanning = this.#scan();
    this.#timer = setInterval(() => {
      this.#scanning = this.#scanning.then(() => this.#scan());
    }, options.intervalMs);
  }

  /** Entries of the folders that are in order. */
  get entries(): ExtendProbeConfig[] {
    return [...this.#known.values()].map(({ entry }) => entry)
      .filter((entry): entry is ExtendProbeConfig => !(entry instanceof ConfigError));
  }

  /** Resolves when no more is started; the probes themselves are the manager's. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#scanning;
  }

  async #scan(): Promise<void> {
    if (this.#closed) return;
    const { log } = this.#options;
    try {
      const folders = this.#folders();
      for (const folder of [...this.#known.keys()]) {
        if (!folders.includes(folder)) await this.#forget(folder);
      }
      for (const folder of folders) await this.#look(folder);
    } catch (error) {
      log("warn", `Probe folders: ${messageOf(error)}`);
    }
  }

  #folders(): string[] {
    const { folder, log } = this.#options;
    const names: string[] = [];
    try {
      for (const { name, isDirectory } of Deno.readDirSync(folder)) {
        if (isDirectory && !name.startsWith(".")) names.push(name);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      log("debug", `There is no folder "${folder}" for probes`);
    }
    if (names.length > MAX_FOLDERS) {
      log("warn", `"${folder}" has ${names.length} folders, of which ${MAX_FOLDERS} are looked at`);
    }
    return names.sort().slice(0, MAX_FOLDERS).map((name) => `${folder}/${name}`);
  }

  async #look(folder: string): Promise<void> {
    const former = this.#known.get(folder);
    const stamp = stampOf(folder);
    if (former?.stamp === stamp || this.#closed) return;
    const entry = this.#read(folder);
    if (former !== undefined && this.#reconfigure(former, entry, folder, stamp)) return;
    if (former !== undefined) await this.#forget(folder);
    if (this.#closed) return;
    const name = entry instanceof ConfigError
      ? folder.slice(folder.lastIndexOf("/") + 1)
      : entry.name;
    this.#add(folder, { name, stamp, entry });
  }

  #read(folder: string): ExtendProbeConfig | ConfigError {
    try {
      for (const path of [this.#options.folder, folder]) demandOwned(path);
      for (const file of filesOf(folder)) demandOwned(`${folder}/${file}`);
      return readProbeFolder(folder);
    } catch (error) {
      if (error instanceof ConfigError) return error;
      if (error instanceof AggregateError && error.errors[0] instanceof ConfigError) {
        return error.errors[0];
      }
      return new ConfigError(messageOf(error), {
        file: folder,
      });
    }
  }

  /** A probe of which only the parameters changed goes on running, and is told them. */
  #reconfigure(
    former: DropIn,
    entry: ExtendProbeConfig | ConfigError,
    folder: string,
    stamp: string,
  ): boolean {
    if (former.entry instanceof ConfigError || entry instanceof ConfigError) return false;
    if (withoutSettings(former.entry) !== withoutSettings(entry)) return false;
    if (filesStamp(former.stamp) !== filesStamp(stamp)) return false;
    const life = this.#options.manager.get(former.name);
    if (life?.configure(entry.settings) !== true) return false;
    // The next start of this probe asks for the entry again.
    former.entry = entry;
    this.#known.set(folder, { ...former, entry, stamp });
    this.#options.log("info", `Probe "${former.name}" has new parameters`);
    return true;
  }

  #add(folder: string, dropIn: DropIn): void {
    const { manager, starter, log } = this.#options;
    const { name, entry } = dropIn;
    this.#known.set(folder, dropIn);
    if (manager.get(name) !== undefined) {
      log("warn", `Probe folder "${folder}" is left out: there is a probe "${name}" already`);
      this.#known.set(folder, { ...dropIn, name: "" });
      return;
    }
    const life = manager.add(starter.startable(name, () => {
      const current = this.#known.get(folder)?.entry ?? entry;
      if (current instanceof ConfigError) throw current;
      return current;
    }));
    if (entry instanceof ConfigError || entry.switch !== "off") life.start();
  }

  async #forget(folder: string): Promise<void> {
    const { name } = this.#known.get(folder)!;
    this.#known.delete(folder);
    await this.#options.manager.remove(name);
  }
}

const SEPARATOR = "\n";

/** Files with size, time and number: that of the settings first, in a line of its own. */
function stampOf(folder: string): string {
  try {
    const line = (file: string) => {
      const { size, mtime, ino, mode, uid } = Deno.statSync(`${folder}/${file}`);
      return `${file} ${size} ${mtime?.getTime()} ${ino} ${mode} ${uid}`;
    };
    const files = filesOf(folder);
    const own = files.filter((file) => file === PROBE_FILE).map(line).join();
    const { mode, uid } = Deno.statSync(folder);
    const rest = files.filter((file) => file !== PROBE_FILE).map(line);
    return [own, `${mode} ${uid}`, ...rest].join(SEPARATOR);
  } catch (error) {
    return String(error); // it changes while we look: the next look sees it whole
  }
}

function filesStamp(stamp: string): string {
  return stamp.slice(stamp.indexOf(SEPARATOR));
}

function withoutSettings({ settings: _, place: __, ...rest }: ExtendProbeConfig): string {
  return JSON.stringify(rest);
}
