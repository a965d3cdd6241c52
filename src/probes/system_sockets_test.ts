// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { cutProbe, fuzzProbe } from "../../tests/fuzz_probe.ts";
import { fixture, runProbe } from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import systemSockets from "./system_sockets.ts";

const FILES = [
  "proc/net/sockstat",
  "proc/net/sockstat6",
  "proc/sys/net/ipv4/tcp_mem",
  "proc/sys/net/netfilter/nf_conntrack_count",
];

Deno.test("system_sockets reports both address families and the limits", () => {
  const rows = runProbe(systemSockets, fixture("proc-4.19"));
  assert.deepEqual(rows["system_conntrack"], []);
  assert.deepEqual(rows["system_sockets"], [{
    used: 306,
    tcp_inuse: 11,
    tcp_orphans: 1,
    tcp_time_wait: 7,
    tcp_allocated: 13,
    tcp_memory_pages: 3,
    tcp_memory_limit_pages: 190284,
    tcp_orphans_limit: 16384,
    udp_inuse: 5,
    udp_memory_pages: 2,
    udp_memory_limit_pages: 380568,
    raw_inuse: 1,
    fragment_queues: 2,
    fragment_memory_bytes: 4096,
    tcp6_inuse: 3,
    udp6_inuse: 2,
    raw6_inuse: 1,
    fragment6_queues: 1,
    fragment6_memory_bytes: 2048,
  }]);
});

Deno.test("system_conntrack reports connections where netfilter tracks them", () => {
  const rows = runProbe(systemSockets, fixture("proc-6.12"))["system_conntrack"];
  assert.deepEqual(rows, [{ connections: 26214, connections_limit: 262144 }]);
});

Deno.test("system_sockets goes on without IPv6, and is unsupported without sockstat", () => {
  const row = runProbe(systemSockets, fixture("proc-5.10"))["system_sockets"]![0]!;
  assert.equal(row["tcp_inuse"], 2);
  assert.equal(row["tcp6_inuse"], undefined);
  assert.throws(() => runProbe(systemSockets, {}), Unsupported);
});

Deno.test("system_sockets reports only what is certain of a file that is cut short", () => {
  cutProbe(systemSockets, FILES);
});

Deno.test("system_sockets survives spoilt files", () => {
  fuzzProbe(systemSockets, FILES, () => {});
});
