// SPDX-License-Identifier: MulanPSL-2.0
/** What all shipped probes promise, whatever they observe: to complain shortly, to wait for nobody, and to go. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { freePort, ROOT, until } from "../e2e/run_agent.ts";

const INTERVAL = "0.2";
const SHORT = ["--timeout", "0.5"];

interface Probe {
  readonly program: string;
  /** How it is told where its server is. */
  readonly at: (port: number) => readonly string[];
  readonly interval?: string;
}

const url = (port: number) => ["-u", `http://127.0.0.1:${port}`, ...SHORT];
const host = (port: number) => ["-h", "127.0.0.1", "-p", String(port), ...SHORT];

const PROBES: readonly Probe[] = [
  { program: "bind/bind_probe.py", at: url },
  { program: "dnsmasq/dnsmasq_probe.py", at: host },
  {
    program: "haproxy/haproxy_probe.py",
    at: (port) => ["-s", "127.0.0.1", "-p", String(port), ...SHORT],
  },
  { program: "kafka/kafka_probe.py", at: host },
  { program: "mysql/mysql_probe.py", at: host },
  { program: "nginx/nginx_probe.py", at: url },
  { program: "pg_stat/pg_stat_probe.py", at: host },
  { program: "rabbitmq/rabbitmq_probe.py", at: url },
  { program: "redis/redis_probe.py", at: host },
  {
    program: "redis_client/redis_client",
    at: (port) => ["-h", "127.0.0.1", "-p", String(port)],
    interval: "-d",
  },
];
/** Those without a server. */
const LOCAL: readonly Probe[] = [
  { program: "lvs/lvs_probe.sh", at: () => [] },
  { program: "jvm/jvm_probe.sh", at: () => [] },
];

class Running {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;
  readonly ended: Promise<Deno.CommandStatus>;
  readonly name: string;
  out = "";
  err = "";

  constructor(command: string, args: readonly string[], name = command) {
    this.name = name;
    this.#child = new Deno.Command(command, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.ended = this.#child.status;
    const read = (stream: ReadableStream<Uint8Array>, take: (text: string) => void) =>
      stream.pipeThrough(new TextDecoderStream()).pipeTo(new WritableStream({ write: take }));
    this.#reading = Promise.all([
      read(this.#child.stdout, (text) => this.out += text),
      read(this.#child.stderr, (text) => this.err += text),
    ]);
  }

  get pid(): number {
    return this.#child.pid;
  }

  says(text: string): Promise<true> {
    return until(`${this.name} says "${text}"`, () => this.err.includes(text) || undefined);
  }

  closeStdin(): Promise<void> {
    return this.#child.stdin.close();
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** All that it printed, which must be whole rows, and all that it said. */
  async finish(): Promise<string[]> {
    await this.#reading;
    assert.match(this.out, /^(\|.*\|\n)*$/, this.name);
    const lines = this.err.split("\n").filter((line) => line !== "");
    for (const line of lines) assert.match(line, /^\[(WARN|INFO)\] ./, this.name);
    return lines;
  }
}

function start({ program, at, interval = "-t" }: Probe, port: number): Running {
  return new Running(`${ROOT}probes/${program}`, [...at(port), interval, INTERVAL]);
}

async function endsWithStdin(probe: Running): Promise<void> {
  const start = performance.now();
  await probe.closeStdin();
  const { code } = await probe.ended;
  const ms = performance.now() - start;
  assert.equal(code, 0, `${probe.name}: exit code ${code}`);
  assert.ok(ms < 2000, `${probe.name} took ${ms} ms to end`);
}

Deno.test("all shipped probes are folders with program, meta and README, and are tested here", () => {
  const named = [...PROBES, ...LOCAL].map(({ program }) => program.split("/")[0]!);
  for (const { name: folder, isDirectory } of Deno.readDirSync(`${ROOT}probes`)) {
    if (!isDirectory) continue;
    const files = [...Deno.readDirSync(`${ROOT}probes/${folder}`)].map(({ name }) => name);
    const metas = files.filter((name) => name.endsWith(".meta"));
    if (metas.length === 0) continue; // what probes share
    assert.equal(metas.length, 1, folder);
    assert.ok(files.includes("README.md"), folder);
    assert.ok(folder === "example" || named.includes(folder), folder);
  }
});

Deno.test("all shipped probes say that a server is not there, and end with their stdin", async () => {
  const probes = PROBES.map((probe) => start(probe, freePort()));
  await Promise.all(probes.map((probe) => probe.says("refused")));
  await Promise.all(probes.map(async (probe) => {
    await endsWithStdin(probe);
    assert.equal((await probe.finish()).length, 1, probe.err);
    assert.equal(probe.out, "");
  }));
});

/** Answers every connection with something else than was asked for, and counts them. */
function babbler() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const nonsense = new TextEncoder().encode("?".repeat(50) + "\n\n");
  const serve = async (conn: Deno.Conn) => {
    try {
      await conn.write(nonsense);
      while (await conn.read(new Uint8Array(1024)) !== null);
    } catch (error) {
      // The probe has gone without reading all of it.
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    } finally {
      conn.close();
    }
  };
  const babble = {
    port: listener.addr.port,
    connections: 0,
    close: async () => {
      listener.close();
      await serving;
    },
  };
  const serving = (async () => {
    const open: Promise<void>[] = [];
    for await (const conn of listener) {
      babble.connections++;
      open.push(serve(conn));
    }
    await Promise.all(open);
  })();
  return babble;
}

Deno.test("all shipped probes complain once of a server that talks nonsense, however often they ask", async () => {
  const streams = PROBES.filter(({ program }) => !program.startsWith("dnsmasq"));
  await Promise.all(streams.map(async (probe) => {
    const server = babbler();
    const running = start(probe, server.port);
    await until(`${running.name} asks again`, () => server.connections >= 4 || undefined);
    await endsWithStdin(running);
    assert.equal((await running.finish()).length, 1, running.err);
    assert.equal(running.out, "");
    await server.close();
  }));
});

Deno.test("all shipped probes give up a server that takes connections and is silent", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const datagrams = createSocket("udp4").bind(port, "127.0.0.1");
  await once(datagrams, "listening");
  const probes = PROBES.map((probe) => start(probe, port));
  try {
    await Promise.all(probes.map((probe) => probe.says("within the time-out")));
    await Promise.all(probes.map(async (probe) => {
      await endsWithStdin(probe);
      assert.equal((await probe.finish()).length, 1, probe.err);
    }));
  } finally {
    listener.close();
    datagrams.close();
  }
});

Deno.test("shipped probes of this host end with their stdin", async () => {
  const probes = LOCAL.map((probe) => start(probe, 0));
  await Promise.all(probes.map(async (probe) => {
    await until(`${probe.name} works`, () => probe.out + probe.err !== "" || undefined);
    await endsWithStdin(probe);
    await probe.finish();
  }));
});

Deno.test("all shipped probes end when their parent dies, though their stdin stays open", async () => {
  const port = freePort();
  const parents = [...PROBES, ...LOCAL].map(({ program, at, interval = "-t" }) => {
    const words = [`${ROOT}probes/${program}`, ...at(port), interval, INTERVAL];
    return new Running("sh", ["-c", 'exec 3<&0; "$@" <&3 3<&- & wait', "sh", ...words], program);
  });
  await Promise.all(
    parents.map((parent) =>
      until(`${parent.name} works`, () => parent.out + parent.err !== "" || undefined)
    ),
  );
  for (const parent of parents) parent.kill();
  // The child holds the output open until it ends.
  await Promise.all(parents.map(async (parent) => {
    let over = false;
    const finished = parent.finish().finally(() => over = true);
    await until(`${parent.name} ended`, () => over || undefined);
    await finished;
    await parent.ended;
    await parent.closeStdin();
  }));
});
