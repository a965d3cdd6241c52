// SPDX-License-Identifier: MulanPSL-2.0
/** The compiled program under bad clients and a flooding probe: it goes on, keeps nothing of them, and can be ended. */
import assert from "node:assert/strict";
import { holdings } from "./holdings.ts";
import { type Agent, EXAMPLE, memTotalKb, until, withAgent, withFolder } from "./run_agent.ts";

const HOSTNAME = "127.0.0.1";
const END_MS = 2000;

const GARBAGE = [
  "\0\xff\xfe\r\n\r\n",
  "GET\r\n\r\n",
  "GET /metrics HTTP/9.9\r\n\r\n",
  `GET /${"a".repeat(20_000)} HTTP/1.1\r\n\r\n`,
  "POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nbody",
  "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  "GET /metrics HTTP/1.1\r\nno colon here\r\n\r\n",
];

async function send(port: number, text: string): Promise<string> {
  using conn = await Deno.connect({ hostname: HOSTNAME, port });
  await conn.write(Uint8Array.from(text, (char) => char.charCodeAt(0)));
  const buffer = new Uint8Array(4096);
  try {
    const count = await conn.read(buffer);
    return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) return "";
    throw error;
  }
}

/** Clients that never speak, that ask by halves and that ask but do not read; then all hang up. */
async function hangOn(port: number): Promise<void> {
  const openings = ["", "GET /metr", "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"];
  const conns: Deno.Conn[] = [];
  try {
    for (let n = 0; n < 48; n++) {
      const conn = await Deno.connect({ hostname: HOSTNAME, port });
      conns.push(conn);
      const opening = openings[n % openings.length]!;
      if (opening !== "") await conn.write(new TextEncoder().encode(opening));
    }
    const response = await fetch(`http://${HOSTNAME}:${port}/metrics`);
    assert.match(await response.text(), /^gala_gopher_mem_total_kB\{/m);
  } finally {
    for (const conn of conns) conn.close();
  }
}

Deno.test("gala-gopher answers garbage and hanging clients with errors, and keeps nothing of them", async () => {
  await withAgent({ settings: { probes: [{ name: "system_meminfo" }] } }, async (agent) => {
    await agent.page();
    const before = holdings(agent.pid);
    for (const text of GARBAGE) {
      assert.match(await send(agent.port, text), /^(HTTP\/1\.1 (4|5)\d\d |$)/, text.slice(0, 40));
    }
    await hangOn(agent.port);
    assert.equal((await agent.rows("gala_gopher_mem_total_kB"))[0]?.value, memTotalKb());
    // The test's own connection that fetch keeps may be among them.
    await until("as few descriptors as before", () => {
      return holdings(agent.pid).fds <= before.fds + 1 || undefined;
    });
    assert.ok(holdings(agent.pid).threads <= before.threads + 1);
    assert.equal((await agent.end("SIGTERM")).code, 0, agent.log());
  });
});

/** An agent whose event loop has always something to do: a probe that prints without pause, clients that ask so. */
async function withBusyAgent(work: (agent: Agent) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const command = `${folder}/flood.sh`;
    await Deno.writeTextFile(command, "#!/bin/sh\nexec yes '|nothing|1|2|3|'\n");
    await Deno.chmod(command, 0o755);
    await Deno.copyFile(EXAMPLE.replace(/sh$/, "meta"), `${folder}/flood.meta`);
    const settings = { extend_probes: [{ name: "flood", command }] };
    await withAgent({ settings }, async (agent) => {
      let ended = false;
      const asking = Array.from({ length: 4 }, async () => {
        while (!ended) {
          try {
            await (await fetch(`http://${HOSTNAME}:${agent.port}/metrics`)).text();
          } catch (error) {
            if (error instanceof TypeError) return; // its end
            throw error;
          }
        }
      });
      try {
        await until("refused lines", async () => {
          const lost = await agent.rows("gala_gopher_agent_probe_lost_total");
          return lost.some(({ labels, value }) => labels.probe === "flood" && value > 100_000) ||
            undefined;
        });
        await work(agent);
      } finally {
        ended = true;
        await agent.end("SIGKILL");
        await Promise.all(asking);
      }
    });
  });
}

Deno.test("gala-gopher ends with 0 within 2 s of SIGTERM while its event loop is busy", async () => {
  await withBusyAgent(async (agent) => {
    const { code, ms } = await agent.end("SIGTERM");
    assert.equal(code, 0, agent.log());
    assert.ok(ms < END_MS, `took ${ms} ms`);
  });
});
