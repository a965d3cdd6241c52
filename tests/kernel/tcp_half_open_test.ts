// SPDX-License-Identifier: MulanPSL-2.0
/** Connections that only one of two hosts knows of, and handshakes that stop half way, beside ss, nstat and /proc/net/tcp. */
import assert from "node:assert/strict";
import endpoint from "../../src/probes/endpoint.ts";
import tcp from "../../src/probes/tcp.ts";
import { hasName } from "./kernel_has.ts";
import { type NetScript, startScript } from "./net_script.ts";
import { ProbeRig } from "./probe_rig.ts";

/** Of the near host. */
interface Look {
  /** Its established connections. */
  readonly ss: readonly string[];
  /** Its sockets in SYN_RECV, by ss and by /proc/net/tcp. */
  readonly requests: number;
  readonly proc_requests: number;
  /** Of its listeners, also of SYNs that are sent again. */
  readonly drops: number;
  readonly nstat: Readonly<
    Record<
      "RetransSegs" | "ExtTCPAbortOnTimeout" | "ExtTCPSynRetrans" | "PassiveOpens" | "OutRsts",
      number
    >
  >;
  readonly errors?: readonly string[];
}

interface Vanished {
  /** Ports of their listeners, and of the near host's client. */
  readonly near: number;
  readonly far: number;
  readonly near_client: number;
  readonly far_pid: number;
  readonly up: number;
  readonly down: number;
  readonly late: number;
}

interface Handshakes {
  readonly near: number;
  readonly far_pid: number;
  readonly handshakes: number;
  readonly given_up: number;
}

const FAR_IP = "10.78.0.2";
/** The back-off is to be seen. */
const FEWEST_RETRANSMISSIONS = 3;

function ssNumber(line: string, pattern: RegExp): number {
  return Number(pattern.exec(line)?.[1] ?? 0);
}

const retransmissions = (line: string) => ssNumber(line, / retrans:\d+\/(\d+)/);

/** What stays the same between two looks unless something was sent or has ended. */
function state({ ss, errors: _, ...others }: Look): string {
  return JSON.stringify([ss.map(retransmissions), others]);
}

/**
 * Readings, the last of which left no namespace out and stands between two looks that say the same; that look.
 */
async function readSteadily(
  rigs: readonly ProbeRig[],
  { next }: NetScript<unknown>,
  enough: (look: Look) => boolean = () => true,
): Promise<Look> {
  const skipped = () =>
    rigs.reduce((sum, { running }) => sum + running.losses!().namespaces_skipped!, 0);
  for (let before = await next<Look>("look");;) {
    const skippedBefore = skipped();
    for (const rig of rigs) await rig.tick(performance.now());
    const after = await next<Look>("look");
    const isWhole = skipped() === skippedBefore;
    if (isWhole && state(before) === state(after) && enough(after)) return after;
    before = after;
  }
}

/** Connections that are open; a row without any does not say how many. */
function open(rig: ProbeRig, ...labels: string[]): number {
  return rig.rows("tcp_service", ...labels).reduce((sum, row) => sum + (row.connections || 0), 0);
}

/** A host's client and its server. */
const SIDES = [["1", "client"], ["0", "server"]] as const;

Deno.test("tcp follows connections whose peer has vanished until the kernel gives them up, and those of a peer that knows nothing", async () => {
  const tables = [
    "tcp_abn",
    "tcp_tx_rx",
    "tcp_rate",
    "tcp_rtt",
    "tcp_windows",
    "tcp_service",
    "tcp_reset",
  ];
  await using rig = await ProbeRig.start(tcp, { tables });
  await rig.tick(1);
  const script = await startScript<Vanished>("half_open_child.py", "near", "vanish");
  const { said, tgid: near } = script;
  const far = `tgid="${said.far_pid}"`;
  try {
    const enough = ({ ss }: Look) => {
      assert.equal(ss.length, 2, "given up before it was looked at");
      return ss.every((line) => retransmissions(line) >= FEWEST_RETRANSMISSIONS);
    };
    const look = await readSteadily([rig], script, enough);
    for (const line of look.ss) assertTried(rig, near, said, line);
    const sum = (metric: string, ...labels: string[]) => rig.sum("tcp_abn", metric, ...labels);
    assert.equal(sum("retran_packets", near), look.nstat.RetransSegs);
    assertUnaware(rig, far, said);

    const end = await script.next<Look>("given_up");
    await rig.tick(performance.now());
    assert.deepEqual([end.errors, end.ss], [["ETIMEDOUT", "ETIMEDOUT"], []]);
    assert.equal(end.nstat.ExtTCPAbortOnTimeout, 2);
    assert.ok(end.nstat.RetransSegs >= look.nstat.RetransSegs);
    assert.equal(sum("retran_packets", near), end.nstat.RetransSegs);
    for (const [number, role] of SIDES) {
      assert.equal(sum("tmout_count", near, `role="${number}"`), 1);
      const [service] = rig.rows("tcp_service", near, `role="${role}"`);
      assert.deepEqual([service!.opened_total, service!.closed_total], [1, 1]);
      assert.equal(open(rig, near, `role="${role}"`), 0);
    }
    assert.equal(rig.sum("tcp_tx_rx", "tx_bytes", near), said.up + said.down + 2 * said.late);
    assert.equal(rig.sum("tcp_reset", "resets_total", near), 0);
    assertUnaware(rig, far, said);

    await assertLearns(rig, script, far);
  } finally {
    await script.end();
  }
});

/** The near host's side of a connection, as ss sees it. */
function assertTried(rig: ProbeRig, near: string, said: Vanished, line: string): void {
  const isServer = line.includes(` 10.78.0.1:${said.near} `);
  const labels = [near, `role="${isServer ? 0 : 1}"`] as const;
  const sent = ssNumber(line, / bytes_sent:(\d+)/) - ssNumber(line, / bytes_retrans:(\d+)/);
  assert.equal(sent, (isServer ? said.down : said.up) + said.late);
  assert.ok(ssNumber(line, / backoff:(\d+)/) > 0, line);
  for (
    const [table, metric, expected] of [
      ["tcp_abn", "retran_packets", retransmissions(line)],
      ["tcp_abn", "lost_out", ssNumber(line, / lost:(\d+)/)],
      ["tcp_abn", "tmout_count", 0],
      ["tcp_tx_rx", "tx_bytes", sent],
      ["tcp_tx_rx", "rx_bytes", isServer ? said.up : said.down],
      ["tcp_tx_rx", "segs_out", ssNumber(line, / segs_out:(\d+)/)],
      ["tcp_tx_rx", "segs_in", ssNumber(line, / segs_in:(\d+)/)],
      ["tcp_rate", "rto", ssNumber(line, / rto:(\d+)/) * 1000],
      ["tcp_rtt", "srtt", Math.round(ssNumber(line, / rtt:([\d.]+)/) * 1000)],
      ["tcp_windows", "snd_cwnd", ssNumber(line, / cwnd:(\d+)/)],
      ["tcp_windows", "notack_bytes", said.late],
    ] as const
  ) {
    const [row, ...others] = rig.rows(table, ...labels);
    assert.ok(row !== undefined && others.length === 0, `rows of ${table} for ${labels}`);
    assert.equal(row[metric], expected, `${metric} beside ${line}`);
  }
  assert.equal(open(rig, near, `role="${isServer ? "server" : "client"}"`), 1);
}

/** The far host's, which heard nothing of all that. */
function assertUnaware(rig: ProbeRig, far: string, { up, down }: Vanished): void {
  for (const [number, role] of SIDES) {
    assert.equal(open(rig, far, `role="${role}"`), 1);
    const labels = [far, `role="${number}"`] as const;
    const payload = ["rx_bytes", "tx_bytes"].map((it) => rig.sum("tcp_tx_rx", it, ...labels));
    assert.deepEqual(payload, number === "0" ? [up, down] : [down, up]);
    for (const metric of ["retran_packets", "tmout_count", "receive_rsts"]) {
      assert.equal(rig.sum("tcp_abn", metric, ...labels), 0, metric);
    }
  }
}

/** The line is mended, and the far host writes: it is told that nobody knows of its connections. */
async function assertLearns(
  rig: ProbeRig,
  { next, said }: NetScript<Vanished>,
  far: string,
): Promise<void> {
  const { errors, nstat } = await next<Look>("mended");
  await rig.tick(performance.now());
  assert.deepEqual([errors, nstat.OutRsts], [["ECONNRESET", "ECONNRESET"], 2]);
  const resets = (...labels: string[]) => rig.sum("tcp_reset", "resets_total", ...labels);
  assert.equal(resets(far, 'direction="received"', 'state="established"'), 2);
  if (hasName("sk_rst_reason")) {
    for (const port of [said.near, said.near_client]) {
      const labels = ['tgid="0"', `peer_ip="${FAR_IP}"`, `server_port="${port}"`];
      assert.equal(resets('direction="sent"', ...labels), 1);
    }
  }
  for (const [number, role] of SIDES) {
    assert.equal(rig.sum("tcp_abn", "receive_rsts", far, `role="${number}"`), 1);
    assert.equal(rig.sum("tcp_service", "closed_total", far, `role="${role}"`), 1);
    assert.equal(open(rig, far, `role="${role}"`), 0);
  }
}

Deno.test("endpoint and tcp show handshakes that stop half way as the SYN queue holds them, until they end well or not", async () => {
  await using listeners = await ProbeRig.start(endpoint, { tables: Object.keys(endpoint.tables) });
  await using links = await ProbeRig.start(tcp);
  const rigs = [listeners, links];
  const script = await startScript<Handshakes>("half_open_child.py", "near", "half_way");
  const { said: { near: port, far_pid, handshakes, given_up }, tgid: near } = script;
  const far = `tgid="${far_pid}"`;
  const assertQueue = (look: Look, requests: number, accepted: number) => {
    assert.deepEqual([look.requests, look.proc_requests], [requests, requests]);
    const [queue, ...others] = listeners.rows("listen_queue", near, `s_port="${port}"`);
    assert.ok(queue !== undefined && others.length === 0);
    assert.deepEqual([queue.requests, queue.connections], [requests, 0]);
    const listen = (metric: string) => listeners.sum("listen", metric, near, `s_port="${port}"`);
    const said = JSON.stringify([look, listeners.rows("listen"), listeners.running.losses!()]);
    assert.equal(listen("retran_synacks"), look.nstat.ExtTCPSynRetrans, said);
    assert.deepEqual([listen("passive_open"), look.nstat.PassiveOpens], [accepted, accepted]);
    assert.deepEqual([listen("passive_open_failed"), listen("listendrop")], [0, look.drops]);
    assert.equal(open(links, near), look.ss.length);
  };
  try {
    assertQueue(await readSteadily(rigs, script), handshakes, 0);
    assert.equal(open(links, far), 0);

    await script.next("half_open");
    const look = await readSteadily(rigs, script);
    assert.ok(look.drops >= handshakes);
    assertQueue(look, handshakes, 0);
    // What they sent last never came: to them the connection is open.
    assert.equal(open(links, far, 'role="client"'), handshakes);

    const { ss } = await script.next<Look>("accepted");
    assertQueue(await readSteadily(rigs, script), 0, handshakes);
    const again = ss.reduce((sum, line) => sum + retransmissions(line), 0);
    assert.ok(again > 0);
    assert.equal(links.sum("tcp_abn", "retran_packets", near, 'role="0"'), again);

    await script.next("abandoned");
    assertQueue(await readSteadily(rigs, script), given_up, handshakes);
    await script.next("expired");
    assertQueue(await readSteadily(rigs, script), 0, handshakes);
    assertRequestDrops(listeners, near, given_up);
  } finally {
    await script.end();
  }
});

function assertRequestDrops(rig: ProbeRig, near: string, expected: number): void {
  const isServed = rig.running.hooks!().some(({ program, state }) =>
    program.startsWith("endpoint_request_end") && state === "attached"
  );
  if (!isServed) return console.log("This kernel takes neither fentry nor kprobes: no req_drops");
  assert.equal(rig.sum("endpoint_tcp", "req_drops", near, 'role="server"'), expected);
}
