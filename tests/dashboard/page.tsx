// SPDX-License-Identifier: MulanPSL-2.0
/** Draws the shipped dashboard with Grafana's own components, as Prometheus answers its queries; see picture.ts. */
import { type ComponentProps, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { createTheme, type DataFrame, dateTime, FieldType } from "@grafana/data";
import { getDisplayProcessor, ThemeContext, toDataFrame } from "@grafana/data";
import { GlobalStyles, Icon, PanelChrome, TimeSeries } from "@grafana/ui";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: Record<"x" | "y" | "w" | "h", number>;
  readonly fieldConfig: { defaults: Record<string, unknown>; overrides: unknown[] };
  readonly options: { legend: object };
  readonly targets: { refId: string; expr: string; legendFormat: string }[];
}

interface Variable {
  readonly name: string;
  readonly type: string;
  readonly label: string;
  readonly hide?: number;
  readonly query: { query: string };
}

/** What Prometheus answers for one line. */
interface Series {
  readonly metric: Record<string, string>;
  readonly values: [number, string][];
}

/** What is shown: from when, to when, and how often Prometheus read it; in seconds. */
interface Run {
  readonly from: number;
  readonly to: number;
  readonly scrape: number;
}

type Values = Record<string, string>;

/** Grafana's grid. */
const COLUMNS = 24;
const UNIT = 30;
const GAP = 8;
/** What its panel of time series takes where a dashboard says nothing. */
const PANEL_DEFAULTS = {
  ...{ drawStyle: "line", lineInterpolation: "linear", lineWidth: 1, spanNulls: false },
  ...{ fillOpacity: 0, gradientMode: "none", showPoints: "auto", pointSize: 5 },
  ...{ axisPlacement: "auto", stacking: { mode: "none", group: "A" } },
};
const theme = createTheme({ colors: { mode: "dark" } });

async function ask<T>(path: string, parameters: Values): Promise<T> {
  const response = await fetch(`/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const answer = await response.json();
  if (answer.status !== "success") {
    throw new Error(`${JSON.stringify(parameters)}: ${answer.error}`);
  }
  return answer.data;
}

const fill = (text: string, values: Values) =>
  text.replaceAll(/\$(\w+)/g, (whole, name) => values[name] ?? whole);

/** The first value of each variable, as Grafana chooses it; a variable may stand on those before it. */
async function valuesOf(variables: readonly Variable[], { from, to }: Run): Promise<Values> {
  const values: Values = {};
  for (const { name, type, query } of variables) {
    if (type === "datasource") continue;
    const [, metric, label] = /^label_values\((.+), (\w+)\)$/.exec(query.query)!;
    const match = { "match[]": fill(metric!, values), start: `${from}`, end: `${to}` };
    const found = await ask<Values[]>("series", match);
    values[name] = found.map((labels) => labels[label!]!).sort()[0]!;
  }
  return values;
}

async function framesOf(panel: Panel, width: number, run: Run, values: Values) {
  if (panel.type !== "timeseries" || panel.fieldConfig.overrides.length > 0) {
    throw new Error(`${panel.title}: cannot draw that`);
  }
  const { from, to, scrape } = run;
  const step = Math.max(scrape, Math.ceil((to - from) / width));
  const spans = {
    __range: `${to - from}s`,
    __rate_interval: `${Math.max(step + scrape, 4 * scrape)}s`,
  };
  const when = { start: `${Math.floor(from / step) * step}`, end: `${to}`, step: `${step}` };
  const answers = await Promise.all(panel.targets.map(async ({ expr, legendFormat }) => {
    const query = fill(expr, { ...values, ...spans });
    const { result } = await ask<{ result: Series[] }>("query_range", { query, ...when });
    return result.map((series) => ({ series, legendFormat }));
  }));
  return answers.flat().map(({ series, legendFormat }, at) => {
    const frame = frameOf(panel, series, legendFormat, step);
    for (const field of frame.fields) {
      field.state = { seriesIndex: at };
      field.display = getDisplayProcessor({ field, theme, timeZone: "utc" });
    }
    return frame;
  });
}

function frameOf(panel: Panel, { metric, values }: Series, legend: string, step: number) {
  const { defaults } = panel.fieldConfig;
  const config = {
    color: { mode: "palette-classic" },
    ...defaults,
    displayNameFromDS: legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? ""),
    custom: { ...PANEL_DEFAULTS, ...(defaults.custom as object) },
  };
  const times = values.map(([time]) => time * 1000);
  const numbers = values.map(([, value]) => Number(value));
  return toDataFrame({
    fields: [
      { name: "Time", type: FieldType.time, values: times, config: { interval: step * 1000 } },
      { name: "Value", type: FieldType.number, values: numbers, labels: metric, config },
    ],
  });
}

interface Drawn {
  readonly panel: Panel;
  readonly frames: DataFrame[];
  readonly run: Run;
  readonly width: number;
  readonly height: number;
}

function DrawnPanel({ panel, frames, run, width, height }: Drawn) {
  const [from, to] = [dateTime(run.from * 1000), dateTime(run.to * 1000)];
  const timeRange = { from, to, raw: { from, to } };
  const legend = panel.options.legend as ComponentProps<typeof TimeSeries>["legend"];
  const nothing = { height: "100%", display: "grid", placeItems: "center" };
  const words = String(panel.fieldConfig.defaults.noValue ?? "No data");
  return (
    <PanelChrome title={panel.title} width={width} height={height}>
      {(width, height) => {
        if (frames.length === 0) return <div style={nothing}>{words}</div>;
        const plot = { frames, width, height, timeRange, timeZone: "utc", legend };
        return <TimeSeries {...plot} />;
      }}
    </PanelChrome>
  );
}

async function cellOf(panel: Panel, run: Run, values: Values) {
  const { x, y, w, h } = panel.gridPos;
  const column = (document.body.clientWidth - GAP) / COLUMNS;
  const [width, height] = [column * w - GAP, h * (UNIT + GAP) - GAP];
  const [left, top] = [GAP + x * column, (y + 1.5) * (UNIT + GAP)];
  const place = { position: "absolute", left, top, width, height } as const;
  const content = panel.type === "row"
    ? <h5 style={{ padding: 6 }}>{[<Icon key="open" name="angle-down" />, " ", panel.title]}</h5>
    : (
      <DrawnPanel
        {...{ panel, run, width, height }}
        frames={await framesOf(panel, width, run, values)}
      />
    );
  return <div key={panel.id} style={place}>{content}</div>;
}

async function drawing() {
  const load = async (path: string) => (await fetch(path)).json();
  const [dashboard, run] = [await load("/dashboard.json"), await load("/run.json")];
  const variables: Variable[] = dashboard.templating.list;
  const values = await valuesOf(variables, run);
  const time = (seconds: number) => dateTime(seconds * 1000).utc().format("YYYY-MM-DD HH:mm");
  const shown = variables.filter(({ name, hide }) => !hide && values[name] !== undefined);
  const words = [
    dashboard.title,
    ...shown.map(({ name, label }) => `${label}: ${values[name]}`),
    `${time(run.from)} to ${time(run.to)} UTC`,
  ];
  const cells = dashboard.panels.map((panel: Panel) => cellOf(panel, run, values));
  const top = <h4 key="top" style={{ padding: 12 }}>{words.join(" \u00a0·\u00a0 ")}</h4>;
  return [top, ...await Promise.all(cells)];
}

function Page() {
  const [content, setContent] = useState<Awaited<ReturnType<typeof drawing>>>();
  useEffect(() => {
    drawing().then(setContent, (error) => fetch(`/failed?${error}`));
  }, []);
  useEffect(() => {
    if (content !== undefined) fetch("/drawn");
  }, [content]);
  return (
    <ThemeContext.Provider value={theme}>
      {[<GlobalStyles key="styles" />, content]}
    </ThemeContext.Provider>
  );
}

createRoot(document.getElementById("page")!).render(<Page />);
