// SPDX-License-Identifier: MulanPSL-2.0
/** Holds what is attached to a server beside nothing, in alternating rounds. */
import { until } from "../until.ts";
import { median } from "./measure.ts";

export type Running = AsyncDisposable;

/** A program that is killed in the end. */
export class Child implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<void>;
  #seen = "";

  constructor(command: string, args: string[]) {
    this.#child = new Deno.Command(command, {
      args,
      stdout: "piped",
      stderr: "null",
      stdin: "null",
    })
      .spawn();
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

export type Variants = Record<string, () => Promise<Running>>;

const ATTACHED_MS = 700;

/** Runs every variant once a round, every second round backwards, and holds each against "nothing" of its round. */
export async function compare(
  what: string,
  all: Variants,
  measure: () => Promise<number>,
  { rounds }: { readonly rounds: number },
): Promise<void> {
  const variants = Object.entries(all);
  const spent = new Map(variants.map(([name]) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, start] of round % 2 === 0 ? variants : variants.toReversed()) {
      await using _running = await start();
      if (name !== "nothing") await new Promise((done) => setTimeout(done, ATTACHED_MS));
      spent.get(name)!.push(await measure());
    }
  }
  const base = spent.get("nothing")!;
  console.log(
    `\n| attached | ${what} | against nothing: median of ${rounds} pairs | quartiles of the pairs |`,
  );
  console.log("| - | - | - | - |");
  for (const [name, times] of spent) {
    const changes = times.map((time, i) => (time / base[i]! - 1) * 100).toSorted((a, b) => a - b);
    const at = (part: number) => changes[Math.floor((changes.length - 1) * part)]!.toFixed(1);
    console.log(
      `| ${name} | ${median(times).toFixed(2)} | ${at(0.5)} % | ${at(0.25)} to ${at(0.75)} % |`,
    );
  }
}

/** For bpftrace, which wants it. */
export async function withTracefs(work: () => Promise<void>): Promise<void> {
  const path = "/sys/kernel/tracing";
  const isThere = Deno.readTextFileSync("/proc/self/mounts").includes(" tracefs ");
  const run = (command: string, ...args: string[]) => new Deno.Command(command, { args }).output();
  if (!isThere) await run("mount", "-t", "tracefs", "nodev", path);
  try {
    await work();
  } finally {
    if (!isThere) await run("umount", path);
  }
}
