// SPDX-License-Identifier: MulanPSL-2.0
/** The tcp probe beside ss, /proc/net/snmp, and what servers themselves say of their traffic. */
import assert from "node:assert/strict";
import tcp from "../../src/probes/tcp.ts";
import { startScript } from "./net_script.ts";
import { ProbeRig } from "./probe_rig.ts";
import { exchange, type Link, readExactly, Rig } from "./tcp_rig.ts";
import { until } from "../until.ts";

type Counters = Readonly<Record<string, number>>;

/** `rto:204 rtt:0.004/0.002 pacing_rate 250bps skmem:(r0,rb131072,...)` of one line of ss. */
function ssNumber(line: string, name: string): number {
  const found = new RegExp(`(?:^|[ (,])${name}[: ]?([0-9.]+)`).exec(line);
  return Number(found?.[1] ?? 0);
}

/** Our metric, and what ss must say of it. */
const OF_SS: Readonly<Record<string, Readonly<Record<string, (line: string) => number>>>> = {
  tcp_tx_rx: {
    rx_bytes: (line) => ssNumber(line, "bytes_received"),
    tx_bytes: (line) => ssNumber(line, "bytes_sent"),
    segs_in: (line) => ssNumber(line, "segs_in"),
    segs_out: (line) => ssNumber(line, "segs_out"),
  },
  tcp_rtt: { srtt: (line) => Math.round(ssNumber(line, "rtt") * 1000) },
  tcp_windows: {
    snd_cwnd: (line) => ssNumber(line, "cwnd"),
    snd_wnd: (line) => ssNumber(line, "snd_wnd"),
    notsent_bytes: (line) => ssNumber(line, "notsent"),
    notack_bytes: () => 0,
  },
  tcp_rate: {
    rto: (line) => ssNumber(line, "rto") * 1000,
    ato: (line) => ssNumber(line, "ato") * 1000,
    advmss: (line) => ssNumber(line, "advmss"),
    rcv_space: (line) => ssNumber(line, "rcv_space"),
    rcv_ssthresh: (line) => ssNumber(line, "rcv_ssthresh"),
    delivery_rate: (line) => ssNumber(line, "delivery_rate") / 8,
    pacing_rate: (line) => ssNumber(line, "pacing_rate") / 8,
    busy_time: (line) => ssNumber(line, "busy"),
  },
  tcp_sockbuf: {
    sk_rcv_que_size: () => 0,
    sk_backlog_size: (line) => ssNumber(line, "bl"),
    sk_omem_size: (line) => ssNumber(line, "o"),
    sk_forward_size: (line) => ssNumber(line, "f"),
  },
  tcp_abn: { sk_drops: (line) => ssNumber(line, "d"), retran_packets: () => 0 },
};

/** HZ is 250 here and in Debian. */
const JIFFY_MS = 4;

Deno.test("tcp says of idle sockets exactly what ss says", async () => {
  await using rig = await ProbeRig.start(tcp, {
    tables: Object.keys(OF_SS),
    settings: { report_cport: true },
  });
  const { said, tgid, end } = await startScript<{ port: number; ss: string[] }>(
    "truth_child.py",
    "idle",
  );
  try {
    await rig.tick(1);
    assert.equal(said.ss.length, 14);
    for (const line of said.ss) {
      const [own = "", peer = ""] = line.match(/(?<=127\.0\.0\.1:)\d+/g) ?? [];
      const server = Number(own) === said.port;
      const label = `client_port="${server ? peer : own}",server_port="${said.port}"`;
      const role = `role="${server ? 0 : 1}"`;
      for (const [table, metrics] of Object.entries(OF_SS)) {
        const [row, ...others] = rig.rows(table, tgid, role, label);
        assert.ok(row !== undefined && others.length === 0, `rows for ${line}`);
        for (const [metric, expected] of Object.entries(metrics)) {
          const value: number = metric === "busy_time" ? row[metric]! * JIFFY_MS : row[metric]!;
          assert.equal(value, expected(line), `${table}.${metric} beside ${line}`);
        }
      }
    }
  } finally {
    await end();
  }
});

Deno.test("tcp counts the bytes of redis-benchmark exactly as redis does", async () => {
  await using rig = await ProbeRig.start(tcp);
  await rig.tick(1);
  const { said, end } = await startScript<
    { pid: number; received: number; sent: number; connections: number; snmp: Counters }
  >("truth_child.py", "redis");
  try {
    await rig.tick(2);
    const server = [`tgid="${said.pid}",role="0"`, 'server_port="6379"'] as const;
    assert.equal(rig.sum("tcp_tx_rx", "rx_bytes", ...server), said.received);
    assert.equal(rig.sum("tcp_tx_rx", "tx_bytes", ...server), said.sent);
    const service = [`tgid="${said.pid}",role="server"`] as const;
    assert.equal(rig.sum("tcp_service", "opened_total", ...service), said.connections);
    // Beside our own: the reset of the first try, which met no server yet, and what belongs to no socket any more.
    const segments = rig.sum("tcp_tx_rx", "segs_out", 'server_port="6379"');
    const { TcpOutSegs: sent, TcpRetransSegs } = said.snmp;
    assert.ok(segments <= sent! && segments >= sent! - 100, `${segments} of ${sent} segments`);
    assert.equal(rig.sum("tcp_abn", "retran_packets", ...server), TcpRetransSegs);
  } finally {
    await end();
  }
});

Deno.test("tcp counts the bytes that nginx logs under wrk", async () => {
  await using rig = await ProbeRig.start(tcp);
  await rig.tick(1);
  const { said, end } = await startScript<{ received: number; sent: number; snmp: Counters }>(
    "truth_child.py",
    "nginx",
  );
  try {
    await rig.tick(2);
    const server = ['role="0",client_ip="127.0.0.1"', 'server_port="80"'] as const;
    const client = ['role="1",client_ip="127.0.0.1"', 'server_port="80"'] as const;
    const received = rig.sum("tcp_tx_rx", "rx_bytes", ...server);
    const sent = rig.sum("tcp_tx_rx", "tx_bytes", ...server);
    // wrk leaves with up to 10 requests of 40 bytes and answers of 1,200 on their way.
    assert.ok(received >= said.received && received <= said.received + 1000, `${received}`);
    assert.ok(Math.abs(sent - said.sent) <= 15000, `${sent} beside ${said.sent}`);
    assert.equal(rig.sum("tcp_tx_rx", "tx_bytes", ...client) >= received, true);
    const opened = rig.sum("tcp_service", "opened_total", 'role="client"', 'server_port="80"');
    assert.equal(opened, said.snmp.TcpPassiveOpens);
  } finally {
    await end();
  }
});

interface Tools {
  readonly nc: { pid: number; port: number; sent: number; received: number };
  readonly iperf: Readonly<Record<"sent" | "received" | "retransmits", number>>;
  readonly snmp: Counters;
}

/** What iperf3 says at most to agree on what it does; it does not count that. */
const IPERF_TALK_BYTES = 20_000;

Deno.test("tcp counts the bytes of netcat and iperf3 as they do", async () => {
  await using rig = await ProbeRig.start(tcp);
  await rig.tick(1);
  const { said, end } = await startScript<Tools>("truth_child.py", "tools");
  try {
    await rig.tick(2);
    const { nc, iperf, snmp } = said;
    const port = `server_port="${nc.port}"`;
    assert.equal(nc.received, nc.sent);
    const server = [`tgid="${nc.pid}",role="0"`, port] as const;
    assert.equal(rig.sum("tcp_tx_rx", "rx_bytes", ...server), nc.received);
    assert.equal(rig.sum("tcp_tx_rx", "tx_bytes", 'role="1"', port), nc.sent);
    const service = rig.rows("tcp_service", `tgid="${nc.pid}",role="server"`, port, 'comm="nc"');
    assert.deepEqual(service.map((it) => [it.opened_total, it.closed_total]), [[1, 1]]);
    const received = rig.sum("tcp_tx_rx", "rx_bytes", 'role="0"', 'server_port="5201"');
    const most = iperf.sent + IPERF_TALK_BYTES;
    assert.ok(iperf.received < received && received < most, `${received} bytes`);
    const again = (table: string, metric: string) =>
      [port, 'server_port="5201"'].reduce((sum, label) => sum + rig.sum(table, metric, label), 0);
    assert.equal(again("tcp_abn", "retran_packets"), snmp.TcpRetransSegs);
    const { TcpOutSegs } = snmp;
    const segments = again("tcp_tx_rx", "segs_out");
    assert.ok(segments <= TcpOutSegs! && segments > TcpOutSegs! - 20, `${segments} segments`);
  } finally {
    await end();
  }
});

Deno.test("tcp counts segments sent again as the kernel does", async () => {
  await using rig = await ProbeRig.start(tcp);
  await rig.tick(1);
  const { said, tgid, end } = await startScript<{ port: number; snmp: Counters }>(
    "truth_child.py",
    "loss",
  );
  try {
    await rig.tick(2);
    const { TcpRetransSegs } = said.snmp;
    assert.ok(TcpRetransSegs! > 0);
    const client = [tgid, `server_port="${said.port}"`] as const;
    assert.equal(rig.sum("tcp_abn", "retran_packets", ...client), TcpRetransSegs);
    const service = rig.sum("tcp_service", "retransmitted_segments_total", ...client);
    assert.equal(service, TcpRetransSegs);
    assert.equal(rig.sum("tcp_tx_rx", "tx_bytes", ...client), 101000);
  } finally {
    await end();
  }
});

/** What a row shows of all its connections. */
const OF_ROW: Readonly<Record<string, readonly [string, (...values: number[]) => number]>> = {
  srtt: ["tcp_rtt", Math.max],
  snd_cwnd: ["tcp_windows", Math.min],
  snd_wnd: ["tcp_windows", Math.min],
  rto: ["tcp_rate", Math.max],
  rcv_space: ["tcp_rate", Math.max],
  rcv_ssthresh: ["tcp_rate", Math.max],
  delivery_rate: ["tcp_rate", Math.max],
  busy_time: ["tcp_rate", Math.max],
};

/** ss on the sockets of clients or of servers. */
async function ssLines(filter: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("ss", {
    args: ["-tinmOH", "state", "established", filter],
  })
    .output();
  return new TextDecoder().decode(stdout).trim().split("\n");
}

Deno.test("tcp shows the largest and the smallest of a row's connections, whichever changed", async () => {
  await using rig = await Rig.start({ tables: Object.values(OF_ROW).map(([table]) => table) });
  for (let i = 0; i < 11; i++) await rig.connect();
  const { port } = rig;
  for (let now = 1; now <= 17; now++) {
    const quiet = now > 5 && now < 9;
    for (const [i, link] of rig.links.entries()) {
      if (quiet || (i + now) % 5 !== 0) continue;
      await link.client.write(new Uint8Array(97 * (i + now)));
      await readExactly(link.server, 97 * (i + now));
      await exchange(link);
    }
    if (now % 4 === 0) closeOne(rig.links.shift()!);
    await until("all is acknowledged", async () => {
      const lines = await ssLines(`( sport = :${port} or dport = :${port} )`);
      return lines.length === 2 * rig.links.length && lines.every((it) => !it.includes("unacked"));
    });
    await rig.tick(now);
    for (const [role, filter] of [[0, `sport = :${port}`], [1, `dport = :${port}`]] as const) {
      const lines = await ssLines(filter);
      for (const [metric, [table, pick]] of Object.entries(OF_ROW)) {
        const shown = rig.row(table, `role="${role}"`)[metric]!;
        const said = lines.map(OF_SS[table]![metric]!);
        const value = metric === "busy_time" ? shown * JIFFY_MS : shown;
        assert.equal(value, pick(...said), `${metric} of role ${role}, reading ${now}: ${said}`);
      }
    }
  }
});

function closeOne({ client, server }: Link): void {
  client.close();
  server.close();
}
