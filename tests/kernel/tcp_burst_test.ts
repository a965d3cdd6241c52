// SPDX-License-Identifier: MulanPSL-2.0
/** Connections that no reading sees alive, and more of them than there is room for. */
import assert from "node:assert/strict";
import { DOWN_BYTES, living, readExactly, Rig, UP_BYTES } from "./tcp_rig.ts";
import { until } from "../until.ts";

const CONNECTIONS = 10_007;
const AT_ONCE = 50;

/** Each connection: UP_BYTES there, DOWN_BYTES back, end. */
async function burst(rig: Rig, connections: number): Promise<void> {
  const { hostname, port } = rig.listener.addr;
  const served = (async () => {
    for (let i = 0; i < connections; i++) {
      const server = await rig.listener.accept();
      readExactly(server, UP_BYTES)
        .then(() => server.write(new Uint8Array(DOWN_BYTES)))
        .then(() => server.close());
    }
  })();
  let left = connections;
  const clients = Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) {
      using client = await Deno.connect({ hostname, port });
      await client.write(new Uint8Array(UP_BYTES));
      await readExactly(client, DOWN_BYTES);
      assert.equal(await client.read(new Uint8Array(1)), null);
    }
  });
  await Promise.all([served, ...clients]);
  await until("all sockets closed", () => living(port) === 0);
}

Deno.test("tcp counts 10,007 connections between two readings exactly, with all their bytes", async () => {
  const tables = ["tcp_tx_rx", "tcp_service", "tcp_service_life"];
  await using rig = await Rig.start({ tables });
  await rig.tick(1);
  await burst(rig, CONNECTIONS);
  await rig.tick(2);
  rig.assertTotals(CONNECTIONS * UP_BYTES, CONNECTIONS * DOWN_BYTES);
  for (const role of ["server", "client"]) {
    const label = `tgid="${Deno.pid}",role="${role}"`;
    const { opened_total, closed_total, failed_total } = rig.row("tcp_service", label);
    assert.deepEqual([opened_total, closed_total, failed_total], [CONNECTIONS, CONNECTIONS, 0]);
    const times = [["tcp_service", "setup_seconds"], ["tcp_service_life", "life_seconds"]] as const;
    for (const [table, metric] of times) {
      const { counts, sum } = rig.histogram(table, label, metric);
      assert.equal(counts.reduce((total, count) => total + count, 0), CONNECTIONS, metric);
      assert.ok(sum >= 0 && sum < CONNECTIONS, `${metric}: ${sum} s`);
    }
  }
  assert.equal(rig.running.losses!().table_full, 0);
});

const ADDRESSES = 97;
const EACH_BYTES = 1 << 20;
const ROOM = 64;

/** Rows that other processes of this host fill. */
async function rowsOfOthers(): Promise<number> {
  await using rig = await Rig.start();
  await rig.tick(1);
  return rig.table("tcp_tx_rx").rows;
}

Deno.test("tcp adds what does not fit to a row named other, so that totals stay right", async () => {
  const others = await rowsOfOthers();
  const maxRows = others + ROOM;
  await using rig = await Rig.start({ hostname: "0.0.0.0", maxRows });
  await rig.tick(1);
  for (let i = 1; i <= ADDRESSES; i++) {
    const [client, server] = await Promise.all([
      Deno.connect({ hostname: `127.0.7.${i}`, port: rig.port }),
      rig.listener.accept(),
    ]);
    rig.links.push({ client, server });
    await Promise.all([
      (async () => {
        for (let left = EACH_BYTES; left > 0;) left -= await client.write(new Uint8Array(left));
      })(),
      readExactly(server, EACH_BYTES),
    ]);
  }
  await rig.tick(2);
  const table = rig.table("tcp_tx_rx");
  assert.ok(table.rows > maxRows - 10 && table.rows <= maxRows, `${table.rows} rows`);
  assert.equal(table.dropped, 0);
  const total = (role: number, metric: string) => {
    let sum = 0;
    for (let slot = 0; slot < table.slots; slot++) {
      const labels = new TextDecoder().decode(table.labelText(slot));
      const ours = labels.includes(`server_port="${rig.port}"`) || labels.includes('"other"');
      if (ours && labels.includes(`role="${role}"`)) sum += table.get(slot, table.column(metric));
    }
    return sum;
  };
  const wanted = ADDRESSES * EACH_BYTES;
  for (const [role, metric] of [[0, "rx_bytes"], [1, "tx_bytes"]] as const) {
    const sum = total(role, metric);
    // Other processes of this host may be in the row too.
    assert.ok(sum >= wanted && sum < wanted * 1.05, `${metric}: ${sum} of ${wanted}`);
  }
  assert.equal(rig.running.losses!().table_full, 0);
  const { label_values } = rig.running.facts!() as {
    label_values: Record<string, Record<string, number>>;
  };
  const { server_ip, role } = label_values.tcp_tx_rx!;
  assert.ok(server_ip! > ROOM / 4 && role === 2, JSON.stringify(label_values));
});

Deno.test("tcp counts exactly while another agent starts and stops again and again", async () => {
  await using rig = await Rig.start();
  await rig.tick(1);
  let done = false;
  const others = (async () => {
    let starts = 0;
    for (; !done; starts++) {
      await using other = await Rig.start();
      await other.tick(1);
    }
    return starts;
  })();
  const connections = 2003;
  try {
    await burst(rig, connections);
  } finally {
    done = true;
  }
  assert.ok(await others > 0);
  await rig.tick(2);
  rig.assertTotals(connections * UP_BYTES, connections * DOWN_BYTES);
});

Deno.test("tcp bears a process that dies with its connections during the readings", async () => {
  await using rig = await Rig.start();
  let now = 1;
  for (let i = 0; i < 5; i++) {
    const script = `import socket,sys,time
held=[socket.create_connection(("127.0.0.1",${rig.port})) for _ in range(53)]
for s in held: s.sendall(bytes(10))
print("up",flush=True); time.sleep(60)`;
    const child = new Deno.Command("python3", { args: ["-c", script], stdout: "piped" }).spawn();
    const accepted: Deno.Conn[] = [];
    while (accepted.length < 53) accepted.push(await rig.listener.accept());
    const reader = child.stdout.getReader();
    await reader.read();
    await rig.tick(now++);
    child.kill("SIGKILL");
    while (rig.probe.rows("tcp_service", `tgid="${child.pid}"`)[0]!.closed_total !== 53) {
      await rig.tick(now++); // the process is dying meanwhile
      for (const server of accepted.splice(0, 5)) server.close();
    }
    for (const server of accepted) server.close();
    await child.status;
    await reader.cancel();
    const client = [`tgid="${child.pid}",role="1"`, `server_port="${rig.port}"`] as const;
    assert.equal(rig.probe.sum("tcp_tx_rx", "tx_bytes", ...client), 530);
  }
});
