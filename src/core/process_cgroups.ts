// SPDX-License-Identifier: MulanPSL-2.0
/** The container of a process, from its /proc/PID/cgroup: one line `N:controller,...:/path` for each hierarchy. */
import { containerOfPath, type Runtime } from "./cgroup_path.ts";

export interface Container {
  /** As the runtime knows it. */
  readonly id: string;
  /** As it is shown, and as the original shows it: the first 12 of 64 digits. */
  readonly shortId: string;
  readonly runtime: Runtime;
  readonly podId: string;
  /** By v1 controller (`memory`), by `name=systemd`, and by the empty name for v2: the container's path there. */
  readonly paths: ReadonlyMap<string, string>;
}

const SHORT_DIGITS = 12;
const FULL_DIGITS = 64;
/** The kernel has no more hierarchies than controllers, of which there are 14. */
const MAX_LINES = 64;

const decoder = new TextDecoder();

/** Undefined when the process is in no container. The last line counts only if it is whole. */
export function containerOfProcess(text: string): Container | undefined {
  let first: { id: string; runtime: Runtime; podId: string } | undefined;
  const paths = new Map<string, string>();
  for (const line of text.slice(0, text.lastIndexOf("\n") + 1).split("\n", MAX_LINES)) {
    const name = line.indexOf(":");
    const path = line.indexOf(":/", name + 1);
    if (name < 1 || path < 0) continue;
    const found = containerOfPath(line.slice(path + 1));
    if (found === undefined) continue;
    first ??= found;
    // Hierarchies may disagree (a v2 line of the outer container): the numbers must be of one.
    if (found.id !== first.id) continue;
    for (const controller of line.slice(name + 1, path).split(",")) {
      if (!paths.has(controller)) paths.set(controller, found.path);
    }
  }
  if (first === undefined) return undefined;
  const { id, runtime, podId } = first;
  return { id, shortId: shortIdOf(id), runtime, podId, paths };
}

export function shortIdOf(id: string): string {
  return id.length === FULL_DIGITS ? id.slice(0, SHORT_DIGITS) : id;
}

/** As above, from the bytes of the file. */
export function containerOfBytes(bytes: Uint8Array): Container | undefined {
  return containerOfProcess(decoder.decode(bytes));
}
