// SPDX-License-Identifier: MulanPSL-2.0
/** From the configuration to probes that can be started, one way for each kind. */
import type { ContainerLookup } from "../core/container_lookup.ts";
import type { ContainerNamer } from "../core/container_names.ts";
import { ConfigError } from "../core/errors.ts";
import type { AnyProbe, HostCalls, RunningProbe } from "../core/probe.ts";
import type { Store } from "../core/store.ts";
import { watchSystemLog } from "../ingest/system_log.ts";
import type { Logger } from "../manager/log.ts";
import type { Startable } from "../manager/probe_life.ts";
import { probeSettings } from "../manager/probe_settings.ts";
import type { Config, ProbeConfig } from "../manager/schema.ts";
import { startBpf } from "../sys/bpf_runner.ts";
import type { RootFiles } from "../sys/host_files.ts";
import type { Libbpf } from "../sys/libbpf.ts";
import { startNative } from "../sys/native_runner.ts";
import { embeddedObject } from "./embedded.ts";
import type { ExternalStarter } from "./external_starter.ts";
import type { EventSources } from "./event_sources.ts";

export interface StartContext {
  readonly config: Config;
  readonly store: Store;
  readonly files: RootFiles;
  readonly calls: HostCalls;
  readonly containers: ContainerLookup;
  readonly names: ContainerNamer;
  readonly log: Logger;
  /** Opened at the first call. Throws Unsupported when it cannot be. */
  readonly libbpf: () => Libbpf;
  readonly events: EventSources;
}

/** A probe that is configured, and whether it is to run. */
export interface Configured {
  readonly startable: Startable;
  readonly on: boolean;
}

/** All probes of the program with their configured switch. Throws ConfigError for a name that does not exist. */
export function builtInProbes(all: readonly AnyProbe[], context: StartContext): Configured[] {
  const configured = new Map(context.config.probes.map((entry) => [entry.name, entry]));
  const names = [...all.map(({ name }) => name), SYSTEM_LOG_PROBE];
  for (const entry of configured.values()) {
    if (names.includes(entry.name)) continue;
    throw new ConfigError(`there is no probe "${entry.name}"`, entry.place, names.join(", "));
  }
  return [
    ...all.map((probe) => builtInProbe(probe, configured.get(probe.name), context)),
    systemLogProbe(configured.get(SYSTEM_LOG_PROBE), context),
  ];
}

function builtInProbe(
  probe: AnyProbe,
  entry: ProbeConfig | undefined,
  context: StartContext,
): Configured {
  refuseUnknownTables(probe, entry);
  const start = () => Promise.resolve().then(() => startBuiltIn(probe, entry, context));
  return { startable: { name: probe.name, kind: probe.kind, start }, on: entry?.switch === "on" };
}

/** The original's name. It has no table: all it finds are events. */
const SYSTEM_LOG_PROBE = "event";
const SYSTEM_LOGS = ["/var/log/messages", "/var/log/syslog"];

function systemLogProbe(entry: ProbeConfig | undefined, context: StartContext): Configured {
  const { config: { global: { root } }, events } = context;
  const start = () =>
    Promise.resolve().then(() => {
      const settings = probeSettings(entry?.settings ?? {}, entry?.place ?? { file: "settings" });
      const path = settings.text("path", "");
      const paths = path === "" ? SYSTEM_LOGS.map((file) => root + file) : [path];
      return watchSystemLog({ paths, report: (event) => events.report(event) });
    });
  return {
    startable: { name: SYSTEM_LOG_PROBE, kind: "native", start },
    on: entry?.switch === "on",
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
  context: StartContext,
): RunningProbe | Promise<RunningProbe> {
  const { config, store, containers, log, libbpf } = context;
  const settings = probeSettings(entry?.settings ?? {}, entry?.place ?? { file: "settings" });
  const tablesOff = new Set(
    Object.entries(probe.tables).filter(([name, spec]) => {
      const byDefault = "on" in spec && !spec.on ? "off" : "on";
      return (entry?.tables[name] ?? byDefault) === "off";
    }).map(([name]) => name),
  );
  if (probe.kind === "native") {
    return startNative(probe, { ...context, settings, tablesOff });
  }
  return startBpf(probe, {
    store,
    settings,
    tablesOff,
    libbpf: libbpf(),
    image: embeddedObject,
    containers,
    btfPath: config.global.btf_path || undefined,
    log: (text) => log("info", `Probe "${probe.name}": ${text}`),
  });
}

/** The third-party probes of the configuration. */
export function externalProbes({ config }: StartContext, starter: ExternalStarter): Configured[] {
  return config.extend_probes.map((entry) => ({
    startable: starter.startable(entry.name, () => entry),
    on: entry.switch !== "off",
  }));
}
