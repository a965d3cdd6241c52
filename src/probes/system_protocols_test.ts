// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { cutProbe, fuzzProbe } from "../../tests/fuzz_probe.ts";
import { fixture, runOnHost, runProbe } from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import systemProtocols from "./system_protocols.ts";

const ORIGIN = "/proc/dev/snmp";
const FILES = ["snmp", "netstat", "snmp6"].map((name) => `proc/net/${name}`);

Deno.test("system_tcp and net_tcp report one reading under both names", () => {
  const rows = runProbe(systemProtocols, fixture("proc-4.19"));
  assert.deepEqual(rows["system_tcp"], [{
    origin: ORIGIN,
    curr_estab: 23,
    in_segs: 6000000029,
    out_segs: 5000000021,
    retrans_segs: 37,
    in_errs: 2,
  }]);
  assert.deepEqual(rows["net_tcp"], [{
    origin: ORIGIN,
    tcp_curr_estab: 23,
    tcp_in_segs: 6000000029,
    tcp_out_segs: 5000000021,
    tcp_retrans_segs: 37,
    tcp_in_errs: 2,
  }]);
});

Deno.test("system_udp and net_udp report UDP, not UDP-Lite", () => {
  const rows = runProbe(systemProtocols, fixture("proc-4.19"));
  assert.deepEqual(rows["system_udp"], [{
    origin: ORIGIN,
    indata_grams: 10007,
    outdata_grams: 10009,
  }]);
  assert.deepEqual(rows["net_udp"], [
    { origin: ORIGIN, udp_indata_grams: 10007, udp_outdata_grams: 10009 },
  ]);
});

Deno.test("system_tcp finds its columns by the heading", () => {
  const snmp = "Tcp: New InErrs CurrEstab\nTcp: 99 3 7\nUdp: OutDatagrams\nUdp: 11\n";
  const rows = runProbe(systemProtocols, { "proc/net/snmp": snmp });
  assert.deepEqual(rows["system_tcp"], [{ origin: ORIGIN, curr_estab: 7, in_errs: 3 }]);
  assert.deepEqual(rows["system_udp"], [{ origin: ORIGIN, outdata_grams: 11 }]);
});

Deno.test("system_tcp takes no numbers that stand under another protocol's name", () => {
  const snmp = "Tcp: CurrEstab InErrs\nUdp: 7 3\n";
  const rows = runProbe(systemProtocols, { "proc/net/snmp": snmp });
  assert.deepEqual([rows["system_tcp"], rows["system_udp"]], [[], []]);
});

Deno.test("tcp_stack joins the lines of snmp and netstat", () => {
  const [row] = runProbe(systemProtocols, fixture("proc-4.19"))["tcp_stack"]!;
  assert.deepEqual(
    [row!["active_opens_total"], row!["passive_opens_total"], row!["resets_sent_total"]],
    [1009, 503, 41],
  );
  assert.deepEqual(
    [row!["listen_overflows_total"], row!["listen_drops_total"], row!["timeouts_total"]],
    [17, 19, 29],
  );
  assert.equal(row!["request_queue_full_drops_total"], 31);
  assert.equal(row!["zero_window_drops_total"], undefined, "since 4.20");
});

Deno.test("udp_stack, icmp_stack and ip_stack report a row for each address family", () => {
  const rows = runProbe(systemProtocols, fixture("proc-6.12"));
  const families = (table: string, metric: string) =>
    rows[table]!.map((row) => [row["family"], row[metric]]);
  assert.deepEqual(families("ip_stack", "in_bytes_total"), [["ipv4", 7000003], ["ipv6", 8000009]]);
  assert.deepEqual(families("ip_stack", "forwarded_total"), [["ipv4", 31], ["ipv6", 37]]);
  assert.deepEqual(families("icmp_stack", "in_messages_total"), [["ipv4", 41], ["ipv6", 43]]);
  assert.deepEqual(families("udp_stack", "receive_buffer_errors_total"), [["ipv4", 5], [
    "ipv6",
    7,
  ]]);
});

Deno.test("system_protocols goes on without netstat and IPv6, and is unsupported without snmp", () => {
  const rows = runProbe(systemProtocols, fixture("proc-5.10"));
  assert.deepEqual(rows["ip_stack"]!.map((row) => row["family"]), ["ipv4"]);
  assert.throws(() => runProbe(systemProtocols, {}), Unsupported);
});

Deno.test("system_protocols reports only what is certain of a file that is cut short", () => {
  cutProbe(systemProtocols, FILES);
});

Deno.test("system_protocols survives spoilt files", () => {
  fuzzProbe(systemProtocols, FILES, (_table, row) => {
    assert.match(String(row["family"] ?? "ipv4"), /^ipv[46]$/);
  });
});

Deno.test("system_protocols agrees with this host's /proc/net/snmp", () => {
  const segments = () => {
    const [names, numbers] = Deno.readTextFileSync("/proc/net/snmp").split("\n")
      .filter((line) => line.startsWith("Tcp: ")).map((line) => line.split(" "));
    return Number(numbers![names!.indexOf("InSegs")]);
  };
  const before = segments();
  const host = runOnHost(systemProtocols);
  const after = segments();
  for (const shown of [host["system_tcp"]![0]!["in_segs"], host["net_tcp"]![0]!["tcp_in_segs"]]) {
    assert.ok(before <= Number(shown) && Number(shown) <= after);
  }
});
