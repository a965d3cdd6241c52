// SPDX-License-Identifier: MulanPSL-2.0
/** A PostgreSQL server of a test, and its clients. */
import assert from "node:assert/strict";
import { asNobody, giveToNobody, type Server, startServer } from "../probes/run_server.ts";

export function postgresProgram(name: string): string {
  const versions = [...Deno.readDirSync("/usr/lib/postgresql")].map((entry) => entry.name);
  return `/usr/lib/postgresql/${versions.sort().at(-1)}/bin/${name}`;
}

export async function asUser(name: string, ...args: string[]): Promise<string> {
  // Otherwise they look for certificates in the folder of root.
  const env = { HOME: "/" };
  const command = asNobody(postgresProgram(name), { args, cwd: "/", env });
  const { success, stdout, stderr } = await command.output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

/** Further settings are as on its command line: `-c name=value`. */
export async function startPostgres(
  folder: string,
  port: number,
  more: readonly string[] = [],
): Promise<Server> {
  await giveToNobody(folder);
  const data = `${folder}/data`;
  await asUser("initdb", "-D", data, "--no-sync", "-U", "gala", "-A", "trust");
  const args = ["-D", data, "-p", String(port), "-k", folder, "-c", "fsync=off", ...more];
  return startServer({
    command: postgresProgram("postgres"),
    args: [...args, "-c", "listen_addresses=127.0.0.1"],
    asNobody: true,
    stopSignal: "SIGINT",
    ready: async () => await asUser("psql", ...to(port), "-XAtc", "SELECT 1") === "1",
  });
}

/** Where a client finds it. */
export function to(port: number): string[] {
  return ["-h", "127.0.0.1", "-p", String(port), "-U", "gala", "-d", "postgres"];
}
