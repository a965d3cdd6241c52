// SPDX-License-Identifier: MulanPSL-2.0
/** Whose connection it is: other network namespaces, IPv6, and sockets that change hands. */
import assert from "node:assert/strict";
import tcp from "../../src/probes/tcp.ts";
import { DOWN_BYTES, exchange, Rig, UP_BYTES } from "./tcp_rig.ts";
import { until } from "../until.ts";

const CHILD_CONNECTIONS = 53;
const CHILD_BYTES = 89;

/** A process in a network namespace of its own, which ends with it. */
async function startInNamespace() {
  const script = new URL("net_child.ts", import.meta.url).pathname;
  const run = `ip link set lo up && exec "$0" run -A --no-check "$1" ${CHILD_CONNECTIONS}`;
  const child = new Deno.Command("unshare", {
    args: ["--net", "sh", "-c", run, Deno.execPath(), script],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  return {
    pid: child.pid,
    port: Number(new TextDecoder().decode(value)),
    async end() {
      await child.stdin.close();
      await child.status;
      await reader.cancel();
    },
  };
}

for (const older of [true, false]) {
  const when = older ? "older" : "younger";
  Deno.test(`tcp sees the connections of an ${when} process in another network namespace`, async () => {
    const early = older ? await startInNamespace() : undefined;
    await using rig = await Rig.start();
    const child = early ?? await startInNamespace();
    try {
      await rig.tick(1);
      await rig.tick(2);
      const bytes = CHILD_CONNECTIONS * CHILD_BYTES;
      for (const [role, expected] of [[0, [bytes, 0]], [1, [0, bytes]]] as const) {
        const { rx_bytes, tx_bytes } = rig.row(
          "tcp_tx_rx",
          `tgid="${child.pid}",role="${role}",client_ip="127.0.0.1"`,
          child.port,
        );
        assert.deepEqual([rx_bytes, tx_bytes], expected);
      }
      const { connections } = rig.row(
        "tcp_service",
        `tgid="${child.pid}",role="server"`,
        child.port,
      );
      assert.equal(connections, CHILD_CONNECTIONS);
    } finally {
      await child.end();
    }
    // The namespace goes, what was counted in it stays.
    await until("all have ended", async () => {
      await rig.tick(3);
      const { closed_total } = rig.row(
        "tcp_service",
        `tgid="${child.pid}",role="server"`,
        child.port,
      );
      return closed_total === CHILD_CONNECTIONS;
    });
    const { rx_bytes } = rig.row("tcp_tx_rx", `tgid="${child.pid}",role="0"`, child.port);
    assert.equal(rx_bytes, CHILD_CONNECTIONS * CHILD_BYTES);
  });
}

Deno.test("tcp does not leave the agent in another network namespace", async () => {
  await using rig = await Rig.start();
  const child = await startInNamespace();
  const namespace = () => Deno.readLinkSync("/proc/thread-self/ns/net");
  try {
    const before = namespace();
    await rig.tick(1);
    assert.equal(namespace(), before);
    assert.ok(Number(rig.running.facts!().namespaces) >= 2);
  } finally {
    await child.end();
  }
});

Deno.test("tcp names IPv6 addresses, and IPv4 in IPv6, as they are", async () => {
  for (const hostname of ["::1", "::ffff:127.0.0.1"]) {
    await using rig = await Rig.start({ hostname });
    await exchange(await rig.connect());
    await rig.tick(1);
    for (const role of [0, 1]) {
      const label = `role="${role}",client_ip="${hostname}",server_ip="${hostname}"`;
      const { rx_bytes } = rig.row("tcp_tx_rx", label);
      assert.equal(rx_bytes, role === 0 ? UP_BYTES : DOWN_BYTES);
    }
  }
});

/** As on a kernel before 5.17. */
const OLD = { ...tcp, choices: [["tcp_owners_old", "tcp_owners"], ...tcp.choices.slice(1)] };

for (const [probeOf, how] of [[tcp, "in tables of files"], [OLD, "file by file"]] as const) {
  Deno.test(`tcp gives a connection to the child that it was handed over to, sought ${how}`, async () => {
    await using rig = await Rig.start({ probeOf });
    await checkHandOver(rig);
  });
}

async function checkHandOver(rig: Rig): Promise<void> {
  const run = `exec 3<>/dev/tcp/127.0.0.1/${rig.port} 4<&0; printf first >&3; echo; read line <&4
    ( read line <&4; printf second >&3; echo; read line <&4 ) & echo $!`;
  const shell = new Deno.Command("bash", { args: ["-c", run], stdin: "piped", stdout: "piped" })
    .spawn();
  const writer = shell.stdin.getWriter();
  const reader = shell.stdout.getReader();
  const go = () => writer.write(new TextEncoder().encode("go\n"));
  const said = async () => new TextDecoder().decode((await reader.read()).value);
  using server = await rig.listener.accept();
  await said();
  await rig.tick(1);
  const sent = (pid: number | string) => rig.row("tcp_tx_rx", `tgid="${pid}",role="1"`).tx_bytes;
  assert.equal(sent(shell.pid), "first".length);
  await go();
  const child = (await said()).trim();
  await shell.status;
  for (let now = 2; now <= 7; now++) await rig.tick(now); // files are walked in every 6th reading
  await go();
  await said();
  await rig.tick(8);
  assert.deepEqual([sent(shell.pid), sent(child)], ["first".length, "second".length]);
  await go();
  await writer.close();
  await until("the child ended", async () => (await reader.read()).done);
  assert.equal(await server.read(new Uint8Array(20)), "firstsecond".length);
}

Deno.test("tcp gives each end of a connection to its own process", async () => {
  await using rig = await Rig.start();
  const client = new Deno.Command("bash", {
    args: ["-c", `exec 3<>/dev/tcp/127.0.0.1/${rig.port}; read line <&3`],
    stdin: "null",
  }).spawn();
  using server = await rig.listener.accept();
  await rig.tick(1);
  rig.row("tcp_tx_rx", `tgid="${Deno.pid}",role="0"`);
  rig.row("tcp_tx_rx", `tgid="${client.pid}",role="1"`);
  await server.write(new TextEncoder().encode("\n"));
  await client.status;
});
