// SPDX-License-Identifier: MulanPSL-2.0
/** A new configuration for a running agent: its probes follow at once, all else waits for the next start. */
import type { Logger } from "../manager/log.ts";
import type { Manager } from "../manager/manager.ts";
import { type Config, SECTIONS } from "../manager/schema.ts";
import type { Configured } from "./starters.ts";

export interface Changes {
  /** Probes whose entry is another, is new or is gone. */
  readonly probes: ReadonlySet<string>;
  /** Third-party probes without an entry any more. */
  readonly gone: readonly string[];
  /** Keys with another value, as `web_server.port`. */
  readonly waiting: readonly string[];
}

export function changesOf(former: Config, next: Config): Changes {
  const [old, now] = [entriesOf(former), entriesOf(next)];
  const names = new Set([...old.keys(), ...now.keys()]);
  const left = new Set(next.extend_probes.map(({ name }) => name));
  return {
    probes: new Set([...names].filter((name) => old.get(name) !== now.get(name))),
    gone: former.extend_probes.map(({ name }) => name).filter((name) => !left.has(name)),
    waiting: Object.entries(SECTIONS).flatMap(([section, { keys }]) =>
      Object.keys(keys).filter((key) =>
        valueOf(former, section, key) !== valueOf(next, section, key)
      )
        .map((key) => `${section}.${key}`)
    ),
  };
}

/** An entry as text; where it stands in the file does not count. */
function entriesOf({ probes, extend_probes }: Config): Map<string, string> {
  return new Map([...probes, ...extend_probes].map(({ place: _, ...entry }) => [
    entry.name,
    JSON.stringify(entry),
  ]));
}

function valueOf(config: Config, section: string, key: string): unknown {
  return (config as unknown as Record<string, Record<string, unknown>>)[section]![key];
}

export interface ReloadOptions {
  readonly changes: Changes;
  /** The probes of the new configuration. */
  readonly configured: readonly Configured[];
  readonly manager: Manager;
  readonly log: Logger;
  /** Whether the agent is about to end: then nothing more is started. */
  readonly ending: () => boolean;
}

/** Resolves when every probe is as the new configuration wants it; those that do not run are tried again. */
export async function reloadProbes(options: ReloadOptions): Promise<void> {
  const { changes, configured, manager, log } = options;
  for (const name of changes.waiting) log("warn", `${name} has changed: wants a restart`);
  await Promise.all(changes.gone.map((name) => manager.remove(name)));
  await Promise.all(configured.map((probe) => reloadProbe(probe, options)));
}

async function reloadProbe(
  { startable, on }: Configured,
  { changes, manager, ending }: ReloadOptions,
): Promise<void> {
  const { name } = startable;
  const changed = changes.probes.has(name);
  const life = manager.get(name) ?? manager.add(startable);
  const runs = life.state === "running" || life.state === "starting";
  if (runs && (changed || !on)) await life.stop();
  if (!on && !runs && changed) await life.stop(); // it may be about to start again
  if (on && !ending()) await life.start();
}

/** Runs `reload`, never twice at a time; asked for while it is at work, it runs once more. */
export class Reloads {
  readonly #reload: () => Promise<void>;
  #wanted = false;
  #works = false;

  constructor(reload: () => Promise<void>) {
    this.#reload = reload;
  }

  async ask(): Promise<void> {
    this.#wanted = true;
    if (this.#works) return;
    this.#works = true;
    while (this.#wanted) {
      this.#wanted = false;
      await this.#reload();
    }
    this.#works = false;
  }
}
