// SPDX-License-Identifier: MulanPSL-2.0
/** The probes that speak TLS, each with its real server: a certificate that nobody vouches for is refused. */
import assert from "node:assert/strict";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { output, says, valueOf, withProbe } from "./run_probe_agent.ts";
import { asNobody, giveToNobody, listens, type Server, startServer } from "./run_server.ts";

const NAME = "127.0.0.1";
const PASSWORD = "se cret";

interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Signed by itself, so that it is its own authority; its key is nobody's, as servers ask for. */
async function certificate(folder: string): Promise<Certificate> {
  await giveToNobody(folder);
  const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"];
  const subject = ["-subj", "/CN=gala", "-addext", `subjectAltName=IP:${NAME}`, "-days", "2"];
  await output("openssl", "req", "-x509", ...kind, ...subject, "-out", cert, "-keyout", key);
  await Deno.chmod(key, 0o600);
  await giveToNobody(key);
  await giveToNobody(cert);
  return { cert, key };
}

interface Case {
  readonly probe: string;
  /** Options of the probe besides those for TLS; it takes these from the environment as well. */
  readonly options: (port: number) => string;
  readonly metric: string;
  readonly start: (folder: string, port: number, certificate: Certificate) => Promise<Server>;
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

for (const { probe, options, metric, start } of [redis, nginx, mysql, postgres]) {
  Deno.test(`${probe} speaks TLS with a server that its authority vouches for, and no other`, () =>
    withFolder(async (folder) => {
      const port = freePort();
      const files = await certificate(folder);
      await using _server = await start(folder, port, files);
      const name = `GOPHER_${probe.toUpperCase()}_`;
      const env = { [`${name}PASSWORD`]: PASSWORD };
      const command = `${probe}/${probe}_probe.py ${options(port)}`;
      await withProbe({ command, env }, async (agent) => {
        await says(agent, "certificate verify failed");
      });
      await withProbe(
        { command, env: { ...env, [`${name}TLS_CA`]: files.cert } },
        async (agent) => {
          await valueOf(agent, metric, probe === "pg_stat" ? { datname: "postgres" } : {});
        },
      );
    }));
}
