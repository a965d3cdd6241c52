// SPDX-License-Identifier: MulanPSL-2.0
/** Makes of `gala-gopher meta --json` on stdin a configuration with every probe and every table on. */
interface MetaTable {
  readonly probe: string;
  readonly table: string;
}

const tables: MetaTable[] = JSON.parse(await new Response(Deno.stdin.readable).text());
// The probe of system events has no table.
const probes = new Map<string, Record<string, "on">>([["event", {}]]);
for (const { probe, table } of tables) {
  probes.set(probe, { ...probes.get(probe), [table]: "on" });
}
console.log(
  JSON.stringify({ probes: [...probes].map(([name, tables]) => ({ name, tables })) }),
);
