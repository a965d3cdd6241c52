// SPDX-License-Identifier: MulanPSL-2.0
/** Runs a real server for a test: a child in the foreground, with a folder of its own, ended with the test. */
import assert from "node:assert/strict";
import { until } from "../e2e/run_agent.ts";

export interface ServerOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Runs it as nobody, for servers that refuse root; its folder must be theirs (see giveToNobody). */
  readonly asNobody?: boolean;
  readonly cwd?: string;
  /** Whether it serves; an exception means not yet. */
  readonly ready: () => Promise<boolean>;
  /** What its documentation calls a fast, clean stop. */
  readonly stopSignal?: Deno.Signal;
}

export interface Server extends AsyncDisposable {
  readonly pid: number;
  /** Also done when it goes out of scope, so that no failed test leaves it behind. */
  stop(): Promise<void>;
}

const NOBODY = 65534;
const READY_MS = 40_000;
const STOP_MS = 10_000;

export async function giveToNobody(folder: string): Promise<void> {
  await Deno.chown(folder, NOBODY, NOBODY);
}

export function asNobody(command: string, options: Deno.CommandOptions): Deno.Command {
  return new Deno.Command(command, { ...options, uid: NOBODY, gid: NOBODY });
}

/** Starts it and waits until it serves. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { command, args, env = {}, cwd = "/", stopSignal = "SIGTERM" } = options;
  const user = options.asNobody === true ? { uid: NOBODY, gid: NOBODY } : {};
  const child = new Deno.Command(command, {
    args: [...args],
    env: { ...env },
    cwd,
    ...user,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const said: string[] = [];
  const listen = (stream: ReadableStream<Uint8Array>) =>
    stream.pipeThrough(new TextDecoderStream())
      .pipeTo(new WritableStream({ write: (text) => void said.push(text) }));
  const output = Promise.all([listen(child.stdout), listen(child.stderr)]);
  let ended = false;
  const status = child.status.finally(() => ended = true);
  const stop = async () => {
    if (!ended) child.kill(stopSignal);
    const timer = setTimeout(() => ended || child.kill("SIGKILL"), STOP_MS);
    await status;
    clearTimeout(timer);
    await output;
  };
  try {
    await until(`${command} serves`, async () => {
      assert.ok(!ended, `${command} ended: ${said.join("").slice(-2000)}`);
      return await answers(options.ready) || undefined;
    }, READY_MS);
  } catch (error) {
    await stop();
    throw new Error(`${command} said: ${said.join("").slice(-2000)}`, { cause: error });
  }
  return { pid: child.pid, stop, [Symbol.asyncDispose]: stop };
}

async function answers(ready: () => Promise<boolean>): Promise<boolean> {
  try {
    return await ready();
  } catch {
    return false; // refused, or not all there: asked again
  }
}

/** Whether something listens there. */
export async function listens(port: number): Promise<boolean> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  conn.close();
  return true;
}
