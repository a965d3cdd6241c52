// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { listeningInodes, portHolder } from "./port_holder.ts";

const HEAD =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const REST = "00000000:00000000 00:00000000 00000000     0        0";

Deno.test("listeningInodes finds only sockets that listen on the port", () => {
  const table = HEAD +
    `   0: 0100007F:22B8 00000000:0000 0A ${REST} 101 1 0 100 0 0 10 0\n` +
    `   1: 0100007F:22B8 0100007F:AAAA 01 ${REST} 102 1 0 100 0 0 10 0\n` +
    `   2: 00000000:0050 00000000:0000 0A ${REST} 103 1 0 100 0 0 10 0\n`;
  assert.deepEqual(listeningInodes(table, 8888), ["101"]);
  assert.deepEqual(listeningInodes(table, 80), ["103"]);
  assert.deepEqual(listeningInodes(table, 81), []);
  assert.deepEqual(listeningInodes("", 80), []);
});

Deno.test("portHolder finds the process, for IPv4 and IPv6", () => {
  for (const hostname of ["127.0.0.1", "::1"]) {
    using listener = Deno.listen({ hostname, port: 0 });
    const holder = portHolder(listener.addr.port);
    assert.equal(holder?.pid, Deno.pid);
    assert.equal(holder?.command, Deno.readTextFileSync("/proc/self/comm").trim());
  }
});

Deno.test("portHolder finds nobody on a free port", () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  assert.equal(portHolder(port), undefined);
});
