// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Bad weather: many open connections, and thousands of new ones a second, while readings go on and the agent starts anew.
 * WEATHER_SECONDS and WEATHER_HELD make it longer and larger.
 */
import assert from "node:assert/strict";
import endpoint from "../../src/probes/endpoint.ts";
import tcp from "../../src/probes/tcp.ts";
import { startScript } from "./net_script.ts";
import { ProbeRig } from "./probe_rig.ts";

const SECONDS = Number(Deno.env.get("WEATHER_SECONDS") ?? 3);
const HELD = Number(Deno.env.get("WEATHER_HELD") ?? 4000);
const RATE = 5000;
const UP_BYTES = 83;
const DOWN_BYTES = 41;
const TICK_MS = 250;

interface Rain {
  readonly short: number;
  readonly seconds: number;
  readonly TcpActiveOpens: number;
  readonly TcpPassiveOpens: number;
}

interface Ports {
  /** Processes that hold connections. */
  readonly holders: readonly { tgid: number; connections: number; port: number }[];
  readonly short: number;
}

/** Reads for so long; the times that readings took. */
async function readFor(seconds: number, rigs: readonly ProbeRig[]): Promise<number[]> {
  const took: number[] = [];
  const begin = performance.now();
  while (performance.now() - begin < seconds * 1000) {
    for (const rig of rigs) {
      const start = performance.now();
      await rig.tick(start);
      took.push(performance.now() - start);
    }
    await new Promise((done) => setTimeout(done, TICK_MS));
  }
  return took;
}

function assertTotals(rig: ProbeRig, tgid: string, port: number, connections: number): void {
  const label = `server_port="${port}"`;
  for (const [role, rx, tx] of [[0, UP_BYTES, DOWN_BYTES], [1, DOWN_BYTES, UP_BYTES]] as const) {
    const sum = (metric: string) => rig.sum("tcp_tx_rx", metric, tgid, `role="${role}"`, label);
    assert.deepEqual([sum("rx_bytes"), sum("tx_bytes")], [connections * rx, connections * tx]);
  }
}

/** Both ends of connections; a row without any does not say how many. */
function open(rig: ProbeRig, tgid: string, port: number): number {
  const rows = rig.rows("tcp_service", tgid, `server_port="${port}"`);
  return rows.reduce((sum, { connections }) => sum + (connections || 0), 0);
}

Deno.test(`tcp counts ${HELD} open connections and ${RATE} new ones a second exactly, also when started meanwhile`, async () => {
  const args = [HELD, RATE].map(String);
  await using first = await ProbeRig.start(tcp, { maxRows: 16384 });
  await using listeners = await ProbeRig.start(endpoint, { maxRows: 16384 });
  await Promise.all([first.tick(1), listeners.tick(1)]);
  const child = await startScript<Ports>("weather_child.py", ...args);
  const { said: ports, tgid } = child;
  try {
    await child.next();
    const took = await readFor(SECONDS / 2, [first, listeners]);
    await using second = await ProbeRig.start(tcp, { maxRows: 16384 }); // as after a restart
    const rigs = [first, listeners, second];
    took.push(...await readFor(SECONDS / 2, rigs));
    const rain = await child.next<Rain>();
    for (const rig of rigs) await rig.tick(1e9);
    console.log(
      `${rain.short} connections in ${rain.seconds.toFixed(1)} s; ${took.length} readings, ` +
        `the longest ${Math.max(...took).toFixed(0)} ms`,
    );
    assert.equal(HELD + rain.short, rain.TcpPassiveOpens);
    assertTotals(first, tgid, ports.short, rain.short);
    for (const rig of [first, second]) {
      for (const { tgid, port, connections } of ports.holders) {
        assertTotals(rig, `tgid="${tgid}"`, port, connections);
        assert.equal(open(rig, `tgid="${tgid}"`, port), 2 * connections);
      }
      assert.equal(open(rig, tgid, ports.short), 0);
      assert.deepEqual(rig.running.losses!(), {
        table_full: 0,
        ring_drop: 0,
        namespaces_skipped: 0,
      });
    }
    const short = [tgid, `server_port="${ports.short}"`] as const;
    for (const metric of ["opened_total", "closed_total"]) {
      assert.equal(first.sum("tcp_service", metric, ...short), 2 * rain.short);
    }
    const missed = second.sum("tcp_tx_rx", "rx_bytes", ...short);
    assert.ok(missed > 0 && missed < rain.short * (UP_BYTES + DOWN_BYTES), `${missed} bytes`);
    assert.equal(listeners.sum("listen", "passive_open", tgid), rain.short);
  } finally {
    await child.end();
  }
});
