// SPDX-License-Identifier: MulanPSL-2.0
/** Runs an eBPF probe: loads its object, runs its iterators and carries its maps into tables on each tick. */
import type { BpfProbe, MapTable, RunningProbe, Settings } from "../core/probe.ts";
import type { Store } from "../core/store.ts";
import type { Table } from "../core/table.ts";
import type { IterReader } from "./iter_reader.ts";
import type { Libbpf } from "./libbpf.ts";
import { MapFeed, type Target } from "./map_feed.ts";
import { BpfObject } from "./object.ts";
import type { MapReader } from "./table_reader.ts";

export interface BpfHost {
  readonly store: Store;
  readonly libbpf: Libbpf;
  /** The object file's content, by its name in the layout. */
  readonly image: (object: string) => Uint8Array<ArrayBuffer>;
  readonly settings: Settings;
  readonly btfPath?: string | undefined;
  /** What the configuration says of tables; the others are as the probe declares. */
  readonly switches?: Readonly<Record<string, "on" | "off">>;
  readonly log: (text: string) => void;
}

/** The map of every object that counts what did not fit; see bpf/probe.h. */
const LOSSES = "losses";

/** Throws Unsupported or KernelError; then nothing is left in the kernel and no table in the store. */
export async function startBpf(probe: BpfProbe, host: BpfHost): Promise<RunningProbe> {
  const { layout } = probe;
  const on = tablesOn(probe, host);
  const object = await BpfObject.load(host.libbpf, {
    name: layout.object,
    bytes: host.image(layout.object),
    layout,
    constants: probe.constants(host.settings, on),
    off: Object.keys(probe.uses).filter((name) => !probe.uses[name]!.some((t) => on.has(t))),
    ...(host.btfPath ? { btfPath: host.btfPath } : {}),
  });
  const tables: Table[] = [];
  try {
    object.demand(probe.optional);
    for (const { map, key, value } of probe.entries(host.settings)) {
      object.table(map).update(key, value);
    }
    for (const note of object.notes) host.log(note);
    return new RunningBpf(probe, object, addTables(probe, host, object, on, tables), host.store);
  } catch (error) {
    for (const table of tables) host.store.remove(table);
    object[Symbol.dispose]();
    throw error;
  }
}

function tablesOn({ tables }: BpfProbe, { switches = {} }: BpfHost): ReadonlySet<string> {
  const isOn = (name: string) => {
    const chosen = switches[name];
    return chosen === undefined ? tables[name]!.on !== false : chosen === "on";
  };
  return new Set(Object.keys(tables).filter(isOn));
}

function addTables(
  probe: BpfProbe,
  { store }: BpfHost,
  object: BpfObject,
  on: ReadonlySet<string>,
  added: Table[],
): Target[] {
  const targets: Target[] = [];
  for (const [name, declared] of Object.entries(probe.tables)) {
    if (!on.has(name)) continue;
    const spec = { ...declared, metrics: filledMetrics(declared, object) };
    if (Object.keys(spec.metrics).length === 0) continue;
    const table = store.add(name, probe.name, spec);
    added.push(table);
    targets.push({ spec, table });
  }
  return targets;
}

/** The metrics but those of programs that this kernel does not take. */
function filledMetrics({ metrics }: MapTable, { hooks }: BpfObject): MapTable["metrics"] {
  const refused = new Set(hooks.filter(({ state }) => state !== "attached").map((h) => h.program));
  return Object.fromEntries(
    Object.entries(metrics).filter(([, { program }]) =>
      program === undefined || !refused.has(program)
    ),
  );
}

class RunningBpf implements RunningProbe {
  readonly #object: BpfObject;
  readonly #store: Store;
  readonly #targets: readonly Target[];
  readonly #iterators: readonly IterReader[];
  readonly #feeds: readonly MapFeed[];
  readonly #losses: MapReader;

  constructor(probe: BpfProbe, object: BpfObject, targets: readonly Target[], store: Store) {
    this.#object = object;
    this.#store = store;
    this.#targets = targets;
    this.#iterators = probe.iterators.filter((program) => object.isAttached(program))
      .map((program) => object.iterator(program));
    const maps = new Set(targets.map(({ spec }) => spec.map));
    this.#feeds = [...maps].map((map) =>
      new MapFeed(object.table(map), targets.filter(({ spec }) => spec.map === map), probe.alive)
    );
    this.#losses = object.table(LOSSES);
  }

  tick(now: number): void {
    for (const iterator of this.#iterators) iterator.read();
    for (const feed of this.#feeds) feed.read(now);
  }

  stop(): void {
    for (const { table } of this.#targets) this.#store.remove(table);
    this.#object[Symbol.dispose]();
  }

  hooks() {
    return this.#object.hooks;
  }

  cost() {
    return this.#object.cost();
  }

  losses(): Record<string, number> {
    const counted: Record<string, number> = {};
    const names = this.#losses.numberNames;
    this.#losses.read(({ numbers }) => {
      names.forEach((name, i) => counted[name] = (counted[name] ?? 0) + numbers[i]!);
    });
    return counted;
  }

  facts() {
    return { map_bytes: this.#object.mapBytes };
  }
}
