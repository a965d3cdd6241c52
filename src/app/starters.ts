// SPDX-License-Identifier: MulanPSL-2.0
/** From the configuration to probes that can be started, one way for each kind. */
import type { ContainerLookup } from "../core/container_lookup.ts";
import type { ContainerNamer } from "../core/container_names.ts";
import { ConfigError, KernelError, Unsupported } from "../core/errors.ts";
import type { AnyProbe, HookVerdict, HostCalls, NativeProbe, RunningProbe } from "../core/probe.ts";
import { Snooper } from "../core/proc_filter.ts";
import type { ProcessTable } from "../core/process_table.ts";
import type { Store } from "../core/store.ts";
import { proc } from "../gen/layouts.ts";
import { watchSystemLog } from "../ingest/system_log.ts";
import type { Logger } from "../manager/log.ts";
import type { Startable } from "../manager/probe_life.ts";
import { probeSettings, settingsOfParam } from "../manager/probe_settings.ts";
import type { Config, ProbeConfig } from "../manager/schema.ts";
import { BpfTasks } from "../sys/bpf_tasks.ts";
import { startBpf } from "../sys/bpf_runner.ts";
import { startRecords } from "../sys/record_runner.ts";
import type { RootFiles } from "../sys/host_files.ts";
import type { Libbpf } from "../sys/libbpf.ts";
import { type NativeHost, startNative } from "../sys/native_runner.ts";
import { pageSize, ProcTasks } from "../sys/proc_tasks.ts";
import { embeddedObject } from "./embedded.ts";
import type { ExternalStarter } from "./external_starter.ts";
import type { EventSources } from "./event_sources.ts";
import { SYSTEM_LOG } from "./known_probes.ts";
import { isLeftOut } from "./left_out.ts";

export interface StartContext {
  /** As it is now: a reload changes it. */
  readonly config: Config;
  readonly store: Store;
  readonly files: RootFiles;
  readonly calls: HostCalls;
  readonly containers: ContainerLookup;
  readonly names: ContainerNamer;
  readonly processes: ProcessTable;
  readonly log: Logger;
  /** Opened at the first call. Throws Unsupported when it cannot be. */
  readonly libbpf: () => Libbpf;
  readonly events: EventSources;
}

/** When a probe is started: what reads a few files before the server, what loads programs or reads much after it. */
export type Stage = "files" | "external" | "kernel";

/** A probe that is configured, and whether it is to run. */
export interface Configured {
  readonly startable: Startable;
  readonly on: boolean;
  readonly stage: Stage;
}

/** All probes of the program with their configured switch. Throws ConfigError for a name that does not exist. */
export function builtInProbes(
  all: readonly AnyProbe[],
  context: StartContext,
  config: Pick<Config, "probes">,
): Configured[] {
  const configured = new Map(config.probes.map((entry) => [entry.name, entry]));
  const names = [...all.map(({ name }) => name), SYSTEM_LOG.name];
  for (const entry of configured.values()) {
    if (names.includes(entry.name) || isLeftOut(entry.name)) continue;
    throw new ConfigError(`there is no probe "${entry.name}"`, entry.place, names.join(", "));
  }
  return [
    ...all.map((probe) => builtInProbe(probe, configured.get(probe.name), context)),
    systemLogProbe(configured.get(SYSTEM_LOG.name), context),
  ];
}

/** Asked for at each start of a probe, since a reload may have changed it. */
function entryNow(name: string, { config }: StartContext): ProbeConfig | undefined {
  return config.probes.find((entry) => entry.name === name);
}

function builtInProbe(
  probe: AnyProbe,
  entry: ProbeConfig | undefined,
  context: StartContext,
): Configured {
  refuseUnknownTables(probe, entry);
  const snooper = new Snooper();
  const start = () =>
    Promise.resolve().then(() =>
      startBuiltIn(probe, entryNow(probe.name, context), snooper, context)
    );
  return {
    startable: { name: probe.name, kind: probe.kind, start },
    on: entry?.switch === "on",
    stage: probe.kind === "native" && !probe.tasks && !probe.late ? "files" : "kernel",
  };
}

const SYSTEM_LOGS = ["/var/log/messages", "/var/log/syslog"];

function systemLogProbe(entry: ProbeConfig | undefined, context: StartContext): Configured {
  const { config: { global: { root } }, events } = context;
  const start = () =>
    Promise.resolve().then(() => {
      const { settings: given, place } = entryNow(SYSTEM_LOG.name, context) ?? {};
      const settings = probeSettings(
        SYSTEM_LOG.settings,
        given ?? {},
        place ?? { file: "settings" },
      );
      const path = settings.text("path");
      const paths = path === "" ? SYSTEM_LOGS.map((file) => root + file) : [path];
      return watchSystemLog({ paths, report: (event) => events.report(event) });
    });
  return {
    startable: { name: SYSTEM_LOG.name, kind: "native", start },
    on: entry?.switch === "on",
    stage: "files",
  };
}

function refuseUnknownTables(probe: AnyProbe, entry: ProbeConfig | undefined): void {
  for (const name of Object.keys(entry?.tables ?? {})) {
    if (Object.hasOwn(probe.tables, name)) continue;
    const allowed = Object.keys(probe.tables).join(", ");
    throw new ConfigError(`probe "${probe.name}" has no table "${name}"`, entry!.place, allowed);
  }
}

function startBuiltIn(
  probe: AnyProbe,
  entry: ProbeConfig | undefined,
  snooper: Snooper,
  context: StartContext,
): RunningProbe | Promise<RunningProbe> {
  const { config, store, containers, log, libbpf } = context;
  const given = { ...entry?.settings, ...settingsOfParam(entry?.param ?? "", probe.options) };
  const settings = probeSettings(probe.settings, given, entry?.place ?? { file: "settings" });
  const tablesOff = new Set(
    Object.entries(probe.tables).filter(([name, spec]) => {
      const byDefault = "on" in spec && !spec.on ? "off" : "on";
      return (entry?.tables[name] ?? byDefault) === "off";
    }).map(([name]) => name),
  );
  if (probe.kind === "native") {
    const host = { ...context, settings, tablesOff, snooper };
    return probe.tasks ? startWithTasks(probe, host, context) : startNative(probe, host);
  }
  const host = {
    store,
    settings,
    tablesOff,
    libbpf: libbpf(),
    image: embeddedObject,
    containers,
    btfPath: config.global.btf_path || undefined,
    log: (text: string) => log("info", `Probe "${probe.name}": ${text}`),
  };
  return "ring" in probe ? startRecords(probe, host) : startBpf(probe, host);
}

/** A probe of processes: through BPF where the kernel takes it, through /proc where not. */
async function startWithTasks(
  probe: NativeProbe,
  host: NativeHost,
  { config, files, log, libbpf }: StartContext,
): Promise<RunningProbe> {
  const pageBytes = pageSize();
  const fallback = new ProcTasks(files, pageBytes);
  let bpf: BpfTasks | undefined;
  let verdict: HookVerdict | undefined;
  try {
    bpf = await BpfTasks.load({
      libbpf: libbpf(),
      image: embeddedObject(proc.object),
      files: fallback,
      pageBytes,
      root: config.global.root,
      btfPath: config.global.btf_path || undefined,
    });
  } catch (error) {
    if (!(error instanceof Unsupported || error instanceof KernelError)) throw error;
    verdict = {
      program: "proc_tasks",
      hook: "iter/task",
      state: "unsupported",
      reason: error.message,
    };
    log("info", `Probe "${probe.name}" reads /proc: ${error.message}`);
  }
  try {
    const tasks = bpf ?? fallback;
    const running = startNative(probe, { ...host, tasks });
    return {
      ...running,
      stop() {
        running.stop();
        bpf?.[Symbol.dispose]();
      },
      hooks: () => bpf?.hooks ?? (verdict === undefined ? [] : [verdict]),
      cost: () => bpf?.cost() ?? [],
      facts: () => ({ reads: tasks.name }),
    };
  } catch (error) {
    bpf?.[Symbol.dispose]();
    throw error;
  }
}

/** The third-party probes of the configuration. */
export function externalProbes(
  context: StartContext,
  { extend_probes }: Pick<Config, "extend_probes">,
  starter: ExternalStarter,
): Configured[] {
  return extend_probes.map((entry) => {
    const now = () => context.config.extend_probes.find(({ name }) => name === entry.name) ?? entry;
    return {
      startable: starter.startable(entry.name, now),
      on: entry.switch !== "off",
      stage: "external",
    };
  });
}
