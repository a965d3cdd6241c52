// SPDX-License-Identifier: MulanPSL-2.0
/** DNS, beside what dnsmasq and named write into their own logs of queries; dig asks. */
import assert from "node:assert/strict";
import messages from "../../src/probes/messages.ts";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { dnsUpstream } from "../probes/dns_client.ts";
import { giveToNobody, startServer } from "../probes/run_server.ts";
import { everyLabel, observing, output } from "./message_rig.ts";
import { ProbeRig } from "./probe_rig.ts";

const SECRET = "s3cret-of-a-user";
const ALL_SOCKETS = { sockets: "tcp,udp" };

function dig(port: number, address: string, ...words: string[]): Promise<string> {
  const fixed = [`@${address}`, "-p", String(port), "+tries=1", "+time=5"];
  return output("dig", ...fixed, ...words);
}

const isUp = async (port: number) => (await dig(port, "127.0.0.1", "up.test")).includes("status:");

function startDnsmasq(folder: string, port: number, upstream: number) {
  const args = ["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=nobody"]
    .concat(["--no-resolv", "--no-hosts", `--server=127.0.0.1#${upstream}`, `--port=${port}`])
    .concat(["--host-record=here.test,192.0.2.1,2001:db8::1", "--local=/gone.test/"])
    .concat(["--log-queries", `--log-facility=${folder}/log`]);
  return startServer({ command: "dnsmasq", args, ready: () => isUp(port) });
}

/** Queries that the server has logged, by type. */
async function logged(path: string, pattern: RegExp): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [, type] of (await Deno.readTextFile(path)).matchAll(pattern)) {
    counts[type!] = (counts[type!] ?? 0) + 1;
  }
  return counts;
}

function minus(after: Record<string, number>, before: Record<string, number>) {
  return Object.fromEntries(
    Object.entries(after).map(([type, count]) => [type, count - (before[type] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
}

const served = (port: number) => [`server_port="${port}"`, 'l7_role="server"', 'protocol="dns"'];

function assertCounts(rig: ProbeRig, port: number, truth: Record<string, number>): void {
  for (const [type, count] of Object.entries(truth)) {
    const label = `api="${type}"`;
    assert.equal(rig.sum("l7_rpc_api", "req_count", ...served(port), label), count, type);
    assert.equal(rig.sum("l7_rpc_api", "resp_count", ...served(port), label), count, type);
  }
  const all = Object.values(truth).reduce((sum, count) => sum + count);
  assert.equal(rig.sum("l7_rpc", "req_count", ...served(port)), all);
}

Deno.test("messages counts DNS by type and code as dnsmasq's log has it, and who asked where", () =>
  withFolder(async (folder) => {
    const port = freePort();
    const upstream = await dnsUpstream();
    await Deno.chmod(folder, 0o777);
    try {
      await using server = await startDnsmasq(folder, port, upstream.port);
      const pattern = /query\[(\w+)\]/g;
      const before = await logged(`${folder}/log`, pattern);
      // For TCP it has a process for each client.
      const { settings, tables } = observing([], ALL_SOCKETS);
      const named = { tables, settings: { ...settings, observe_names: "dnsmasq" } };
      await using rig = await ProbeRig.start(messages, named);
      const times = 7;
      for (let i = 0; i < times; i++) {
        // dnsmasq is bound to no address: it says of each answer from where it is.
        await dig(port, "127.0.0.1", "here.test", "A", "here.test", "AAAA");
        await dig(port, "127.0.0.2", `${SECRET}.gone.test`, "TXT");
        await dig(port, "127.0.0.1", "+tcp", "here.test", "A");
        await dig(port, "127.0.0.1", "+tcp", "gone.test", "MX");
        await dig(port, "::1", "here.test", "A");
      }
      await dig(port, "127.0.0.1", "elsewhere.test", "A");
      const truth = minus(await logged(`${folder}/log`, pattern), before);
      await rig.tick(1);
      assert.deepEqual(truth, { A: 3 * times + 1, AAAA: times, TXT: times, MX: times });
      assertCounts(rig, port, truth);
      const codes = (code: string) =>
        rig.sum("l7_code", "answer_count", ...served(port), `code="${code}"`);
      assert.equal(codes("NXDOMAIN"), 2 * times);
      assert.equal(codes("NOERROR"), 4 * times + 1);
      assert.equal(rig.sum("l7_rpc_api", "client_err_count", ...served(port), 'api="TXT"'), times);
      // dnsmasq's own question.
      const client = ['l7_role="client"', `server_port="${upstream.port}"`, 'api="A"'];
      assert.equal(rig.sum("l7_rpc_api", "resp_count", ...client), 1);
      const answered = (client: string, virtual: string, family: number) =>
        rig.sum(
          "dnsmasq_link",
          "link_count",
          `client_ip="${client}",virtual_ip="${virtual}",family="${family}"`,
          `pid="${server.pid}",process_comm="dnsmasq"`,
        );
      assert.equal(answered("127.0.0.1", "127.0.0.2", 2), times);
      assert.equal(answered("127.0.0.1", "127.0.0.1", 2), 2 * times + 1);
      assert.equal(answered("::1", "::1", 10), times);
      assert.equal(rig.running.losses!().unpaired_messages, 0);
      assert.ok(!everyLabel(rig).includes(SECRET));
    } finally {
      upstream.close();
    }
  }));

const namedConfig = (folder: string, port: number) => `
options {
  directory "${folder}"; pid-file none; session-keyfile "${folder}/session.key";
  listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; querylog yes; dnssec-validation no;
};
controls { };
logging {
  channel queries { file "${folder}/queries"; };
  category queries { queries; };
};
zone "test" { type primary; file "test.zone"; };
`;
const ZONE = "$TTL 60\n@ SOA a. b. 1 1 1 1 1\n@ NS a.\nhere A 192.0.2.1\nhere TXT hello\n";

Deno.test("messages counts DNS by type as named's log of queries has it", () =>
  withFolder(async (folder) => {
    const port = freePort();
    await Deno.writeTextFile(`${folder}/named.conf`, namedConfig(folder, port));
    await Deno.writeTextFile(`${folder}/test.zone`, ZONE);
    await giveToNobody(folder);
    await using server = await startServer({
      command: "named",
      args: ["-f", "-n", "2", "-c", `${folder}/named.conf`],
      asNobody: true,
      ready: () => isUp(port),
    });
    const pattern = /query: \S+ IN (\w+)/g;
    const before = await logged(`${folder}/queries`, pattern);
    await using rig = await ProbeRig.start(messages, observing(server.pid, ALL_SOCKETS));
    const questions = ["here.test A", "here.test TXT", "none.test AAAA", "elsewhere. NS"];
    await Deno.writeTextFile(`${folder}/questions`, `${questions.join("\n")}\n`.repeat(53));
    await dig(port, "127.0.0.1", "-f", `${folder}/questions`);
    await dig(port, "127.0.0.1", "+tcp", "test", "AXFR");
    const truth = minus(await logged(`${folder}/queries`, pattern), before);
    await rig.tick(1);
    assert.deepEqual(truth, { A: 53, TXT: 53, AAAA: 53, NS: 53, AXFR: 1 });
    assertCounts(rig, port, truth);
    const codes = (code: string) =>
      rig.sum("l7_code", "answer_count", ...served(port), `code="${code}"`);
    assert.deepEqual(["NOERROR", "NXDOMAIN", "REFUSED"].map(codes), [2 * 53 + 1, 53, 53]);
    assert.equal(rig.running.losses!().unpaired_messages, 0);
    assert.deepEqual(rig.rows("dnsmasq_link"), []);
  }));
