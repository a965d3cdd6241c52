// SPDX-License-Identifier: MulanPSL-2.0
/** Owns the compiled program under test: one configuration folder and one process, which ends with the test. */
import assert from "node:assert/strict";

export const ROOT = new URL("../..", import.meta.url).pathname;
export const BINARY = `${ROOT}gala-gopher`;
export const EXAMPLE = `${ROOT}probes/example/example.sh`;
/** Nothing takes that long; what does has failed. Under emulation all takes a multiple. */
const PATIENCE_MS = 60_000 * Number(Deno.env.get("GALA_GOPHER_TEST_PATIENCE") ?? 1);
const READY = "Serves metrics";

/** Keys of gala-gopher.yaml, to which the port is added. */
export type Settings = Record<string, unknown>;

export interface Row {
  labels: Record<string, string>;
  value: number;
}

export interface Agent {
  pid: number;
  port: number;
  /** What it has written to stderr by now. */
  log: () => string;
  page: () => Promise<string>;
  rows: (metric: string) => Promise<Row[]>;
  /** Writes other settings, with the same port, into its configuration; SIGHUP makes it read them. */
  configure: (settings: Settings) => Promise<void>;
  signal: (signal: Deno.Signal) => void;
  /** Sends the signal, if any, and gives the exit code and how long the end took. */
  end: (signal?: Deno.Signal) => Promise<{ code: number; ms: number }>;
}

export interface RunOptions {
  settings?: Settings;
  /** Text of the original's gala-gopher.conf, instead of settings. */
  text?: string;
  env?: Record<string, string>;
  /** Words before those of the program; the last of them must become the program with exec. */
  prefix?: (folder: string) => string[];
  /** The program and its folder as the prefix makes it see them. */
  binary?: string;
  conf?: string;
}

/** Asks again until `poll` gives a value; there is no event to await in another process. */
export async function until<T>(
  what: string,
  poll: () => T | undefined | Promise<T | undefined>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const value = await poll();
    if (value !== undefined) return value;
    assert.ok(performance.now() < end, `not within ${patienceMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

/** Makes a folder that others may read, for runs with less rights. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "gala-gopher-e2e-" });
  try {
    await Deno.chmod(folder, 0o755);
    return await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

export interface Finished {
  code: number;
  out: string;
  err: string;
}

/** Runs a command that ends by itself. */
export async function finished(
  command: string,
  args: string[],
  patienceMs = PATIENCE_MS,
): Promise<Finished> {
  const signal = AbortSignal.timeout(patienceMs);
  const result = await new Deno.Command(command, { args, signal, stdin: "null" }).output();
  const decoder = new TextDecoder();
  return {
    code: result.code,
    out: decoder.decode(result.stdout),
    err: decoder.decode(result.stderr),
  };
}

export function parseRows(page: string, metric: string): Row[] {
  const rows: Row[] = [];
  for (const line of page.split("\n")) {
    const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name !== metric) continue;
    const pairs = [...(labels ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
    rows.push({
      labels: Object.fromEntries(pairs.map(([, key, text]) => [key, text])),
      value: Number(value),
    });
  }
  return rows;
}

export function memTotalKb(): number {
  return Number(/^MemTotal:\s+(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/meminfo"))![1]);
}

function startChild(folder: string, options: RunOptions): Deno.ChildProcess {
  const { binary = BINARY, conf = folder, prefix = () => [] } = options;
  const [command, ...args] = [...prefix(folder), binary, "-c", conf];
  const { env = {} } = options;
  return new Deno.Command(command!, { args, env, stdin: "null", stdout: "null", stderr: "piped" })
    .spawn();
}

/** The original's configuration with a port and a folder of the test's own, and without Kafka. */
function withOwnPlaces(text: string, port: number, folder: string): string {
  return text.replace(/(web_server\s*[:=]\s*\{\s*port\s*[:=]\s*)\d+/, `$1${port}`)
    .replaceAll("/var/log/gala-gopher", `${folder}/log`)
    .replaceAll(/(out_channel\s*[:=]\s*)"kafka"/g, '$1""');
}

/** Starts the program with these settings on a port of its own, and ends it whatever happens. */
export function withAgent(options: RunOptions, work: (agent: Agent) => Promise<void>) {
  return withFolder(async (folder) => {
    const port = freePort();
    // What is not tested here would be written to /var/log.
    const quiet = { event: { out_channel: "" }, meta: { out_channel: "" } };
    const configure = (settings: Settings) =>
      Deno.writeTextFile(
        `${folder}/gala-gopher.yaml`,
        JSON.stringify({ ...quiet, ...settings, web_server: { port } }),
      );
    if (options.text === undefined) {
      await configure(options.settings ?? {});
    } else {
      const text = withOwnPlaces(options.text, port, folder);
      await Deno.writeTextFile(`${folder}/gala-gopher.conf`, text);
    }
    const child = startChild(folder, options);
    let log = "";
    let ended = false;
    const status = child.status.finally(() => ended = true);
    const reading = child.stderr.pipeThrough(new TextDecoderStream())
      .pipeTo(new WritableStream({ write: (text) => void (log += text) }));
    const page = async () => {
      const response = await fetch(`http://127.0.0.1:${port}/metrics`);
      const text = await response.text();
      assert.equal(response.status, 200, text);
      return text;
    };
    const end = async (signal?: Deno.Signal) => {
      const start = performance.now();
      if (signal !== undefined && !ended) child.kill(signal);
      const { code } = await status;
      return { code, ms: performance.now() - start };
    };
    try {
      await until("ready", () => {
        assert.ok(!ended, `ended at start: ${log}`);
        return log.includes(READY) || undefined;
      });
      const rows = async (metric: string) => parseRows(await page(), metric);
      const signal = (name: Deno.Signal) => child.kill(name);
      const { pid } = child;
      await work({ pid, port, log: () => log, page, rows, configure, signal, end });
    } finally {
      if (!ended) child.kill("SIGKILL");
      await status;
      await reading;
    }
  });
}
