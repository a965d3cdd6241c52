// SPDX-License-Identifier: MulanPSL-2.0
/** probes/nginx against nginx. */
import assert from "node:assert/strict";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { equals, says, valueOf, withProbe } from "./run_probe_agent.ts";
import { listens, startServer } from "./run_server.ts";

const REQUESTS = 211;

const config = (folder: string, port: number) => `
daemon off;
user nobody nogroup;
worker_processes 1;
pid ${folder}/pid;
error_log stderr;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3;
  uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5;
  server {
    listen 127.0.0.1:${port};
    location = /status { stub_status; }
    location = /closed { stub_status; auth_basic x; auth_basic_user_file ${folder}/users; }
    location = /page { return 200 "page"; }
  }
}`;

async function start(folder: string, port: number) {
  await Deno.writeTextFile(`${folder}/nginx.conf`, config(folder, port));
  await Deno.writeTextFile(`${folder}/users`, "gala:{PLAIN}right\n");
  const args = ["-p", folder, "-c", `${folder}/nginx.conf`, "-e", "stderr"];
  return await startServer({ command: "nginx", args, ready: () => listens(port) });
}

async function requestsSeen(port: number): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${port}/status`)).text();
  return Number(/^ \d+ \d+ (\d+) $/m.exec(page)![1]);
}

Deno.test("nginx reports what stub_status says, and outlives its server", () =>
  withFolder(async (folder) => {
    const port = freePort();
    const command = `nginx/nginx_probe.py -u http://127.0.0.1:${port}/status`;
    await withProbe({ command }, async (agent) => {
      await says(agent, "Connection refused");
      await using server = await start(folder, port);
      for (let n = 0; n < REQUESTS; n++) {
        await (await fetch(`http://127.0.0.1:${port}/page`)).text();
      }
      const before = await requestsSeen(port);
      assert.ok(before > REQUESTS);
      const label = { server_addr: `127.0.0.1:${port}` };
      const seen = await valueOf(agent, "nginx_requests_total", label, (value) => value > before);
      assert.ok(seen < await requestsSeen(port));
      const accepted = await valueOf(agent, "nginx_connections_accepted_total", label);
      const handled = await valueOf(agent, "nginx_connections_handled_total", label);
      assert.ok(handled >= 1 && accepted >= 1 && Math.abs(handled - accepted) <= 10);
      // That of the page itself.
      await equals(agent, "nginx_connections_writing", label, 1);
      const held = await Deno.connect({ hostname: "127.0.0.1", port });
      await held.write(new TextEncoder().encode("GET /page HTTP/1.1\r\n"));
      await equals(agent, "nginx_connections_reading", label, 1);
      held.close();
      await server.stop();
      await using _again = await start(folder, port);
      await valueOf(agent, "nginx_requests_total", {}, (value) => value < REQUESTS);
    });
  }));

Deno.test("nginx says that its password is wrong, and reads a mended file", () =>
  withFolder(async (folder) => {
    const port = freePort();
    await using _server = await start(folder, port);
    const file = `${folder}/password`;
    await Deno.writeTextFile(file, "wrong");
    const command = `nginx/nginx_probe.py -u http://127.0.0.1:${port}/closed --user gala`;
    await withProbe({ command: `${command} --password-file ${file}` }, async (agent) => {
      await says(agent, "/closed answers 401");
      await Deno.writeTextFile(file, "right");
      await valueOf(agent, "nginx_requests_total");
    });
    await withProbe({ command: command.replace("/closed", "/page") }, async (agent) => {
      await says(agent, "not that of stub_status");
    });
  }));
