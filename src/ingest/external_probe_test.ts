// SPDX-License-Identifier: MulanPSL-2.0
/** With real children. What a child did is awaited through what it prints; nothing sleeps and hopes. */
import assert from "node:assert/strict";
import { ConfigError, Unsupported } from "../core/errors.ts";
import { Store } from "../core/store.ts";
import {
  type ExternalExit,
  type ExternalOptions,
  type ExternalProbe,
  startExternal,
} from "./external_probe.ts";
import { countChildren, endsWithin, lives } from "./testing_processes.ts";
import { parseMeta } from "./meta.ts";
import { ReadingTurns } from "./reading_turns.ts";
import { Watchdog } from "./watchdog.ts";

const EXAMPLE_FOLDER = new URL("../../probes/example/", import.meta.url).pathname;
const META = `${EXAMPLE_FOLDER}example.meta`;
const FAST = { termAfterMs: 100, killAfterMs: 200 };

/** One probe, its surroundings, and what it reported. */
class Bench {
  readonly store = new Store(
    { maxTables: 4, maxRows: 300, maxFields: 64, timeoutMs: 60_000 },
    { machine_id: "m" },
  );
  readonly logs: string[] = [];
  readonly records: string[] = [];
  readonly exit = Promise.withResolvers<ExternalExit>();
  readonly watchdog = new Watchdog((text) => this.logs.push(`watchdog: ${text}`));
  #waiting: { matches: () => boolean; resolve: () => void }[] = [];

  start(command: ExternalOptions["command"], more: Partial<ExternalOptions> = {}) {
    return startExternal({
      name: "test",
      command,
      workingDirectory: EXAMPLE_FOLDER,
      metaFiles: [META],
      store: this.store,
      watchdog: this.watchdog,
      turns: new ReadingTurns(),
      parseYaml: () => assert.fail("no YAML here"),
      now: () => performance.now(),
      log: (level, text) => {
        this.logs.push(`${level}: ${text}`);
        this.#look();
      },
      onRecord: (_, line) => {
        this.records.push(line);
        this.#look();
      },
      onExit: (exit) => this.exit.resolve(exit),
      ...more,
    });
  }

  sh(script: string, more: Partial<ExternalOptions> = {}): Promise<ExternalProbe> {
    return this.start(["/bin/sh", "-c", script], more);
  }

  /** Resolves when the condition, looked at after each log line and record, is true. */
  until(matches: () => boolean): Promise<void> {
    if (matches()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ matches, resolve }));
  }

  /** The text after `word` of the first log line that has it. */
  async said(word: string): Promise<string> {
    const find = () => this.logs.find((line) => line.includes(word));
    await this.until(() => find() !== undefined);
    return find()!.split(word)[1]!;
  }

  value(key: string, metric: string): number {
    const table = [...this.store.tables].find(({ name }) => name === "example")!;
    return table.get(table.row([key], performance.now()), table.column(metric));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.watchdog[Symbol.asyncDispose]();
  }

  #look(): void {
    this.#waiting = this.#waiting.filter(({ matches, resolve }) => {
      if (matches()) resolve();
      return !matches();
    });
  }
}

Deno.test("startExternal runs the example probe and gives its rows to the store", async () => {
  await using bench = new Bench();
  const probe = await bench.sh(
    `./example.sh 60 | { read -r row; echo "$row"; echo '|event|test|id|state|INFO|9|ready|'; cat; }`,
  );
  await bench.until(() => bench.records.length > 0);
  const host = Deno.hostname();
  const memory = bench.value(host, "memory_usage");
  assert.ok(memory > 0 && memory < 100, `${memory} %`);
  assert.ok(bench.value(host, "tcp_connection_num") >= 0);
  assert.ok(Number.isNaN(bench.value(host, "cpu_usage")));
  await probe.stop(FAST);
  assert.deepEqual([...bench.store.tables], []);
});

Deno.test("startExternal reads a Python probe, with bad lines, a log line and stderr", async () => {
  await using bench = new Bench();
  const script = `
import sys
print("|example|py|1.5|2.5|3|")
print("[WARN] slow today")
print("|example|py|1|2|3|4|")
print("|other|1|")
print("|example|end|7|8|9|", flush=True)
print("Traceback", file=sys.stderr)
print("[DEBUG] \\x1b[1mtrace", file=sys.stderr)
print("|event|test|id|state|INFO|9|done|", flush=True)
sys.stdin.read()
`;
  const probe = await bench.start(["/usr/bin/env", "python3", "-c", script]);
  await bench.until(() => bench.records.length > 0 && bench.logs.length === 3);
  assert.equal(bench.value("py", "cpu_usage"), 1.5);
  assert.equal(bench.value("end", "tcp_connection_num"), 9);
  assert.deepEqual(bench.logs.toSorted(), [
    "debug: \\x1b[1mtrace",
    "warn: Traceback",
    "warn: slow today",
  ]);
  assert.deepEqual(probe.losses!(), { too_many_fields: 1, unknown_table: 1 });
  const { pid, lines, rows, badLines } = probe.facts!();
  assert.deepEqual([pid, lines, rows], [probe.pid, 6, 2]);
  assert.deepEqual(badLines, [
    { reason: "too_many_fields", text: "|example|py|1|2|3|4|" },
    { reason: "unknown_table", text: "|other|1|" },
  ]);
  const started = performance.now();
  await probe.stop({ termAfterMs: 5000, killAfterMs: 5000 });
  assert.ok(performance.now() - started < 2000, "a closed stdin is enough to end it");
});

Deno.test("startExternal reports an exit that nobody asked for, after the last rows", async () => {
  await using bench = new Bench();
  const tables: number[] = [];
  const exit = Promise.withResolvers<ExternalExit>();
  const probe = await bench.sh(
    "echo '|example|a|1|2|3|'; for i in 1 2 3; do echo \"error $i\" >&2; done; exit 3",
    {
      onExit: (report) => {
        tables.push([...bench.store.tables].length);
        exit.resolve(report);
      },
    },
  );
  const report = await exit.promise;
  assert.deepEqual(report, {
    code: 3,
    lastErrors: ["error 1", "error 2", "error 3"],
    reason: "Exit code 3, last said: error 3",
  });
  assert.deepEqual(tables, [0]);
  assert.equal(probe.facts!().rows, 1);
  await probe.stop();
});

Deno.test("startExternal reports the signal that ended the child, and ends its descendants", async () => {
  await using bench = new Bench();
  const probe = await bench.sh('sleep 4711 & echo "[INFO] child:$!"; wait');
  const descendant = Number(await bench.said("child:"));
  assert.ok(lives(descendant));
  Deno.kill(probe.pid, "SIGKILL");
  const { signal, reason } = await bench.exit.promise;
  assert.deepEqual([signal, reason], ["SIGKILL", "Ended by SIGKILL"]);
  assert.ok(await endsWithin(descendant, 1000));
});

Deno.test("stop ends a child that ignores SIGTERM, and its descendants, within the limits", async () => {
  await using bench = new Bench();
  const script =
    "trap '' TERM; (trap '' TERM; sleep 4711; sleep 4711) & echo \"[INFO] child:$!\";" +
    "while :; do sleep 4711; done";
  const probe = await bench.sh(script);
  const descendant = Number(await bench.said("child:"));
  const started = performance.now();
  await Promise.all([probe.stop(FAST), probe.stop(FAST)]);
  const took = performance.now() - started;
  assert.ok(took >= 299 && took < 1500, `${took} ms`);
  assert.ok(!lives(probe.pid));
  assert.ok(await endsWithin(descendant, 1000));
  assert.throws(() => Deno.statSync(`/proc/${probe.pid}`), Deno.errors.NotFound, "no zombie");
});

Deno.test("stop gives a child the time between SIGTERM and SIGKILL to clean up", async () => {
  await using bench = new Bench();
  const script =
    "trap 'echo \"|event|test|id|state|INFO|9|cleaned|\"; exit 0' TERM; echo '|event|test|id|state|INFO|9|up|'; " +
    "while :; do sleep 0.05; done";
  const probe = await bench.sh(script);
  await bench.until(() => bench.records.length === 1);
  await probe.stop({ termAfterMs: 10, killAfterMs: 5000 });
  assert.deepEqual(bench.records, [
    "|event|test|id|state|INFO|9|up|",
    "|event|test|id|state|INFO|9|cleaned|",
  ]);
});

Deno.test("stop does not wait for one who left the group with the pipe", async () => {
  await using bench = new Bench();
  const probe = await bench.sh('setsid sleep 4711 & echo "[INFO] child:$!"; wait');
  const runaway = Number(await bench.said("child:"));
  try {
    const started = performance.now();
    await probe.stop(FAST);
    assert.ok(performance.now() - started < 2000);
  } finally {
    Deno.kill(runaway, "SIGKILL");
  }
});

Deno.test("startExternal takes 200,000 lines and leaves the event loop free meanwhile", async () => {
  await using bench = new Bench();
  const lines = 200_000;
  const probe = await bench.sh(
    `awk 'BEGIN { for (i = 0; i < ${lines}; i++) printf "|example|k%d|%d|2|3|\\n", i % 200, i }';` +
      "echo '|event|test|id|state|INFO|9|done|'; exec sleep 4711",
  );
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await bench.until(() => bench.records.length > 0);
  clearInterval(timer);
  assert.equal(probe.facts!().rows, lines);
  assert.deepEqual(probe.losses!(), {});
  assert.equal(bench.value("k199", "cpu_usage"), lines - 1);
  // It is some 300 ms of work, in slices of 5.
  assert.ok(ticks >= 20, `a timer had its turn ${ticks} times`);
  await probe.stop(FAST);
});

Deno.test("startExternal holds nothing of a megabyte without newline, nor of an endless stderr", async () => {
  await using bench = new Bench();
  const probe = await bench.sh(
    "head -c 1048576 /dev/zero | tr '\\0' x; echo; echo '|example|a|1|2|3|';" +
      "yes complaint | head -n 5000 >&2; echo '|event|test|id|state|INFO|9|done|'; exec sleep 4711",
  );
  await bench.until(() => bench.records.length > 0);
  assert.equal(probe.facts!().rows, 1);
  await probe.stop(FAST);
  const { too_long, log_lines } = probe.losses!();
  assert.equal(too_long, 1);
  assert.ok(log_lines! >= 4900 && log_lines! < 5000, `${log_lines} lines suppressed`);
  assert.ok(bench.logs.length <= 100);
});

Deno.test("startExternal leaves nothing behind when it cannot start", async () => {
  await using bench = new Bench();
  const folder = await Deno.makeTempDir();
  try {
    const bad = `${folder}/bad.meta`;
    await Deno.writeFile(bad, Uint8Array.of(0xff, 0xfe));
    const refused = async (
      options: Partial<ExternalOptions>,
      kind: typeof ConfigError | typeof Unsupported,
      message: RegExp,
    ) => {
      const before = [...bench.store.tables].length;
      await assert.rejects(bench.sh("sleep 4711", options), (error) => {
        assert.ok(error instanceof kind, String(error));
        assert.match(error.message, message);
        return true;
      });
      assert.equal([...bench.store.tables].length, before);
    };
    await refused({ metaFiles: [`${folder}/none`] }, ConfigError, /none: cannot be read/);
    await refused({ metaFiles: [folder] }, ConfigError, /too large, or no file/);
    await refused({ metaFiles: [bad] }, ConfigError, /bad\.meta: not UTF-8/);
    await refused({ metaFiles: [META, META] }, ConfigError, /"example" is in another file too/);
    await refused({ command: ["/nowhere/x"] }, Unsupported, /Cannot start "\/nowhere\/x": /);
    await refused({ command: [folder] }, Unsupported, /Cannot start ".*": it is no file/);
    await refused({ workingDirectory: `${folder}/none` }, Unsupported, /Cannot start/);
    const probe = await bench.sh("exec sleep 4711");
    await refused({}, Unsupported, /Table "example" .* already/);
    await probe.stop(FAST);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("startExternal gives the parameters as a line of JSON, and each change of them", async () => {
  await using bench = new Bench();
  const script = 'while read -r line; do echo "[INFO] got $line"; done; echo "[INFO] no more"';
  const probe = await bench.sh(script, { parameters: { port: 6379, name: 'a "b"' } });
  assert.equal(
    await bench.said("got "),
    '{"probe":"test","params":{"port":6379,"name":"a \\"b\\""}}',
  );
  bench.logs.length = 0;
  probe.configure({ port: 6380 });
  assert.equal(await bench.said("got "), '{"probe":"test","params":{"port":6380}}');
  await probe.stop();
  assert.ok(bench.logs.includes("info: no more"));
});

Deno.test("startExternal does not wait for a child that never reads its parameters", async () => {
  await using bench = new Bench();
  const probe = await bench.sh("echo '|event|test|id|state|INFO|9|up|'; exec sleep 4711");
  await bench.until(() => bench.records.length > 0);
  const parameters = { text: "x".repeat(50_000) };
  for (let i = 0; i < 100; i++) probe.configure(parameters);
  const started = performance.now();
  await probe.stop(FAST);
  assert.ok(performance.now() - started < 2000);
});

Deno.test("startExternal ends a child that has not printed a line for the configured time", async () => {
  await using bench = new Bench();
  const probe = await bench.sh("echo '[WARN] last words'; exec sleep 4711", { hungAfterMs: 200 });
  const { reason } = await bench.exit.promise;
  assert.equal(reason, "No line for 0.2 s");
  assert.ok(!lives(probe.pid));
});

Deno.test("stop is quick once the agent ends, even in the middle of a slow stop", async () => {
  await using bench = new Bench();
  const hurry = new AbortController();
  const script = "trap '' TERM; echo '|event|test|id|state|INFO|9|up|'; while :; do sleep 1; done";
  const probe = await bench.sh(script, { hurry: hurry.signal });
  await bench.until(() => bench.records.length > 0);
  const stopped = probe.stop(); // would take 10 s
  const started = performance.now();
  hurry.abort();
  await stopped;
  const took = performance.now() - started;
  assert.ok(took < 2000, `${took} ms`);
  assert.ok(!lives(probe.pid));
});

/** Of this process: field 19 of /proc/self/stat. */
function ownNice(): number {
  const behindName = Deno.readTextFileSync("/proc/self/stat").replace(/^.*\) /, "").split(" ");
  return Number(behindName[16]);
}

Deno.test("startExternal runs the child with the environment and user it is given", async () => {
  if (Deno.uid() !== 0) return console.log("skipped: only root can run a child as another user");
  await using bench = new Bench();
  Deno.env.set("NOT_FOR_CHILDREN", "1");
  try {
    const probe = await bench.sh(
      'echo "[INFO] is $(id -u):$(id -g) $(nice) $A $HOME $NOT_FOR_CHILDREN."',
      {
        environment: { A: "b" },
        user: { uid: 65534, gid: 65533, home: "/nowhere" },
        nice: 7,
        workingDirectory: "/",
      },
    );
    assert.equal(await bench.said("is "), `65534:65533 ${ownNice() + 7} b /nowhere .`);
    await probe.stop(FAST);
  } finally {
    Deno.env.delete("NOT_FOR_CHILDREN");
  }
});

Deno.test("startExternal finds a table of the common folder when a line names it", async () => {
  await using bench = new Bench();
  const example = parseMeta(Deno.readTextFileSync(META), META, () => assert.fail("no YAML"))[0]!;
  const asked: string[] = [];
  const probe = await bench.sh(
    "echo '|other|1|'; echo '|example|a|1|2|3|'; echo '|event|test|id|state|INFO|9|up|'; cat",
    {
      metaFiles: [],
      catalogue: (table) => {
        asked.push(table);
        return table === "example" ? example : undefined;
      },
    },
  );
  await bench.until(() => bench.records.length > 0);
  assert.equal(bench.value("a", "memory_usage"), 2);
  assert.deepEqual(asked, ["other", "example", "event"]);
  assert.deepEqual(probe.losses!(), { unknown_table: 1 });
  await probe.stop();
  assert.deepEqual([...bench.store.tables], []);
});

function openFiles(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

Deno.test("startExternal leaks no descriptor, child or table in 20 rounds", async () => {
  await using bench = new Bench();
  const onExit = ({ reason }: ExternalExit) => assert.fail(`unasked: ${reason}`);
  const round = async () => {
    const script =
      "echo '|example|a|1|2|3|'; echo '|event|test|id|state|INFO|9|up|'; exec sleep 4711";
    const probe = await bench.sh(script, { onExit });
    await bench.until(() => bench.records.length > 0);
    bench.records.length = 0;
    await probe.stop({ termAfterMs: 1, killAfterMs: 1000 });
  };
  await round();
  const before = [openFiles(), countChildren()];
  for (let i = 0; i < 20; i++) await round();
  assert.deepEqual([openFiles(), countChildren()], before);
  assert.deepEqual([...bench.store.tables], []);
});
