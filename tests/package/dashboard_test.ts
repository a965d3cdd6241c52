// SPDX-License-Identifier: MulanPSL-2.0
/** Dashboard and alert rules: up to date, valid for Prometheus, and of metrics and labels that the program has. */
import assert from "node:assert/strict";
import { tableDescriptions } from "../../src/app/meta.ts";
import { AGENT_METRICS } from "../../src/egress/agent_metrics.ts";
import { dashboard } from "../../scripts/dashboard.ts";
import { finished, ROOT, withFolder } from "../e2e/run_agent.ts";

const RULES = `${ROOT}packaging/prometheus/gala-gopher.rules.yaml`;
const HOST_LABELS = ["machine_id", "hostname", "instance", "job"];

interface Known {
  readonly type: string;
  readonly labels: ReadonlySet<string>;
}

/** Families that several tables share may have the labels of any of them. */
function knownFamilies(): Map<string, Known> {
  const known = new Map<string, Known>();
  const add = (name: string, type: string, labels: readonly string[]) =>
    known.set(name, {
      type,
      labels: new Set([...HOST_LABELS, ...labels, ...known.get(name)?.labels ?? []]),
    });
  for (const { entity, keys, labels, metrics } of tableDescriptions()) {
    for (const { name, type } of metrics) {
      const family = `gala_gopher_${entity}_${name}`;
      if (type === "histogram") add(`${family}_bucket`, "counter", [...keys, ...labels, "le"]);
      else add(family, type, [...keys, ...labels]);
    }
  }
  for (const { name, labels } of AGENT_METRICS) {
    add(name, name.endsWith("_total") ? "counter" : "gauge", labels);
  }
  return known;
}

/** What is wrong with the metrics, their labels and their kinds in an expression of PromQL. */
function mistakes(expr: string, known: ReadonlyMap<string, Known>): string[] {
  const found: string[] = [];
  const used = new Set<string>();
  for (
    const [, call, name, filter] of expr.matchAll(/(\w+\()?(gala_gopher_\w+)(?:\{([^}]*)\})?/g)
  ) {
    const family = known.get(name!);
    if (family === undefined) found.push(`no metric ${name}`);
    for (const label of family?.labels ?? []) used.add(label);
    for (const [, label] of (filter ?? "").matchAll(/(\w+)\s*=/g)) {
      if (!family?.labels.has(label!)) found.push(`${name} has no label ${label}`);
    }
    if (/^(rate|increase)\($/.test(call ?? "") && family?.type !== "counter") {
      found.push(`${name} is a ${family?.type}, no counter`);
    }
  }
  for (const [, list] of expr.matchAll(/by \(([^)]*)\)/g)) {
    for (const label of list!.split(",").map((word) => word.trim()).filter(Boolean)) {
      if (!used.has(label)) found.push(`nothing has label ${label}`);
    }
  }
  return found;
}

Deno.test("mistakes finds a wrong metric, label and kind", () => {
  const known = knownFamilies();
  const wrong = 'sum by (disc) (rate(gala_gopher_mem_total_kB{host="a"}[5m])) + gala_gopher_x';
  assert.deepEqual(mistakes(wrong, known), [
    "gala_gopher_mem_total_kB has no label host",
    "gala_gopher_mem_total_kB is a gauge, no counter",
    "no metric gala_gopher_x",
    "nothing has label disc",
  ]);
});

Deno.test("The dashboard is what its script writes, and asks for what there is", async () => {
  const path = `${ROOT}packaging/grafana/gala-gopher.json`;
  const text = await Deno.readTextFile(path);
  assert.deepEqual(JSON.parse(text), dashboard(), "run scripts/build.sh");
  const exprs = [...text.matchAll(/"expr": (".*")/g)].map(([, json]) =>
    JSON.parse(json!) as string
  );
  assert.ok(exprs.length > 20);
  const known = knownFamilies();
  for (const expr of exprs) assert.deepEqual(mistakes(expr, known), [], expr);
  for (const [, legend] of text.matchAll(/"legendFormat": (".*")/g)) {
    for (const [, label] of legend!.matchAll(/\{\{(\w+)\}\}/g)) {
      assert.ok([...known.values()].some(({ labels }) => labels.has(label!)), label);
    }
  }
  await withFolder(async (folder) => {
    const rules = exprs.map((expr, i) => ({
      record: `panel_${i}`,
      expr: expr.replaceAll("$__rate_interval", "5m").replaceAll("$__range", "1h"),
    }));
    await Deno.writeTextFile(
      `${folder}/panels.yaml`,
      JSON.stringify({ groups: [{ name: "panels", rules }] }),
    );
    const { code, out, err } = await finished("promtool", [
      "check",
      "rules",
      `${folder}/panels.yaml`,
    ]);
    assert.equal(code, 0, out + err);
  });
});

Deno.test("The alert rules are valid, ask for what there is, and fire as they should", async () => {
  const checked = await finished("promtool", ["check", "rules", RULES]);
  assert.equal(checked.code, 0, checked.out + checked.err);
  const text = await Deno.readTextFile(RULES);
  assert.deepEqual(mistakes(text, knownFamilies()), []);
  const tests = `${ROOT}tests/package/rules_test.yaml`;
  const tested = await finished("promtool", ["test", "rules", tests]);
  assert.equal(tested.code, 0, tested.out + tested.err);
  // Each alert has a test that it fires.
  const proven = await Deno.readTextFile(tests);
  for (const [, name] of text.matchAll(/alert: (\w+)/g)) {
    assert.match(proven, new RegExp(`alertname: ${name}\\n +exp_alerts:`), name);
  }
});
