// SPDX-License-Identifier: MulanPSL-2.0
/** The container of a row's process: rows of external probes that name a process show it, as all other tables do. */
import type { ExternalTable } from "./meta.ts";

/** Keys or labels that hold a process's id, as the original names them. */
const PROCESS_FIELDS = ["tgid", "pid"];
const CONTAINER_LABEL = "container_id";

/** Where both stand among the labels of a row, keys first. */
export interface ContainerPlace {
  readonly process: number;
  readonly container: number;
}

/** The table with the container as its last label, if it names a process and says no container of its own. */
export function withContainer(
  described: ExternalTable,
): ExternalTable & { readonly container?: ContainerPlace } {
  const { spec, columns } = described;
  const names = [...spec.keys, ...spec.labels];
  const process = PROCESS_FIELDS.map((field) => names.indexOf(field)).find((at) => at >= 0);
  const isSaid = columns.some(({ name }) => name === CONTAINER_LABEL);
  if (process === undefined || isSaid) return described;
  // Behind all others, for whoever counts on the order of the meta file.
  const fields = [...spec.fields ?? [...names, ...Object.keys(spec.metrics)], CONTAINER_LABEL];
  return {
    ...described,
    spec: { ...spec, labels: [...spec.labels, CONTAINER_LABEL], fields },
    container: { process, container: names.length },
  };
}

/** Finds the container of a process; empty for none, undefined when there is no such process. */
export type ContainerFinder = (pid: number) => string | undefined;

export interface ProcessContainersOptions {
  /** Monotonic, in ms. */
  readonly clock: () => number;
  readonly maxProcesses?: number;
}

/** An answer costs some 20 us: it is believed so long, and a probe that names any number of processes must wait. */
const BELIEVED_MS = 5000;
const MAX_PROCESSES = 1024;
const PID_REGEXP = /^[1-9]\d{0,9}$/;

/** Answers by the text that a line has, remembered. */
export class ProcessContainers {
  /** Rows whose container was not asked for, as too many processes were named. */
  notAsked = 0;
  readonly #find: ContainerFinder;
  readonly #clock: () => number;
  readonly #max: number;
  readonly #known = new Map<string, { readonly id: string; readonly until: number }>();

  constructor(
    find: ContainerFinder,
    { clock, maxProcesses = MAX_PROCESSES }: ProcessContainersOptions,
  ) {
    this.#find = find;
    this.#clock = clock;
    this.#max = maxProcesses;
  }

  of(process: string): string {
    const now = this.#clock();
    const known = this.#known.get(process);
    if (known !== undefined && now < known.until) return known.id;
    if (!PID_REGEXP.test(process)) return "";
    if (known === undefined && !this.#hasRoom(now)) {
      this.notAsked++;
      return "";
    }
    // Of a process that is gone, what was known of it.
    const id = this.#find(Number(process)) ?? known?.id ?? "";
    // Renewed ones go to the end, so that the oldest stand first.
    this.#known.delete(process);
    this.#known.set(process, { id, until: now + BELIEVED_MS });
    return id;
  }

  #hasRoom(now: number): boolean {
    if (this.#known.size < this.#max) return true;
    for (const [process, { until }] of this.#known) {
      if (until > now) break;
      this.#known.delete(process);
    }
    return this.#known.size < this.#max;
  }
}
