// SPDX-License-Identifier: MulanPSL-2.0
/** What the messages probe sees under TLS, beside what real servers count. */
import assert from "node:assert/strict";
import messages from "../../src/probes/messages.ts";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { giveToNobody } from "../probes/run_server.ts";
import { everyLabel } from "./message_rig.ts";
import { asUser, startPostgres, to } from "./postgres.ts";
import { ProbeRig } from "./probe_rig.ts";
import {
  makeCertificate,
  nginxHead,
  nginxHttp,
  runClients,
  startNginx,
  workersOf,
} from "./proxy_rig.ts";

const TABLES = Object.keys(messages.tables);

const nginxTls = (folder: string, ports: { front: number; back: number }) =>
  nginxHead(folder, "tls", 2) + nginxHttp(
    folder,
    `log_format truth "$remote_addr $request_method $status"; access_log ${folder}/access.log truth;
     server { listen 127.0.0.1:${ports.front} ssl; ssl_certificate ${folder}/cert.pem;
       ssl_certificate_key ${folder}/key.pem;
       location / { proxy_pass http://127.0.0.1:${ports.back}; } }
     server { listen 127.0.0.1:${ports.back}; access_log off; location / { return 200 "x"; } }`,
  );

Deno.test("messages counts and pairs what nginx is asked over TLS, as its log does", () =>
  withFolder(async (folder) => {
    const ports = { front: freePort(), back: freePort() };
    await makeCertificate(folder);
    await Deno.writeTextFile(`${folder}/tls.conf`, nginxTls(folder, ports));
    await using server = await startNginx(folder, "tls", ports.front);
    const workers = await workersOf(server, 2);
    await using rig = await ProbeRig.start(messages, {
      settings: { observe_names: "", observe_pids: workers.join(","), tls: true },
      tables: TABLES,
    });
    const load = { clients: 101, requests: 7, concurrent: 10, paths: 3, tls: true };
    const sent = await runClients(ports.front, load);
    assert.equal(sent, load.clients * load.requests);
    await rig.tick(1);
    const secure = ['ssl="ssl"', 'l7_role="server"', 'protocol="http"'];
    assert.equal(rig.sum("l7_rpc_api", "resp_count", 'api="GET"', ...secure), sent);
    assert.equal(rig.sum("nginx_link", "link_count", `virtual_port="${ports.front}"`), sent);
    assert.equal(rig.rows("nginx_link", `server_port="${ports.back}"`).length, load.clients);
    assert.equal(rig.running.losses!().unpaired_forwards, 0);
    const log = (await Deno.readTextFile(`${folder}/access.log`)).trim().split("\n");
    assert.equal(log.length, sent);
    assert.ok(!everyLabel(rig).includes("/page"));
    const [verdict] = rig.running.hooks!().filter(({ program }) => program === "messages_tls_read");
    assert.match(verdict!.hook, /^uprobe of \d+ files of OpenSSL$/);
  }));

Deno.test("messages sees curl's requests over TLS, as a client", () =>
  withFolder(async (folder) => {
    const ports = { front: freePort(), back: freePort() };
    await makeCertificate(folder);
    await Deno.writeTextFile(`${folder}/tls.conf`, nginxTls(folder, ports));
    await using _server = await startNginx(folder, "tls", ports.front);
    await using rig = await ProbeRig.start(messages, {
      settings: { observe_names: "curl", ports: String(ports.front), tls: true },
      tables: TABLES,
    });
    const url = `https://127.0.0.1:${ports.front}/page[1-23]`;
    const { success } = await new Deno.Command("curl", {
      args: ["--silent", "--insecure", "--http1.1", url],
      stdout: "null",
    }).output();
    assert.ok(success);
    await rig.tick(1);
    const client = ['ssl="ssl"', 'l7_role="client"'];
    assert.equal(rig.sum("l7_rpc_api", "resp_count", 'api="GET"', ...client), 23);
    assert.equal(rig.running.losses!().unpaired_messages, 0);
  }));

Deno.test("messages counts pgbench's transactions over TLS, exactly", () =>
  withFolder(async (folder) => {
    const port = freePort();
    await makeCertificate(folder);
    for (const name of ["key.pem", "cert.pem"]) {
      await giveToNobody(`${folder}/${name}`);
      await Deno.chmod(`${folder}/${name}`, 0o600);
    }
    const files = [
      "-c",
      `ssl_cert_file=${folder}/cert.pem`,
      "-c",
      `ssl_key_file=${folder}/key.pem`,
    ];
    await using _server = await startPostgres(folder, port, ["-c", "ssl=on", ...files]);
    const bench = (...args: string[]) =>
      asUser("pgbench", ...args, ...to(port).slice(0, -2), "dbname=postgres sslmode=require");
    await bench("-i", "-q", "-n");
    await using rig = await ProbeRig.start(messages, {
      settings: { observe_names: "postgres", ports: String(port), tls: true },
      tables: TABLES,
    });
    await bench("-n", "-S", "-M", "extended", "-c", "3", "-t", "101");
    await rig.tick(1);
    const secure = ['ssl="ssl"', 'protocol="pgsql"'];
    assert.equal(rig.sum("l7_rpc_api", "resp_count", 'api="Execute"', ...secure), 303);
    assert.equal(rig.sum("l7_rpc", "err_count", ...secure), 0);
    const { unpaired_messages, unknown_pieces } = rig.running.losses!();
    assert.deepEqual([unpaired_messages, unknown_pieces], [0, 0]);
  }));

Deno.test("messages sees nothing under TLS unless it is asked to", () =>
  withFolder(async (folder) => {
    const ports = { front: freePort(), back: freePort() };
    await makeCertificate(folder);
    await Deno.writeTextFile(`${folder}/tls.conf`, nginxTls(folder, ports));
    await using server = await startNginx(folder, "tls", ports.front);
    await using rig = await ProbeRig.start(messages, {
      settings: { observe_names: "", observe_pids: (await workersOf(server, 2)).join(",") },
      tables: TABLES,
    });
    await runClients(ports.front, {
      clients: 3,
      requests: 5,
      concurrent: 1,
      paths: 1,
      tls: true,
    });
    await rig.tick(1);
    assert.equal(rig.rows("l7_rpc", 'ssl="ssl"').length, 0);
    assert.equal(rig.rows("l7_rpc", `server_port="${ports.front}"`).length, 0);
    assert.ok(rig.running.hooks!().every(({ program }) => !program.startsWith("messages_tls")));
  }));
