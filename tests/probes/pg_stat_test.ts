// SPDX-License-Identifier: MulanPSL-2.0
/** probes/pg_stat against PostgreSQL. */
import assert from "node:assert/strict";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { equals, says, valueOf, withProbe } from "./run_probe_agent.ts";
import { asNobody, giveToNobody, type Server, startServer } from "./run_server.ts";

const PASSWORD = 'se"cret';
const INSERTS = 23;
const ROLLBACKS = 3;

function program(name: string): string {
  const versions = [...Deno.readDirSync("/usr/lib/postgresql")].map((entry) => entry.name);
  return `/usr/lib/postgresql/${versions.sort().at(-1)}/bin/${name}`;
}

async function run(command: string, args: string[], env: Record<string, string> = {}) {
  const { success, stdout, stderr } = await asNobody(command, { args, env, cwd: "/" }).output();
  const decoder = new TextDecoder();
  assert.ok(success, decoder.decode(stdout) + decoder.decode(stderr));
  return decoder.decode(stdout).trim();
}

class Postgres {
  readonly port = freePort();
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async create(): Promise<void> {
    await giveToNobody(this.folder);
    await Deno.writeTextFile(`${this.folder}/password`, `${PASSWORD}\n`);
    const settings = ["-D", `${this.folder}/data`, "--no-sync", "-U", "gala", "-A", "md5"];
    await run(program("initdb"), [...settings, "--pwfile", `${this.folder}/password`]);
  }

  start(): Promise<Server> {
    const args = ["-D", `${this.folder}/data`, "-p", String(this.port), "-k", this.folder];
    return startServer({
      command: program("postgres"),
      args: [...args, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"],
      asNobody: true,
      stopSignal: "SIGINT",
      ready: async () => await this.sql("postgres", "SELECT 1") === "1",
    });
  }

  sql(database: string, ...statements: string[]): Promise<string> {
    const where = ["-h", "127.0.0.1", "-p", String(this.port), "-U", "gala", "-d", database];
    const texts = statements.flatMap((statement) => ["-c", statement]);
    return run(program("psql"), ["-XAtq", ...where, ...texts], { PGPASSWORD: PASSWORD });
  }

  async own(field: string): Promise<number> {
    const from = "FROM pg_stat_database WHERE datname = 'work'";
    return Number(await this.sql("postgres", `SELECT ${field} ${from}`));
  }
}

Deno.test("pg_stat reports databases and their throughput, and outlives its server", () =>
  withFolder(async (folder) => {
    const postgres = new Postgres(folder);
    await postgres.create();
    const { port } = postgres;
    const command = `pg_stat/pg_stat_probe.py -h 127.0.0.1 -p ${port} --user gala`;
    await withProbe({ command, env: { GOPHER_PG_STAT_PASSWORD: PASSWORD } }, async (agent) => {
      await says(agent, "Connection refused");
      await using server = await postgres.start();
      await postgres.sql("postgres", "CREATE DATABASE work");
      const inserts = Array(INSERTS).fill("INSERT INTO t VALUES (1)");
      const rollbacks = Array(ROLLBACKS).fill(["BEGIN", "SELECT 1", "ROLLBACK"]).flat();
      await postgres.sql("work", "CREATE TABLE t (a int)");
      // Those of the catalogue.
      const before = await postgres.own("tup_inserted");
      await postgres.sql("work", ...inserts, ...rollbacks);
      const label = { server_addr: `127.0.0.1:${port}`, datname: "work" };
      await equals(agent, "pg_stat_database_rows_inserted_total", label, before + INSERTS);
      await equals(agent, "pg_stat_database_rollbacks_total", label, ROLLBACKS);
      const commits = await postgres.own("xact_commit");
      assert.ok(commits > INSERTS);
      await equals(agent, "pg_stat_database_commits_total", label, commits);
      const hits = await postgres.own("blks_hit");
      await equals(agent, "pg_stat_database_blocks_hit_total", label, hits);
      await equals(agent, "pg_stat_database_sessions", label, 0);
      const ins_id = await postgres.sql(
        "postgres",
        "SELECT oid FROM pg_database WHERE datname = 'work'",
      );
      const work = {
        tgid: String(server.pid),
        ins_id,
        app: "POSTGRE",
        method: "0",
        datname: "work",
      };
      const own = { ...work, server_ip: "127.0.0.1", server_port: String(port) };
      await equals(agent, "sli_tps", own, 0);
      // Of a moment: it goes on until it is seen.
      await valueOf(agent, "sli_tps", own, async (tps) => {
        await postgres.sql("work", ...inserts);
        return tps >= INSERTS / 2;
      });
      await server.stop();
      await says(agent, "no rows from PostgreSQL");
      await using again = await postgres.start();
      await valueOf(agent, "sli_tps", { ...own, tgid: String(again.pid) });
      await logsInWithTheOriginalsFile(postgres);
    });
  }));

/** As a user whose password is kept as MD5, wrong and right. */
async function logsInWithTheOriginalsFile(postgres: Postgres): Promise<void> {
  const role = `SET password_encryption = md5; CREATE ROLE old LOGIN PASSWORD 'its own'`;
  await postgres.sql("postgres", role);
  const conf = `${postgres.folder}/pg_stat_probe.conf`;
  const lines = [
    '    ip: "127.0.0.1"',
    `    port: "${postgres.port}"`,
    '    dbname: "postgres"',
    "    user: old",
  ];
  const write = (password: string) =>
    Deno.writeTextFile(
      conf,
      ["servers:", "  -", ...lines, `    password: "${password}"`, ""].join("\n"),
    );
  const command = `pg_stat/pg_stat_probe.py --conf ${conf}`;
  await write("wrong");
  await withProbe({ command }, (agent) => says(agent, "password authentication failed"));
  await write("its own");
  await withProbe({ command }, async (agent) => {
    const inserted = await postgres.own("tup_inserted");
    await equals(agent, "pg_stat_database_rows_inserted_total", { datname: "work" }, inserted);
  });
}
