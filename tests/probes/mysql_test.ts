// SPDX-License-Identifier: MulanPSL-2.0
/** probes/mysql against MariaDB. */
import assert from "node:assert/strict";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { equals, output, says, valueOf, withProbe } from "./run_probe_agent.ts";
import { asNobody, giveToNobody, startServer } from "./run_server.ts";

const INSERTS = 23;

async function create(folder: string): Promise<void> {
  await giveToNobody(folder);
  const args = [
    "--no-defaults",
    `--datadir=${folder}/data`,
    "--auth-root-authentication-method=normal",
  ]
    .concat(["--skip-test-db", "--skip-name-resolve"]);
  const { success, stderr } = await asNobody("mariadb-install-db", { args, cwd: folder }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

function start(folder: string, port: number) {
  const args = ["--no-defaults", `--datadir=${folder}/data`, `--socket=${folder}/socket`]
    .concat([`--port=${port}`, "--bind-address=127.0.0.1", "--pid-file=pid", "--skip-name-resolve"])
    .concat([
      "--innodb-flush-log-at-trx-commit=0",
      "--innodb-fast-shutdown=2",
      "--max-connections=57",
    ]);
  const ready = async () => (await sql(folder, "SELECT 1")).trim() === "1";
  return startServer({ command: "mariadbd", args, asNobody: true, ready });
}

function sql(folder: string, ...statements: string[]): Promise<string> {
  const args = [
    "--no-defaults",
    `--socket=${folder}/socket`,
    "--user=root",
    "--batch",
    "--skip-column-names",
  ];
  return output("mariadb", ...args, "-e", statements.join("; "));
}

async function status(folder: string, name: string): Promise<number> {
  return Number((await sql(folder, `SHOW GLOBAL STATUS LIKE '${name}'`)).split("\t")[1]);
}

Deno.test("mysql reports the global status, and outlives its server", () =>
  withFolder(async (folder) => {
    await create(folder);
    const port = freePort();
    const file = `${folder}/password`;
    await Deno.writeTextFile(file, "wrong\n");
    const command = `mysql/mysql_probe.py -p ${port} --user gala --password-file ${file}`;
    await withProbe({ command }, async (agent) => {
      await says(agent, "Connection refused");
      await using server = await start(folder, port);
      await sql(folder, "CREATE USER gala@127.0.0.1 IDENTIFIED BY 'ri ght'", "CREATE DATABASE d");
      await says(agent, "Access denied for user 'gala'");
      await Deno.writeTextFile(file, "ri ght\n");
      const label = { server_addr: `127.0.0.1:${port}` };
      await equals(agent, "mysql_connections_limit", label, 57);
      const inserts = Array(INSERTS).fill("INSERT INTO d.t VALUES (1)");
      await sql(folder, "CREATE TABLE d.t (a int)", ...inserts, "COMMIT", "SELECT * FROM d.t");
      await equals(agent, "mysql_inserts_total", label, INSERTS);
      await equals(agent, "mysql_commits_total", label, await status(folder, "Com_commit"));
      await equals(agent, "mysql_connections_current", label, 1);
      const before = await status(folder, "Questions");
      const seen = await valueOf(agent, "mysql_statements_total", label, (value) => value > before);
      assert.ok(seen <= await status(folder, "Questions"));
      const written = await status(folder, "Innodb_data_written");
      await valueOf(agent, "mysql_disk_written_bytes_total", label, (value) => value >= written);
      await valueOf(agent, "mysql_uptime_seconds", label, (value) => value >= 1 && value < 100);
      await server.stop();
      await says(agent, "no rows from MySQL");
      await using _again = await start(folder, port);
      await equals(agent, "mysql_inserts_total", label, 0);
    });
  }));
