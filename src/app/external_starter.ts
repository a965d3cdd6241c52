// SPDX-License-Identifier: MulanPSL-2.0
/** From one entry of `extend_probes` to a third-party probe that can be started. */
import { dirname, resolve } from "node:path";
import { ConfigError, Unsupported } from "../core/errors.ts";
import type { RunningProbe } from "../core/probe.ts";
import type { Store } from "../core/store.ts";
import type { Table } from "../core/table.ts";
import { childEnvironment, type ChildUser } from "../ingest/child.ts";
import { findUser } from "../ingest/child_user.ts";
import { resolveCommand, splitCommandLine } from "../ingest/command_line.ts";
import {
  type ExternalExit,
  type ExternalOptions,
  startExternal,
} from "../ingest/external_probe.ts";
import type { ExternalTable } from "../ingest/meta.ts";
import { metaFilesOf, readCatalogue } from "../ingest/meta_files.ts";
import { HOST_TEXTS, ProbeCgroups } from "../ingest/probe_cgroups.ts";
import { type ContainerFinder, ProcessContainers } from "../ingest/process_container.ts";
import { ReadingTurns } from "../ingest/reading_turns.ts";
import type { RecordKind } from "../ingest/event_line.ts";
import { Refusals } from "../ingest/refusals.ts";
import { startCheck, type StartVerdict } from "../ingest/start_check.ts";
import type { Watchdog } from "../ingest/watchdog.ts";
import type { Logger } from "../manager/log.ts";
import type { Startable } from "../manager/probe_life.ts";
import type { Config, ExtendProbeConfig } from "../manager/schema.ts";
import { parseYamlTree } from "../manager/yaml_tree.ts";
import { QuietPipes } from "../sys/quiet_pipes.ts";

export interface ExternalContext {
  readonly config: Pick<Config, "external_probes">;
  readonly store: Store;
  readonly watchdog: Watchdog;
  readonly log: Logger;
  readonly now: () => number;
  readonly onRecord?: (probe: string, kind: RecordKind, line: string) => void;
  readonly onRow?: (table: Table, slot: number) => void;
  readonly containerOf?: ContainerFinder;
}

const PASSWD = "/etc/passwd";
/** A file of the original: its v1 took lines whose last fields are missing. */
const ORIGINAL_REGEXP = /\.(conf|cfg)$/;

/** What all third-party probes of an agent share. Nothing is made on the host before the first one starts. */
export class ExternalStarter {
  readonly #context: ExternalContext;
  readonly #turns = new ReadingTurns();
  readonly #hurry = new AbortController();
  #pipes: QuietPipes | undefined;
  #cgroups: ProbeCgroups | undefined;
  #catalogue: Promise<ReadonlyMap<string, ExternalTable>> | undefined;

  constructor(context: ExternalContext) {
    this.#context = context;
  }

  /** `entry` is asked for at each start, so that it can change in between. */
  startable(name: string, entry: () => ExtendProbeConfig | Promise<ExtendProbeConfig>): Startable {
    const refusals = new Refusals();
    let lastExit: ExternalExit | undefined;
    return {
      name,
      kind: "external",
      start: async (failed) => {
        const onExit = (exit: ExternalExit) => {
          lastExit = exit;
          failed(exit.reason);
        };
        return await this.#start(await entry(), { refusals, onExit });
      },
      losses: () => refusals.counts,
      facts: () => ({ badLines: refusals.lines, ...(lastExit === undefined ? {} : { lastExit }) }),
    };
  }

  /** Asks the probe's start_check. */
  async check(entry: ExtendProbeConfig): Promise<StartVerdict> {
    const { start_check, place } = entry;
    if (start_check === "") {
      throw new ConfigError(`probe "${entry.name}" has no start_check`, place, "one, for auto");
    }
    return await startCheck(start_check, {
      workingDirectory: workingDirectory(entry),
      environment: texts(entry.environment),
      user: userOf(entry),
      watchdog: this.#context.watchdog,
      hurry: this.#hurry.signal,
    });
  }

  /** From now on no probe is given much time to end. */
  hurry(): void {
    this.#hurry.abort();
    this.#cgroups?.lift();
  }

  /** After the last probe has ended. */
  async close(): Promise<void> {
    await this.#cgroups?.close();
    this.#pipes?.[Symbol.dispose]();
  }

  async #start(
    entry: ExtendProbeConfig,
    more: Pick<ExternalOptions, "refusals" | "onExit">,
  ): Promise<RunningProbe> {
    const { name, short_lines, place, settings, nice, hung_after } = entry;
    const { store, watchdog, log, now, onRow, containerOf } = this.#context;
    if (entry.switch === "auto") await this.#demandCheck(entry);
    const environment = texts(entry.environment);
    const words = await commandWords(entry, environment);
    const metaFiles = metaFilesOf({ ...entry, words, folder: folderOf(entry) });
    const catalogue = metaFiles.length > 0 ? undefined : await this.#tablesOfAll(entry);
    const onRecord = this.#context.onRecord ??
      ((probe, kind, line) => log("info", `Probe "${probe}" reports ${kind}: ${line}`));
    return await startExternal({
      ...more,
      name,
      command: words,
      workingDirectory: workingDirectory(entry),
      environment,
      user: userOf(entry),
      nice,
      cgroup: this.#groups().group(name, {
        cpuPercent: entry.cpu_limit,
        memoryMegabytes: entry.memory_limit,
      }),
      parameters: settings,
      metaFiles,
      parseYaml: parseYamlTree,
      catalogue: catalogue && ((table) => catalogue.get(table)),
      shortLines: short_lines === "accept" ||
        (short_lines === "auto" && ORIGINAL_REGEXP.test(place.file)),
      hungAfterMs: hung_after * 1000,
      store,
      watchdog,
      turns: this.#turns,
      now,
      log: (level, text) => log(level, `Probe "${name}": ${text}`),
      onRecord: (kind, line) => onRecord(name, kind, line),
      ...(onRow === undefined ? {} : { onRow }),
      stdoutOf: (pid) => (this.#pipes ??= new QuietPipes()).stdoutOf(pid),
      containers: containerOf && new ProcessContainers(containerOf, { clock: now }),
      hurry: this.#hurry.signal,
    });
  }

  async #demandCheck(entry: ExtendProbeConfig): Promise<void> {
    const { start, reason } = await this.check(entry);
    if (!start) throw new Unsupported(reason, `switch: on, to run it all the same`);
  }

  #groups(): ProbeCgroups {
    if (this.#cgroups !== undefined) return this.#cgroups;
    const { config, watchdog, log } = this.#context;
    const { cpu_share } = config.external_probes;
    this.#cgroups = new ProbeCgroups({
      sharePercent: cpu_share,
      texts: HOST_TEXTS,
      made: (folder) => watchdog.clear(folder),
    });
    const { problem } = this.#cgroups;
    if (cpu_share > 0 && problem !== undefined) {
      log("warn", `External probes may use more than ${cpu_share} % of a core: ${problem}`);
    }
    return this.#cgroups;
  }

  async #tablesOfAll(entry: ExtendProbeConfig): Promise<ReadonlyMap<string, ExternalTable>> {
    const { config, log } = this.#context;
    const { meta_dir } = config.external_probes;
    this.#catalogue ??= readCatalogue(meta_dir, parseYamlTree, (text) => log("warn", text));
    const tables = await this.#catalogue;
    if (tables.size > 0) return tables;
    throw new Unsupported(
      `No .meta file beside the program of probe "${entry.name}", nor in ${meta_dir}`,
      `one that describes its tables, or "meta"`,
    );
  }
}

function folderOf({ place }: ExtendProbeConfig): string {
  return dirname(resolve(place.file));
}

function workingDirectory(entry: ExtendProbeConfig): string {
  return entry.working_dir || folderOf(entry);
}

async function commandWords(
  { command, param, place }: ExtendProbeConfig,
  environment: Readonly<Record<string, string>>,
): Promise<[string, ...string[]]> {
  const variables = { ...childEnvironment(Deno.env.toObject()), ...environment };
  const words = splitCommandLine(`${command} ${param}`, place, variables);
  const places = { configFolder: dirname(resolve(place.file)), path: variables.PATH ?? "" };
  return [await resolveCommand(words[0]!, places), ...words.slice(1)];
}

function userOf({ user, place }: ExtendProbeConfig): ChildUser | undefined {
  return user === "" ? undefined : findUser(user, Deno.readTextFileSync(PASSWD), place);
}

function texts(values: ExtendProbeConfig["environment"]): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}
