// SPDX-License-Identifier: MulanPSL-2.0
/** What /proc/PID/stat says of a process's life, past a name that may hold blanks and parentheses. */
import { Scanner } from "./scan.ts";

export interface ProcessStat {
  /** `R`, `S`, `D`, `T`, `Z` ...; empty when the text is not one of a process. */
  readonly state: string;
  /** Since boot, in USER_HZ ticks (100 a second); tells a process from another that has its pid later. NaN if unknown. */
  readonly start: number;
}

const CLOSING = 0x29;
/** Behind the name: state is the 1st word, starttime the 20th (fields 3 and 22 in proc(5)). */
const WORDS_BETWEEN = 18;

const scan = new Scanner();

export function processStat(bytes: Uint8Array): ProcessStat {
  const name = bytes.lastIndexOf(CLOSING);
  scan.over(bytes.subarray(name + 1));
  if (name < 0 || !scan.word()) return { state: "", start: NaN };
  const state = scan.text();
  for (let i = 0; i < WORDS_BETWEEN; i++) if (!scan.word()) return { state, start: NaN };
  return { state, start: scan.number() };
}
