// SPDX-License-Identifier: MulanPSL-2.0
/** The tcp probe beside ss, nstat and iperf3 where packets are lost at random. */
import assert from "node:assert/strict";
import tcp from "../../src/probes/tcp.ts";
import { hasNetem } from "./kernel_has.ts";
import { startScript } from "./net_script.ts";
import { ProbeRig } from "./probe_rig.ts";

interface Said {
  readonly port: number;
  /** Of the two sockets that are held. */
  readonly ss: readonly string[];
  readonly iperf: {
    readonly client_port: number;
    readonly sent: number;
    readonly received: number;
    readonly retransmits: number;
  };
  readonly nstat: Readonly<
    Record<"TcpOutSegs" | "TcpRetransSegs" | "TcpActiveOpens", number>
  >;
}

const IPERF_PORT = 5201;
/** What iperf3 says first on each connection, and does not count. */
const COOKIE_BYTES = 37;
/** SYN-ACKs, and ACKs of what has ended already, which are no socket's; of five connections. */
const MOST_WITHOUT_SOCKET = 60;

function ssNumber(line: string, pattern: RegExp): number {
  return Number(pattern.exec(line)?.[1] ?? 0);
}

Deno.test({
  name: "tcp counts what iperf3 sends again over a line that loses packets, as ss and nstat do",
  ignore: !await hasNetem(),
  fn: countsWhatIsSentAgain,
});

async function countsWhatIsSentAgain(): Promise<void> {
  await using rig = await ProbeRig.start(tcp, {
    settings: { report_cport: true },
    tables: ["tcp_abn", "tcp_tx_rx", "tcp_service", "tcp_windows"],
  });
  await rig.tick(1);
  const { said, end } = await startScript<Said>("truth_child.py", "netem");
  try {
    await rig.tick(2);
    assertHeld(rig, said);
    assertIperf(rig, said);
    const { TcpRetransSegs, TcpOutSegs } = said.nstat;
    assert.ok(TcpRetransSegs > 0);
    const ports = [said.port, IPERF_PORT].map((port) => `server_port="${port}"`);
    const sum = (table: string, metric: string) =>
      ports.reduce((all, port) => all + rig.sum(table, metric, port), 0);
    assert.equal(sum("tcp_abn", "retran_packets"), TcpRetransSegs);
    assert.equal(sum("tcp_service", "retransmitted_segments_total"), TcpRetransSegs);
    // The kernel's total leaves out what is sent again.
    const others = TcpOutSegs - (sum("tcp_tx_rx", "segs_out") - TcpRetransSegs);
    assert.ok(others > 0 && others <= MOST_WITHOUT_SOCKET, `${others} segments without a socket`);
  } finally {
    await end();
  }
}

function assertHeld(rig: ProbeRig, { ss, port }: Said): void {
  assert.equal(ss.length, 2);
  let again = 0;
  for (const line of ss) {
    const own = ssNumber(line, /127\.0\.0\.1:(\d+)/);
    const labels = [`server_port="${port}"`, `role="${own === port ? 0 : 1}"`] as const;
    const retrans = ssNumber(line, / retrans:\d+\/(\d+)/);
    const sent = ssNumber(line, / bytes_sent:(\d+)/) - ssNumber(line, / bytes_retrans:(\d+)/);
    for (
      const [table, metric, expected] of [
        ["tcp_abn", "retran_packets", retrans],
        ["tcp_tx_rx", "tx_bytes", sent],
        ["tcp_tx_rx", "rx_bytes", ssNumber(line, / bytes_received:(\d+)/)],
        ["tcp_tx_rx", "segs_out", ssNumber(line, / segs_out:(\d+)/)],
        ["tcp_tx_rx", "segs_in", ssNumber(line, / segs_in:(\d+)/)],
        ["tcp_windows", "reordering", ssNumber(line, / reordering:(\d+)/) || 3],
      ] as const
    ) assert.equal(rig.sum(table, metric, ...labels), expected, `${metric} beside ${line}`);
    again += retrans;
  }
  assert.ok(again > 0, "nothing was sent again");
}

/** Its client has stopped before the last of it was acknowledged. */
function assertIperf(rig: ProbeRig, { iperf }: Said): void {
  const stream = [`server_port="${IPERF_PORT}"`, `client_port="${iperf.client_port}"`] as const;
  const received = rig.sum("tcp_tx_rx", "rx_bytes", ...stream, 'role="0"');
  const sent = rig.sum("tcp_tx_rx", "tx_bytes", ...stream, 'role="1"');
  const payload = [iperf.received, received - COOKIE_BYTES, sent - COOKIE_BYTES, iperf.sent];
  assert.deepEqual(payload, payload.toSorted((a, b) => a - b));
  assert.ok(iperf.retransmits > 0);
  const again = rig.sum("tcp_abn", "retran_packets", ...stream, 'role="1"');
  assert.ok(again >= iperf.retransmits, `${again} beside iperf3's ${iperf.retransmits}`);
}
