// SPDX-License-Identifier: MulanPSL-2.0
/** probes/bind against BIND. */
import assert from "node:assert/strict";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { lookUp } from "./dns_client.ts";
import { equals, says, withProbe } from "./run_probe_agent.ts";
import { giveToNobody, startServer } from "./run_server.ts";

const FOUND = 23;
const MISSING = 7;
const NXDOMAIN = 3;

const config = (folder: string, port: number, page: number) => `
options {
  directory "${folder}"; pid-file none; session-keyfile none;
  listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no;
};
controls { };
statistics-channels { inet 127.0.0.1 port ${page} allow { 127.0.0.1; }; };
zone "test" { type primary; file "test.zone"; };
zone "." { type primary; file "test.zone"; };
`;
const ZONE = "$TTL 60\n@ SOA a. b. 1 1 1 1 1\n@ NS a.\nhere A 192.0.2.1\n";

async function start(folder: string, port: number, page: number) {
  await Deno.writeTextFile(`${folder}/named.conf`, config(folder, port, page));
  await Deno.writeTextFile(`${folder}/test.zone`, ZONE);
  await giveToNobody(folder);
  return await startServer({
    command: "named",
    args: ["-g", "-n", "1", "-c", `${folder}/named.conf`],
    asNobody: true,
    ready: async () => (await statistics(page)).opcodes !== undefined,
  });
}

async function statistics(page: number): Promise<Record<string, Record<string, number>>> {
  return await (await fetch(`http://127.0.0.1:${page}/json/v1/server`)).json();
}

Deno.test("bind reports queries and answers exactly, and outlives its server", () =>
  withFolder(async (folder) => {
    const [port, page] = [freePort(), freePort()];
    const command = `bind/bind_probe.py -u http://127.0.0.1:${page}`;
    await withProbe({ command }, async (agent) => {
      await says(agent, "Connection refused");
      await using server = await start(folder, port, page);
      for (let n = 0; n < FOUND; n++) assert.equal(await lookUp(port, "here.test"), 0);
      for (let n = 0; n < MISSING; n++) assert.equal(await lookUp(port, "gone.test"), NXDOMAIN);
      const label = { server_addr: `127.0.0.1:${page}` };
      await equals(agent, "bind_requests_v4_total", label, FOUND + MISSING);
      const { nsstats } = await statistics(page);
      assert.equal(nsstats!.QrySuccess, FOUND);
      await equals(agent, "bind_queries_success_total", label, FOUND);
      await equals(agent, "bind_queries_nxdomain_total", label, MISSING);
      await equals(agent, "bind_queries_recursive_total", label, 0);
      await equals(agent, "bind_qtype_queries_total", { ...label, qtype: "A" }, FOUND + MISSING);
      await equals(agent, "bind_rcode_responses_total", { ...label, rcode: "NXDOMAIN" }, MISSING);
      await equals(agent, "bind_opcode_requests_total", { opcode: "QUERY" }, FOUND + MISSING);
      await equals(agent, "bind_view_resolver_queries_v4_total", { view: "_default" }, 0);
      await server.stop();
      await using _again = await start(folder, port, page);
      await equals(agent, "bind_requests_v4_total", label, 0);
    });
  }));
