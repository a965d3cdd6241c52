// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Lines into files that are put aside at a size and together stay below a limit. Writing never waits for the disk:
 * lines queue up to a bound; what does not fit, or cannot be written, is lost and counted, and tried again with the
 * next lines. A file holds only whole lines.
 */
import { messageOf } from "../core/errors.ts";
import type { LineSink, SinkStats } from "./line_sink.ts";

/** How files are called and which are former ones. */
export interface FileNaming {
  /** Files at a time. */
  readonly count: number;
  /** Name of the file to begin with, given the names in the folder. */
  readonly first: (names: readonly string[]) => string;
  /** What a full file is followed by, and what it is called from then on. */
  readonly next: (name: string) => { readonly name: string; readonly former: string };
  /** Number of a file of this kind, by age; undefined for other files. */
  readonly age: (name: string) => number | undefined;
}

export interface LogFilesOptions {
  readonly folder: string;
  readonly naming: FileNaming;
  /** Of all files together. */
  readonly totalBytes: number;
  readonly maxQueuedBytes?: number;
  /** Told when writing fails, and when it works again. */
  readonly changed: (text: string, works: boolean) => void;
}

const MAX_QUEUED_BYTES = 32 << 20;

/** `NAME_1`, `NAME_2` ...: a full file is followed by one with the next number. */
export function numberedFiles(name: string, count = 10): FileNaming {
  const age = (file: string) => {
    const number = file.startsWith(`${name}_`) ? file.slice(name.length + 1) : "";
    return /^\d{1,15}$/.test(number) ? Number(number) : undefined;
  };
  return {
    count,
    first: (names) => `${name}_${Math.max(1, ...names.map((file) => age(file) ?? 1))}`,
    next: (file) => ({ name: `${name}_${(age(file) ?? 0) + 1}`, former: file }),
    age,
  };
}

/** `NAME`, of which the former one is called `NAME.1`. */
export function fileWithBackup(name: string): FileNaming {
  return {
    count: 2,
    first: () => name,
    next: () => ({ name, former: `${name}.1` }),
    age: (file) => file === name ? 2 : file === `${name}.1` ? 1 : undefined,
  };
}

interface Queued {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lines: number;
}

export class LogFiles implements LineSink {
  readonly #options: LogFilesOptions;
  readonly #fileBytes: number;
  readonly #maxQueuedBytes: number;
  readonly #losses: Record<string, number> = {};
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #lines = 0;
  #file: Deno.FsFile | undefined;
  #name: string | undefined;
  #size = 0;
  #works = true;
  #reopen = false;
  #work: Promise<void> | undefined;

  constructor(options: LogFilesOptions) {
    this.#options = options;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? MAX_QUEUED_BYTES;
    this.#fileBytes = options.totalBytes / options.naming.count;
  }

  get stats(): SinkStats {
    return { lines: this.#lines, losses: { ...this.#losses }, queuedBytes: this.#queuedBytes };
  }

  get pressed(): boolean {
    return this.#queuedBytes > this.#maxQueuedBytes / 2;
  }

  push(bytes: Uint8Array<ArrayBuffer>, lines: number): void {
    if (this.#queuedBytes + bytes.length > this.#maxQueuedBytes) {
      this.#lose("queue_full", lines);
      return;
    }
    this.#queue.push({ bytes, lines });
    this.#queuedBytes += bytes.length;
    this.#work ??= this.#drain();
  }

  /** Opens the file anew before the next lines: somebody has moved it away. */
  reopen(): void {
    this.#reopen = true;
  }

  async close(): Promise<void> {
    await this.#work;
    this.#closeFile();
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      for (const queued of batch) {
        await this.#write(queued);
        this.#queuedBytes -= queued.bytes.length;
      }
    }
    this.#work = undefined;
  }

  async #write({ bytes, lines }: Queued): Promise<void> {
    try {
      const file = await this.#fileFor(bytes.length);
      await this.#writeWhole(file, bytes);
      this.#size += bytes.length;
      this.#lines += lines;
      this.#tell(true, "");
    } catch (error) {
      this.#lose("not_written", lines);
      this.#tell(false, messageOf(error));
      this.#closeFile();
    }
  }

  async #writeWhole(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
    let done = 0;
    try {
      while (done < bytes.length) done += await file.write(bytes.subarray(done));
    } catch (error) {
      await file.truncate(this.#size);
      throw error;
    }
  }

  async #fileFor(bytes: number): Promise<Deno.FsFile> {
    if (this.#reopen) this.#closeFile();
    this.#reopen = false;
    const file = this.#file ?? await this.#open();
    if (this.#size === 0 || this.#size + bytes <= this.#fileBytes) return file;
    return await this.#rotate();
  }

  async #open(): Promise<Deno.FsFile> {
    const { folder, naming } = this.#options;
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    this.#name ??= naming.first(await namesIn(folder));
    const path = `${folder}/${this.#name}`;
    const file = await Deno.open(path, { create: true, append: true, mode: 0o640 });
    this.#file = file;
    this.#size = (await file.stat()).size;
    return file;
  }

  async #rotate(): Promise<Deno.FsFile> {
    const { folder, naming } = this.#options;
    this.#closeFile();
    const { name, former } = naming.next(this.#name!);
    if (former !== this.#name) await Deno.rename(`${folder}/${this.#name}`, `${folder}/${former}`);
    this.#name = name;
    await this.#removeOld();
    return await this.#open();
  }

  /** Leaves room for one more full file. */
  async #removeOld(): Promise<void> {
    const { folder, naming, totalBytes } = this.#options;
    const files = (await namesIn(folder))
      .map((name) => ({ name, age: naming.age(name) }))
      .filter((file) => file.age !== undefined)
      .sort((a, b) => b.age! - a.age!);
    let bytes = this.#fileBytes;
    for (const { name } of files) {
      const path = `${folder}/${name}`;
      bytes += (await Deno.stat(path)).size;
      if (bytes > totalBytes) await Deno.remove(path);
    }
  }

  #closeFile(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #lose(reason: string, lines: number): void {
    this.#losses[reason] = (this.#losses[reason] ?? 0) + lines;
  }

  #tell(works: boolean, reason: string): void {
    if (works === this.#works) return;
    this.#works = works;
    const { folder, changed } = this.#options;
    changed(works ? `Writes to ${folder} again` : `Cannot write to ${folder}: ${reason}`, works);
  }
}

async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) if (isFile) names.push(name);
  return names;
}
