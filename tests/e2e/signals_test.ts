// SPDX-License-Identifier: MulanPSL-2.0
/** How the compiled program ends: asked to, or killed; nothing of it stays in the kernel or among the processes. */
import assert from "node:assert/strict";
import { type Agent, EXAMPLE, finished, until, withAgent, withFolder } from "./run_agent.ts";

/** What issue and README promise. */
const END_MS = 2000;

/** Ids of BPF links and programs, as `link 5`. */
type Ids = Set<string>;

/** Those that the file descriptors of the process hold. */
function heldBy(pid: number): Ids {
  const ids: Ids = new Set();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fdinfo`)) {
    let text: string;
    try {
      text = Deno.readTextFileSync(`/proc/${pid}/fdinfo/${name}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue; // closed since it was listed
      throw error;
    }
    for (const [, kind, id] of text.matchAll(/^(link|prog)_id:\s+(\d+)$/gm)) {
      ids.add(`${kind} ${id}`);
    }
  }
  return ids;
}

async function inKernel(): Promise<Ids> {
  const ids: Ids = new Set();
  for (const kind of ["link", "prog"]) {
    const { code, out, err } = await finished("bpftool", [kind, "list", "-j"]);
    assert.equal(code, 0, err);
    for (const { id } of JSON.parse(out) as { id: number }[]) ids.add(`${kind} ${id}`);
  }
  return ids;
}

async function stillThere(held: Ids): Promise<string[]> {
  const now = await inKernel();
  return [...held].filter((id) => now.has(id));
}

interface Process {
  pid: number;
  parent: number;
  /** With the pid, its identity: pids are used again. */
  started: string;
}

function readProcess(pid: number): Process | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // Z: it has ended, and its parent, which may be any, has not looked yet.
    if (fields[0] === "Z") return undefined;
    return { pid, parent: Number(fields[1]), started: fields[19]! };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || String(error).includes("ESRCH")) return undefined;
    if (String(error).includes("No such process")) return undefined;
    throw error;
  }
}

function descendants(pid: number): Process[] {
  const all: Process[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    const process = /^\d+$/.test(name) ? readProcess(Number(name)) : undefined;
    if (process !== undefined) all.push(process);
  }
  const found = new Set([pid]);
  for (let size = 0; size !== found.size;) {
    size = found.size;
    for (const process of all) if (found.has(process.parent)) found.add(process.pid);
  }
  found.delete(pid);
  return all.filter((process) => found.has(process.pid));
}

function alive(processes: Process[]): Process[] {
  return processes.filter(({ pid, started }) => readProcess(pid)?.started === started);
}

/** What a running agent has: its links and programs, and its children with theirs. */
async function possessions(agent: Agent): Promise<{ held: Ids; children: Process[] }> {
  for (const probe of ["tcp", "example"]) {
    await until(
      `${probe} runs`,
      () => agent.log().includes(`Probe "${probe}" runs`) || undefined,
    );
  }
  // The script and the pause it waits for.
  const children = await until("children", () => {
    const found = descendants(agent.pid);
    return found.length >= 2 ? found : undefined;
  });
  const held = heldBy(agent.pid);
  const links = [...held].filter((id) => id.startsWith("link"));
  assert.ok(links.length >= 3, `holds ${[...held]}`);
  assert.deepEqual(await stillThere(held), [...held]);
  return { held, children };
}

async function allGone(children: Process[], held: Ids): Promise<void> {
  await until("no child", () => alive(children).length === 0 || undefined, END_MS);
  await until("no link, no program", async () => {
    return (await stillThere(held)).length === 0 || undefined;
  });
}

const EXTENDED = { extend_probes: [{ name: "example", command: EXAMPLE, param: "600" }] };

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`gala-gopher ends with 0 within 2 s of ${signal} and leaves nothing`, async () => {
    await withAgent({ settings: EXTENDED }, async (agent) => {
      const { held, children } = await possessions(agent);
      const { code, ms } = await agent.end(signal);
      assert.equal(code, 0, agent.log());
      assert.ok(ms < END_MS, `took ${ms} ms`);
      await allGone(children, held);
    });
  });
}

Deno.test("gala-gopher killed with SIGKILL leaves no link, no program and no child", async () => {
  await withAgent({ settings: EXTENDED }, async (agent) => {
    const { held, children } = await possessions(agent);
    await agent.end("SIGKILL");
    await allGone(children, held);
  });
});

Deno.test("gala-gopher ends within 2 s though a probe is deaf to SIGTERM", async () => {
  await withFolder(async (folder) => {
    const command = `${folder}/deaf.sh`;
    await Deno.writeTextFile(command, "#!/bin/sh\ntrap '' TERM INT\necho deaf >&2\nsleep 600\n");
    await Deno.chmod(command, 0o755);
    await Deno.copyFile(EXAMPLE.replace(/sh$/, "meta"), `${folder}/deaf.meta`);
    const settings = { probes: [], extend_probes: [{ name: "deaf", command }] };
    await withAgent({ settings }, async (agent) => {
      const children = await until("the probe and its pause", () => {
        const found = descendants(agent.pid);
        return found.length >= 2 ? found : undefined;
      });
      const { code, ms } = await agent.end("SIGTERM");
      assert.equal(code, 0, agent.log());
      assert.ok(ms < END_MS, `took ${ms} ms`);
      await until("no child", () => alive(children).length === 0 || undefined, END_MS);
    });
  });
});
