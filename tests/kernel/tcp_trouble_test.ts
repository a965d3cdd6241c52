// SPDX-License-Identifier: MulanPSL-2.0
/** Resets, drops, refused connections, shut windows. */
import assert from "node:assert/strict";
import { hasName } from "./kernel_has.ts";
import { living, readExactly, Rig } from "./tcp_rig.ts";
import { until } from "../until.ts";

const REFUSED = 23;
const ABORTED = 17;
/** Kernels before 6.10 do not say why they send a reset, nor at all when no socket does. */
const SAYS_WHY = hasName("sk_rst_reason");
const sentBecause = (reason: string) => SAYS_WHY ? [`reason="${reason}"`] : [];

Deno.test("tcp counts 23 refused connections, who refused them, and the drops", async () => {
  await using rig = await Rig.start();
  await rig.tick(1);
  const { port } = rig;
  const drops = () =>
    rig.probe.sum("net_drop", "packets_total", 'reason="no_socket"', 'protocol="tcp"');
  const before = drops();
  rig.closeListener();
  for (let i = 0; i < REFUSED; i++) {
    await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }));
  }
  await rig.tick(2);
  const resets = (...labels: string[]) =>
    rig.probe.sum(
      "tcp_reset",
      "resets_total",
      'peer_ip="127.0.0.1"',
      `server_port="${port}"`,
      ...labels,
    );
  const sent = resets('direction="sent"', ...sentBecause("no_socket"), 'tgid="0"');
  assert.equal(sent, SAYS_WHY ? REFUSED : 0, JSON.stringify(rig.probe.rows("tcp_reset")));
  assert.equal(
    resets('direction="received",state="syn_sent"', `tgid="${Deno.pid}"`),
    REFUSED,
  );
  assert.ok(drops() - before >= REFUSED, `${drops() - before} drops`);
  const { failed_total, opened_total } = rig.row("tcp_service", 'role="client"');
  assert.deepEqual([failed_total, opened_total], [REFUSED, 0]);
});

Deno.test("tcp counts 17 resets on both sides of connections that were closed with data unread", async () => {
  await using rig = await Rig.start();
  for (let i = 0; i < ABORTED; i++) {
    const { client, server } = await rig.connect();
    rig.links.pop();
    await server.write(new Uint8Array(7));
    await readExactly(client, 7);
    await client.write(new Uint8Array(100));
    await until("unread data", () => unread(rig.port) > 0);
    server.close();
    // Deno's close() sends FIN, then RST: our side is reset, whichever it reads.
    await until("the reset came", () => living(rig.port) === 0);
    client.close();
  }
  await rig.tick(1);
  const us = `tgid="${Deno.pid}"`;
  assert.equal(rig.row("tcp_abn", `${us},role="0"`).send_rsts, ABORTED);
  assert.equal(rig.row("tcp_abn", `${us},role="1"`).receive_rsts, ABORTED);
  const port = `server_port="${rig.port}"`;
  const resets = (...labels: string[]) =>
    rig.probe.sum("tcp_reset", "resets_total", port, us, ...labels);
  assert.equal(resets('direction="sent"', ...sentBecause("tcp_abort_on_close")), ABORTED);
  assert.equal(resets('direction="received"', 'state="close_wait"'), ABORTED);
  assert.equal(rig.row("tcp_service", `${us},role="server"`).resets_sent_total, ABORTED);
});

/** Bytes in receive queues of the port's own side. */
function unread(port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  let bytes = 0;
  for (const line of Deno.readTextFileSync("/proc/net/tcp").split("\n").slice(1)) {
    const [, own, , state, queues] = line.trim().split(/\s+/);
    if (own?.endsWith(suffix) && state === "01") bytes += parseInt(queues?.slice(-8) ?? "", 16);
  }
  return bytes;
}

/** HZ is 250 here and in Debian. */
const JIFFY_S = 0.004;

Deno.test("tcp shows a window that is shut, in master's table too", async () => {
  for (const tables of [["tcp_windows", "tcp_rate", "tcp_service"], ["tcp_metric"]]) {
    await using rig = await Rig.start({ tables });
    const { client } = await rig.connect();
    const writing = (async () => {
      const data = new Uint8Array(1 << 20);
      for (let i = 0; i < 64; i++) await client.write(data);
    })();
    const us = `tgid="${Deno.pid}"`;
    let now = 1;
    const isShut = async () => {
      await rig.tick(now++);
      if (tables[0] === "tcp_metric") {
        return rig.row("tcp_metric", 'role="client"').zero_snd_wnd_count! > 0;
      }
      return rig.row("tcp_windows", `${us},role="1"`).snd_wnd === 0;
    };
    await until("the window is shut", isShut);
    if (tables[0] === "tcp_windows") {
      await until("time passes", async () => {
        await rig.tick(now++);
        return rig.row("tcp_rate", `${us},role="1"`).rwnd_limited! > 0;
      });
      assert.ok(rig.row("tcp_windows", `${us},role="1"`).notsent_bytes! > 0);
      const service = rig.row("tcp_service", 'role="client"').window_limited_seconds_total!;
      const jiffies = rig.row("tcp_rate", `${us},role="1"`).rwnd_limited!;
      // Both are looked at one after the other.
      assert.ok(Math.abs(service - jiffies * JIFFY_S) < 2.5 * JIFFY_S, `${service} s`);
      const shown = [...rig.rows("tcp_service").keys()].map((it) =>
        /,comm="([^"]*)"/.exec(it)?.[1]
      );
      assert.deepEqual(shown, Array(2).fill(Deno.readTextFileSync("/proc/self/comm").trim()));
    } else {
      const { counts } = rig.histogram("tcp_metric", 'role="client"', "srtt");
      assert.equal(counts.reduce((all, count) => all + count, 0), now - 1);
      assert.match([...rig.rows("tcp_metric").keys()][0]!, /,comm="deno[^"]*",role="/);
    }
    rig.closeAll();
    await writing.catch(() => {}); // the connection ended before it did
  }
});

const LATE_MS = 30;

Deno.test("tcp measures how long data waits for its reader and for its acknowledgement, if asked to", async () => {
  await using rig = await Rig.start({ tables: ["proc_flow_perf"] });
  const { client, server } = await rig.connect();
  for (let i = 0; i < 23; i++) {
    await client.write(new Uint8Array(100));
    if (i % 2 === 0) await new Promise((done) => setTimeout(done, LATE_MS));
    await readExactly(server, 100);
  }
  await rig.tick(1);
  const us = `tgid="${Deno.pid}"`;
  const read = rig.histogram("proc_flow_perf", `${us},role="server"`, "sys_delay");
  assert.equal(read.counts.reduce((sum, count) => sum + count, 0), 23);
  const late = read.counts.slice(2).reduce((sum, count) => sum + count, 0);
  assert.ok(late >= 12, `counts ${read.counts}`); // above 10 ms
  assert.ok(read.sum >= 12 * LATE_MS * 1e6, `${read.sum} ns`);
  const sent = rig.histogram("proc_flow_perf", `${us},role="client"`, "net_delay");
  assert.equal(sent.counts.reduce((sum, count) => sum + count, 0), 23);
});
