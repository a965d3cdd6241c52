// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Makes docs/dashboard.png: the compiled program watches this host while nginx, redis and PostgreSQL are asked, a real
 * Prometheus reads it, page.tsx draws the shipped dashboard from that, and Chromium takes the picture. Run by
 * scripts/dashboard_picture.sh [--minutes N] [--height PIXELS].
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { pause } from "../bench/measure.ts";
import { output, startWorkloads, type Workload } from "../bench/workloads.ts";
import { ROOT, withAgent, withFolder } from "../e2e/run_agent.ts";
import { withPrometheus } from "../e2e/run_prometheus.ts";

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "15" },
    /** Of the upper part that is shown. */
    height: { type: "string", default: "1662" },
  },
});
const SECONDS = Number(options.minutes) * 60;
const SCRAPE_S = 5;
const ASK_S = [90, 150, 240];
const REST_S = [30, 45, 60];
const WIDTH = 1500;
const BUILT = `${ROOT}.tools/dashboard`;
const PUBLIC = `${BUILT}/node_modules/@grafana/ui/dist/public`;
const FONTS = "/usr/share/fonts/opentype/inter";
const HTML = `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/page.css">
<div id="page"></div><script src="/page.js"></script>`;
/** Where Grafana's components look for it, where it is, and of what type. */
const FILES: readonly (readonly [RegExp, string, string])[] = [
  [/^\/dashboard\.json$/, `${ROOT}packaging/grafana/gala-gopher.json`, "application/json"],
  [/^\/page\.js$/, `${BUILT}/page.js`, "text/javascript"],
  [/^\/page\.css$/, `${BUILT}/page.css`, "text/css"],
  [/^\/public\/build\/(img\/.+\.svg)$/, `${PUBLIC}/$1`, "image/svg+xml"],
  [/^\/public\/fonts\/inter\/([\w-]+)\.woff2$/, `${FONTS}/$1.otf`, "font/otf"],
];

/** Asks it most of the time, each at times of its own: what is always the same gives straight lines. */
async function askInTurns({ ask }: Workload, at: number, end: number): Promise<void> {
  const left = () => Math.round((end - performance.now()) / 1000);
  while (left() > 0) {
    await ask(Math.min(left(), ASK_S[at]!));
    await pause(Math.min(Math.max(left(), 0), REST_S[at]!) * 1000);
  }
}

async function answer(path: string, query: string, prometheus: number): Promise<Response> {
  const typed = (body: BodyInit, type: string) =>
    new Response(body, { headers: { "content-type": type } });
  if (path === "/") return typed(HTML, "text/html");
  if (path.startsWith("/api/v1/")) {
    return await fetch(`http://127.0.0.1:${prometheus}${path}${query}`);
  }
  for (const [pattern, file, type] of FILES) {
    if (pattern.test(path)) {
      return typed(await Deno.readFile(path.replace(pattern, file)), type);
    }
  }
  return new Response(null, { status: 404 });
}

/** The page as it is when all is drawn. */
async function takePicture(prometheus: number, folder: string): Promise<void> {
  const to = Math.floor(Date.now() / 1000);
  const run = { from: to - SECONDS, to, scrape: SCRAPE_S };
  let said = "nothing";
  const handle = (request: Request) => {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/run.json") return Response.json(run);
    if (pathname !== "/drawn" && pathname !== "/failed") {
      return answer(pathname, search, prometheus);
    }
    said = decodeURIComponent(pathname + search);
    return new Response();
  };
  const where = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  await using server = Deno.serve(where, handle);
  await output("chromium", [
    ...["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"],
    ...[`--user-data-dir=${folder}/chromium`, `--window-size=${WIDTH},${options.height}`],
    ...["--virtual-time-budget=20000", `--screenshot=${folder}/dashboard.png`],
    `http://127.0.0.1:${server.addr.port}/`,
  ]);
  assert.equal(said, "/drawn");
  const picture = `${ROOT}docs/dashboard.png`;
  const small = ["--force", "--strip", "--output", picture, "128"];
  await output("pngquant", [...small, `${folder}/dashboard.png`]);
  console.log(`${picture}: ${(await Deno.stat(picture)).size} bytes`);
}

await withFolder((folder) =>
  withAgent({}, (agent) =>
    withPrometheus(agent, async ({ port }) => {
      await using stack = new AsyncDisposableStack();
      const workloads = await startWorkloads(folder, stack);
      const end = performance.now() + SECONDS * 1000;
      await Promise.all(workloads.map((workload, at) => askInTurns(workload, at, end)));
      await takePicture(port, folder);
    }, SCRAPE_S))
);
