// SPDX-License-Identifier: MulanPSL-2.0
/** A child process in a process group of its own, so that it can be ended with all that it started. */
import { killIfThere } from "./kill_if_there.ts";
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

/**
 * Waits for a line, then becomes the program: until then nothing runs that could outlive the agent or leave its control
 * group. The read takes no byte more, so that the program finds the next line.
 */
const LAUNCHER = 'read -r go || exit 0; exec "$@"';
const SHELL = "/bin/sh";

export interface ChildUser {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface ChildOptions {
  /** Path of the program. */
  readonly program: string;
  readonly args: readonly string[];
  readonly workingDirectory: string;
  /** Ends the group when the agent is killed. */
  readonly watchdog: Watchdog;
  /** Added to the cleaned environment of the agent. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whom it runs as; by default as the agent. */
  readonly user?: ChildUser | undefined;
  /** 0 to 19: how much it gives way to others. */
  readonly nice?: number;
}

export class Child {
  readonly pid: number;
  /** Resolves when the process has ended and was reaped. */
  readonly ended: Promise<Deno.CommandStatus>;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #watchdog: Watchdog;
  #stdinOpen = true;
  /** The line that waits until the one before is taken; only the newest counts. */
  #nextLine: string | undefined;
  #writing = false;

  /** Makes the process, which waits for `run`. Throws Unsupported when the system refuses. */
  constructor(options: ChildOptions) {
    const { program, args, workingDirectory, watchdog, environment = {}, user, nice = 0 } = options;
    refuseMissing(program);
    const command = new Deno.Command(SHELL, {
      args: ["-c", LAUNCHER, "gala-gopher-launch", ...niceWords(nice), program, ...args],
      cwd: workingDirectory,
      clearEnv: true,
      env: {
        ...childEnvironment(Deno.env.toObject()),
        ...(user === undefined ? {} : { HOME: user.home }),
        ...environment,
      },
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
      // A session of its own (Deno calls setsid): the pid is also the process group's number.
      detached: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    });
    const process = spawn(command, options);
    this.pid = process.pid;
    this.ended = process.status;
    this.stdout = process.stdout;
    this.stderr = process.stderr;
    this.#stdin = process.stdin.getWriter();
    this.#watchdog = watchdog;
    watchdog.guard(this.pid);
  }

  /** Lets the program begin, once it cannot outlive the agent any more. */
  async run(): Promise<void> {
    await this.#watchdog.told;
    await this.#write("\n");
  }

  /**
   * Gives a line to a program that reads its input. If it does not read, the pipe fills up: then the newest line waits
   * and replaces the one that waited before.
   */
  say(line: string): void {
    this.#nextLine = `${line}\n`;
    if (!this.#writing) this.#writeNext();
  }

  /** Tells a program that reads its input that it is time to go. */
  async closeStdin(): Promise<void> {
    if (!this.#stdinOpen) return;
    this.#stdinOpen = false;
    this.#nextLine = undefined;
    // A line that the program does not take would keep `close` waiting.
    const closing = this.#writing ? this.#stdin.abort() : this.#stdin.close();
    // A TypeError: a write has failed before, and with it the stream was closed.
    await closing.catch((error) => {
      if (!(error instanceof TypeError)) ignoreBrokenPipe(error);
    });
  }

  #writeNext(): void {
    const line = this.#nextLine;
    this.#nextLine = undefined;
    if (line === undefined || !this.#stdinOpen) return;
    this.#writing = true;
    this.#write(line).then(() => {
      this.#writing = false;
      this.#writeNext();
    });
  }

  /** A program that has closed its input does not want to be told. */
  #write(text: string): Promise<void> {
    return this.#stdin.write(encoder.encode(text)).catch((error) => {
      if (this.#stdinOpen) ignoreBrokenPipe(error);
    });
  }

  /**
   * To the process and all its descendants that stayed in the group. The group's number stays taken while it has a
   * member; when it has none any more, this must come soon after, before the kernel's circle of pids comes round.
   */
  signal(name: Deno.Signal): void {
    killIfThere(-this.pid, name);
  }

  /** Gives back what belongs to a process that has ended and whose group was killed. */
  async clear(): Promise<void> {
    this.#watchdog.release(this.pid);
    await this.closeStdin();
  }
}

const encoder = new TextEncoder();

function ignoreBrokenPipe(error: unknown): void {
  if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
}

function niceWords(nice: number): string[] {
  return nice === 0 ? [] : ["nice", "-n", String(nice)];
}

/** The launcher could only say so in words of its own. */
function refuseMissing(program: string): void {
  try {
    if (!program.includes("/") || Deno.statSync(program).isFile) return;
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw new Unsupported(`Cannot start "${program}": ${cause.message}`, undefined, { cause });
  }
  throw new Unsupported(`Cannot start "${program}": it is no file`);
}

function spawn(command: Deno.Command, { program, workingDirectory, user }: ChildOptions) {
  try {
    return command.spawn();
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    const mend = user === undefined
      ? undefined
      : `let user ${user.uid} into "${workingDirectory}", or set working_dir`;
    throw new Unsupported(`Cannot start "${program}": ${cause.message}`, mend, { cause });
  }
}

/** Waits for the promise at most this long, or until the signal; whether it came in time. */
export async function cameWithin(
  promise: Promise<unknown>,
  milliseconds: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const { promise: enough, resolve } = Promise.withResolvers<boolean>();
  const id = setTimeout(() => resolve(false), milliseconds);
  const cut = () => resolve(false);
  signal?.addEventListener("abort", cut);
  try {
    return await Promise.race([promise.then(() => true), enough]);
  } finally {
    clearTimeout(id);
    signal?.removeEventListener("abort", cut);
  }
}
