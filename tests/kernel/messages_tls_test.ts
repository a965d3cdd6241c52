// SPDX-License-Identifier: MulanPSL-2.0
/** What the messages probe sees under TLS, beside what real servers count. */
import assert from "node:assert/strict";
import messages from "../../src/probes/messages.ts";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { listens } from "../probes/run_server.ts";
import { ProbeRig } from "./probe_rig.ts";
import { childrenOf, nginxHead, nginxHttp, runClients, startNginx } from "./proxy_rig.ts";

const TABLES = Object.keys(messages.tables);

export async function makeCertificate(folder: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", {
    args: ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
      .concat([
        "-keyout",
        `${folder}/key.pem`,
        "-out",
        `${folder}/cert.pem`,
        "-subj",
        "/CN=a.test",
      ]),
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

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
    const workers = await childrenOf(server.pid);
    await using rig = await ProbeRig.start(messages, {
      settings: { observe_names: "", observe_pids: workers.join(","), tls: true },
      tables: TABLES,
    });
    const load = { clients: 101, requests: 7, concurrent: 10, paths: 3, tls: true };
    const sent = await runClients(ports.front, load);
    assert.equal(sent, load.clients * load.requests);
    await rig.tick(1);
    console.log(rig.running.losses!());
    const secure = ['ssl="ssl"', 'l7_role="server"', 'protocol="http"'];
    assert.equal(rig.sum("l7_rpc_api", "resp_count", 'api="GET"', ...secure), sent);
    assert.equal(rig.sum("nginx_link", "link_count", `virtual_port="${ports.front}"`), sent);
    assert.equal(rig.rows("nginx_link", `server_port="${ports.back}"`).length, load.clients);
  }));
