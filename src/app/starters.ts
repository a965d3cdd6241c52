// SPDX-License-Identifier: MulanPSL-2.0
/** From the configuration to probes that can be started, one way for each kind. */
import type { ContainerLookup } from "../core/container_lookup.ts";
import type { ContainerNamer } from "../core/container_names.ts";
import { ConfigError } from "../core/errors.ts";
import type { AnyProbe, HostCalls, RunningProbe } from "../core/probe.ts";
import type { Store } from "../core/store.ts";
import { resolveCommand, splitCommandLine } from "../ingest/command_line.ts";
import { startExternal, type StopLimits } from "../ingest/external_probe.ts";
import { startCheck } from "../ingest/start_check.ts";
import type { Watchdog } from "../ingest/watchdog.ts";
import { Unsupported } from "../core/errors.ts";
import type { Logger } from "../manager/log.ts";
import type { Startable } from "../manager/probe_life.ts";
import { probeSettings } from "../manager/probe_settings.ts";
import type { Config, ExtendProbeConfig, ProbeConfig } from "../manager/schema.ts";
import { startBpf } from "../sys/bpf_runner.ts";
import type { RootFiles } from "../sys/host_files.ts";
import type { Libbpf } from "../sys/libbpf.ts";
import { startNative } from "../sys/native_runner.ts";
import { embeddedObject } from "./embedded.ts";

export interface StartContext {
  readonly config: Config;
  readonly store: Store;
  readonly files: RootFiles;
  readonly calls: HostCalls;
  readonly containers: ContainerLookup;
  readonly names: ContainerNamer;
  readonly watchdog: Watchdog;
  readonly log: Logger;
  readonly now: () => number;
  /** Opened at the first call. Throws Unsupported when it cannot be. */
  readonly libbpf: () => Libbpf;
}

/** A probe that is configured, and whether it is to run. */
export interface Configured {
  readonly startable: Startable;
  readonly on: boolean;
}

/** All probes of the program with their configured switch. Throws ConfigError for a name that does not exist. */
export function builtInProbes(all: readonly AnyProbe[], context: StartContext): Configured[] {
  const configured = new Map(context.config.probes.map((entry) => [entry.name, entry]));
  for (const entry of configured.values()) {
    if (all.some(({ name }) => name === entry.name)) continue;
    const names = all.map(({ name }) => name).join(", ");
    throw new ConfigError(`there is no probe "${entry.name}"`, entry.place, names);
  }
  return all.map((probe) => {
    const entry = configured.get(probe.name);
    refuseUnknownTables(probe, entry);
    const start = () => Promise.resolve().then(() => startBuiltIn(probe, entry, context));
    return {
      startable: { name: probe.name, kind: probe.kind, start },
      on: entry?.switch === "on",
    };
  });
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
export function externalProbes(context: StartContext): Configured[] {
  return context.config.extend_probes.map((entry) => ({
    startable: {
      name: entry.name,
      kind: "external",
      start: (failed) => startEntry(entry, context, failed),
    },
    on: entry.switch !== "off",
  }));
}

/** The agent must be gone within 2 s of SIGTERM. */
const STOP_LIMITS: StopLimits = { termAfterMs: 300, killAfterMs: 500 };

async function startEntry(
  entry: ExtendProbeConfig,
  { config, store, watchdog, log, now }: StartContext,
  failed: (reason: string) => void,
): Promise<RunningProbe> {
  const folder = configFolder(config);
  if (entry.switch === "auto") await demandCheck(entry, folder, watchdog);
  const words = splitCommandLine(`${entry.command} ${entry.param}`, entry.place);
  const path = Deno.env.get("PATH") ?? "/usr/bin:/bin";
  const program = await resolveCommand(words[0]!, { configFolder: folder, path });
  const running = await startExternal({
    name: entry.name,
    command: [program, ...words.slice(1)],
    workingDirectory: folder,
    metaFiles: entry.meta === "" ? await metasBeside(program) : [absolute(folder, entry.meta)],
    store,
    watchdog,
    now,
    log: (level, text) => log(level, `Probe "${entry.name}": ${text}`),
    onRecord: (kind, line) => log("info", `Probe "${entry.name}" reports ${kind}: ${line}`),
    onExit: ({ reason }) => failed(reason),
  });
  return {
    stop: () => running.stop(STOP_LIMITS),
    losses: () => running.losses?.() ?? {},
    facts: () => running.facts?.() ?? {},
  };
}

async function demandCheck(
  entry: ExtendProbeConfig,
  workingDirectory: string,
  watchdog: Watchdog,
): Promise<void> {
  if (entry.start_check === "") {
    throw new ConfigError(`probe "${entry.name}" has no start_check`, entry.place, "one, for auto");
  }
  const { start, reason } = await startCheck(entry.start_check, { workingDirectory, watchdog });
  if (!start) throw new Unsupported(reason, `switch: on, to run it all the same`);
}

function configFolder({ origin }: Config): string {
  if (origin === undefined) return "/etc/gala-gopher";
  return absolute(Deno.cwd(), origin).replace(/\/[^/]*$/, "") || "/";
}

function absolute(folder: string, path: string): string {
  return path.startsWith("/") ? path : `${folder}/${path}`;
}

async function metasBeside(program: string): Promise<string[]> {
  const folder = program.slice(0, program.lastIndexOf("/") + 1);
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (name.endsWith(".meta") && !isDirectory) found.push(folder + name);
  }
  if (found.length > 0) return found.sort();
  throw new Unsupported(
    `No .meta file beside "${program}"`,
    `one that describes its tables, or "meta"`,
  );
}
