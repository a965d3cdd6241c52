// SPDX-License-Identifier: MulanPSL-2.0
/** The lvs probe beside a real IPVS, which the kernels of tests/kernel/vm.sh have as a module: one service, one server. */
import { equals, output, withProbe } from "../probes/run_probe_agent.ts";

const VIRTUAL = "10.99.0.1";
const REAL = "10.99.0.2";
const PORT = 80;
const OPEN = 5;
const CLOSED = 2;
const WEIGHT = 3;

function hasIpvs(): boolean {
  try {
    return Deno.statSync("/proc/net/ip_vs").isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const ignore = !hasIpvs();
const name = "lvs counts the connections that IPVS hands to a server";
if (ignore) console.log(`${name}: skipped, the module ip_vs or ipvsadm is missing`);

Deno.test({ name, ignore, fn: countsConnections });

async function countsConnections(): Promise<void> {
  for (const address of [VIRTUAL, REAL]) await output("ip", "addr", "add", address, "dev", "lo");
  using listener = Deno.listen({ hostname: REAL, port: 0 });
  const { port } = listener.addr;
  const service = ["-t", `${VIRTUAL}:${PORT}`];
  await output("ipvsadm", "-A", ...service, "-s", "rr");
  await output("ipvsadm", "-a", ...service, "-r", `${REAL}:${port}`, "-m", "-w", String(WEIGHT));
  using connections = new DisposableStack();
  for (let i = 0; i < OPEN + CLOSED; i++) {
    const client = await Deno.connect({ hostname: VIRTUAL, port: PORT });
    const server = await listener.accept();
    if (i < OPEN) {
      connections.use(client);
      connections.use(server);
      continue;
    }
    client.close();
    // The server's end sees that the client has gone.
    await server.read(new Uint8Array(1));
    server.close();
  }
  await withProbe({ command: "lvs/lvs_probe.sh" }, async (agent) => {
    const where = { protocol: "TCP", virtual_ip: VIRTUAL, virtual_port: String(PORT) };
    const server = { ...where, server_ip: REAL, server_port: String(port) };
    const shown = { ...server, scheduler: "rr", forward: "Masq" };
    await equals(agent, "lvs_server_weight", shown, WEIGHT);
    await equals(agent, "lvs_server_connections_active", server, OPEN);
    await equals(agent, "lvs_server_connections_inactive", server, CLOSED);
    await equals(agent, "ipvs_link_link_count", server, OPEN + CLOSED);
    await equals(agent, "lvs_connections_total", {}, OPEN + CLOSED);
    await equals(agent, "lvs_links_links_left_out", {}, 0);
  });
  await output("ipvsadm", "-C");
}
