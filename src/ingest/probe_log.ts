// SPDX-License-Identifier: MulanPSL-2.0
/** Lines of text from an external probe, on their way to the agent's log: with a level, visible, and not too many. */
import { visibleText } from "./refusals.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

export type Log = (level: LogLevel, text: string) => void;

/** The original's marks at the start of a line. */
const LEVEL_REGEXP = /^\s*\[(DEBUG|INFO|WARN|ERROR)\]\s*/;
const LEVELS: Readonly<Record<string, LogLevel>> = {
  DEBUG: "debug",
  INFO: "info",
  WARN: "warn",
  ERROR: "error",
};

const MAX_CHARACTERS = 500;
/** Lines that one probe may log in a second. */
const MAX_LINES = 20;
const WINDOW_MS = 1000;

export class ProbeLog {
  /** Lines that were one too many. */
  suppressed = 0;
  readonly #log: Log;
  readonly #now: () => number;
  #windowStart = -Infinity;
  #linesInWindow = 0;
  #reported = 0;

  constructor(log: Log, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /** Logs a line with the level it names, else with `level`. */
  line(bytes: Uint8Array, level: LogLevel): void {
    const now = this.#now();
    if (now - this.#windowStart >= WINDOW_MS) {
      this.#windowStart = now;
      this.#linesInWindow = 0;
      this.#report();
    }
    if (this.#linesInWindow === MAX_LINES) {
      this.suppressed++;
      return;
    }
    this.#linesInWindow++;
    const text = visibleText(bytes, MAX_CHARACTERS);
    const mark = LEVEL_REGEXP.exec(text);
    if (mark === null) this.#log(level, text);
    else this.#log(LEVELS[mark[1]!]!, text.slice(mark[0].length));
  }

  #report(): void {
    const count = this.suppressed - this.#reported;
    if (count === 0) return;
    this.#reported = this.suppressed;
    this.#log("warn", `${count} lines were not logged: more than ${MAX_LINES} in a second`);
  }
}
