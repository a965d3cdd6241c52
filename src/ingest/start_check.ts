// SPDX-License-Identifier: MulanPSL-2.0
/** The original's `switch = "auto"`: a shell command whose output says whether a probe has anything to observe. */
import { cameWithin, Child, type ChildOptions } from "./child.ts";

export interface StartCheckOptions
  extends Pick<ChildOptions, "workingDirectory" | "watchdog" | "environment" | "user"> {
  readonly timeoutMs?: number;
  /** The agent ends: the check is given up. */
  readonly hurry?: AbortSignal;
}

export interface StartVerdict {
  readonly start: boolean;
  /** Whether it printed a number at all. */
  readonly counted: boolean;
  /** Why, for `/probes` and the log. */
  readonly reason: string;
}

const TIMEOUT_MS = 5000;
/** One number is wanted. */
const MAX_OUTPUT_BYTES = 4096;
const INTEGER_REGEXP = /^\s*([-+]?\d{1,15})\s*$/;

/**
 * Runs `sh -c command` and reads its first line: a number above 0 (check_type "count") starts the probe.
 * This is the one place where a configuration's text goes through a shell, since it is written for one.
 */
export async function startCheck(
  command: string,
  { timeoutMs = TIMEOUT_MS, hurry, ...options }: StartCheckOptions,
): Promise<StartVerdict> {
  const child = new Child({ program: "/bin/sh", args: ["-c", command], ...options });
  await child.run();
  await child.closeStdin();
  const out = firstBytes(child.stdout);
  const error = firstBytes(child.stderr);
  const over = Promise.all([out.text, error.text, child.ended]);
  const inTime = await cameWithin(over, timeoutMs, hurry);
  child.signal("SIGKILL");
  const status = await child.ended;
  if (!inTime) {
    // A descendant outside the group may hold the pipes open for ever.
    await Promise.all([out.cancel(), error.cancel()]);
  }
  await child.clear();
  const [text, complaint] = await Promise.all([out.text, error.text]);
  const failed = { start: false, counted: false };
  if (!inTime) return { ...failed, reason: `start_check did not end within ${timeoutMs} ms` };
  const first = text.split("\n", 1)[0]!;
  const count = INTEGER_REGEXP.exec(first)?.[1];
  if (count === undefined) {
    const said = JSON.stringify((first || complaint.split("\n", 1)[0]!).slice(0, 100));
    const reason = `start_check printed no number but ${said} (exit code ${status.code})`;
    return { ...failed, reason };
  }
  return {
    start: Number(count) > 0,
    counted: true,
    reason: `start_check counted ${Number(count)}`,
  };
}

function firstBytes(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  const read = async () => {
    let text = "";
    for (let taken = 0;;) {
      const { value, done } = await reader.read();
      if (done) return text + decoder.decode();
      // Beyond the limit it is read but not kept, or the command would block.
      text += decoder.decode(value.subarray(0, MAX_OUTPUT_BYTES - taken), { stream: true });
      taken = Math.min(MAX_OUTPUT_BYTES, taken + value.length);
    }
  };
  return { text: read(), cancel: () => reader.cancel() };
}
