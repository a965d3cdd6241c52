// SPDX-License-Identifier: MulanPSL-2.0
/** The agent's pages: what /metrics, /probes and /events of the configured server are made from. */
import type { BuildInfo } from "../core/agent_stats.ts";
import { messageOf, stackOf, Unsupported } from "../core/errors.ts";
import type { Store } from "../core/store.ts";
import { agentMetrics } from "../egress/agent_metrics.ts";
import type { EventLog } from "../egress/event_log.ts";
import { type MetricsServer, metricsServer } from "../egress/http_server.ts";
import type { LoopLag } from "../egress/loop_lag.ts";
import type { Outputs } from "../egress/outputs.ts";
import { Snapshot } from "../egress/snapshot.ts";
import type { Logger } from "../manager/log.ts";
import type { Manager } from "../manager/manager.ts";
import type { Config } from "../manager/schema.ts";
import { breakOff } from "../sys/break_off.ts";
import type { Libbpf } from "../sys/libbpf.ts";
import { processStats } from "../sys/process_stats.ts";

export interface ServeContext {
  readonly config: Config["web_server"];
  readonly store: Store;
  readonly manager: Manager;
  readonly outputs: Outputs;
  readonly events: EventLog;
  readonly log: Logger;
  readonly lag: LoopLag;
  readonly build: () => BuildInfo;
  /** Undefined until it is opened: until then a connection whose other end does not read stays longer. */
  readonly libbpf: () => Libbpf | undefined;
}

export interface Serving {
  readonly server: MetricsServer;
  /** Loads the package of the agent's own metrics, which pages lack until then. */
  readonly warmUp: () => Promise<unknown>;
}

/** Throws AddressInUse, or Unsupported for files of TLS that cannot be read. */
export function serve(context: ServeContext): Serving {
  const { config, store, manager, outputs, events, log, lag, build } = context;
  let loaded = false;
  const loose = () => {
    if (loaded) return own();
    // Who asks in the first moment wants to know about the host: the package takes longer than the whole page.
    warmUp().catch((error) => log("error", `Own metrics: ${error}`));
    return Promise.resolve([]);
  };
  const snapshot: Snapshot = new Snapshot({ store, loose });
  const server = metricsServer({
    hostname: config.bind_addr,
    port: config.port,
    ...(config.ssl_auth === "on" ? { tls: readTls(config.cert_file, config.private_key) } : {}),
    breakOff: (remote) => {
      const libbpf = context.libbpf();
      if (libbpf !== undefined) breakOff(libbpf.libc, remote);
    },
    snapshot,
    build: build(),
    probes: () => manager.status(),
    events: () => events.latest(),
    failed: (error) => log("error", `HTTP: ${stackOf(error)}`),
  });
  const own = agentMetrics({
    stats: () => ({ build: build(), process: processStats(), probes: manager.status() }),
    http: () => server.stats(),
    outputs: () => outputs.stats(),
    events: () => ({ counts: events.counts() }),
    snapshot: () => snapshot.stats,
    lag: () => lag.stats,
  });
  const warmUp = async () => {
    await own();
    loaded = true;
  };
  log("info", `Serves metrics on ${config.bind_addr} port ${server.port}`);
  return { server, warmUp };
}

function readTls(cert: string, key: string) {
  try {
    return { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) };
  } catch (error) {
    const reason = messageOf(error);
    throw new Unsupported(`Cannot read the web server's certificate or key: ${reason}`);
  }
}
