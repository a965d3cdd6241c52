// SPDX-License-Identifier: MulanPSL-2.0
/** A child process in a process group of its own, so that it can be ended with all that it started. */
import { Unsupported } from "../core/errors.ts";
import type { Watchdog } from "./watchdog.ts";

/** What of the agent's environment a child gets, besides everything that starts with GOPHER_. */
const KEPT_VARIABLES: readonly string[] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "JAVA_HOME"];
const KEPT_PREFIX = "GOPHER_";
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export function childEnvironment(own: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(own).filter(([name]) =>
    KEPT_VARIABLES.includes(name) || name.startsWith(KEPT_PREFIX)
  );
  return { PATH: DEFAULT_PATH, ...Object.fromEntries(kept) };
}

export interface ChildOptions {
  /** Path of the program. */
  readonly program: string;
  readonly args: readonly string[];
  readonly workingDirectory: string;
  /** Ends the group when the agent is killed. */
  readonly watchdog: Watchdog;
}

export class Child {
  readonly pid: number;
  /** Resolves when the process has ended and was reaped. */
  readonly ended: Promise<Deno.CommandStatus>;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  readonly #stdin: WritableStream<Uint8Array>;
  readonly #watchdog: Watchdog;
  #stdinOpen = true;

  /** Starts it. Throws Unsupported when the system refuses. */
  constructor({ program, args, workingDirectory, watchdog }: ChildOptions) {
    const command = new Deno.Command(program, {
      args: [...args],
      cwd: workingDirectory,
      clearEnv: true,
      env: childEnvironment(Deno.env.toObject()),
      // A session of its own (Deno calls setsid): the pid is also the process group's number.
      detached: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    });
    const process = spawn(command, program);
    this.pid = process.pid;
    this.ended = process.status;
    this.stdout = process.stdout;
    this.stderr = process.stderr;
    this.#stdin = process.stdin;
    this.#watchdog = watchdog;
    watchdog.guard(this.pid);
  }

  /** Tells a program that reads its input that it is time to go. */
  async closeStdin(): Promise<void> {
    if (!this.#stdinOpen) return;
    this.#stdinOpen = false;
    await this.#stdin.close();
  }

  /**
   * To the process and all its descendants that stayed in the group. The group's number stays taken while it has a
   * member; when it has none any more, this must come soon after, before the kernel's circle of pids comes round.
   */
  signal(name: Deno.Signal): void {
    try {
      Deno.kill(-this.pid, name);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  /** Gives back what belongs to a process that has ended and whose group was killed. */
  async clear(): Promise<void> {
    this.#watchdog.release(this.pid);
    await this.closeStdin();
  }
}

function spawn(command: Deno.Command, program: string): Deno.ChildProcess {
  try {
    return command.spawn();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new Unsupported(`Cannot start "${program}": ${error.message}`, undefined, {
      cause: error,
    });
  }
}

const ESRCH = "ESRCH";

function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    (error instanceof Error && "code" in error && error.code === ESRCH);
}

/** Waits for the promise at most this long; whether it came in time. */
export async function cameWithin(
  promise: Promise<unknown>,
  milliseconds: number,
): Promise<boolean> {
  const timer = Promise.withResolvers<boolean>();
  const id = setTimeout(() => timer.resolve(false), milliseconds);
  try {
    return await Promise.race([promise.then(() => true), timer.promise]);
  } finally {
    clearTimeout(id);
  }
}
