// SPDX-License-Identifier: MulanPSL-2.0
/** The probes that speak TLS, each with its real server: a certificate that nobody vouches for is refused. */
import assert from "node:assert/strict";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { output, says, valueOf, withProbe } from "./run_probe_agent.ts";
import { asNobody, listens, type Server, startServer } from "./run_server.ts";
import {
  SERVER_NAME as NAME,
  type ServerCertificate,
  serverCertificate,
} from "./server_certificate.ts";

const PASSWORD = "se cret";

interface Case {
  readonly probe: string;
  /** Options of the probe besides those for TLS; it takes these from the environment as well. */
  readonly options: (port: number) => string;
  /** By default the one in Python. */
  readonly program?: string;
  /** The option of the pause between rows. */
  readonly interval?: string;
  readonly metric: string;
  readonly start: (folder: string, port: number, files: ServerCertificate) => Promise<Server>;
}

const redis: Case = {
  probe: "redis",
  options: (port) => `--tls on -p ${port}`,
  metric: "redis_server_hz",
  start: (folder, port, { cert, key }) => {
    const files = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert];
    const tls = ["--port", "0", "--tls-port", String(port), ...files, "--tls-auth-clients", "no"];
    const args = ["--bind", NAME, "--dir", folder, "--save", "", "--requirepass", PASSWORD, ...tls];
    return startServer({ command: "redis-server", args, ready: () => listens(port) });
  },
};

const redisClient: Case = {
  ...redis,
  probe: "redis_client",
  options: (port) => `-T -p ${port}`,
  program: "redis_client",
  interval: "-d",
  metric: "redis_client_sample_num",
};

const haproxy: Case = {
  probe: "haproxy",
  options: (port) => `--tls on -s ${NAME} -p ${port}`,
  metric: "haproxy_connections_limit",
  start: async (folder, port, { cert, key }) => {
    const both = `${folder}/both.pem`;
    await Deno.writeTextFile(both, await Deno.readTextFile(cert) + await Deno.readTextFile(key));
    // Its stats socket takes "ssl", and answers without; so it is put behind its own proxy.
    const text = `global
  stats socket ${folder}/stats level user
defaults
  mode tcp
  timeout connect 2s
  timeout client 5s
  timeout server 5s
listen stats
  bind ${NAME}:${port} ssl crt ${both}
  server own unix@${folder}/stats
`;
    await Deno.writeTextFile(`${folder}/haproxy.cfg`, text);
    const args = ["-db", "-f", `${folder}/haproxy.cfg`];
    return await startServer({ command: "haproxy", args, ready: () => listens(port) });
  },
};

const nginx: Case = {
  probe: "nginx",
  options: (port) => `-u https://${NAME}:${port}/`,
  metric: "nginx_requests_total",
  start: async (folder, port, { cert, key }) => {
    const text = `daemon off; pid ${folder}/pid; error_log stderr; events { }
user nobody nogroup;
http { access_log off; server { listen ${NAME}:${port} ssl; ssl_certificate ${cert};
ssl_certificate_key ${key}; location = / { stub_status; } } }`;
    await Deno.writeTextFile(`${folder}/nginx.conf`, text);
    const args = ["-p", folder, "-c", `${folder}/nginx.conf`, "-e", "stderr"];
    return await startServer({ command: "nginx", args, ready: () => listens(port) });
  },
};

async function runAsNobody(command: string, args: string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await asNobody(command, { args, cwd }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.ok(success, out! + err!);
  return out!;
}

const mysql: Case = {
  probe: "mysql",
  options: (port) => `--tls on -p ${port} --user gala`,
  metric: "mysql_uptime_seconds",
  start: async (folder, port, { cert, key }) => {
    const where = ["--no-defaults", `--datadir=${folder}/data`, "--skip-name-resolve"];
    const make = [...where, "--auth-root-authentication-method=normal", "--skip-test-db"];
    await runAsNobody("mariadb-install-db", make, folder);
    const sql = (text: string) =>
      output("mariadb", "--no-defaults", `--socket=${folder}/socket`, "--user=root", "-Ne", text);
    const own = [`--socket=${folder}/socket`, `--port=${port}`, `--bind-address=${NAME}`];
    const tls = [`--ssl-cert=${cert}`, `--ssl-key=${key}`, "--pid-file=pid"];
    const ready = async () => (await sql("SELECT 1")).trim() === "1";
    const args = [...where, ...own, ...tls];
    const server = await startServer({ command: "mariadbd", args, asNobody: true, ready });
    await sql(`CREATE USER gala@${NAME} IDENTIFIED BY '${PASSWORD}' REQUIRE SSL`);
    return server;
  },
};

const postgres: Case = {
  probe: "pg_stat",
  options: (port) => `--tls on -h ${NAME} -p ${port} --user gala`,
  metric: "pg_stat_database_sessions",
  start: async (folder, port, { cert, key }) => {
    const version = [...Deno.readDirSync("/usr/lib/postgresql")].map(({ name }) => name).sort();
    const program = (name: string) => `/usr/lib/postgresql/${version.at(-1)}/bin/${name}`;
    const data = `${folder}/data`;
    await Deno.writeTextFile(`${folder}/password`, `${PASSWORD}\n`);
    const make = ["-D", data, "--no-sync", "-U", "gala", "--pwfile", `${folder}/password`];
    await runAsNobody(program("initdb"), make, folder);
    await Deno.writeTextFile(`${data}/pg_hba.conf`, `hostssl all all ${NAME}/32 scram-sha-256\n`);
    const settings = { ssl: "on", ssl_cert_file: cert, ssl_key_file: key, listen_addresses: NAME };
    const words = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    return await startServer({
      command: program("postgres"),
      args: ["-D", data, "-p", String(port), "-k", folder, "-c", "fsync=off", ...words],
      asNobody: true,
      stopSignal: "SIGINT",
      ready: () => listens(port),
    });
  },
};

const CASES = [redis, redisClient, haproxy, nginx, mysql, postgres];

for (const { probe, options, program = `${probe}_probe.py`, interval, metric, start } of CASES) {
  Deno.test(`${probe} speaks TLS with a server that its authority vouches for, and no other`, () =>
    withFolder(async (folder) => {
      const port = freePort();
      const files = await serverCertificate(folder);
      await using _server = await start(folder, port, files);
      const name = `GOPHER_${probe.toUpperCase()}_`;
      const env = { [`${name}PASSWORD`]: PASSWORD };
      const command = `${probe}/${program} ${options(port)}`;
      const own = { command, ...(interval === undefined ? {} : { interval }) };
      await withProbe({ ...own, env }, async (agent) => {
        await says(agent, "certificate verify failed");
      });
      await withProbe(
        { ...own, env: { ...env, [`${name}TLS_CA`]: files.cert, [`${name}TLS_NAME`]: "" } },
        async (agent) => {
          await valueOf(agent, metric, probe === "pg_stat" ? { datname: "postgres" } : {});
        },
      );
      if (probe === "nginx") return; // its name is that of the URL
      await withProbe(
        { ...own, env: { ...env, [`${name}TLS_CA`]: files.cert, [`${name}TLS_NAME`]: "other" } },
        async (agent) => {
          await says(agent, "certificate verify failed");
        },
      );
    }));
}
