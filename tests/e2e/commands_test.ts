// SPDX-License-Identifier: MulanPSL-2.0
/** The commands of the compiled program, bad input, and what is left where eBPF is not to be had. */
import assert from "node:assert/strict";
import {
  BINARY,
  EXAMPLE,
  finished,
  freePort,
  memTotalKb,
  ROOT,
  type RunOptions,
  until,
  withAgent,
  withFolder,
} from "./run_agent.ts";

const run = (...args: string[]) => finished(BINARY, args);

interface Hook {
  hook: string;
  state: string;
}

interface Verdict {
  name: string;
  kind: string;
  runs: boolean;
  state: string;
  reason?: string;
  hooks: Hook[];
}

interface Table {
  table: string;
  entity: string;
  keys: string[];
  metrics: { name: string; type: string; unit: string; help: string }[];
}

/** Both `check` and a start refuse this text, say where, and serve nothing. */
async function refused(text: string | Uint8Array, said: RegExp, where = ""): Promise<void> {
  await withFolder(async (folder) => {
    const file = `${folder}/gala-gopher.yaml`;
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    await Deno.writeFile(file, bytes);
    for (const args of [["check", "-c", folder], ["-c", file]]) {
      const { code, out, err } = await run(...args);
      assert.equal(code, 2, err);
      assert.ok(err.startsWith(`${file}:${where}`), err);
      assert.match(err, said);
      assert.equal(out, "");
    }
  });
}

Deno.test("gala-gopher tells its version and its use", async () => {
  const version = await run("--version");
  assert.equal(version.code, 0);
  assert.match(version.out, /^gala-gopher \d+\.\d+\.\d+\S*\n$/);
  const help = await run("--help");
  assert.equal(help.code, 0);
  for (const word of ["check", "doctor", "meta", "--version", "Exit codes"]) {
    assert.ok(help.out.includes(word), word);
  }
});

Deno.test("meta --json describes every table", async () => {
  const { code, out } = await run("meta", "--json");
  assert.equal(code, 0);
  const tables = JSON.parse(out) as Table[];
  const names = tables.map(({ table }) => table);
  for (const name of ["system_cpu", "tcp_tx_rx", "tcp_rtt"]) assert.ok(names.includes(name), name);
  for (const { table, entity, keys, metrics } of tables) {
    // Without keys: one row, that of the host.
    assert.ok(entity !== "" && Array.isArray(keys) && metrics.length > 0, table);
    for (const { name, type, unit, help } of metrics) {
      assert.match(name, /^[a-zA-Z_]\w*$/);
      assert.ok(["counter", "gauge", "histogram"].includes(type), `${table}.${name}: ${type}`);
      assert.ok(unit !== "" && help.endsWith("."), `${table}.${name}`);
    }
  }
  const text = await run("meta");
  assert.equal(text.code, 0);
  assert.ok(text.out.includes(`gala_gopher_${tables[0]!.entity}_${tables[0]!.metrics[0]!.name}`));
});

Deno.test("check accepts an empty file, defaults and a full configuration", async () => {
  await withFolder(async (folder) => {
    const shipped = await Deno.readTextFile(`${ROOT}conf/gala-gopher.yaml`);
    for (const text of [shipped, "", "# nothing\n", "web_server:\n  port: 1024\n"]) {
      await Deno.writeTextFile(`${folder}/gala-gopher.yaml`, text);
      const { code, err } = await run("check", "-c", folder);
      assert.equal(code, 0, err);
    }
  });
});

Deno.test("gala-gopher refuses a bad configuration and says where it is bad", async () => {
  await refused("web_server:\n  port: 0\n", /from 1024 to 65535/, "2:9: ");
  await refused("web_server:\n  port: 70000\n", /from 1024 to 65535/, "2:9: ");
  await refused("web_server:\n  prt: 3\n", /"web_server\.prt".*"port"/, "2:3: ");
  await refused("ingress:\n\n  interval: soon\n", /ingress\.interval/, "3:13: ");
  await refused("web_server: [\n  port: 8\n", /broken YAML/, "3:1: ");
  await refused(await Deno.readFile("/bin/true"), /binary file/);
});

Deno.test("gala-gopher refuses a folder without configuration and a path that is not there", async () => {
  await withFolder(async (folder) => {
    for (const path of [folder, `${folder}/none`]) {
      for (const args of [["check", "-c", path], ["-c", path], ["doctor", "-c", path]]) {
        const { code, err } = await run(...args);
        assert.equal(code, 2, err);
        assert.ok(err.startsWith(`${path}: no `), err);
      }
    }
  });
});

Deno.test("gala-gopher refuses options and commands it does not know", async () => {
  for (const args of [["--frob"], ["frob"], ["check", "more"], ["-c"]]) {
    const { code, out, err } = await run(...args);
    assert.equal(code, 2, err);
    assert.match(err, /See gala-gopher --help/);
    assert.equal(out, "");
  }
});

Deno.test("gala-gopher ends with 3 and names the holder of a port in use", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    await withFolder(async (folder) => {
      const text = `web_server:\n  port: ${listener.addr.port}\n`;
      await Deno.writeTextFile(`${folder}/gala-gopher.yaml`, text);
      const { code, err } = await run("-c", folder);
      assert.equal(code, 3, err);
      assert.match(err, new RegExp(`port ${listener.addr.port}: .*process ${Deno.pid} \\(`));
    });
  } finally {
    listener.close();
  }
});

Deno.test("a second gala-gopher on the port of the first ends with 3 and harms it not", async () => {
  await withAgent({ settings: { probes: [{ name: "system_meminfo" }] } }, async (first) => {
    await withFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/a.yaml`, `web_server:\n  port: ${first.port}\n`);
      const { code, err } = await run("-c", `${folder}/a.yaml`);
      assert.equal(code, 3, err);
      assert.match(err, new RegExp(`process ${first.pid} \\(`));
    });
    assert.equal((await first.rows("gala_gopher_mem_total_kB")).length, 1);
  });
});

function doctor(settings: unknown): Promise<Verdict[]> {
  return withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/gala-gopher.yaml`, JSON.stringify(settings));
    const { code, out, err } = await run("doctor", "-c", folder, "--json");
    assert.equal(code, 0, err);
    return JSON.parse(out) as Verdict[];
  });
}

Deno.test("doctor tells the hooks of tcp, and the reason where a probe does not run", async () => {
  const web_server = { port: freePort() };
  const extend_probes = [
    { name: "example", command: EXAMPLE, switch: "on" },
    { name: "gone", command: "/nowhere/gone.sh", switch: "on" },
  ];
  const verdicts = await doctor({ web_server, extend_probes });
  const find = (name: string) => verdicts.find((verdict) => verdict.name === name)!;
  for (const name of ["system_cpu", "system_meminfo", "system_net", "tcp", "example"]) {
    assert.ok(find(name).runs, name);
  }
  const hooks = new Map(find("tcp").hooks.map(({ hook, state }) => [hook, state]));
  assert.equal(hooks.get("tp_btf/inet_sock_set_state"), "attached");
  assert.equal(hooks.get("iter/tcp"), "attached");
  assert.equal(find("gone").runs, false);
  assert.match(find("gone").reason ?? "", /no such file/);
  const without = await doctor({ web_server, global: { btf_path: "/nowhere/btf" } });
  const tcp = without.find(({ name }) => name === "tcp")!;
  assert.deepEqual([tcp.runs, tcp.state], [false, "unsupported"]);
  assert.match(tcp.reason ?? "", /"\/nowhere\/btf" does not exist/);
});

/** The native rows are served and tcp is unsupported, for this reason. */
async function withoutBpf(options: RunOptions, reason: RegExp): Promise<void> {
  await withAgent(options, async (agent) => {
    const line = await until(
      "a word about tcp",
      () => /^.*Probe "tcp" .*$/m.exec(agent.log())?.[0],
    );
    assert.match(line, /Probe "tcp" is unsupported: /);
    assert.match(line, reason);
    assert.equal((await agent.rows("gala_gopher_mem_total_kB"))[0]?.value, memTotalKb());
    const states = await agent.rows("gala_gopher_agent_probe_state");
    const on = states.filter(({ labels, value }) => labels.probe === "tcp" && value === 1);
    assert.deepEqual(on.map(({ labels }) => labels.state), ["unsupported"]);
    assert.deepEqual(await agent.rows("gala_gopher_tcp_link_tx_bytes"), []);
  });
}

Deno.test("gala-gopher runs without capabilities, and without being root", async () => {
  const powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  for (const prefix of [powerless, nobody]) {
    await withoutBpf({ prefix: () => prefix }, /privileges/);
  }
});

Deno.test("gala-gopher runs without BTF", async () => {
  const settings = { global: { btf_path: "/nowhere/btf" } };
  await withoutBpf({ settings }, /"\/nowhere\/btf" does not exist/);
});

Deno.test("gala-gopher meta writes all into a pipe that does not wait, to a reader that is slow", async () => {
  const reader = [
    "import fcntl, os, subprocess, sys, time",
    "out, into = os.pipe()",
    "fcntl.fcntl(into, fcntl.F_SETFL, fcntl.fcntl(into, fcntl.F_GETFL) | os.O_NONBLOCK)",
    "child = subprocess.Popen([sys.argv[1], 'meta', '--json'], stdout=into)",
    "os.close(into)",
    "time.sleep(1)", // the pipe is full by then
    "parts = iter(lambda: os.read(out, 4096), b'')",
    "sys.stdout.write(b''.join(parts).decode())",
    "sys.exit(child.wait())",
  ].join("\n");
  const { code, out, err } = await finished("python3", ["-c", reader, BINARY]);
  assert.equal(code, 0, err);
  assert.ok(out.length > 1 << 16);
  assert.deepEqual(JSON.parse(out), JSON.parse((await run("meta", "--json")).out));
});
