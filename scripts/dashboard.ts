// SPDX-License-Identifier: MulanPSL-2.0
/** The Grafana dashboard of one host, for packaging/grafana/gala-gopher.json; scripts/docs.ts writes it. */
import { type Panel, type Section, SECTIONS } from "./dashboard_sections.ts";

const HOST = 'hostname=~"$hostname"';
const DATASOURCE = { type: "prometheus", uid: "$datasource" };
const COLUMNS = 24;
const HEIGHT = 7;
/** Has room for ten names. */
const HIGH = 8;

function panelsOf(sections: readonly Section[]): unknown[] {
  const panels: unknown[] = [];
  let y = 0;
  for (const { title, rows } of sections) {
    panels.push({
      id: panels.length + 1,
      type: "row",
      title,
      collapsed: false,
      gridPos: { x: 0, y: y++, w: COLUMNS, h: 1 },
      panels: [],
    });
    for (const row of rows) {
      const w = COLUMNS / row.length;
      const h = row.some(({ manyLines }) => manyLines) ? HIGH : HEIGHT;
      row.forEach((panel, i) => {
        const gridPos = { x: i * w, y, w, h };
        panels.push({ id: panels.length + 1, gridPos, ...timeSeries(panel) });
      });
      y += h;
    }
  }
  return panels;
}

function timeSeries(panel: Panel) {
  const { title, unit, queries, max, noValue, stacked = false, manyLines = false } = panel;
  return {
    type: "timeseries",
    title,
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(max === undefined ? {} : { max }),
        ...(noValue === undefined ? {} : { noValue }),
        custom: stacked
          ? { fillOpacity: 40, lineWidth: 0, stacking: { mode: "normal", group: "A" } }
          : { fillOpacity: 8 },
      },
      overrides: [],
    },
    options: {
      legend: {
        showLegend: true,
        displayMode: "list",
        placement: manyLines ? "right" : "bottom",
        calcs: [],
      },
      tooltip: { mode: "multi", sort: "desc" },
    },
    targets: queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode("A".charCodeAt(0) + i),
      datasource: DATASOURCE,
      expr: expr.replaceAll("$HOST", HOST),
      legendFormat: legend,
    })),
  };
}

function labelVariable(name: string, label: string, metric: string) {
  return {
    name,
    type: "query",
    label,
    datasource: DATASOURCE,
    query: { query: `label_values(${metric}, ${name})`, refId: name },
    refresh: 2,
    sort: 1,
  };
}

export function dashboard() {
  return {
    title: "gala-gopher: host",
    uid: "gala-gopher-host",
    tags: ["gala-gopher"],
    schemaVersion: 38,
    version: 1,
    editable: true,
    time: { from: "now-1h", to: "now" },
    refresh: "30s",
    templating: {
      list: [
        { name: "datasource", type: "datasource", query: "prometheus", label: "Data source" },
        labelVariable("hostname", "Host", "gala_gopher_mem_total_kB"),
        // Follows the host, and is not shown.
        {
          ...labelVariable("instance", "Instance", `gala_gopher_mem_total_kB{${HOST}}`),
          hide: 2,
        },
      ],
    },
    panels: panelsOf(SECTIONS),
  };
}

export function dashboardText(): string {
  return `${JSON.stringify(dashboard(), null, 2)}\n`;
}
