// SPDX-License-Identifier: MulanPSL-2.0
/** probes/jvm against Java machines of each version that is installed, or was fetched by scripts/fetch_javas.sh. */
import assert from "node:assert/strict";
import { type Agent, ROOT, withFolder } from "../e2e/run_agent.ts";
import { equals, output, says, valueOf, withProbe } from "./run_probe_agent.ts";
import { giveToNobody, type Server, startServer } from "./run_server.ts";

const DEADLOCKED = 2;
const BUFFERS = 3;
const BUFFER_BYTES = 1 << 20;
const COLLECTIONS = 5;
const PARKED = 23;
const HEAP_BYTES = 96 << 20;

const FOLDERS = ["/usr/lib/jvm", `${ROOT}.tools/javas/usr/lib/jvm`];
/** The second is that of version 8 and before. */
const PLACES = ["bin/java", "jre/bin/java"];

/** One `java` of each folder; several names may be one. */
function javas(): string[] {
  const found = new Set<string>();
  for (const folder of FOLDERS) {
    for (const name of namesIn(folder)) {
      for (const place of PLACES) {
        const java = unlessMissing(() => Deno.realPathSync(`${folder}/${name}/${place}`));
        if (java !== undefined) found.add(java);
      }
    }
  }
  return [...found];
}

function namesIn(folder: string): string[] {
  return unlessMissing(() => [...Deno.readDirSync(folder)])?.map(({ name }) => name) ?? [];
}

function unlessMissing<Value>(work: () => Value): Value | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
}

class Target {
  static #made = 0;
  readonly #file: string;
  readonly #folder: string;
  #server: Server | undefined;

  /** JvmTarget is compiled in that folder. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#file = `${folder}/numbers${Target.#made++}`;
  }

  get tgid(): string {
    return String(this.#server!.pid);
  }

  async start(java: string, asNobody: boolean, ...flags: string[]): Promise<Server> {
    const sizes = ["-Xmx96m", "-Xms96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
    this.#server = await startServer({
      command: java,
      args: [...sizes, ...flags, "-cp", this.#folder, "JvmTarget", this.#file],
      asNobody,
      ready: async () => (await Deno.stat(this.#file)).isFile,
    });
    return this.#server;
  }

  /** What the machine says of itself. */
  async own(name: string): Promise<number> {
    const text = await Deno.readTextFile(this.#file);
    return Number(new RegExp(`^${name} (.*)$`, "m").exec(text)![1]);
  }
}

/** The compiler is there without its command too, in a Java that is no development kit. */
async function compileTarget(folder: string): Promise<void> {
  await giveToNobody(folder);
  const source = `${ROOT}tests/probes/JvmTarget.java`;
  const compiler = ["-m", "jdk.compiler/com.sun.tools.javac.Main", "--release", "8", "-nowarn"];
  await output("java", ...compiler, "-d", folder, source);
}

async function checkTables(agent: Agent, target: Target, java: string): Promise<void> {
  const { tgid } = target;
  const shown = { tgid, name: "JvmTarget" };
  await equals(agent, "jvm_threads_deadlocked", shown, DEADLOCKED);
  await equals(agent, "jvm_info", shown, 1);
  const full = { ...shown, gc: "MarkSweepCompact" };
  const collections = (count: number) => count >= COLLECTIONS && count < COLLECTIONS + 5;
  await valueOf(agent, "jvm_gc_coll_secs_count", full, collections);
  await valueOf(agent, "jvm_gc_coll_secs_sum", full, (seconds) => seconds > 0 && seconds < 5);
  const heap = { ...shown, area: "heap" };
  await equals(agent, "jvm_mem_bytes_max", heap, await target.own("heap_max"));
  await equals(agent, "jvm_mem_bytes_init", heap, await target.own("heap_init"));
  const plausible = (bytes: number) => bytes > 5e5 && bytes < HEAP_BYTES;
  await valueOf(agent, "jvm_mem_bytes_used", heap, plausible);
  const old = { ...shown, pool: "Tenured Gen" };
  await valueOf(agent, "jvm_mem_pool_coll_used_bytes", old, plausible);
  const start = await target.own("start");
  await equals(agent, "jvm_proc_start_time_secs", shown, start / 1000);
  await valueOf(agent, "jvm_proc_cpu_secs_total", shown, (seconds) => seconds > 0.1);
  await checkMoving(agent, target, shown, MOVING);
  await checkMoving(agent, target, { ...shown, pool: "direct" }, BUFFER_POOL);
  await valueOf(agent, "jvm_threads_peak", { tgid, type: await vmName(java) });
}

/** Another user's machine of version 8 gives what its performance data has. */
async function checkOthers(agent: Agent, target: Target, java: string): Promise<void> {
  await using _server = await target.start(java, true);
  const { tgid } = target;
  await says(agent, `Java machine ${tgid} gives only its performance data`);
  await checkMoving(agent, target, { tgid, name: "JvmTarget" }, MOVING);
}

Deno.test("jvm reports all tables of each version that is here", (test) =>
  withFolder(async (folder) => {
    await compileTarget(folder);
    await withProbe({ command: "jvm/jvm_probe.sh" }, async (agent) => {
      assert.notEqual(javas().length, 0);
      for (const java of javas()) {
        await test.step(java.replace(ROOT, ""), async () => {
          const target = new Target(folder);
          // Version 8 lets nobody attach but its own user, not even root.
          const old = java.includes("/jre/");
          await using _server = await target.start(java, !old);
          await checkTables(agent, target, java);
          if (old) await checkOthers(agent, new Target(folder), java);
        });
      }
    });
  }));

/** Metric, the target's own name for it, and what the target has made itself. */
const MOVING = [
  ["jvm_threads_current", "threads", PARKED + DEADLOCKED],
  ["jvm_threads_daemon", "daemons", PARKED + DEADLOCKED],
  ["jvm_threads_started_total", "started", PARKED + DEADLOCKED],
  ["jvm_class_loaded_total", "loaded", 400],
] as const;
const BUFFER_POOL = [
  ["jvm_buffer_pool_used_buffers", "buffers", BUFFERS],
  ["jvm_buffer_pool_capacity_bytes", "buffer_bytes", BUFFERS * BUFFER_BYTES],
] as const;

/** The probe's connection has threads and buffers too, so both sides are asked until they say the same. */
async function checkMoving(
  agent: Agent,
  target: Target,
  shown: Readonly<Record<string, string>>,
  metrics: typeof MOVING | typeof BUFFER_POOL,
): Promise<void> {
  for (const [metric, name, least] of metrics) {
    const same = async (value: number) => value >= least && value === await target.own(name);
    await valueOf(agent, metric, shown, same);
  }
}

async function vmName(java: string): Promise<string> {
  const { stderr } = await new Deno.Command(java, {
    args: ["-XshowSettings:properties", "-version"],
  })
    .output();
  return /java\.vm\.name = (.*)$/m.exec(new TextDecoder().decode(stderr))![1]!;
}

Deno.test("jvm leaves alone what it may not attach to, says so, and reads performance data", () =>
  withFolder(async (folder) => {
    await compileTarget(folder);
    // Is named java, and does not catch the signal by which one attaches.
    const sleep = `${folder}/java`;
    await Deno.copyFile("/bin/sleep", sleep);
    await withProbe({ command: "jvm/jvm_probe.sh" }, async (agent) => {
      const ready = () => Promise.resolve(true);
      await using pretender = await startServer({ command: sleep, args: ["100"], ready });
      const target = new Target(folder);
      await using _server = await target.start("java", true, "-XX:+DisableAttachMechanism");
      const { tgid } = target;
      const only = "gives only its performance data";
      await says(agent, `Java machine ${tgid} ${only}: it was told not to be attached to`);
      const shown = { tgid, name: "JvmTarget" };
      await checkMoving(agent, target, shown, MOVING);
      const start = await target.own("start");
      // Of a moment a little earlier in the machine's life.
      const near = (seconds: number) => Math.abs(seconds - start / 1000) < 1;
      await valueOf(agent, "jvm_proc_start_time_secs", shown, near);
      await valueOf(
        agent,
        "jvm_mem_bytes_used",
        { ...shown, area: "heap" },
        (bytes) => bytes > 5e5,
      );
      await says(agent, `Java machine ${pretender.pid} ${only}: it would not survive`);
      await says(agent, `no rows of Java machine ${pretender.pid}`);
      assert.ok((await Deno.readTextFile(`/proc/${pretender.pid}/comm`)).startsWith("java"));
    });
  }));
