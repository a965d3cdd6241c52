// SPDX-License-Identifier: MulanPSL-2.0
/** probes/haproxy against haproxy, with servers of the test's own behind it. */
import assert from "node:assert/strict";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { equals, says, valueOf, withProbe } from "./run_probe_agent.ts";
import { startServer } from "./run_server.ts";

const GOOD = 23;
const MISSING = 7;

const config = (folder: string, port: number, behind: number) => `
global
  stats socket ${folder}/stats mode 600 level user
  maxconn 123
  node here
defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
frontend front
  bind 127.0.0.1:${port}
  default_backend back
backend back
  server one 127.0.0.1:${behind}
  server two 127.0.0.1:${behind} disabled
`;

async function start(folder: string, port: number, behind: number) {
  await Deno.writeTextFile(`${folder}/haproxy.cfg`, config(folder, port, behind));
  // A connection to the port would be one more request.
  const ready = async () => await stat(folder, "one", "stot") === 0;
  const args = ["-db", "-f", `${folder}/haproxy.cfg`];
  return await startServer({ command: "haproxy", args, ready });
}

async function stat(folder: string, service: string, field: string): Promise<number> {
  using conn = await Deno.connect({ transport: "unix", path: `${folder}/stats` });
  await conn.write(new TextEncoder().encode("show stat\n"));
  let text = "";
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65536);
  for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
    text += decoder.decode(buffer.subarray(0, n));
  }
  const [head, ...lines] = text.split("\n").map((line) => line.split(","));
  return Number(lines.find((line) => line[1] === service)![head!.indexOf(field)]);
}

async function work(port: number): Promise<void> {
  for (let n = 0; n < GOOD + MISSING; n++) {
    const path = n < GOOD ? "good" : "missing";
    await (await fetch(`http://127.0.0.1:${port}/${path}`)).text();
  }
}

Deno.test("haproxy reports what its stats socket says, and outlives its server", () =>
  withFolder(async (folder) => {
    const behind = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      ({ url }) => new Response("x", { status: url.endsWith("/good") ? 200 : 404 }),
    );
    const port = freePort();
    const command = `haproxy/haproxy_probe.py -s ${folder}/stats`;
    try {
      await withProbe({ command }, async (agent) => {
        await says(agent, "No such file");
        await using server = await start(folder, port, behind.addr.port);
        await work(port);
        const one = { proxy: "back", service: "one", type: "server" };
        await equals(agent, "haproxy_proxy_http_responses_2xx_total", one, GOOD);
        await equals(agent, "haproxy_proxy_http_responses_4xx_total", one, MISSING);
        const front = { proxy: "front", service: "FRONTEND", type: "frontend" };
        await equals(agent, "haproxy_proxy_requests_total", front, GOOD + MISSING);
        const bytes = await stat(folder, "one", "bin");
        assert.ok(bytes > 0);
        await equals(agent, "haproxy_proxy_bytes_in_total", one, bytes);
        const out = await stat(folder, "one", "bout");
        await equals(agent, "haproxy_proxy_bytes_out_total", one, out);
        await equals(agent, "haproxy_proxy_up", one, 1);
        await equals(agent, "haproxy_proxy_up", { ...one, service: "two" }, 0);
        await equals(agent, "haproxy_proxy_up", { proxy: "back", service: "BACKEND" }, 1);
        await equals(agent, "haproxy_connections_limit", { node: "here" }, 123);
        await valueOf(agent, "haproxy_requests_total", {}, (value) => value > GOOD + MISSING);
        await server.stop();
        await using _again = await start(folder, port, behind.addr.port);
        await equals(agent, "haproxy_proxy_requests_total", front, 0);
      });
    } finally {
      await behind.shutdown();
    }
  }));
