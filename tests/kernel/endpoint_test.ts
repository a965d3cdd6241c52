// SPDX-License-Identifier: MulanPSL-2.0
/** The endpoint probe beside the counters of a network namespace in which only a known work goes on. */
import assert from "node:assert/strict";
import type { BpfProbe } from "../../src/core/probe.ts";
import endpoint from "../../src/probes/endpoint.ts";
import { startScript } from "./net_script.ts";
import { ProbeRig } from "./probe_rig.ts";

interface Said {
  readonly listener: number;
  readonly full: number;
  readonly receiver: number;
  readonly deaf: number;
  readonly deafDrops: number;
  readonly snmp: Readonly<Record<string, number>>;
  readonly netstat: Readonly<Record<string, number>>;
}

const TABLES = Object.keys(endpoint.tables);
/** Where a kernel takes several programs that do the same, the other ones are to say the same. */
const WAYS = [
  { by: "the best", probe: endpoint },
  {
    by: "the last",
    probe: { ...endpoint, choices: endpoint.choices.map((choice) => choice.toReversed()) },
  },
] as const;

Deno.test("endpoint counts what listens, connects and is refused, as the namespace's own counters do", async () => {
  await using rig = await ProbeRig.start(endpoint, { tables: TABLES });
  await rig.tick(1);
  const { tgid, said: first, next, end } = await startScript<Said>("endpoint_child.py");
  try {
    // SYNs of the full listener are sent again and again: a reading counts between two that say the same.
    let said = first;
    for (let now = 2;; now++) {
      await rig.tick(now);
      const after = await next<Said>();
      if (JSON.stringify(after) === JSON.stringify(said)) break;
      said = after;
    }
    const { snmp, netstat } = said;
    const listen = (metric: string, ...labels: string[]) =>
      rig.sum("listen", metric, tgid, 'ep_type="listen"', ...labels);
    const port = `s_port="${said.listener}"`;
    assert.equal(listen("passive_open", port), 23);
    assert.equal(listen("passive_open"), snmp.TcpPassiveOpens!);
    assert.equal(listen("listendrop"), netstat.TcpExtListenDrops!);
    assert.ok(netstat.TcpExtListenDrops! > 0);
    assert.equal(listen("accept_overflow"), netstat.TcpExtListenOverflows!);
    assert.equal(listen("listendrop", port), 0);
    const connect = (metric: string) => rig.sum("connect", metric, tgid, 's_addr="127.0.0.1"');
    assert.equal(connect("active_open"), snmp.TcpActiveOpens!);
    assert.equal(connect("active_open_failed"), 19);
    assert.equal(connect("active_open_failed"), snmp.TcpAttemptFails!);
    const queue = rig.rows("listen_queue", tgid, `s_port="${said.full}"`);
    assert.deepEqual(queue.map(({ connections, limit }) => [connections, limit]), [[3, 2]]);
    const peers = (metric: string, role: string) =>
      rig.sum("endpoint_tcp", metric, tgid, 'comm="python3', `role="${role}"`);
    assert.equal(peers("passive_open", "server"), snmp.TcpPassiveOpens!);
    assert.equal(peers("listendrop", "server"), netstat.TcpExtListenDrops!);
    assert.equal(peers("accept_overflow", "server"), netstat.TcpExtListenOverflows!);
    assert.equal(peers("retran_synacks", "server"), listen("retran_synacks"));
    assert.equal(peers("syn_sent", "client"), snmp.TcpActiveOpens!);
    assert.equal(peers("retran_syn", "client"), netstat.TcpExtTCPSynRetrans!);
  } finally {
    await end();
  }
});

for (const { by, probe } of WAYS) {
  Deno.test(`endpoint counts UDP payload and drops exactly, of sockets that are gone too, ${by} programs attached`, () =>
    countsUdp(probe));
  Deno.test(`endpoint counts SYN-ACKs, handshakes that end early, and SYNs that find no neighbour, ${by} programs attached`, () =>
    countsHandshakes(probe));
}

async function countsUdp(probe: BpfProbe): Promise<void> {
  await using rig = await ProbeRig.start(probe, { tables: TABLES });
  await rig.tick(1);
  const { tgid, said, end } = await startScript<Said>("endpoint_child.py");
  try {
    await rig.tick(2);
    await rig.tick(3); // by then the owner of a socket that made no call is known
    const local = 's_addr="127.0.0.1"';
    assert.equal(rig.sum("bind", "bind_rcvs", tgid, local), 101 * 100 + 50 * 10);
    assert.equal(rig.sum("udp", "udp_sends", tgid), (101 + 997) * 100 + 50 * 10);
    const { deaf, receiver, deafDrops, snmp } = said;
    assert.ok(deafDrops > 900);
    assert.equal(rig.sum("udp_receive", "drops_total", tgid, `local_port="${deaf}"`), deafDrops);
    assert.equal(rig.sum("udp_receive", "drops_total", tgid, `local_port="${receiver}"`), 0);
    assert.equal(rig.sum("bind", "bind_rcv_drops", tgid, local), snmp.UdpRcvbufErrors!);
    const peers = ["endpoint_udp", "bind_rcvs", tgid, `local_port="${receiver}"`] as const;
    assert.equal(rig.sum(...peers), 101 * 100 + 50 * 10);
  } finally {
    await end();
  }
}

Deno.test("endpoint runs no program per call unless a table needs it", async () => {
  await using rig = await ProbeRig.start(endpoint);
  const programs = rig.running.hooks!().map(({ program }) => program);
  assert.ok(programs.includes("endpoint_state"));
  assert.ok(!programs.includes("endpoint_sent") && !programs.includes("endpoint_received"));
});

Deno.test("endpoint counts rows that do not fit its maps", async () => {
  const maxRows = 5;
  const listeners = Array.from(
    { length: 23 },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  try {
    await using rig = await ProbeRig.start(endpoint, { maxRows });
    await rig.tick(1);
    assert.ok(rig.running.losses!().table_full! >= listeners.length - maxRows);
    assert.ok(rig.rows("listen").length <= maxRows);
  } finally {
    for (const listener of listeners) listener.close();
  }
});

interface Handshakes {
  readonly port: number;
  readonly good: number;
  readonly abandoned: number;
  readonly lost: number;
}

async function countsHandshakes(probe: BpfProbe): Promise<void> {
  await using rig = await ProbeRig.start(probe, { tables: TABLES });
  await rig.tick(1);
  const { tgid, said, end } = await startScript<Handshakes>("handshake_child.py");
  try {
    await rig.tick(2);
    const { port, good, abandoned, lost } = said;
    const attached = new Set(
      rig.running.hooks!().filter(({ state }) => state === "attached").map((it) => it.program),
    );
    const isServed = (program: string) =>
      attached.has(program) || attached.has(`${program}_kprobe`);
    const server = (metric: string) =>
      rig.sum("endpoint_tcp", metric, tgid, 'role="server"', `server_port="${port}"`);
    assert.equal(abandoned, 11);
    for (
      const [program, metric, expected] of [
        ["endpoint_synack", "synack_sent", good + abandoned],
        ["endpoint_request_end", "req_drops", abandoned],
      ] as const
    ) {
      const table = [...rig.store.tables].find(({ name }) => name === "endpoint_tcp")!;
      if (isServed(program)) assert.equal(server(metric), expected, metric);
      else {
        console.log(`This kernel takes neither fentry nor kprobes: no ${metric}`);
        assert.ok(!table.metricNames.includes(metric));
      }
    }
    if (lost === 0) console.log("This kernel has no TAP devices: no SYN is lost");
    const client = ["endpoint_tcp", "syn_drop", tgid, 'role="client"'] as const;
    assert.equal(rig.sum(...client), lost);
    assert.equal(rig.sum(...client, 'server_ip="10.77.0.2"'), lost === 0 ? 0 : 1);
  } finally {
    await end();
  }
}
