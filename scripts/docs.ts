// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Writes what guides say of the program itself: docs/metrics.md from its tables, docs/configuration.md from its schema,
 * and the Grafana dashboard. With --check it writes nothing and fails if a file in the tree differs.
 */
import { familyName } from "../src/core/store.ts";
import type { TableSpec } from "../src/core/table.ts";
import type { AnyProbe } from "../src/core/probe.ts";
import { AGENT_METRICS } from "../src/egress/agent_metrics.ts";
import { probes } from "../src/gen/all.ts";
import { parseMeta } from "../src/ingest/meta.ts";
import { KNOWN_PROBES } from "../src/app/known_probes.ts";
import { LISTS, SECTIONS } from "../src/manager/schema.ts";
import { renderDefaultYaml } from "../src/manager/schema_yaml.ts";
import { describeAllowed, type Key, type Keys } from "../src/core/setting_key.ts";
import { parseYamlTree } from "../src/manager/yaml_tree.ts";
import { wantedCapabilities } from "../src/sys/capabilities.ts";
import { dashboardText } from "./dashboard.ts";
import { markdownTable } from "./markdown_table.ts";
import { writeOrCompare } from "./write_or_compare.ts";

const HEAD = `<!-- SPDX-License-Identifier: MulanPSL-2.0 -->
<!-- Written by scripts/docs.ts: do not edit. -->
`;
const PROBES = new URL("../probes/", import.meta.url);

const code = (text: string) => `\`${text}\``;

function tableText(name: string, spec: TableSpec): string {
  const labels = [...spec.keys, ...spec.labels].map(code).join(", ") || "none";
  const rows = Object.entries(spec.metrics).map(([metric, { type, unit, help }]) => [
    code(familyName({ ...spec, metrics: {} }, metric)),
    type,
    unit,
    help,
  ]);
  const off = "on" in spec && spec.on === false ? ", off by default" : "";
  return `### ${name}\n\nTable \`${name}\`${off}; labels: ${labels}.\n\n` +
    markdownTable(["metric", "type", "unit", "meaning"], rows);
}

function probeText(probe: AnyProbe): string {
  const wanted = [...wantedCapabilities(probe).keys()];
  const facts = [
    `${probe.kind}, ${probe.on ? "on" : "off"} by default`,
    ...(probe.partOf.length > 0 ? [`part of the original's ${probe.partOf.join(", ")}`] : []),
    ...(probe.kind === "ebpf"
      ? [`hooks ${[...new Set(Object.values<string>(probe.layout.programs))].sort().join(", ")}`]
      : []),
    ...(wanted.length > 0 ? [`uses ${wanted.join(", ")}`] : []),
  ];
  const tables = Object.entries(probe.tables).map(([name, spec]) => tableText(name, spec));
  return [`## ${probe.name}\n\n${probe.help} (${facts.join("; ")}.)\n`, ...tables].join("\n");
}

/** Tables of the third-party probes that come along, from their .meta files. */
function shippedText(): string[] {
  const found: string[] = [];
  for (const folder of namesIn(PROBES)) {
    const metas = namesIn(new URL(`${folder}/`, PROBES)).filter((name) => name.endsWith(".meta"));
    for (const name of metas) {
      const file = `probes/${folder}/${name}`;
      const text = Deno.readTextFileSync(new URL(`${folder}/${name}`, PROBES));
      const tables = parseMeta(text, file, parseYamlTree).map(({ name, spec }) =>
        tableText(name, spec)
      );
      found.push(`## ${folder} (third-party)\n\nFrom \`${file}\`.\n`, ...tables);
    }
  }
  return found;
}

function namesIn(folder: URL): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotADirectory) return [];
    throw error;
  }
}

function agentText(): string {
  const rows = AGENT_METRICS.map(({ name, help, labels }) => [
    code(name),
    name.endsWith("_total") ? "counter" : "gauge",
    labels.map(code).join(", ") || "none",
    help,
  ]);
  return "## The agent itself\n\nWithout the labels of the host.\n\n" +
    markdownTable(["metric", "type", "labels", "meaning"], rows);
}

export function metricsText(): string {
  const intro = `
# Metrics

Every table and metric of the probes, as \`gala-gopher meta\` lists them, and of the third-party probes
that come along. Labels \`machine_id\` and \`hostname\` stand in every row of a table besides those named here.
`;
  return [HEAD + intro, ...probes.map(probeText), ...shippedText(), agentText()].join("\n");
}

function keyRows(keys: Keys, prefix: string): string[][] {
  return Object.entries(keys).map(([name, key]) => [
    code(prefix + name),
    code(JSON.stringify(key.default)),
    describeAllowed(key) + (key.unit === undefined ? "" : ` (${key.unit})`),
    meaning(key),
    (key.env ?? []).map(code).join(" "),
  ]);
}

function meaning({ help, note }: Key): string {
  return note === undefined ? help : `${help} No effect: ${note}.`;
}

function settingsText(head: readonly string[]): string[] {
  return KNOWN_PROBES.filter(({ settings }) => Object.keys(settings).length > 0).map((probe) =>
    `### ${probe.name}\n\n${markdownTable(head, keyRows(probe.settings, ""))}`
  );
}

export function configurationText(): string {
  const intro = `
# Configuration

\`gala-gopher -c PATH\` takes a file, or a folder with \`gala-gopher.yaml\` or the original's
\`gala-gopher.conf\`; without \`-c\` it looks in \`/etc/gala-gopher\`. A key that is left out has its default, an environment
variable wins over the file, and \`gala-gopher check -c PATH\` names every mistake with its line and column.
`;
  const head = ["key", "default", "allowed", "meaning", "environment"];
  const sections = Object.entries(SECTIONS).map(([name, { help, keys }]) =>
    `## ${name}\n\n${help}\n\n${markdownTable(head, keyRows(keys, `${name}.`))}`
  );
  const lists = Object.entries(LISTS).map(([name, { help, keys }]) =>
    `## ${name}\n\nA list. ${help} Each entry has:\n\n${markdownTable(head, keyRows(keys, ""))}`
  );
  const settings = ["## Settings of probes\n\nFor `settings` of an entry of `probes`.\n"];
  return [HEAD + intro, ...sections, ...lists, ...settings, ...settingsText(head)].join("\n");
}

if (import.meta.main) {
  Deno.exit(
    await writeOrCompare([
      ["docs/metrics.md", metricsText()],
      ["docs/configuration.md", configurationText()],
      ["conf/gala-gopher.yaml", renderDefaultYaml(KNOWN_PROBES)],
      ["packaging/grafana/gala-gopher.json", dashboardText()],
    ]),
  );
}
