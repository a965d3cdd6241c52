// SPDX-License-Identifier: MulanPSL-2.0
/** Programs that run beside ours during a bench, and servers that both watch. */
import { until } from "../kernel/task_rig.ts";

/** A program with what it prints; it ends with this object. */
export class Child implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<void>;
  #seen = "";

  constructor(command: string, args: readonly string[], cwd?: string) {
    this.#child = new Deno.Command(command, {
      args: [...args],
      stdout: "piped",
      stderr: "null",
      stdin: "null",
      ...(cwd !== undefined && { cwd }),
    }).spawn();
    this.#output = this.#read();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** To the end, or the child would wait for room. */
  async #read(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      if (this.#seen.length < 65536) this.#seen += text;
    }
  }

  async ready(text: string): Promise<this> {
    await until(`"${text}"`, () => this.#seen.includes(text));
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#output;
    await this.#child.status;
  }
}

export const bpftrace = (program: string): Promise<Child> =>
  new Child("bpftrace", ["-e", program]).ready("Attaching");

/** Nanoseconds that the process's threads were on a CPU. */
export function cpuTime(pid: number): number {
  let nanoseconds = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const text = Deno.readTextFileSync(`/proc/${pid}/task/${name}/schedstat`);
    nanoseconds += Number(text.split(" ")[0]);
  }
  return nanoseconds;
}

export const run = (command: string, ...args: string[]) =>
  new Deno.Command(command, { args }).output();

/** With tracefs mounted, which bpftrace wants. */
export async function withTracefs(work: () => Promise<void>): Promise<void> {
  const folder = "/sys/kernel/tracing";
  const mounted = Deno.readTextFileSync("/proc/self/mounts").includes(" tracefs ");
  if (!mounted) await run("mount", "-t", "tracefs", "nodev", folder);
  try {
    await work();
  } finally {
    if (!mounted) await run("umount", folder);
  }
}
