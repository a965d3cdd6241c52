// SPDX-License-Identifier: MulanPSL-2.0
/** The running agent: native probes and the server first, so that a scrape is answered at once; then all else. */
import type { BuildInfo, ProbeStatus } from "../core/agent_stats.ts";
import { ContainerLookup } from "../core/container_lookup.ts";
import { ConfigError, messageOf, stackOf } from "../core/errors.ts";
import { ProcessTable } from "../core/process_table.ts";
import { Store } from "../core/store.ts";
import { LoopLag } from "../egress/loop_lag.ts";
import { probes } from "../gen/all.ts";
import { cameWithin } from "../ingest/child.ts";
import { Watchdog } from "../ingest/watchdog.ts";
import { ConfigProblems } from "../manager/config_findings.ts";
import { createLog, fileSink, type Logger, type LogSink, stderrSink } from "../manager/log.ts";
import { Manager } from "../manager/manager.ts";
import { channelsOf, type Config } from "../manager/schema.ts";
import { BpfStatistics } from "../sys/bpf_cost.ts";
import { demandDescriptors } from "../sys/descriptor_limit.ts";
import { LibcHostCalls } from "../sys/host_calls.ts";
import { RootFiles } from "../sys/host_files.ts";
import { type Libbpf, openLibbpf } from "../sys/libbpf.ts";
import { RuntimeNames } from "../sys/runtime_names.ts";
import { buildVersion, embeddedLibrary } from "./embedded.ts";
import { AutoChecks } from "./auto_checks.ts";
import { DropIns } from "./drop_ins.ts";
import { EventSources } from "./event_sources.ts";
import { ExternalStarter } from "./external_starter.ts";
import { hostLabels } from "./identity.ts";
import { leftOutProbes } from "./left_out.ts";
import { MemoryCare } from "./memory_care.ts";
import { type OpenOutputs, openOutputs } from "./open_outputs.ts";
import { changesOf, reloadProbes } from "./reload.ts";
import { serve, type Serving } from "./serve.ts";
import {
  builtInProbes,
  type Configured,
  externalProbes,
  type Stage,
  type StartContext,
} from "./starters.ts";

const now = () => performance.now();
/** Libraries and programs keep the event loop busy when they are opened: who asks at once is answered before. */
const ANSWER_FIRST_MS = 20;
/** A busy host may take longer to load what has just been started, and a load cannot be broken off. */
const PROBES_STOP_WITHIN_MS = 1500;

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
  readonly #memory = new MemoryCare(now);
  #serving: Serving | undefined;
  #libbpf: Libbpf | undefined;
  #statistics: BpfStatistics | undefined;

  /** Throws ConfigError for what only the probes can tell to be wrong. Starts nothing. */
  constructor(config: Config, { quiet = false } = {}) {
    const { global, ingress } = config;
    this.#config = config;
    const { sink, problem } = quiet ? { sink: stderrSink() } : openSink(config);
    this.#sink = sink;
    this.#log = createLog({
      level: quiet ? "warn" : global.log_level,
      sink: this.#sink,
      clock: Date.now,
    });
    if (problem !== undefined) this.#log("error", problem);
    this.#store = storeOf(config);
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
      ticking: () => this.#files.beginReading(),
      ticked: () => this.#memory.ticked(),
    });
    this.#context = this.#newContext();
    this.#starter = new ExternalStarter({
      config,
      store: this.#store,
      watchdog: this.#watchdog,
      log: this.#log,
      now,
      onRecord: (_probe, kind, line) => this.#events.record(kind, line),
      containerOf: (pid) => this.#context.containers.idOf(pid),
    });
    this.#configured = this.#probesOf(config);
    for (const { startable } of this.#configured) this.#manager.add(startable);
  }

  /** Resolves when every probe runs or is known not to. Throws AddressInUse, or what TLS files are refused for. */
  async start(): Promise<void> {
    for (const warning of this.#config.warnings) this.#log("warn", warning);
    await this.#startStage("files");
    if (channelsOf(this.#config.metric.out_channel).includes("web_server")) {
      this.#serving = serve({
        config: this.#config.web_server,
        store: this.#store,
        manager: this.#manager,
        outputs: this.#outputs.outputs,
        events: this.#events.events,
        log: this.#log,
        lag: this.#lag,
        build: () => this.#build,
        libbpf: () => this.#libbpf,
      });
    }
    this.#manager.run();
    const ready = this.#outputs.start();
    this.#events.start();
    await new Promise((resolve) => setTimeout(resolve, ANSWER_FIRST_MS));
    const external = ready.then(() => this.#startStage("external"));
    await Promise.all([external, this.#startKernel()]);
    this.#startWatching();
    await this.#serving?.warmUp().catch((error) => this.#log("error", `Own metrics: ${error}`));
    this.#memory.started();
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
      const reason = known ? error.message : stackOf(error);
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
    this.#memory[Symbol.dispose]();
    this.#events.stop();
    this.#starter.hurry();
    const closing = [
      this.#autoChecks?.close(),
      this.#dropIns?.close(),
      this.#serving?.server.close(500),
    ];
    // The outputs read the tables for the last time at once, before they go with their probes.
    const outputs = this.#outputs.close();
    const stopped = await cameWithin(this.#manager.stop(), PROBES_STOP_WITHIN_MS);
    await Promise.all([outputs, ...closing]);
    await this.#starter.close();
    await this.#watchdog[Symbol.asyncDispose]();
    // Else a thread is still loading programs, with the libraries: all of it goes with the process.
    if (stopped) this[Symbol.dispose]();
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

  /** What the probes of the program share; its `config` is always the present one. */
  #newContext(): StartContext {
    const current = () => this.#config;
    const containers = new ContainerLookup(this.#files, { clock: now });
    const containerOf = containers.idOf.bind(containers);
    return {
      get config() {
        return current();
      },
      store: this.#store,
      files: this.#files,
      calls: this.#calls,
      containers,
      processes: new ProcessTable(this.#files, { clock: now, containerOf }),
      names: new RuntimeNames(this.#files, {
        root: current().global.root,
        clock: now,
        log: (text) => this.#log("info", text),
      }),
      log: this.#log,
      libbpf: () => this.#openLibbpf(),
      events: this.#events,
    };
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
      this.#log("info", `No BPF statistics: ${messageOf(error)}`);
    }
  }

  #openLibbpf(): Libbpf {
    if (this.#libbpf === undefined) {
      demandDescriptors();
      this.#libbpf = openLibbpf(embeddedLibrary);
      this.#memory.use(this.#libbpf);
    }
    return this.#libbpf;
  }
}

/** A disk that is full or cannot be written is no reason not to observe: then the log goes to standard error. */
function openSink({ global, logs }: Config): { sink: LogSink; problem?: string } {
  if (global.log_file_name === "") return { sink: stderrSink() };
  const path = `${logs.debug_dir}/${global.log_file_name}`;
  try {
    return { sink: fileSink(path, global.log_max_size * 1e6) };
  } catch (error) {
    return { sink: stderrSink(), problem: `Cannot open the log "${path}": ${messageOf(error)}` };
  }
}

function storeOf({ global, imdb }: Config): Store {
  const limits = {
    maxTables: imdb.max_tables_num,
    maxRows: imdb.max_records_num,
    maxFields: imdb.max_metrics_num,
    timeoutMs: imdb.record_timeout * 1000,
  };
  return new Store(limits, hostLabels(global.root));
}
