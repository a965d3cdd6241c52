// SPDX-License-Identifier: MulanPSL-2.0
/** probes/jvm against Java machines of each version that is installed. */
import assert from "node:assert/strict";
import { ROOT, withFolder } from "../e2e/run_agent.ts";
import { equals, output, says, valueOf, withProbe } from "./run_probe_agent.ts";
import { giveToNobody, type Server, startServer } from "./run_server.ts";

const DEADLOCKED = 2;
const BUFFERS = 3;
const BUFFER_BYTES = 1 << 20;
const COLLECTIONS = 5;
const PARKED = 23;
const HEAP_BYTES = 96 << 20;

/** One `java` of each folder in /usr/lib/jvm; several names may be one. */
function javas(): string[] {
  const found = new Set<string>();
  for (const { name, isDirectory } of Deno.readDirSync("/usr/lib/jvm")) {
    if (!isDirectory) continue;
    try {
      found.add(Deno.realPathSync(`/usr/lib/jvm/${name}/bin/java`));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // no folder of a Java
    }
  }
  return [...found];
}

class Target {
  readonly #folder: string;
  readonly #file: string;
  #server: Server | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    this.#file = `${folder}/numbers`;
  }

  get tgid(): string {
    return String(this.#server!.pid);
  }

  /** The compiler is there without its command too, in a Java that is no development kit. */
  async start(java: string, ...flags: string[]): Promise<Server> {
    const source = `${ROOT}tests/probes/JvmTarget.java`;
    await output(java, "-m", "jdk.compiler/com.sun.tools.javac.Main", "-d", this.#folder, source);
    const sizes = ["-Xmx96m", "-Xms96m", "-XX:+UseSerialGC"];
    this.#server = await startServer({
      command: java,
      args: [...sizes, ...flags, "-cp", this.#folder, "JvmTarget", this.#file],
      asNobody: true,
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

function withTarget(work: (target: Target) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    await giveToNobody(folder);
    await work(new Target(folder));
  });
}

for (const java of javas()) {
  Deno.test(`jvm reports all tables of ${java}`, () =>
    withTarget(async (target) => {
      await withProbe({ command: "jvm/jvm_probe.sh" }, async (agent) => {
        await using _server = await target.start(java);
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
        const used = await valueOf(agent, "jvm_mem_bytes_used", heap);
        assert.ok(used > 1e6 && used < HEAP_BYTES, `${used} bytes`);
        const old = { ...shown, pool: "Tenured Gen" };
        await valueOf(agent, "jvm_mem_pool_coll_used_bytes", old, (bytes) =>
          bytes > 0 && bytes <= used);
        const start = await target.own("start");
        await equals(agent, "jvm_proc_start_time_secs", shown, start / 1000);
        await valueOf(agent, "jvm_proc_cpu_secs_total", shown, (seconds) =>
          seconds > 0.1);
        await checkMoving(agent, target, shown);
        await valueOf(agent, "jvm_threads_peak", { tgid, type: await vmName(java) });
      });
    }));
}

/** The connection itself has threads and buffers, so both sides are asked until they say the same. */
async function checkMoving(
  agent: Parameters<Parameters<typeof withProbe>[1]>[0],
  target: Target,
  shown: { tgid: string; name: string },
): Promise<void> {
  for (
    const [metric, name, least] of [
      ["jvm_threads_current", "threads", PARKED + DEADLOCKED],
      ["jvm_threads_daemon", "daemons", PARKED + DEADLOCKED],
      ["jvm_threads_started_total", "started", PARKED + DEADLOCKED],
      ["jvm_class_loaded_total", "loaded", 400],
      ["jvm_buffer_pool_used_buffers", "buffers", BUFFERS],
      ["jvm_buffer_pool_capacity_bytes", "buffer_bytes", BUFFERS * BUFFER_BYTES],
    ] as const
  ) {
    let own = 0;
    const reading = setInterval(() => void target.own(name).then((value) => own = value), 50);
    try {
      const pool = metric.includes("pool") ? { pool: "direct" } : {};
      const row = { ...shown, ...pool };
      const seen = await valueOf(agent, metric, row, (value) => value === own);
      assert.ok(seen >= least, `${metric} ${seen}`);
    } finally {
      clearInterval(reading);
    }
  }
}

async function vmName(java: string): Promise<string> {
  const { stderr } = await new Deno.Command(java, {
    args: ["-XshowSettings:properties", "-version"],
  })
    .output();
  return /java\.vm\.name = (.*)$/m.exec(new TextDecoder().decode(stderr))![1]!;
}

Deno.test("jvm reads performance data where it may not attach, and says so", () =>
  withTarget(async (target) => {
    await withProbe({ command: "jvm/jvm_probe.sh" }, async (agent) => {
      await using _server = await target.start(javas()[0]!, "-XX:+DisableAttachMechanism");
      const { tgid } = target;
      await says(agent, `Java machine ${tgid} gives only its performance data`);
      const shown = { tgid, name: "JvmTarget" };
      await equals(agent, "jvm_threads_current", shown, await target.own("threads"));
      await equals(agent, "jvm_threads_daemon", shown, await target.own("daemons"));
      await equals(agent, "jvm_class_loaded_total", shown, await target.own("loaded"));
      const start = await target.own("start");
      // Of a moment a little earlier in the machine's life.
      const near = (seconds: number) => Math.abs(seconds - start / 1000) < 1;
      await valueOf(agent, "jvm_proc_start_time_secs", shown, near);
      await valueOf(
        agent,
        "jvm_mem_bytes_used",
        { ...shown, area: "heap" },
        (bytes) => bytes > 1e6,
      );
    });
  }));
