// SPDX-License-Identifier: MulanPSL-2.0
/** What a process has of the host: file descriptors, threads, memory, BPF links, programs and maps, children. */
import { heldBy } from "../held_in_kernel.ts";

/** Counts, but for `anon`: private memory in MB. */
export interface Holdings {
  /** But for files of processes, which the agent keeps open: they are as many as the host has processes. */
  fds: number;
  threads: number;
  mappings: number;
  maps: number;
  programs: number;
  links: number;
  /** Those that have ended and were not looked at among them. */
  children: number;
  anon: number;
}

export function holdings(pid: number): Holdings {
  const held = [...heldBy(pid)];
  const ofKind = (kind: string) => held.filter((id) => id.startsWith(kind)).length;
  return {
    fds: ownDescriptors(pid),
    threads: [...Deno.readDirSync(`/proc/${pid}/task`)].length,
    mappings: Deno.readTextFileSync(`/proc/${pid}/maps`).split("\n").length - 1,
    maps: ofKind("map"),
    programs: ofKind("prog"),
    links: ofKind("link"),
    children: childrenOf(pid).length,
    anon: privateMegabytes(pid),
  };
}

function ownDescriptors(pid: number): number {
  let own = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    try {
      if (!/^\/proc\/\d+\//.test(Deno.readLinkSync(`/proc/${pid}/fd/${name}`))) own++;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // else it was closed since it was listed
    }
  }
  return own;
}

function privateMegabytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}

export function childrenOf(pid: number): number[] {
  return [...Deno.readDirSync(`/proc/${pid}/task`)].flatMap(({ name }) =>
    Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`).split(" ").filter(Boolean).map(
      Number,
    )
  );
}

export interface Process {
  pid: number;
  parent: number;
  /** With the pid, its identity: pids are used again. */
  started: string;
}

function readProcess(pid: number): Process | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // Z: it has ended, and its parent, which may be any, has not looked yet.
    if (fields[0] === "Z") return undefined;
    return { pid, parent: Number(fields[1]), started: fields[19]! };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || String(error).includes("ESRCH")) return undefined;
    if (String(error).includes("No such process")) return undefined;
    throw error;
  }
}

export function descendants(pid: number): Process[] {
  const all: Process[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    const process = /^\d+$/.test(name) ? readProcess(Number(name)) : undefined;
    if (process !== undefined) all.push(process);
  }
  const found = new Set([pid]);
  for (let size = 0; size !== found.size;) {
    size = found.size;
    for (const process of all) if (found.has(process.parent)) found.add(process.pid);
  }
  found.delete(pid);
  return all.filter((process) => found.has(process.pid));
}

export function alive(processes: Process[]): Process[] {
  return processes.filter(({ pid, started }) => readProcess(pid)?.started === started);
}
