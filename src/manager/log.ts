// SPDX-License-Identifier: MulanPSL-2.0
/** The agent's own log: a line a fact, to stderr or to a file that rotates; a repeated line is held back for a minute. */

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

export type Logger = (level: LogLevel, text: string) => void;

/** Where finished lines go. */
export interface LogSink extends Disposable {
  write(line: Uint8Array): void;
  /** Opens the file anew: somebody has moved it away. */
  reopen(): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly sink: LogSink;
  /** Unix time in ms. */
  readonly clock: () => number;
}

const HOLD_BACK_MS = 60_000;
/** Texts that are remembered; beyond, the oldest is forgotten, and at worst repeated. */
const MAX_REMEMBERED = 512;
const MAX_LINE_CHARACTERS = 4096;
// deno-lint-ignore no-control-regex -- a line must stay a line, and a terminal unharmed
const CONTROL_REGEXP = /[\x00-\x1f\x7f-\x9f]/g;

interface Heard {
  readonly at: number;
  repeats: number;
}

export function createLog({ level, sink, clock }: LogOptions): Logger {
  const lowest = LOG_LEVELS.indexOf(level);
  const heard = new Map<string, Heard>();
  const encoder = new TextEncoder();
  return (lineLevel, text) => {
    if (LOG_LEVELS.indexOf(lineLevel) < lowest) return;
    const now = clock();
    const before = heard.get(text);
    // The clock may have been set back: then what was said is not of the last minute either.
    if (before !== undefined && Math.abs(now - before.at) < HOLD_BACK_MS) {
      before.repeats++;
      return;
    }
    heard.delete(text);
    if (heard.size >= MAX_REMEMBERED) heard.delete(heard.keys().next().value!);
    heard.set(text, { at: now, repeats: 0 });
    const again = before?.repeats ? ` (and ${before.repeats} times since it was last said)` : "";
    const line = text.slice(0, MAX_LINE_CHARACTERS).replace(CONTROL_REGEXP, " ");
    sink.write(encoder.encode(`${new Date(now).toISOString()} ${lineLevel} ${line}${again}\n`));
  };
}

/**
 * Standard error, for the journal. A reader that is gone or slow, or a full disk under it, must neither end the agent
 * nor hold it up: the line is lost.
 */
export function stderrSink(
  stream: { writeSync(bytes: Uint8Array): number } = Deno.stderr,
): LogSink {
  return {
    write: (line) => {
      try {
        for (let done = 0; done < line.length;) done += stream.writeSync(line.subarray(done));
      } catch {
        return;
      }
    },
    reopen: () => {},
    [Symbol.dispose]: () => {},
  };
}

/**
 * A file of at most `maxBytes`; a full one becomes `<path>.1`. Throws what the system says if it cannot be opened at
 * first; later a line that cannot be written is lost, for a full disk must not end the agent.
 */
export function fileSink(path: string, maxBytes: number): LogSink {
  let file = openLog(path);
  let size = file.statSync().size;
  const openNext = () => {
    const next = openLog(path);
    file.close();
    file = next;
    size = file.statSync().size;
  };
  const rotate = () => {
    try {
      Deno.renameSync(path, `${path}.1`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    openNext();
  };
  return {
    write: (line) => {
      try {
        if (size + line.length > maxBytes && size > 0) rotate();
        size += file.writeSync(line);
      } catch {
        return;
      }
    },
    reopen: () => {
      try {
        openNext();
      } catch {
        return; // it goes on in the file that it has
      }
    },
    [Symbol.dispose]: () => file.close(),
  };
}

function openLog(path: string): Deno.FsFile {
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/") + 1) || ".", { recursive: true, mode: 0o700 });
  return Deno.openSync(path, { create: true, append: true, mode: 0o640 });
}
