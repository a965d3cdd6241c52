// SPDX-License-Identifier: MulanPSL-2.0
/** What the tests of messages share. */
import assert from "node:assert/strict";
import messages from "../../src/probes/messages.ts";
import type { ProbeRig } from "./probe_rig.ts";
import { histogramOf, tableOf, tableRows } from "../table_rows.ts";

const TABLES = Object.keys(messages.tables);

/** Settings of all probes that are started from now on. */
const present: { source: string } = { source: "auto" };

/** Runs a test twice: where the kernel shows messages best, and by system calls as on older kernels. */
export function testBoth(name: string, run: () => Promise<void>): void {
  for (const [source, suffix] of [["auto", ""], ["calls", ", by system calls"]] as const) {
    Deno.test(name + suffix, async () => {
      present.source = source;
      try {
        await run();
      } finally {
        present.source = "auto";
      }
    });
  }
}

export async function output(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const decoder = new TextDecoder();
  assert.ok(success, `${command} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

export const observing = (pids: number | readonly number[], more: Record<string, string> = {}) => ({
  settings: { ...present, observe_names: "", observe_pids: [pids].flat().join(","), ...more },
  tables: TABLES,
});

export function latencyOf(rig: ProbeRig, operation: string): { count: number; sum: number } {
  const table = tableOf(rig.store, "l7_rpc_api");
  let [count, sum] = [0, 0];
  for (const { slot } of tableRows(table, `api="${operation}"`)) {
    const latency = histogramOf(table, slot, "latency");
    for (const bucket of latency.buckets) count += bucket;
    sum += latency.sum;
  }
  return { count, sum };
}

export function everyLabel(rig: ProbeRig): string {
  const rows = [...rig.store.tables].flatMap((table) => [...tableRows(table)]);
  return rows.map(({ labels }) => labels).join("\n");
}

/** Every connection has a process of its own, so the name is what is observed, and the port tells ours from others. */
export const observingPort = (name: string, port: number, more: Record<string, string> = {}) => ({
  settings: { ...present, observe_names: name, ports: port, ...more },
  tables: TABLES,
});
