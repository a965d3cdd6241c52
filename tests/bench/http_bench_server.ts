// SPDX-License-Identifier: MulanPSL-2.0
/** The server of http_bench.ts: arguments are the number of series, and whether each page is encoded anew. Prints its port. */
import { gauge } from "../../src/core/declare.ts";
import { Store } from "../../src/core/store.ts";
import { metricsServer } from "../../src/egress/http_server.ts";
import { Snapshot } from "../../src/egress/snapshot.ts";

const METRICS = 5;
const series = Number(Deno.args[0]);
const anew = Deno.args[1] === "anew";
const rows = series / METRICS;
const store = new Store({ maxTables: 1, maxRows: rows, maxFields: 64, timeoutMs: 60_000 }, {
  machine_id: "4bf1b4a6f4b04d0f9a61c3c1ae1d6a51",
  hostname: "host-17.example",
});
const table = store.add("tcp_link", "tcp", {
  entity: "tcp_link",
  version: "1.0.0",
  keys: ["tgid", "client_ip", "server_ip", "server_port", "protocol"],
  labels: ["comm"],
  metrics: Object.fromEntries(
    Array.from({ length: METRICS }, (_, n) => [`metric_${n}`, gauge("A metric.", "count")]),
  ),
});
for (let row = 0; row < rows; row++) {
  const ip = `10.${row >> 16 & 255}.${row >> 8 & 255}.${row & 255}`;
  const slot = table.row([String(row), ip, "192.168.100.7", "5432", "2", "postgres"], 0);
  for (let column = 0; column < METRICS; column++) table.set(slot, column, row * 7919 + column / 8);
}
const server = await metricsServer({
  hostname: "127.0.0.1",
  port: 0,
  snapshot: new Snapshot({
    store,
    ...(anew ? { loose: () => Promise.resolve([]), looseMaxAgeMs: 0 } : {}),
  }),
  build: { version: "bench", deno: Deno.version.deno, libbpf: "" },
  probes: () => [],
  events: () => "[]",
  failed: (error) => console.error(error),
});
console.log(server.port);
Deno.addSignalListener("SIGTERM", async function stop() {
  Deno.removeSignalListener("SIGTERM", stop);
  await server.close();
});
