// SPDX-License-Identifier: MulanPSL-2.0
/** The program as a service: what it tells systemd, its unit, and with exactly the capabilities that it asks for. */
import assert from "node:assert/strict";
import {
  BINARY,
  finished,
  parseRows,
  ROOT,
  until,
  withAgent,
  withFolder,
} from "../e2e/run_agent.ts";
import { must, withRoot } from "./clean_root.ts";

const UNIT = `${ROOT}packaging/gala-gopher.service`;

/** systemd's end of the socket: prints each datagram as JSON. */
const RECEIVER = `
import json, socket, sys
name = sys.argv[1]
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind("\\0" + name[1:] if name[0] == "@" else name)
print(json.dumps("bound"), flush=True)
while True:
    print(json.dumps(sock.recv(4096).decode()), flush=True)
`;

interface Receiver {
  readonly said: string[];
}

async function withReceiver(address: string, work: (receiver: Receiver) => Promise<void>) {
  const child = new Deno.Command("python3", {
    args: ["-c", RECEIVER, address],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const said: string[] = [];
  let rest = "";
  const reading = child.stdout.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({
      write: (text) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        said.push(...lines.map((line) => JSON.parse(line) as string));
      },
    }),
  );
  try {
    await until("bound", () => said.includes("bound") || undefined);
    await work({ said });
  } finally {
    child.kill("SIGKILL");
    await child.status;
    await reading;
  }
}

/** Runs the program as a service with these variables, with the first words as systemd would. */
const asService = (variables: Record<string, string>) => () => [
  "env",
  ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
];

async function tells(address: string): Promise<void> {
  await withReceiver(address, async ({ said }) => {
    const settings = { probes: [{ name: "system_meminfo" }] };
    const prefix = asService({ NOTIFY_SOCKET: address, WATCHDOG_USEC: "200000" });
    await withAgent({ settings, prefix }, async (agent) => {
      const ready = await until("ready", () => said.find((text) => text.startsWith("READY=1")));
      assert.equal(ready, "READY=1\nSTATUS=1 probes run");
      // The server answers before it says so.
      assert.equal((await agent.rows("gala_gopher_mem_total_kB")).length, 1);
      const alive = () => said.filter((text) => text === "WATCHDOG=1").length;
      await until("signs of life", () => alive() >= 5 || undefined);
      // Stopped, it gives none.
      Deno.kill(agent.pid, "SIGSTOP");
      const before = alive();
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.ok(alive() <= before + 1);
      Deno.kill(agent.pid, "SIGCONT");
      await until("life again", () => alive() > before + 1 || undefined);
      const { code } = await agent.end("SIGTERM");
      assert.equal(code, 0, agent.log());
      await until("the end", () => said.includes("STOPPING=1") || undefined);
    });
  });
}

Deno.test("gala-gopher tells systemd when it is ready, that it lives, and that it stops", async () => {
  await withFolder((folder) => tells(`${folder}/notify`));
  await tells(`@gala-gopher-test-${Deno.pid}`);
});

Deno.test("gala-gopher keeps the service manager's socket from its children", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/env.meta`, await Deno.readTextFile(EXAMPLE_META));
    const address = `${folder}/notify`;
    const seen = `${folder}/seen`;
    await Deno.writeTextFile(
      `${folder}/env.sh`,
      `#!/bin/sh\nenv >${seen}.new\nmv ${seen}.new ${seen}\n`,
    );
    await Deno.chmod(`${folder}/env.sh`, 0o755);
    await withReceiver(address, async () => {
      const extend_probes = [{ name: "env", command: `${folder}/env.sh` }];
      const prefix = asService({ NOTIFY_SOCKET: address, WATCHDOG_USEC: "5000000" });
      await withAgent({ settings: { probes: [], extend_probes }, prefix }, async () => {
        await until("the child", () => exists(seen) || undefined);
        assert.doesNotMatch(await Deno.readTextFile(seen), /NOTIFY_SOCKET|WATCHDOG/);
      });
    });
  });
});

const EXAMPLE_META = `${ROOT}probes/example/example.meta`;

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("gala-gopher runs when the service manager does not listen", async () => {
  const settings = { probes: [{ name: "system_meminfo" }] };
  for (const NOTIFY_SOCKET of ["/nowhere/notify", "vsock:2:1234", "@"]) {
    await withAgent({ settings, prefix: asService({ NOTIFY_SOCKET }) }, async (agent) => {
      await until("a word about it", () => /notify|NOTIFY/.test(agent.log()) || undefined);
      assert.equal((await agent.rows("gala_gopher_mem_total_kB")).length, 1);
    });
  }
});

Deno.test("The unit passes systemd-analyze verify, and is no more exposed than it must be", async () => {
  await withRoot(async (root) => {
    await must(`${ROOT}scripts/install.sh`, ["--root", root]);
    const unit = "/usr/lib/systemd/system/gala-gopher.service";
    // The targets that a unit refers to are a part of systemd; what reloads it is on every system.
    await must("cp", ["/bin/kill", `${root}/bin/kill`]);
    await must("cp", ["-r", "/usr/lib/systemd/system/.", `${root}/usr/lib/systemd/system/`]);
    await must("cp", [UNIT, root + unit]);
    const said = await must("systemd-analyze", [
      `--root=${root}`,
      "--man=no",
      "verify",
      "gala-gopher.service",
    ]);
    assert.equal(said.split("\n").filter((line) => line.includes("gala-gopher")).join("\n"), "");
  });
  // 0 is shut off, 10 is as without any hardening. Written as tenths here.
  await must("systemd-analyze", ["security", "--offline=true", "--threshold=47", UNIT]);
});

interface Verdict {
  name: string;
  runs: boolean;
  state: string;
  reason?: string;
  lacks: { capability: string; without: string }[];
}

/** Of the unit, so that this tests what is shipped. */
function unitCapabilities(): string[] {
  const text = Deno.readTextFileSync(UNIT);
  return /^CapabilityBoundingSet=(.*)$/m.exec(text)![1]!.split(" ");
}

/** As another user with exactly these capabilities. */
function withCapabilities(names: readonly string[]): string[] {
  const list = ["-all", ...names.map((name) => `+${name.slice("CAP_".length).toLowerCase()}`)]
    .join();
  return [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--no-new-privs",
    `--inh-caps=${list}`,
    `--ambient-caps=${list}`,
    `--bounding-set=${list}`,
  ];
}

function verdicts(names: readonly string[]): Promise<Map<string, Verdict>> {
  return ask(withCapabilities(names));
}

/** Probes that run as root: what this host lacks is not a matter of capabilities. */
async function runByRoot(): Promise<string[]> {
  const names = [...(await ask([])).values()].filter(({ runs }) => runs).map(({ name }) => name);
  assert.ok(names.includes("tcp") && names.includes("system_cpu"));
  return names;
}

async function ask(prefix: readonly string[]): Promise<Map<string, Verdict>> {
  return await withFolder(async (folder) => {
    const command = `${ROOT}probes/example/example.sh`;
    const extend_probes = [{ name: "example", command, user: "nobody" }];
    await Deno.writeTextFile(`${folder}/gala-gopher.yaml`, JSON.stringify({ extend_probes }));
    const [program, ...args] = [...prefix, BINARY, "doctor", "--json", "-c", folder];
    const { code, out, err } = await finished(program!, args);
    assert.equal(code, 0, err);
    return new Map((JSON.parse(out) as Verdict[]).map((verdict) => [verdict.name, verdict]));
  });
}

Deno.test("Every probe runs without being root, with the capabilities of the unit", async () => {
  const all = unitCapabilities();
  const found = await verdicts(all);
  for (const name of await runByRoot()) {
    const { runs, reason, lacks } = found.get(name)!;
    assert.ok(runs, `${name}: ${reason}`);
    assert.deepEqual(lacks, [], name);
  }
  const settings = { ingress: { interval: 0.5 } };
  await withAgent({ settings, prefix: () => withCapabilities(all) }, async (agent) => {
    const status = await Deno.readTextFile(`/proc/${agent.pid}/status`);
    assert.match(status, /^Uid:\t65534\t65534/m);
    const link = await until("a row of tcp", async () => {
      const rows = await agent.rows("gala_gopher_tcp_link_tx_bytes");
      return rows.find(({ labels }) => labels.server_port === String(agent.port));
    });
    assert.equal(link.labels.server_ip, "127.0.0.1");
    const page = await agent.page();
    // The kernel gives run times of programs, and other namespaces are entered.
    const runs = parseRows(page, "gala_gopher_agent_bpf_program_runs_total");
    assert.ok(runs.some(({ value }) => value > 0));
  });
});

Deno.test("doctor names each capability that is missing", async () => {
  const all = unitCapabilities();
  const bpf = ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN"];
  await Promise.all(all.map(async (missing) => {
    // What stronger ones imply cannot be missed beside them; and without eBPF doctor has less to start.
    const implying = missing === "CAP_DAC_READ_SEARCH" ? ["CAP_DAC_OVERRIDE"] : [];
    const aside = missing === "CAP_BPF" || missing === "CAP_PERFMON" ? ["CAP_SYS_ADMIN"] : bpf;
    const left = missing === "CAP_SYS_ADMIN" ? [] : [...aside, ...implying];
    const found = await verdicts(all.filter((name) => name !== missing && !left.includes(name)));
    const named = new Set(
      [...found.values()].flatMap(({ lacks }) => lacks.map(({ capability }) => capability)),
    );
    assert.deepEqual([...named].sort(), [...new Set([missing, ...left])].sort(), missing);
    const { runs, reason = "" } = found.get("tcp")!;
    assert.equal(runs, missing === "CAP_SYS_ADMIN", `${missing}: ${reason}`);
    if (aside !== bpf) assert.match(reason, new RegExp(`does not have: ${missing}$`));
  }));
});

Deno.test("CAP_BPF and CAP_PERFMON are enough for every probe to run", async () => {
  const found = await verdicts(["CAP_BPF", "CAP_PERFMON"]);
  for (const name of await runByRoot()) {
    if (name === "example") continue; // another user's
    assert.ok(found.get(name)!.runs, `${name}: ${found.get(name)!.reason}`);
  }
});

Deno.test("Probes of files need no capability at all", async () => {
  const found = await verdicts([]);
  for (const name of ["system_cpu", "system_meminfo", "system_net", "system_vmstat"]) {
    const { runs, lacks } = found.get(name)!;
    assert.deepEqual([runs, lacks], [true, []], name);
  }
  assert.match(found.get("tcp")!.reason!, /does not have: CAP_BPF, CAP_PERFMON$/);
});
