// SPDX-License-Identifier: MulanPSL-2.0
/** probes/lvs against files as the kernel writes them; this kernel has no IPVS. */
import { ROOT, withFolder } from "../e2e/run_agent.ts";
import { equals, says, withProbe } from "./run_probe_agent.ts";

const FIXTURE = `${ROOT}tests/fixtures/lvs/proc/1/net`;
const FILES = ["ip_vs_conn", "ip_vs_stats", "ip_vs"];
const NONE = { client_port: "0", local_port: "0", process_name: "ip_vs" };

Deno.test("lvs reports services, links and totals as soon as the kernel has them", () =>
  withFolder(async (root) => {
    const probe = { command: "lvs/lvs_probe.sh", env: { GOPHER_HOST_PATH: root } };
    await withProbe(probe, async (agent) => {
      await says(agent, "ip_vs is missing");
      const folder = `${root}/proc/1/net`;
      await Deno.mkdir(folder, { recursive: true });
      for (const file of FILES) await Deno.copyFile(`${FIXTURE}/${file}`, `${folder}/${file}`);
      await says(agent, "IPVS answers again");
      const service = { protocol: "TCP", virtual_ip: "10.0.0.1", virtual_port: "80" };
      const server = { ...service, server_ip: "10.0.1.3", server_port: "8080" };
      const shown = { ...server, scheduler: "wlc", forward: "Masq" };
      await equals(agent, "lvs_server_weight", shown, 3);
      await equals(agent, "lvs_server_connections_active", shown, 17);
      const other = { ...server, server_ip: "10.0.1.2" };
      await equals(agent, "lvs_server_connections_inactive", other, 101);
      await equals(agent, "lvs_server_weight", { protocol: "FWM", virtual_port: "42" }, 1);
      const six = "2001:0db8:0000:0000:0000:0000:0000:";
      const dns = { protocol: "UDP", virtual_ip: `${six}0001`, virtual_port: "53" };
      await equals(agent, "lvs_server_connections_inactive", dns, 7);
      const client = { ...NONE, client_ip: "192.168.0.7" };
      await equals(agent, "ipvs_link_link_count", { ...client, ...server }, 2);
      await equals(agent, "ipvs_link_link_count", { ...client, ...other }, 1);
      const link = { ...NONE, ...dns, client_ip: `${six}0009`, server_ip: `${six}00aa` };
      await equals(agent, "ipvs_link_link_count", link, 1);
      await equals(agent, "lvs_links_links", {}, 3);
      await equals(agent, "lvs_links_links_left_out", {}, 0);
      // Beyond 32 bits.
      await equals(agent, "lvs_bytes_out_total", {}, 0x1ffffffff);
      await equals(agent, "lvs_connections_total", {}, 0x1a2b);
      const lines = (await Deno.readTextFile(`${FIXTURE}/ip_vs_conn`)).split("\n");
      await Deno.writeTextFile(`${folder}/ip_vs_conn`, lines.slice(0, 2).join("\n"));
      await equals(agent, "ipvs_link_link_count", { ...client, ...server }, 1);
    });
  }));
