// SPDX-License-Identifier: MulanPSL-2.0
/** The HTTP server of port 8888: `/metrics`, `/healthz`, `/probes`, `/events`, and `/` for people and scrapers. */
import type { BuildInfo, ProbeStatus } from "../core/agent_stats.ts";
import { expositionForm, wantsGzip, wantsHtml } from "./accept.ts";
import { CONTENT_TYPES } from "./exposition.ts";
import type { HttpRequest } from "./http_head.ts";
import { type HttpAnswer, plainAnswer } from "./http_connection.ts";
import {
  type ConnectionStats,
  type HttpLimits,
  HttpListener,
  type HttpListenerOptions,
} from "./http_listener.ts";
import type { Snapshot } from "./snapshot.ts";
import { probeReport, statusPage } from "./status_page.ts";

export interface MetricsServerOptions {
  readonly hostname: string;
  readonly port: number;
  readonly tls?: HttpListenerOptions["tls"];
  readonly limits?: Partial<HttpLimits>;
  readonly breakOff?: HttpListenerOptions["breakOff"];
  readonly snapshot: Snapshot;
  readonly build: BuildInfo;
  readonly probes: () => readonly ProbeStatus[];
  /** The last events, as a JSON array. */
  readonly events: () => string;
  /** Told of every answer that failed for a reason of ours. */
  readonly failed: (error: unknown) => void;
}

export interface HttpStats {
  readonly connections: ConnectionStats;
  readonly answers: readonly { path: string; code: number; count: number }[];
}

export interface MetricsServer {
  readonly port: number;
  stats(): HttpStats;
  /** Ends within `graceMs`, 1 s if not given. */
  close(graceMs?: number): Promise<void>;
}

const ROUTES: Readonly<
  Record<
    string,
    (options: MetricsServerOptions, request: HttpRequest) => Promise<HttpAnswer> | HttpAnswer
  >
> = {
  "/": (options, request) =>
    wantsHtml(request.headers.get("accept"))
      ? browserAnswer(options)
      : pageAnswer(options, request),
  "/metrics": pageAnswer,
  "/healthz": healthAnswer,
  "/probes": probesAnswer,
  "/events": ({ events }) => jsonAnswer(events()),
};

const OTHER_PATH = "other";
const METHODS = ["GET", "HEAD"];
const encoder = new TextEncoder();

/** Starts to listen. Throws AddressInUse, or what the system says about address or certificate. */
export function metricsServer(options: MetricsServerOptions): MetricsServer {
  const answers = new Map<string, { path: string; code: number; count: number }>();
  const listener = new HttpListener({
    hostname: options.hostname,
    port: options.port,
    tls: options.tls,
    limits: options.limits,
    breakOff: options.breakOff,
    failed: options.failed,
    answer: (request) => route(options, request),
    answered: (code, request) => {
      const known = request !== undefined && Object.hasOwn(ROUTES, request.path);
      const path = known ? request.path : OTHER_PATH;
      const key = `${path} ${code}`;
      const counted = answers.get(key);
      if (counted === undefined) answers.set(key, { path, code, count: 1 });
      else counted.count++;
    },
  });
  return {
    port: listener.port,
    stats: () => ({ connections: listener.stats, answers: [...answers.values()] }),
    close: (graceMs) => listener.close(graceMs),
  };
}

function route(
  options: MetricsServerOptions,
  request: HttpRequest,
): Promise<HttpAnswer> | HttpAnswer {
  if (!Object.hasOwn(ROUTES, request.path)) {
    return plainAnswer(404, `There is no such page. There are: ${Object.keys(ROUTES).join(" ")}`);
  }
  if (!METHODS.includes(request.method)) {
    const allow = METHODS.join(", ");
    return plainAnswer(405, `Only ${allow} are allowed here`, { allow });
  }
  return ROUTES[request.path]!(options, request);
}

async function pageAnswer(
  { snapshot }: MetricsServerOptions,
  { headers }: HttpRequest,
): Promise<HttpAnswer> {
  const form = expositionForm(headers.get("accept"));
  const compressed = wantsGzip(headers.get("accept-encoding"));
  const page = compressed ? await snapshot.compressedPage(form) : await snapshot.page(form);
  return {
    status: 200,
    headers: {
      "content-type": CONTENT_TYPES[form],
      ...(compressed ? { "content-encoding": "gzip" } : {}),
      vary: "accept, accept-encoding",
    },
    body: page.bytes,
    release: () => page[Symbol.dispose](),
  };
}

function browserAnswer({ build, probes }: MetricsServerOptions): HttpAnswer {
  const headers = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    vary: "accept, accept-encoding",
  };
  return { status: 200, headers, body: encoder.encode(statusPage(build, probes())) };
}

/** Healthy: the event loop answers, and at least one probe does its work. */
function healthAnswer({ probes }: MetricsServerOptions): HttpAnswer {
  const all = probes();
  if (all.some(({ state }) => state === "running")) return plainAnswer(200, "ok");
  const states = all.map(({ name, state, reason }) =>
    `${name} is ${state}${reason === undefined ? "" : `: ${reason}`}`
  );
  return plainAnswer(503, ["No probe runs", ...states].join("\n"));
}

function probesAnswer({ probes }: MetricsServerOptions): HttpAnswer {
  return jsonAnswer(JSON.stringify(probeReport(probes()), null, 2));
}

function jsonAnswer(text: string): HttpAnswer {
  const headers = { "content-type": "application/json" };
  return { status: 200, headers, body: encoder.encode(`${text}\n`) };
}
