// SPDX-License-Identifier: MulanPSL-2.0
/** Cgroups that a test makes on this host and removes again, with the processes that it put there. */
import { cgroupMounts } from "../src/core/cgroup_mounts.ts";

const MOUNTS = cgroupMounts(Deno.readTextFileSync("/proc/self/mountinfo"));
const REMOVE_TRIES = 200;

/** Whether all of these hierarchies are mounted: v1 by controller, v2 by the empty name. */
export function hasHierarchies(...names: readonly string[]): boolean {
  return names.every((name) => MOUNTS.has(name));
}

/** 64 hexadecimal digits, new each time. */
function newContainerId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class TestContainer implements AsyncDisposable {
  readonly id = newContainerId();
  readonly #folders = new Map<string, string>();
  readonly #parents = new Set<string>();
  readonly #children: Deno.ChildProcess[] = [];

  /** Makes `PARENT/ID` in each of these hierarchies; `PARENT` may be of several levels. */
  constructor(
    readonly hierarchies: readonly string[],
    parent = `gala-gopher-test-${Deno.pid}`,
    name = (id: string) => id,
  ) {
    for (const hierarchy of hierarchies) {
      let folder = `/${MOUNTS.get(hierarchy)!.folder}`;
      for (const part of parent.split("/")) this.#make(folder += `/${part}`);
      folder += `/${name(this.id)}`;
      this.#make(folder);
      this.#folders.set(hierarchy, folder);
    }
  }

  get shortId(): string {
    return this.id.slice(0, 12);
  }

  /** A file of its cgroup. */
  path(hierarchy: string, file: string): string {
    return `${this.#folders.get(hierarchy)}/${file}`;
  }

  read(hierarchy: string, file: string): string {
    return Deno.readTextFileSync(this.path(hierarchy, file));
  }

  write(hierarchy: string, file: string, text: string): void {
    Deno.writeTextFileSync(this.path(hierarchy, file), text);
  }

  add(pid: number): void {
    for (const hierarchy of this.hierarchies) this.write(hierarchy, "cgroup.procs", `${pid}`);
  }

  /** Runs a shell script inside from its first command on. Its standard input ends with the container. */
  run(script: string, { network = false, mounts = false } = {}): Deno.ChildProcess {
    const enter = this.hierarchies.map((name) => `echo $$ > '${this.path(name, "cgroup.procs")}'`);
    const shell = ["bash", "-c", [...enter, script].join("\n")];
    const own = [...(network ? ["--net"] : []), ...(mounts ? ["--mount"] : [])];
    const [command, ...args] = own.length === 0 ? shell : ["unshare", ...own, ...shell];
    const child = new Deno.Command(command!, { args, stdin: "piped", stdout: "piped" }).spawn();
    this.#children.push(child);
    return child;
  }

  /** Ends its processes; its cgroups stay. */
  async kill(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      await child.stdin.close().catch(() => {});
      await child.stdout.cancel().catch(() => {});
      try {
        child.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it has ended
      }
      await child.status;
    }
    for (const folder of this.#folders.values()) {
      for (const pid of Deno.readTextFileSync(`${folder}/cgroup.procs`).split("\n")) {
        if (pid === "" || Number(pid) === Deno.pid) continue;
        try {
          Deno.kill(Number(pid), "SIGKILL");
        } catch (error) {
          if (!(error instanceof Deno.errors.NotFound)) throw error;
        }
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    for (const folder of [...this.#parents].reverse()) await remove(folder);
  }

  #make(folder: string): void {
    try {
      Deno.mkdirSync(folder);
      this.#parents.add(folder);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      this.#parents.add(folder);
    }
  }
}

/** A cgroup can be removed once the kernel is done with its last process, and its parent once no other test uses it. */
async function remove(folder: string): Promise<void> {
  for (let i = 0; i < REMOVE_TRIES; i++) {
    try {
      return Deno.removeSync(folder);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      if ([...Deno.readDirSync(folder)].some(({ isDirectory }) => isDirectory)) return;
    }
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new Error(`Cannot remove "${folder}"`);
}

/** The first line that the child prints: it is where the test wants it. Throws when it ends before. */
export async function firstLine(child: Deno.ChildProcess): Promise<string> {
  const reader = child.stdout.getReader();
  try {
    const { value } = await reader.read();
    if (value === undefined) {
      const { code, signal } = await child.status;
      throw new Error(`The child ended before it was ready, by ${signal ?? `exit code ${code}`}`);
    }
    return new TextDecoder().decode(value).split("\n")[0]!;
  } finally {
    reader.releaseLock();
  }
}
