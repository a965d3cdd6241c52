// SPDX-License-Identifier: MulanPSL-2.0
/** The running agent: native probes and the server first, so that a scrape is answered at once; then all else. */
import type { BuildInfo, ProbeStatus } from "../core/agent_stats.ts";
import { ContainerLookup } from "../core/container_lookup.ts";
import { ConfigError, messageOf, Unsupported } from "../core/errors.ts";
import { ProcessTable } from "../core/process_table.ts";
import { Store } from "../core/store.ts";
import { agentMetrics } from "../egress/agent_metrics.ts";
import { type MetricsServer, metricsServer } from "../egress/http_server.ts";
import { LoopLag } from "../egress/loop_lag.ts";
import { Snapshot } from "../egress/snapshot.ts";
import { probes } from "../gen/all.ts";
import { Watchdog } from "../ingest/watchdog.ts";
import { ConfigProblems } from "../manager/config_findings.ts";
import { createLog, fileSink, type Logger, type LogSink, stderrSink } from "../manager/log.ts";
import { Manager } from "../manager/manager.ts";
import { channelsOf, type Config } from "../manager/schema.ts";
import { BpfStatistics } from "../sys/bpf_cost.ts";
import { breakOff } from "../sys/break_off.ts";
import { demandDescriptors } from "../sys/descriptor_limit.ts";
import { LibcHostCalls } from "../sys/host_calls.ts";
import { RootFiles } from "../sys/host_files.ts";
import { type Libbpf, openLibbpf } from "../sys/libbpf.ts";
import { ownMemory, processStats } from "../sys/process_stats.ts";
import { IdleMemory } from "../sys/resident_memory.ts";
import { RuntimeNames } from "../sys/runtime_names.ts";
import { buildVersion, embeddedLibrary } from "./embedded.ts";
import { AutoChecks } from "./auto_checks.ts";
import { DropIns } from "./drop_ins.ts";
import { EventSources } from "./event_sources.ts";
import { ExternalStarter } from "./external_starter.ts";
import { hostLabels } from "./identity.ts";
import { leftOutProbes } from "./left_out.ts";
import { type OpenOutputs, openOutputs } from "./open_outputs.ts";
import { changesOf, reloadProbes } from "./reload.ts";
import {
  builtInProbes,
  type Configured,
  externalProbes,
  type Stage,
  type StartContext,
} from "./starters.ts";

const now = () => performance.now();
/** It takes 0.7 ms, and 2 more until what readings and scrapes touch has come back from the page cache. */
const GIVE_BACK_EVERY_MS = 4900;
/** After a reading, so that what it has touched goes: till the next one 17 MB less are resident. */
const GIVE_BACK_BEHIND_MS = 500;
/** By then everything is loaded. */
const GIVE_BACK_AFTER_MS = 3000;

/** V8's own, with the flag of scripts/build.sh. */
const { gc } = globalThis as { gc?: (how: Readonly<Record<string, string>>) => void };
/** Collects twice and gives up pages that are nearly empty: measured 19.1 to 14.8 MB of heap, an ordinary one to 19.9. */
const collectGarbage = () => gc?.({ type: "major", execution: "sync", flavor: "last-resort" });

export class Agent {
  readonly #context: StartContext;
  #config: Config;
  readonly #log: Logger;
  readonly #sink: LogSink;
  readonly #store: Store;
  readonly #files: RootFiles;
  readonly #calls: LibcHostCalls;
  readonly #watchdog: Watchdog;
  readonly #manager: Manager;
  readonly #outputs: OpenOutputs;
  readonly #events: EventSources;
  readonly #lag = new LoopLag();
  readonly #configured: readonly Configured[];
  readonly #starter: ExternalStarter;
  #ending = false;
  #autoChecks: AutoChecks | undefined;
  #dropIns: DropIns | undefined;
  #giveBackTimer: ReturnType<typeof setTimeout> | undefined;
  #gaveBackAt = Infinity;
  #server: MetricsServer | undefined;
  #ownMetrics: ReturnType<typeof agentMetrics> | undefined;
  #libbpf: Libbpf | undefined;
  #idleMemory: IdleMemory | undefined;
  #statistics: BpfStatistics | undefined;

  /** Throws ConfigError for what only the probes can tell to be wrong. Starts nothing. */
  constructor(config: Config, { quiet = false } = {}) {
    const { global, imdb, ingress, logs } = config;
    this.#config = config;
    this.#sink = quiet || global.log_file_name === ""
      ? stderrSink()
      : fileSink(`${logs.debug_dir}/${global.log_file_name}`, global.log_max_size * 1e6);
    this.#log = createLog({
      level: quiet ? "warn" : global.log_level,
      sink: this.#sink,
      clock: Date.now,
    });
    this.#store = new Store({
      maxTables: imdb.max_tables_num,
      maxRows: imdb.max_records_num,
      maxFields: imdb.max_metrics_num,
      timeoutMs: imdb.record_timeout * 1000,
    }, hostLabels(global.root));
    this.#outputs = openOutputs(config, this.#store, this.#log);
    this.#events = new EventSources({
      config,
      store: this.#store,
      log: this.#log,
      send: (json) => this.#outputs.outputs.event(json),
    });
    this.#files = new RootFiles({ root: global.root });
    this.#calls = new LibcHostCalls(global.root);
    this.#watchdog = new Watchdog((text) => this.#log("warn", text));
    this.#manager = new Manager({
      store: this.#store,
      log: this.#log,
      now,
      intervalMs: ingress.interval * 1000,
      ticked: () => this.#giveBackLater(),
    });
    const containers = new ContainerLookup(this.#files, { clock: now });
    const current = () => this.#config;
    this.#context = {
      get config() {
        return current();
      },
      store: this.#store,
      files: this.#files,
      calls: this.#calls,
      containers,
      processes: new ProcessTable(this.#files, {
        clock: now,
        containerOf: (pid) => containers.idOf(pid),
      }),
      names: new RuntimeNames(this.#files, {
        root: global.root,
        clock: now,
        log: (text) => this.#log("info", text),
      }),
      log: this.#log,
      libbpf: () => this.#openLibbpf(),
      events: this.#events,
    };
    this.#starter = new ExternalStarter({
      config,
      store: this.#store,
      watchdog: this.#watchdog,
      log: this.#log,
      now,
      onRecord: (_probe, kind, line) => this.#events.record(kind, line),
      containerOf: (pid) => containers.idOf(pid),
    });
    this.#configured = this.#probesOf(config);
    for (const { startable } of this.#configured) this.#manager.add(startable);
  }

  /** Resolves when every probe runs or is known not to. Throws AddressInUse, or what TLS files are refused for. */
  async start(): Promise<void> {
    for (const warning of this.#config.warnings) this.#log("warn", warning);
    await this.#startStage("files");
    if (channelsOf(this.#config.metric.out_channel).includes("web_server")) {
      this.#server = this.#serve();
    }
    this.#manager.run();
    this.#outputs.start();
    this.#events.start();
    await Promise.all([this.#startStage("external"), this.#startKernel()]);
    this.#startWatching();
    // Loads its package now, so that the first scrape need not.
    await this.#ownMetrics?.().catch((error) => this.#log("error", `Own metrics: ${error}`));
    this.#gaveBackAt = now() + GIVE_BACK_AFTER_MS;
    this.#giveBackTimer = setTimeout(() => this.#idleMemory?.giveBack(now()), GIVE_BACK_AFTER_MS);
  }

  /** Starts every probe, also those that are switched off, tells how each fares, and ends them all. */
  async tryAll(): Promise<ProbeStatus[]> {
    try {
      for (const stage of ["files", "external", "kernel"] as const) {
        await this.#startStage(stage, true);
      }
      return this.#manager.status();
    } finally {
      await this.stop("all were tried");
    }
  }

  /**
   * Takes a new configuration for the probes; what else has changed in it wants a restart. With one that cannot be
   * used all stays as it was. Never rejects. After `start`, and never twice at a time.
   */
  async reload(read: () => Config): Promise<void> {
    if (this.#ending) return;
    try {
      await this.#reload(read());
      this.#log("info", `Has read its configuration again: ${this.summary()}`);
    } catch (error) {
      const known = error instanceof ConfigError || error instanceof ConfigProblems;
      const reason = error instanceof Error && !known ? error.stack : (error as Error).message;
      this.#log("error", `Keeps the configuration that it has: ${reason}`);
    }
  }

  async #reload(config: Config): Promise<void> {
    for (const warning of config.warnings) this.#log("warn", warning);
    const next = { ...this.#config, probes: config.probes, extend_probes: config.extend_probes };
    const configured = this.#probesOf(next);
    this.#events.configure(next);
    const changes = changesOf(this.#config, config);
    this.#config = next;
    await reloadProbes({
      changes,
      configured,
      manager: this.#manager,
      log: this.#log,
      ending: () => this.#ending,
    });
  }

  /** For the service manager's status line. */
  summary(): string {
    const states = this.#manager.status().map(({ state }) => state);
    const count = (wanted: string) => states.filter((state) => state === wanted).length;
    const counts = `${count("running")} probes run`;
    const rest = count("unsupported") + count("failed");
    return rest === 0 ? counts : `${counts}, ${rest} do not: gala-gopher doctor says why`;
  }

  /** Somebody has moved files away that the agent writes. */
  reopenFiles(): void {
    this.#outputs.reopen();
    this.#sink.reopen();
  }

  /** Ends everything that the agent started; within 2 s. */
  async stop(reason: string): Promise<void> {
    this.#log("info", `Stops: ${reason}`);
    this.#ending = true;
    clearTimeout(this.#giveBackTimer);
    this.#events.stop();
    this.#idleMemory = undefined;
    this.#starter.hurry();
    const closing = [this.#autoChecks?.close(), this.#dropIns?.close(), this.#server?.close(500)];
    // The outputs read the tables for the last time at once, before they go with their probes.
    await Promise.all([this.#outputs.close(), this.#manager.stop(), ...closing]);
    await this.#starter.close();
    await this.#watchdog[Symbol.asyncDispose]();
    this[Symbol.dispose]();
  }

  /** For an agent that was not started, or is stopped. */
  [Symbol.dispose](): void {
    this.#statistics?.[Symbol.dispose]();
    this.#libbpf?.[Symbol.dispose]();
    this.#calls[Symbol.dispose]();
    this.#files[Symbol.dispose]();
    this.#lag[Symbol.dispose]();
    this.#sink[Symbol.dispose]();
  }

  #giveBackLater(): void {
    if (now() - this.#gaveBackAt < GIVE_BACK_EVERY_MS) return;
    this.#gaveBackAt = now();
    this.#giveBackTimer = setTimeout(() => this.#idleMemory?.giveBack(now()), GIVE_BACK_BEHIND_MS);
  }

  #probesOf(config: Config): Configured[] {
    return [
      ...builtInProbes(probes, this.#context, config),
      ...leftOutProbes(config),
      ...externalProbes(this.#context, config, this.#starter),
    ];
  }

  get #build(): BuildInfo {
    const libbpf = this.#libbpf?.version ?? "not loaded";
    return { version: buildVersion(), deno: Deno.version.deno, libbpf };
  }

  async #startStage(stage: Stage, off = false): Promise<void> {
    const wanted = this.#configured.filter((probe) => (probe.on || off) && probe.stage === stage);
    await Promise.all(wanted.map(({ startable }) => this.#manager.get(startable.name)!.start()));
  }

  /** Third-party probes come and go: with what they observe, and with their folders. */
  #startWatching(): void {
    const { external_probes } = this.#config;
    const { drop_in, drop_in_dir, drop_in_interval, check_interval } = external_probes;
    const shared = { starter: this.#starter, manager: this.#manager, log: this.#log };
    if (drop_in) {
      const intervalMs = drop_in_interval * 1000;
      this.#dropIns = new DropIns({ ...shared, folder: drop_in_dir, intervalMs });
    }
    this.#autoChecks = new AutoChecks({
      ...shared,
      intervalMs: check_interval * 1000,
      entries: () => [...this.#config.extend_probes, ...this.#dropIns?.entries ?? []],
    });
  }

  async #startKernel(): Promise<void> {
    if (this.#config.global.bpf_stats) this.#startStatistics();
    await this.#startStage("kernel");
  }

  #startStatistics(): void {
    try {
      this.#statistics = new BpfStatistics(this.#openLibbpf());
    } catch (error) {
      this.#log("info", `No BPF statistics: ${error instanceof Error ? error.message : error}`);
    }
  }

  #openLibbpf(): Libbpf {
    if (this.#libbpf === undefined) {
      demandDescriptors();
      this.#libbpf = openLibbpf(embeddedLibrary);
      this.#idleMemory = new IdleMemory(
        this.#libbpf,
        collectGarbage,
        () => ownMemory().anonymousBytes,
      );
    }
    return this.#libbpf;
  }

  #serve(): MetricsServer {
    const { web_server: web } = this.#config;
    const snapshot: Snapshot = new Snapshot({
      store: this.#store,
      loose: () => own(),
    });
    const server = metricsServer({
      hostname: web.bind_addr,
      port: web.port,
      ...(web.ssl_auth === "on" ? { tls: readTls(web.cert_file, web.private_key) } : {}),
      breakOff: (remote) => {
        if (this.#libbpf !== undefined) breakOff(this.#libbpf.libc, remote);
      },
      snapshot,
      build: this.#build,
      probes: () => this.#manager.status(),
      events: () => this.#events.events.latest(),
      failed: (error) =>
        this.#log("error", `HTTP: ${error instanceof Error ? error.stack : error}`),
    });
    const own = this.#ownMetrics = agentMetrics({
      stats: () => ({
        build: this.#build,
        process: processStats(),
        probes: this.#manager.status(),
      }),
      http: () => server.stats(),
      outputs: () => this.#outputs.outputs.stats(),
      events: () => ({ counts: this.#events.events.counts() }),
      snapshot: () => snapshot.stats,
      lag: () => this.#lag.stats,
    });
    this.#log("info", `Serves metrics on ${web.bind_addr} port ${server.port}`);
    return server;
  }
}

function readTls(cert: string, key: string) {
  try {
    return { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) };
  } catch (error) {
    const reason = messageOf(error);
    throw new Unsupported(`Cannot read the web server's certificate or key: ${reason}`);
  }
}
