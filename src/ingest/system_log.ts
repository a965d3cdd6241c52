// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The `event` probe: programs and services that ended badly, from the system log (lines with `code=`, as systemd and
 * others write them). Begins at the end of the file and follows it through rotation. Reads up to 1 MiB a tick.
 */
import { Unsupported } from "../core/errors.ts";
import { type Event, SEVERITY_NUMBERS } from "../core/event.ts";
import type { RunningProbe } from "../core/probe.ts";

export interface SystemLogOptions {
  /** The first that exists is read. */
  readonly paths: readonly string[];
  readonly report: (event: Event) => void;
}

const MAX_READ_BYTES = 1 << 20;
const MAX_TEXT_CHARACTERS = 400;
/** Time and host as syslog writes them, either form, then the program. */
const LINE_REGEXP =
  /^(?:[A-Z][a-z]{2} +\d+ [\d:]+|\d{4}-\d\d-\d\dT\S+) \S+ ([^\s:[]+)(?:\[\d+\])?: (.*)$/;
const UNIT_REGEXP = /^(\S+\.(?:service|scope|socket|mount|timer|slice)): /;
const CODE_REGEXP = /\bcode=(\w+)/;
const STATUS_REGEXP = /\bstatus=(\d+)/;

/** The event that a line of the system log is, or undefined. */
export function systemLogEvent(line: string): Event | undefined {
  const [, program, text] = LINE_REGEXP.exec(line) ?? [];
  if (program === undefined || text === undefined) return undefined;
  const code = CODE_REGEXP.exec(text)?.[1];
  if (code === undefined || /^0+$/.test(code)) return undefined;
  const status = STATUS_REGEXP.exec(text)?.[1];
  if (code === "exited" && (status === undefined || Number(status) === 0)) return undefined;
  return {
    entity: "service",
    id: UNIT_REGEXP.exec(text)?.[1] ?? program,
    metric: "exit_code",
    severity: "WARN",
    severityNumber: SEVERITY_NUMBERS.WARN,
    body: line.slice(0, MAX_TEXT_CHARACTERS),
    labels: { COMM: program },
  };
}

/** Throws Unsupported when there is no such file. */
export function watchSystemLog({ paths, report }: SystemLogOptions): RunningProbe {
  const path = paths.find(exists);
  if (path === undefined) {
    throw new Unsupported(
      `There is neither ${paths.join(" nor ")}`,
      'setting "path" names another',
    );
  }
  const follower = new FileFollower(path);
  let lines = 0;
  let events = 0;
  return {
    tick: () => {
      for (const line of follower.lines()) {
        lines++;
        const event = systemLogEvent(line);
        if (event === undefined) continue;
        events++;
        report(event);
      }
    },
    stop: () => follower[Symbol.dispose](),
    losses: () => follower.skippedBytes > 0 ? { skipped_bytes: follower.skippedBytes } : {},
    facts: () => ({ path, lines, events }),
  };
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return false;
    }
    throw error;
  }
}

/** Whole lines that were added to a file. */
class FileFollower {
  skippedBytes = 0;
  readonly #path: string;
  readonly #buffer = new Uint8Array(65536);
  #file: Deno.FsFile | undefined;
  #inode: number | null = null;
  #offset = 0;
  #rest = "";
  #decoder = new TextDecoder();

  constructor(path: string) {
    this.#path = path;
    this.#open();
    this.#offset = this.#file?.statSync().size ?? 0;
  }

  lines(): string[] {
    const lines = this.#read();
    const now = exists(this.#path) ? Deno.statSync(this.#path) : undefined;
    if (now === undefined || (now.ino === this.#inode && now.size >= this.#offset)) return lines;
    this.#open(); // it was rotated, or emptied
    return [...lines, ...this.#read()];
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #open(): void {
    this[Symbol.dispose]();
    this.#file = Deno.openSync(this.#path);
    this.#inode = this.#file.statSync().ino;
    this.#offset = 0;
    this.#rest = "";
    this.#decoder = new TextDecoder();
  }

  #read(): string[] {
    if (this.#file === undefined) return [];
    const behind = this.#file.statSync().size - this.#offset;
    if (behind > MAX_READ_BYTES) {
      this.skippedBytes += behind - MAX_READ_BYTES;
      this.#offset += behind - MAX_READ_BYTES;
      this.#rest = "";
    }
    this.#file.seekSync(this.#offset, Deno.SeekMode.Start);
    let text = this.#rest;
    for (;;) {
      const count = this.#file.readSync(this.#buffer);
      if (count === null || count === 0) break;
      this.#offset += count;
      text += this.#decoder.decode(this.#buffer.subarray(0, count), { stream: true });
    }
    const lines = text.split("\n");
    this.#rest = lines.pop()!.slice(-65536);
    return lines;
  }
}
