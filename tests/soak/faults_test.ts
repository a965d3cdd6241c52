// SPDX-License-Identifier: MulanPSL-2.0
/** The compiled program on a host that fails it: it goes on and says what is wrong, or ends with a clear message. */
import assert from "node:assert/strict";
import { type Agent, freePort, until, withAgent, withFolder } from "../e2e/run_agent.ts";
import { TestCgroup } from "../kernel/test_cgroup.ts";

const FAST = { ingress: { interval: 0.2 }, egress: { interval: 0.2 } };
const NATIVE = { ...FAST, probes: [{ name: "system_meminfo" }, { name: "system_load" }] };
const DAY_S = 86_400;
const FAKETIME = `/usr/lib/${Deno.build.arch}-linux-gnu/faketime/libfaketimeMT.so.1`;

interface Status {
  name: string;
  state: string;
  reason?: string;
  mend?: string;
  cost: { ticks: number };
}

async function probe({ port }: Agent, name: string): Promise<Status> {
  const response = await fetch(`http://127.0.0.1:${port}/probes`);
  return (await response.json() as Status[]).find((each) => each.name === name)!;
}

/** It answers, and goes on reading its probes. */
async function goesOn(agent: Agent): Promise<void> {
  const { ticks } = (await probe(agent, "system_meminfo")).cost;
  await until("two more readings", async () => {
    return (await probe(agent, "system_meminfo")).cost.ticks >= ticks + 2 || undefined;
  });
  assert.equal((await agent.rows("gala_gopher_mem_total_kB")).length, 1);
}

async function endsWell(agent: Agent): Promise<void> {
  assert.equal((await agent.end("SIGTERM")).code, 0, agent.log());
}

/** Says something of the text. */
async function says(agent: Agent, text: RegExp): Promise<void> {
  await until(String(text), () => text.test(agent.log()) || undefined);
}

/** Does this in a mount namespace of the program's own, which ends with it. */
function inMounts(script: string, folder: string): string[] {
  const words = `${script} || exit 99; shift; exec "$@"`;
  return ["unshare", "--mount", "--propagation=private", "sh", "-c", words, "sh", folder];
}

async function lost(agent: Agent, channel: string): Promise<number> {
  const rows = await agent.rows("gala_gopher_agent_output_lost_total");
  return rows.filter(({ labels }) => labels.channel === channel)
    .reduce((sum, { value }) => sum + value, 0);
}

Deno.test("a full disk: gala-gopher goes on, counts what it could not write, and writes again", () =>
  withFolder(async (disk) => {
    const settings = {
      ...NATIVE,
      metric: { out_channel: "web_server, json" },
      logs: { metric_dir: `${disk}/metrics` },
    };
    const prefix = () => inMounts('mount -t tmpfs -o size=64k none "$1"', disk);
    await withAgent({ settings, prefix }, async (agent) => {
      const below = `/proc/${agent.pid}/root${disk}`;
      await until("metrics", () => {
        return [...Deno.readDirSync(below)].some(({ name }) => name === "metrics") || undefined;
      });
      await Deno.writeFile(`${below}/other`, new Uint8Array(1 << 20)).catch(() => {});
      await says(agent, /Cannot write to .*metrics: No space left on device/);
      await until("losses", async () => (await lost(agent, "json")) > 0 || undefined);
      await goesOn(agent);
      await Deno.remove(`${below}/other`);
      await says(agent, /Writes to .*metrics again/);
      await endsWell(agent);
    });
  }));

Deno.test("a full disk under the spool while Kafka is away: gala-gopher goes on and counts", () =>
  withFolder(async (disk) => {
    const settings = {
      ...NATIVE,
      metric: { out_channel: "web_server, kafka" },
      kafka: {
        kafka_broker: `127.0.0.1:${freePort()}`,
        spool_dir: disk,
        queue_buffering_max_messages: 20,
      },
    };
    const prefix = () => inMounts('mount -t tmpfs -o size=16k none "$1"', disk);
    await withAgent({ settings, prefix }, async (agent) => {
      await until("losses", async () => (await lost(agent, "kafka")) > 0 || undefined);
      await goesOn(agent);
      await endsWell(agent);
    });
  }));

Deno.test("a read-only root: gala-gopher serves, and says what it cannot write", async () => {
  const settings = {
    ...NATIVE,
    global: { log_file_name: "own.log" },
    meta: { out_channel: "logs" },
    logs: { meta_dir: "/var/log/gg", debug_dir: "/var/log/gg" },
  };
  const prefix = (folder: string) => inMounts("mount -o remount,bind,ro /", folder);
  await withAgent({ settings, prefix }, async (agent) => {
    await says(agent, /Cannot open the log "\/var\/log\/gg\/own.log": Read-only file system/);
    await says(agent, /Cannot write to \/var\/log\/gg: Read-only file system/);
    await goesOn(agent);
    await endsWell(agent);
  });
});

Deno.test("64 open files: eBPF probes rest and say the mend, all else works, clients that hang on too", async () => {
  const settings = { ...FAST, probes: [...NATIVE.probes, { name: "tcp" }] };
  const prefix = () => ["prlimit", "--nofile=64:64"];
  await withAgent({ settings, prefix }, async (agent) => {
    const tcp = await until("tcp", async () => {
      const found = await probe(agent, "tcp");
      return found.state === "unsupported" ? found : undefined;
    });
    assert.match(tcp.reason!, /needs 512 open files, the limit of this process is 64/);
    assert.match(tcp.mend!, /LimitNOFILE=1024/);
    const held: Deno.Conn[] = [];
    for (let n = 0; n < 64; n++) {
      held.push(await Deno.connect({ hostname: "127.0.0.1", port: agent.port }));
    }
    await says(agent, /Too many open files/);
    for (const connection of held) connection.close();
    await goesOn(agent);
    await endsWell(agent);
  });
});

Deno.test("no memory may be locked: gala-gopher runs its eBPF probes", async () => {
  const settings = { ...FAST, probes: [...NATIVE.probes, { name: "tcp" }] };
  await withAgent({ settings, prefix: () => ["prlimit", "--memlock=0:0"] }, async (agent) => {
    await until("a row of tcp", async () => {
      return (await agent.rows("gala_gopher_tcp_link_tx_bytes")).length > 0 || undefined;
    });
    await endsWell(agent);
  });
});

/** Starts the program in that cgroup. */
function inGroup({ path }: TestCgroup): string[] {
  const script = 'echo $$ >"$1" || exit 99; shift; exec "$@"';
  return ["sh", "-c", script, "sh", `${path}/cgroup.procs`];
}

function killedIn({ path, isV1 }: TestCgroup): number {
  const text = Deno.readTextFileSync(`${path}/memory.${isV1 ? "oom_control" : "events"}`);
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1]);
}

Deno.test("a memory cgroup of 120 MB: gala-gopher runs all its probes and is never out of memory", async () => {
  using group = TestCgroup.of("memory");
  group.limit(120 << 20);
  await withAgent({ settings: FAST, prefix: () => inGroup(group) }, async (agent) => {
    await until("tcp", async () => (await probe(agent, "tcp")).state === "running" || undefined);
    for (let n = 0; n < 20; n++) await agent.page();
    await goesOn(agent);
    assert.equal(killedIn(group), 0);
    await endsWell(agent);
  });
});

Deno.test("a memory cgroup with no room for the maps of some probes: gala-gopher says so, and runs the others", async () => {
  using group = TestCgroup.of("memory");
  group.limit(100 << 20);
  const large = ["tcp", "endpoint"];
  const settings = {
    ...FAST,
    imdb: { max_records_num: 1_000_000 },
    probes: [...NATIVE.probes, { name: "kill" }, ...large.map((name) => ({ name }))],
  };
  await withAgent({ settings, prefix: () => inGroup(group) }, async (agent) => {
    for (const name of large) {
      const { reason, mend } = await until(`${name} without maps`, async () => {
        const found = await probe(agent, name);
        return found.state === "unsupported" ? found : undefined;
      });
      assert.match(
        reason!,
        /^Cannot make the maps of ".*\.bpf\.o": they take \d+ MiB, ".*" is 100 MiB$/,
      );
      assert.match(mend!, /max_records_num/);
    }
    await until("kill", async () => (await probe(agent, "kill")).state === "running" || undefined);
    await goesOn(agent);
    assert.equal(killedIn(group), 0);
    await endsWell(agent);
  });
});

Deno.test("the clock jumps a day ahead and two days back: no row goes, and every probe is read on", () =>
  withFolder(async (folder) => {
    const clock = `${folder}/clock`;
    const set = (days: number) =>
      Deno.writeTextFile(clock, `${days < 0 ? "" : "+"}${days * DAY_S}`);
    await set(0);
    const env = {
      LD_PRELOAD: FAKETIME,
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    await withAgent({ settings: NATIVE, env }, async (agent) => {
      await goesOn(agent);
      for (const days of [1, -1]) {
        await set(days);
        // A line of its log tells which time it has.
        agent.signal("SIGHUP");
        const day = new Date(Date.now() + days * DAY_S * 1000).toISOString().slice(0, 10);
        await says(agent, new RegExp(`^${day}T.* Has read its configuration`, "m"));
        await goesOn(agent);
        const expired = await agent.rows("gala_gopher_agent_table_expired_rows_total");
        assert.deepEqual(expired.filter(({ value }) => value > 0), []);
      }
      await endsWell(agent);
    });
  }));

/** As long as an operator's debugger, or a host's snapshot, may take; in minutes by hand. */
const STOPPED_MS = Number(Deno.env.get("STOPPED_SECONDS") ?? 3) * 1000;

Deno.test("stopped and continued: gala-gopher answers whoever waited, and goes on with its probes", () =>
  withFolder(async (folder) => {
    await writeProbe(folder, "talker", "while :; do echo '|talker|key|1|'; done");
    const settings = {
      ...FAST,
      probes: [...NATIVE.probes, { name: "tcp" }],
      extend_probes: [{ name: "talker", command: `${folder}/talker.sh` }],
    };
    await withAgent({ settings }, async (agent) => {
      await until("tcp", async () => (await probe(agent, "tcp")).state === "running" || undefined);
      await goesOn(agent);
      agent.signal("SIGSTOP");
      const waiting = agent.page();
      await new Promise((resolve) => setTimeout(resolve, STOPPED_MS));
      agent.signal("SIGCONT");
      assert.match(await waiting, /^gala_gopher_mem_total_kB/m);
      await goesOn(agent);
      assert.equal((await probe(agent, "talker")).state, "running");
      assert.equal((await probe(agent, "tcp")).state, "running");
      await endsWell(agent);
    });
  }));

Deno.test("a third-party probe that is out of memory is killed, named, and started again; no other suffers", () =>
  withFolder(async (folder) => {
    await writeProbe(folder, "eater", "exec python3 -c 'x = b\"x\" * (1 << 28); input()'");
    const extend_probes = [{ name: "eater", command: `${folder}/eater.sh`, memory_limit: 32 }];
    await withAgent({ settings: { ...NATIVE, extend_probes } }, async (agent) => {
      await says(agent, /Probe "eater" failed: Ended by SIGKILL.*memory/);
      await until("a restart", async () => {
        const rows = await agent.rows("gala_gopher_agent_probe_restarts_total");
        return rows.some(({ labels, value }) => labels.probe === "eater" && value > 0) ||
          undefined;
      });
      await goesOn(agent);
      await endsWell(agent);
    });
  }));

async function writeProbe(folder: string, name: string, script: string): Promise<void> {
  const fields = '{ name: "id", type: "key", description: "" }, ' +
    '{ name: "value", type: "gauge", description: "" }';
  const table = `{ table_name: "${name}", entity_name: "${name}", fields: ( ${fields} ) }`;
  await Deno.writeTextFile(
    `${folder}/${name}.meta`,
    `version = "1.0.0"\nmeasurements: ( ${table} )\n`,
  );
  await Deno.writeTextFile(`${folder}/${name}.sh`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}
