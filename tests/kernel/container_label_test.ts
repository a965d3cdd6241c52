// SPDX-License-Identifier: MulanPSL-2.0
/** Rows of the tcp probe name the container of their process, on the running kernel. */
import assert from "node:assert/strict";
import { ContainerLookup } from "../../src/core/container_lookup.ts";
import tcp from "../../src/probes/tcp.ts";
import { startBpf } from "../../src/sys/bpf_runner.ts";
import { RootFiles } from "../../src/sys/host_files.ts";
import { firstLine, hasHierarchies, TestContainer } from "../cgroups.ts";
import { newStore, settingsOf } from "../run_probe.ts";
import { openInstalled, probeBytes } from "./test_object.ts";
import { tableOf, tableRows } from "../table_rows.ts";

const ignore = !hasHierarchies("");
if (ignore) console.log("container label: skipped, this host has no cgroup v2 mounted");

Deno.test({
  name:
    "tcp rows have the container of their process last, follow it, and host processes have none",
  ignore,
  async fn() {
    await using box = new TestContainer([""]);
    await using next = new TestContainer([""]);
    using files = new RootFiles();
    let now = 0;
    const containers = new ContainerLookup(files, { clock: () => now });
    const store = newStore();
    using libbpf = openInstalled();
    const bytes = await probeBytes("tcp");
    const running = await startBpf(tcp, {
      store,
      libbpf,
      image: () => bytes,
      settings: settingsOf(tcp),
      log: () => {},
      containers,
    });
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const client = box.run(`exec 3<>/dev/tcp/127.0.0.1/${port}; echo hello >&3; echo in; read -r`);
    await firstLine(client);
    using server = await listener.accept();
    await server.read(new Uint8Array(16));
    const labels = async () => {
      await running.tick!(now += 5000);
      const rows = tableRows(tableOf(store, "tcp_tx_rx"), `server_port="${port}"`);
      return [...rows].map(({ labels }) => labels);
    };
    const link = (pid: number, role: number, last: string) =>
      `{tgid="${pid}",role="${role}",client_ip="127.0.0.1",server_ip="127.0.0.1",` +
      `client_port="0",server_port="${port}",protocol="2"${last}}`;
    const ours = await labels();
    const inside = ours.filter((text) => text.startsWith(`{tgid="${client.pid}"`));
    assert.deepEqual(
      new Set(inside),
      new Set([link(client.pid, 1, `,container_id="${box.shortId}"`)]),
    );
    // This process may be in a container itself: then that is what its rows must say.
    const own = containers.idOf(Deno.pid)!;
    const shown = own === "" ? "" : `,container_id="${own}"`;
    assert.ok(ours.includes(link(Deno.pid, 0, shown)), ours.join("\n"));

    next.add(client.pid);
    const moved = (await labels()).filter((text) => text.startsWith(`{tgid="${client.pid}"`));
    assert.deepEqual(
      new Set(moved),
      new Set([link(client.pid, 1, `,container_id="${next.shortId}"`)]),
    );
    assert.equal(moved.length, inside.length, "the rows are the same ones");
    await running.stop();
  },
});
