// SPDX-License-Identifier: MulanPSL-2.0
/** probes/dnsmasq against dnsmasq, which asks a server of the test's own. */
import assert from "node:assert/strict";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { dnsUpstream, lookUp } from "./dns_client.ts";
import { equals, says, valueOf, withProbe } from "./run_probe_agent.ts";
import { startServer } from "./run_server.ts";

const NAMES = 17;
const AGAIN = 5;
const CACHE = 151;
/** With one upstream. */
const QUESTIONS_OF_READING = 7;

function start(port: number, upstream: number) {
  const args = ["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=nobody"]
    .concat([
      "--no-resolv",
      "--no-hosts",
      `--server=127.0.0.1#${upstream}`,
      `--cache-size=${CACHE}`,
    ])
    .concat([
      "--listen-address=127.0.0.1",
      "--bind-interfaces",
      `--port=${port}`,
      "--log-facility=-",
    ]);
  const ready = async () => await lookUp(port, "ready.test", 500) === 0;
  return startServer({ command: "dnsmasq", args, ready });
}

Deno.test("dnsmasq reports cache and upstream exactly, and outlives its server", () =>
  withFolder(async () => {
    const port = freePort();
    const upstream = await dnsUpstream();
    try {
      await withProbe({ command: `dnsmasq/dnsmasq_probe.py -p ${port}` }, async (agent) => {
        await says(agent, "Connection refused");
        await using server = await start(port, upstream.port);
        for (let n = 1; n < NAMES; n++) assert.equal(await lookUp(port, `n${n}.test`), 0);
        for (let n = 1; n <= AGAIN; n++) assert.equal(await lookUp(port, `n${n}.test`), 0);
        const label = { server_addr: `127.0.0.1:${port}` };
        await equals(agent, "dnsmasq_cache_size", label, CACHE);
        await equals(agent, "dnsmasq_cache_misses_total", label, NAMES);
        // The probe's own questions are among them, and the first of a reading asks for the hits.
        const hits = await valueOf(agent, "dnsmasq_cache_hits_total", label);
        assert.equal((hits - AGAIN) % QUESTIONS_OF_READING, 0, `${hits} hits`);
        await equals(agent, "dnsmasq_cache_evictions_total", label, 0);
        const above = { ...label, upstream: `127.0.0.1:${upstream.port}` };
        await equals(agent, "dnsmasq_upstream_queries_total", above, NAMES);
        await equals(agent, "dnsmasq_upstream_failures_total", above, 0);
        await server.stop();
        await using _again = await start(port, upstream.port);
        await equals(agent, "dnsmasq_cache_misses_total", label, 1);
      });
    } finally {
      upstream.close();
    }
  }));
