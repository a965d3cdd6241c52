// SPDX-License-Identifier: MulanPSL-2.0
/** The messages probe on the running kernel, beside what real servers count themselves. */
import assert from "node:assert/strict";
import messages from "../../src/probes/messages.ts";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { asNobody, giveToNobody, listens, startServer } from "../probes/run_server.ts";
import {
  everyLabel,
  latencyOf,
  observing,
  observingPort,
  output,
  testBoth,
} from "./message_rig.ts";
import { asUser, postgresProgram, startPostgres, to } from "./postgres.ts";
import { ProbeRig } from "./probe_rig.ts";

const REQUESTS = 10_007;
const SECRET = "s3cret-of-a-user";

function startRedis(folder: string, port: number) {
  const args = ["--bind", "127.0.0.1", "--port", String(port), "--dir", folder, "--save", ""];
  return startServer({
    command: "redis-server",
    args: [...args, "--enable-debug-command", "yes"],
    ready: async () => (await output("redis-cli", "-p", String(port), "PING")).trim() === "PONG",
  });
}

/** Calls of each command as the server counts them. */
async function commandStats(port: number): Promise<Map<string, number>> {
  const text = await output("redis-cli", "-p", String(port), "INFO", "commandstats");
  return new Map(
    [...text.matchAll(/^cmdstat_(\w+):calls=(\d+)/gm)]
      .map(([, name, calls]) => [name!.toUpperCase(), Number(calls)]),
  );
}

testBoth(
  "messages counts Redis' commands as its commandstats do, exactly",
  () =>
    withFolder(async (folder) => {
      const port = freePort();
      await using server = await startRedis(folder, port);
      await output("redis-cli", "-p", String(port), "CONFIG", "RESETSTAT");
      await using rig = await ProbeRig.start(messages, observing(server.pid));
      const benchmark = ["-p", String(port), "-q", "-n", String(REQUESTS)];
      await output("redis-benchmark", ...benchmark, "-c", "50", "-t", "set,get,lpush,incr");
      await output("redis-cli", "-p", String(port), "SET", `key:${SECRET}`, SECRET);
      await output("redis-cli", "-p", String(port), "LPUSH", `key:${SECRET}`, "x").catch(() => {});
      const truth = await commandStats(port);
      await rig.tick(1);
      for (const name of ["GET", "SET", "LPUSH", "INCR"]) {
        const label = `api="${name}"`;
        assert.equal(rig.sum("l7_rpc_api", "req_count", label), truth.get(name), name);
        assert.equal(rig.sum("l7_rpc_api", "resp_count", label), truth.get(name), name);
        assert.equal(latencyOf(rig, name).count, truth.get(name));
      }
      assert.equal(rig.sum("l7_rpc_api", "err_count", 'api="LPUSH"'), 1);
      assert.ok(rig.sum("l7_link", "bytes_recv", 'protocol="redis"') > 4 * REQUESTS * 20);
      const { ring_drop, unpaired_messages, unknown_pieces } = rig.running.losses!();
      assert.deepEqual([ring_drop, unpaired_messages, unknown_pieces], [0, 0, 0]);
      const labels = everyLabel(rig);
      assert.match(labels, /l4_role="tcp_server",l7_role="server",protocol="redis"/);
      assert.ok(!labels.includes(SECRET));
    }),
);

testBoth(
  "messages counts the time that a Redis command waits for another one",
  () =>
    withFolder(async (folder) => {
      const port = freePort();
      await using server = await startRedis(folder, port);
      await using rig = await ProbeRig.start(messages, observing(server.pid));
      const connection = await Deno.connect({ port });
      const ask = async (text: string) => {
        await connection.write(new TextEncoder().encode(text));
        await connection.read(new Uint8Array(64));
      };
      await ask("*1\r\n$4\r\nPING\r\n");
      let isOver = false;
      const sleeping = output("redis-cli", "-p", String(port), "DEBUG", "SLEEP", "0.4")
        .finally(() => isOver = true);
      // The server sleeps as soon as it has read the command; one that does not will answer at once.
      let waited = 0;
      const look = async () => {
        await rig.tick(1);
        const rows = rig.rows("redis_sli", 'max_command="GET"');
        waited = Math.max(...rows.map((row) => row.max_rtt_nsec!), waited);
      };
      while (waited < 0.2e9 && !isOver) {
        await ask("*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
        await look();
      }
      await sleeping;
      // A client may have its answer before the server's call has ended, which is when it is told.
      await look();
      connection.close();
      assert.ok(waited >= 0.2e9 && waited < 10e9, String(waited));
      await rig.tick(2);
      assert.ok(latencyOf(rig, "DEBUG").sum >= 0.4e9);
    }),
);

testBoth(
  "messages pairs no answer wrongly when the ring was full, counts what was lost, and goes on",
  () =>
    withFolder(async (folder) => {
      const port = freePort();
      await using server = await startRedis(folder, port);
      const cli = ["-p", String(port)];
      await output("redis-cli", ...cli, "SET", "text", "x");
      await using rig = await ProbeRig.start(messages, observing(server.pid));
      // Every second answer is an error: one that is paired with the wrong command would show.
      const both = "GET text\nLPUSH text x\n";
      await Deno.writeTextFile(`${folder}/first`, both.repeat(30_000));
      await Deno.writeTextFile(`${folder}/second`, both.repeat(211));
      await output("mkfifo", `${folder}/gate`);
      const talk = `{ cat first gate second; } | redis-cli ${cli.join(" ")} >/dev/null`;
      const talking = output("sh", "-c", `cd ${folder}; ${talk}`);
      const waits = `until redis-cli ${cli.join(" ")} INFO commandstats |
      grep -q lpush:calls=30000,; do sleep 0.05; done`;
      new Deno.Command("sh", { args: ["-c", waits] }).outputSync(); // nobody reads the ring meanwhile
      const count = (metric: string, api: string) => rig.sum("l7_rpc_api", metric, `api="${api}"`);
      await rig.tick(1);
      const { ring_drop } = rig.running.losses!();
      assert.ok(ring_drop! > 0);
      const before = count("resp_count", "GET");
      assert.ok(before > 1000 && before < 30_000);
      await Deno.writeTextFile(`${folder}/gate`, "PING\n");
      await talking;
      await rig.tick(2);
      // The first turn after a gap is nobody's for certain.
      assert.ok(count("resp_count", "GET") >= before + 211);
      assert.equal(count("err_count", "GET"), 0);
      assert.equal(count("err_count", "LPUSH"), count("resp_count", "LPUSH"));
      assert.equal(rig.running.losses!().ring_drop, ring_drop);
      assert.ok(rig.running.losses!().unpaired_messages! > 0);
    }),
);

testBoth(
  "messages pairs a client that does not wait for its answers, and one that was there before",
  () =>
    withFolder(async (folder) => {
      const port = freePort();
      await using server = await startRedis(folder, port);
      const connection = await Deno.connect({ port });
      const encoder = new TextEncoder();
      const get = encoder.encode("*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
      const nothing = 5;
      const read = async (answers: number) => {
        const bytes = new Uint8Array(4096);
        for (let left = answers * nothing; left > 0;) left -= await connection.read(bytes) ?? left;
      };
      await connection.write(get);
      await read(1);
      await using rig = await ProbeRig.start(messages, observing(server.pid));
      await connection.write(get); // the answer to another one may be under way, for all that is known
      await read(1);
      const each = 211;
      for (let i = 0; i < each; i++) {
        for (let part = 0; part < 3; part++) await connection.write(get);
        await read(3);
      }
      connection.close();
      await rig.tick(1);
      const label = 'api="GET"';
      assert.equal(rig.sum("l7_rpc_api", "req_count", label), 3 * each + 1);
      assert.equal(rig.sum("l7_rpc_api", "resp_count", label), 3 * each);
      assert.equal(rig.running.losses!().unpaired_messages, 2);
    }),
);

testBoth(
  "messages observes a process that was busy all the while the probe started",
  () =>
    withFolder(async (folder) => {
      const port = freePort();
      await using server = await startRedis(folder, port);
      const args = ["-p", String(port), "-q", "-n", "100000000", "-c", "1", "-t", "ping_mbulk"];
      const busy = new Deno.Command("redis-benchmark", { args, stdout: "null" }).spawn();
      const starting = ProbeRig.start(messages, observing(server.pid));
      await starting.catch(() => {}).finally(() => busy.kill("SIGKILL"));
      await using rig = await starting;
      await busy.status;
      await output("redis-cli", "-p", String(port), "GET", "a");
      await rig.tick(1);
      assert.equal(rig.sum("l7_rpc_api", "resp_count", 'api="GET"'), 1);
    }),
);

testBoth("messages leaves alone what is not observed", () =>
  withFolder(async (folder) => {
    const port = freePort();
    await using _server = await startRedis(folder, port);
    await using rig = await ProbeRig.start(messages, observing(1));
    await output("redis-cli", "-p", String(port), "SET", "a", "b");
    await rig.tick(1);
    assert.deepEqual(rig.rows("l7_rpc"), []);
    assert.equal(rig.running.facts!().connections, 0);
  }));

testBoth(
  "messages counts pgbench's transactions in all modes, and failed queries, exactly",
  () =>
    withFolder(async (folder) => {
      const port = freePort();
      await using _server = await startPostgres(folder, port);
      await asUser("pgbench", "-i", "-q", "-n", ...to(port).slice(0, -2), "postgres");
      await using rig = await ProbeRig.start(messages, observingPort("postgres", port));
      const each = 211;
      const clients = 4;
      for (const mode of ["simple", "extended", "prepared"]) {
        const run = ["-n", "-S", "-M", mode, "-c", String(clients), "-t", String(each)];
        await asUser("pgbench", ...run, ...to(port).slice(0, -2), "postgres");
      }
      await rig.tick(1);
      const done = (name: string) => rig.sum("l7_rpc_api", "resp_count", `api="${name}"`);
      // Of each run one more connection asks for the size of the tables.
      const extended = 2 * clients * each;
      assert.equal(done("Execute"), extended);
      assert.equal(done("Prepare"), clients);
      assert.ok(done("Query") >= clients * each && done("Query") < clients * each + 10);
      assert.equal(rig.sum("l7_rpc", "err_count"), 0);
      const { success } = await asNobody(postgresProgram("psql"), {
        args: [...to(port), "-Xc", `SELECT '${SECRET}' FROM nothing_there`],
        stderr: "null",
      }).output();
      assert.ok(!success);
      await rig.tick(2);
      assert.equal(rig.sum("l7_rpc", "err_count"), 1);
      assert.equal(rig.rows("opengauss_sli", 'req_cmd="Q",rsp_cmd="E"').length, 1);
      assert.ok(rig.rows("pg_max_sli", 'app="POSTGRE",method="Query"').length > 0);
      assert.ok(!everyLabel(rig).includes(SECRET));
      const { ring_drop, unpaired_messages } = rig.running.losses!();
      assert.deepEqual([ring_drop, unpaired_messages], [0, 0]);
    }),
);

const nginxConfig = (folder: string, port: number, backend: number) => `
daemon off; user nobody nogroup; worker_processes 1; pid ${folder}/pid; error_log stderr;
events { worker_connections 256; }
http {
  log_format truth "$request_method $status";
  access_log ${folder}/access.log truth;
  client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3;
  uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5;
  server {
    listen 127.0.0.1:${port};
    root ${folder}/www;
    location = /page { return 200 "page"; }
    location = /bad { return 503 "bad"; }
    location /proxied/ { proxy_pass http://127.0.0.1:${backend}/; }
  }
  server { listen 127.0.0.1:${backend}; access_log off; location / { return 201 "made"; } }
}`;

testBoth(
  "messages counts HTTP methods and failures as nginx' access log has them",
  () =>
    withFolder(async (folder) => {
      const [port, backend] = [freePort(), freePort()];
      await Deno.chmod(folder, 0o755);
      await Deno.mkdir(`${folder}/www`);
      await Deno.writeTextFile(`${folder}/www/file`, "HTTP/1.1 500 no\r\n".repeat(5000));
      await Deno.writeTextFile(`${folder}/nginx.conf`, nginxConfig(folder, port, backend));
      const args = ["-p", folder, "-c", `${folder}/nginx.conf`, "-e", "stderr"];
      await using _server = await startServer({
        command: "nginx",
        args,
        ready: () => listens(port),
      });
      await using rig = await ProbeRig.start(messages, observingPort("nginx", port));
      const at = (path: string) => `http://127.0.0.1:${port}${path}`;
      for (let i = 0; i < 211; i++) {
        await (await fetch(at(i % 3 === 0 ? "/file" : "/page"))).text();
        await (await fetch(at(`/page?user=${SECRET}`), { method: "HEAD" })).text();
        await (await fetch(at(i % 2 === 0 ? "/bad" : "/none"))).text();
        await (await fetch(at("/proxied/"), { method: "POST", body: "x".repeat(3000) })).text();
      }
      await rig.tick(1);
      const log = (await Deno.readTextFile(`${folder}/access.log`)).trim().split("\n");
      const server = 'l7_role="server"';
      for (const method of ["GET", "HEAD", "POST"]) {
        const truth = log.filter((line) => line.startsWith(method));
        const label = `api="${method}"`;
        assert.equal(rig.sum("l7_rpc_api", "resp_count", server, label), truth.length, method);
        assert.ok(truth.length >= 211);
        const failed = (digit: string) => truth.filter((line) => line.includes(` ${digit}`)).length;
        assert.equal(rig.sum("l7_rpc_api", "client_err_count", server, label), failed("4"));
        assert.equal(rig.sum("l7_rpc_api", "server_err_count", server, label), failed("5"));
      }
      assert.equal(rig.running.losses!().unpaired_messages, 0);
      assert.ok(!everyLabel(rig).includes(SECRET));
    }),
);

testBoth(
  "messages counts queries as MariaDB's Com_ variables do, and the failed one",
  () =>
    withFolder(async (folder) => {
      const port = freePort();
      await giveToNobody(folder);
      await Deno.mkdir(`${folder}/data`);
      await giveToNobody(`${folder}/data`);
      const socket = `--socket=${folder}/socket`;
      const options = ["--no-defaults", `--datadir=${folder}/data`, socket, `--port=${port}`];
      const sql = (...args: string[]) =>
        output("mariadb", "--no-defaults", "--user=root", "--batch", "-N", ...args);
      await using server = await startServer({
        command: "mariadbd",
        args: [...options, "--bind-address=127.0.0.1", "--skip-grant-tables", "--skip-networking=0"]
          .concat([`--pid-file=${folder}/pid`, "--innodb-fast-shutdown=2"]),
        asNobody: true,
        ready: async () => (await sql(socket, "-e", "SELECT 1")).trim() === "1",
      });
      await sql(socket, "-e", "CREATE DATABASE work; CREATE TABLE work.t (a int)");
      const count = async (name: string) =>
        Number((await sql(socket, "-e", `SHOW GLOBAL STATUS LIKE '${name}'`)).split("\t")[1]);
      const before = await count("Com_insert") + await count("Com_select");
      await using rig = await ProbeRig.start(messages, observing(server.pid));
      const statements = Array(211).fill(`INSERT INTO work.t VALUES (7)`)
        .concat(`SELECT '${SECRET}' FROM work.t`, "SELECT * FROM work.nothing_there");
      await sql(
        "--host=127.0.0.1",
        `--port=${port}`,
        "--skip-ssl",
        "-f",
        "-e",
        statements.join("; "),
      )
        .catch(() => {}); // tells of the one that fails
      const done = await count("Com_insert") + await count("Com_select") - before;
      await rig.tick(1);
      assert.equal(done, 213);
      assert.equal(rig.sum("l7_rpc_api", "resp_count", 'api="Query"', 'protocol="mysql"'), done);
      assert.equal(rig.sum("l7_rpc", "err_count"), 1);
      assert.equal(rig.running.losses!().unpaired_messages, 0);
      assert.ok(!everyLabel(rig).includes(SECRET));
    }),
);
