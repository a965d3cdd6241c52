// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The whole page of the program for hosts made of files (`global.root`): every name, label and number of the tables that
 * are of no process and no container. `GOLDEN=write` writes the pages anew.
 */
import assert from "node:assert/strict";
import { probes } from "../../src/gen/all.ts";
import { ROOT, until, withAgent } from "./run_agent.ts";

const NOT_HERE: ReadonlySet<string> = new Set(["system_proc"]);
const PROBES = probes.map(({ name }) => name)
  .filter((name) => name.startsWith("system_") && !NOT_HERE.has(name));
/** Sizes are asked of the file system that the fixtures stand on. */
const REAL_SIZES_REGEXP = /^(gala_gopher_(?:fs|file_system|mount)_(?!stalled|read)\w+\{.*\}) \S+$/;
const REAL_TOTALS_REGEXP = /(Inodes|Blocks)="\d+"/g;

/** Without what differs from host to host and from run to run. */
function lasting(page: string): string {
  return page.split("\n").filter((line) => !/gala_gopher_agent_/.test(line))
    .map((line) => line.replace(/,hostname="[^"]*"/, ',hostname="this host"'))
    .map((line) => line.replace(REAL_SIZES_REGEXP, "$1 N").replace(REAL_TOTALS_REGEXP, '$1="N"'))
    .join("\n");
}

for (const host of ["proc-4.19", "proc-5.10", "proc-6.12"]) {
  Deno.test(`gala-gopher shows ${host} as it always did`, async () => {
    const settings = {
      global: { root: `${ROOT}tests/fixtures/${host}` },
      ingress: { interval: 0.1 },
      probes: PROBES.map((name) => ({ name })),
      extend_probes: [],
    };
    await withAgent({ settings }, async (agent) => {
      // Rates are there from the second reading on.
      const page = await until("rates", async () => {
        const text = await agent.page();
        const all = ["disk_util", "fs_Used", "host_value"];
        return all.every((name) => text.includes(`\ngala_gopher_${name}{`)) ? text : undefined;
      });
      const golden = `${ROOT}tests/golden/${host}.txt`;
      if (Deno.env.get("GOLDEN") === "write") await Deno.writeTextFile(golden, lasting(page));
      assert.equal(lasting(page), await Deno.readTextFile(golden));
    });
  });
}
