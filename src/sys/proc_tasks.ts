// SPDX-License-Identifier: MulanPSL-2.0
/** All processes from /proc: a file each for all of them, three more for those that are looked at closely. */
import type { HostFiles } from "../core/probe.ts";
import { parseFileLimit, parseIo, parseStat } from "../core/proc_pid.ts";
import { TASK, type TaskBatch, type TaskSource } from "../core/task_batch.ts";

const AT_PAGESZ = 6n;
const ZERO = 0x30;
const NINE = 0x39;

export class ProcTasks implements TaskSource {
  readonly name = "/proc";
  readonly #files: HostFiles;
  readonly #pageBytes: number;

  constructor(files: HostFiles, pageBytes: number) {
    this.#files = files;
    this.#pageBytes = pageBytes;
  }

  read(batch: TaskBatch): void {
    batch.clear();
    for (const name of this.#files.list("proc")) {
      const first = name.charCodeAt(0);
      if (first < ZERO || first > NINE) continue;
      const index = batch.add();
      if (index >= 0 && !this.refill(batch, index, Number(name))) batch.dropLast();
    }
  }

  /** Fills in what stat says of this process. False: it is gone, or not for us to see. */
  refill(batch: TaskBatch, index: number, tgid: number): boolean {
    const stat = this.#files.readOptional(`proc/${tgid}/stat`);
    if (stat === undefined || !parseStat(stat, batch, index, this.#pageBytes)) return false;
    batch.set(index, TASK.tgid, tgid);
    return true;
  }

  complete(batch: TaskBatch, index: number): boolean {
    const tgid = batch.get(index, TASK.tgid);
    const folder = `proc/${tgid}`;
    // Whoever sees the process may read this one: without it, the process is gone.
    const limits = this.#files.readOptional(`${folder}/limits`);
    if (limits === undefined) return false;
    batch.set(index, TASK.fd_limit, parseFileLimit(limits));
    const io = this.#files.readOptional(`${folder}/io`);
    if (io !== undefined) parseIo(io, batch, index);
    batch.set(index, TASK.fds, this.#files.count(`${folder}/fd`));
    return true;
  }
}

/** Bytes of a page, which the kernel tells every program at its start. */
export function pageSize(): number {
  const words = new BigUint64Array(Deno.readFileSync("/proc/self/auxv").slice().buffer);
  for (let at = 0; at + 1 < words.length; at += 2) {
    if (words[at] === AT_PAGESZ) return Number(words[at + 1]);
  }
  throw new TypeError("/proc/self/auxv does not tell the size of a page");
}
