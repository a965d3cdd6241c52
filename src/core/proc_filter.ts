// SPDX-License-Identifier: MulanPSL-2.0
/** Which processes a probe is to observe: what the original calls a snooper. */
import type { Process } from "./process_table.ts";

/** A process must meet all that is given. */
export interface ProcRule {
  /** Found anywhere in the name. */
  readonly comm: RegExp;
  /** Part of the command line; empty: of any. */
  readonly cmdline: string;
}

/** A process is wanted if any part names it. Without any part nothing is filtered. */
export interface ProcFilter {
  readonly pids: ReadonlySet<number>;
  /** Whole names, as the kernel cuts them: 15 bytes. */
  readonly comms: ReadonlySet<string>;
  readonly rules: readonly ProcRule[];
  /** Lower case. */
  readonly containers: readonly string[];
}

export const NO_FILTER: ProcFilter = {
  pids: new Set(),
  comms: new Set(),
  rules: [],
  containers: [],
};

/** Of an id in its short form; shorter ones could be anybody's. */
const SHORT_ID = 12;

export function filtersNothing({ pids, comms, rules, containers }: ProcFilter): boolean {
  return pids.size === 0 && comms.size === 0 && rules.length === 0 && containers.length === 0;
}

export function wants(filter: ProcFilter, process: Process): boolean {
  return names(filter, process) || isInside(filter, process);
}

/** By what does not change while the process runs one program. */
function names({ pids, comms, rules }: ProcFilter, process: Process): boolean {
  return pids.has(process.pid) || comms.has(process.comm) ||
    rules.some((rule) => meets(rule, process));
}

function isInside({ containers }: ProcFilter, process: Process): boolean {
  return containers.length > 0 && isIn(containers, process.containerId.toLowerCase());
}

function meets({ comm, cmdline }: ProcRule, process: Process): boolean {
  return comm.test(process.comm) && (cmdline === "" || process.cmdlineIncludes(cmdline));
}

/** Either side may have the short form of an id. */
function isIn(containers: readonly string[], id: string): boolean {
  if (id.length < SHORT_ID) return false;
  return containers.some((wanted) =>
    wanted.length >= SHORT_ID && (id.startsWith(wanted) || wanted.startsWith(id))
  );
}

/** Holds a probe's filter, which may be replaced while the probe runs. */
export class Snooper {
  #filter: ProcFilter | undefined;
  #verdicts = new WeakMap<Process, boolean>();

  /** Undefined: nobody has set one yet. */
  get filter(): ProcFilter | undefined {
    return this.#filter;
  }

  set filter(filter: ProcFilter) {
    this.#filter = filter;
    this.#verdicts = new WeakMap();
  }

  /** Whether all processes pass. */
  get isOpen(): boolean {
    return this.#filter === undefined || filtersNothing(this.#filter);
  }

  /** Looks at the name and the command line once for each process and each filter, at its container each time. */
  wants(process: Process): boolean {
    const filter = this.#filter;
    if (filter === undefined || filtersNothing(filter)) return true;
    let verdict = this.#verdicts.get(process);
    if (verdict === undefined) this.#verdicts.set(process, verdict = names(filter, process));
    return verdict || isInside(filter, process);
  }
}

const MAX_COMM_BYTES = 15;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The original's white list: a name a line. */
export function parseWhiteList(text: string): Set<string> {
  const names = text.split("\n").map((line) => line.trim());
  return new Set(names.filter((name) => name !== "" && !name.startsWith("#")).map(cutComm));
}

/** A name as the kernel would cut it. */
function cutComm(name: string): string {
  const bytes = encoder.encode(name);
  return bytes.length <= MAX_COMM_BYTES ? name : decoder.decode(bytes.subarray(0, MAX_COMM_BYTES));
}
