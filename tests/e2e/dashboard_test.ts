// SPDX-License-Identifier: MulanPSL-2.0
/** Each query of the Grafana dashboard has an answer, from a real Prometheus server that reads the compiled program. */
import assert from "node:assert/strict";
import { dashboard } from "../../scripts/dashboard.ts";
import { firstLine, hasHierarchies, TestContainer } from "../cgroups.ts";
import { until, withAgent, withFolder } from "./run_agent.ts";
import { type Sample, withPrometheus } from "./run_prometheus.ts";

interface Asked {
  readonly panel: string;
  readonly expr: string;
  readonly legend: string;
}

const hierarchies = ["", "memory"].filter((name) => hasHierarchies(name));
const hasContainers = hierarchies.length > 0;
if (!hasContainers) console.log("dashboard: panels of containers skipped, no cgroups are mounted");
const hasDisk = [...Deno.readDirSync("/sys/block")].some(({ name }) => !/^(loop|ram)/.test(name));
if (!hasDisk) console.log("dashboard: panels of disks skipped, this host has none");

/** Whether the host has what it asks for; what is to be seen only in trouble cannot be waited for. */
function isAnswered({ expr }: Asked, hasMemory: boolean): boolean {
  if (expr.endsWith(" > 0")) return false;
  if (expr.includes("gala_gopher_container_memory")) return hasMemory;
  if (expr.includes("gala_gopher_container_")) return hasContainers;
  return hasDisk || !/gala_gopher_(disk|block|fs)_/.test(expr);
}

function allAsked(values: Record<string, string>): Asked[] {
  const { panels } = dashboard() as {
    panels: { title: string; targets?: { expr: string; legendFormat: string }[] }[];
  };
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({
      panel: title,
      expr: expr.replaceAll(/\$(\w+)/g, (_, name) => values[name]!),
      legend: legendFormat,
    }))
  );
}

/** Whether the kernel counts its memory: by the old hierarchy, or by the new one where that has the controller. */
function countsMemory(box: TestContainer): boolean {
  if (box.hierarchies.includes("memory")) return true;
  try {
    return box.read("", "memory.current") !== "";
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log("dashboard: memory of containers skipped, no hierarchy counts it");
    return false;
  }
}

/** Labels of the legend that no line has; the name of a container is the engine's to give. */
function missingLabels(legend: string, found: readonly Sample[]): string[] {
  return [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!)
    .filter((label) => label !== "container_name" && !found.some(({ metric }) => metric[label]));
}

/** Writes through to the disk, so that there are requests to count. */
async function write(folder: string): Promise<void> {
  using file = await Deno.open(`${folder}/written`, { write: true, create: true });
  await file.write(new Uint8Array(8192));
  await file.syncData();
}

Deno.test("each query of the dashboard has an answer, with the labels of its legend", async () => {
  await using box = hasContainers ? new TestContainer(hierarchies) : undefined;
  const hasMemory = box !== undefined && countsMemory(box);
  if (box !== undefined) await firstLine(box.run("echo in; while :; do read -rt 0.1 || :; done"));
  const settings = { ingress: { interval: 1 } };
  await withFolder((folder) =>
    withAgent({ settings }, (agent) =>
      withPrometheus(agent, async ({ query }) => {
        const values = {
          hostname: Deno.hostname(),
          instance: `127.0.0.1:${agent.port}`,
          __rate_interval: "10s",
          __range: "60s",
        };
        const all = allAsked(values);
        assert.ok(all.length > 50);
        const left = new Set(all.filter((asked) => isAnswered(asked, hasMemory)));
        await until("answers", async () => {
          await write(folder);
          for (const asked of left) {
            const found = await query(asked.expr);
            if (found.length === 0 || missingLabels(asked.legend, found).length > 0) {
              return undefined;
            }
            assert.ok(found.length < 30, `${asked.panel} has ${found.length} lines`);
            left.delete(asked);
          }
          return true;
        }).catch((error) =>
          assert.fail(`${[...left].map(({ expr }) => expr).join("\n")}\n${error}`)
        );
        // Those of trouble are not refused; what they find is not known here.
        for (const { expr } of all) await query(expr);
      }))
  );
});
