// SPDX-License-Identifier: MulanPSL-2.0
/** Runs an eBPF probe: loads its object, runs its iterators and carries its maps into tables on each tick. */
import type { BpfProbe, RunningProbe, Settings } from "../core/probe.ts";
import type { LabelHost } from "../core/labels.ts";
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
  readonly tablesOff?: ReadonlySet<string>;
  readonly log: (text: string) => void;
  /** For labels that do not stand in a map. */
  readonly labelHost?: LabelHost | undefined;
}

/** The map of every object that counts what did not fit; see bpf/probe.h. */
const LOSSES = "losses";

/** Throws Unsupported or KernelError; then nothing is left in the kernel and no table in the store. */
export async function startBpf(probe: BpfProbe, host: BpfHost): Promise<RunningProbe> {
  const { layout } = probe;
  const object = await BpfObject.load(host.libbpf, {
    name: layout.object,
    bytes: host.image(layout.object),
    layout,
    constants: probe.constants(host.settings),
    ...(host.btfPath ? { btfPath: host.btfPath } : {}),
  });
  const tables: Table[] = [];
  try {
    object.demand(probe.optional);
    for (const note of object.notes) host.log(note);
    return new RunningBpf(probe, object, addTables(probe, host, tables), host);
  } catch (error) {
    for (const table of tables) host.store.remove(table);
    object[Symbol.dispose]();
    throw error;
  }
}

function addTables(probe: BpfProbe, { store, tablesOff }: BpfHost, added: Table[]): Target[] {
  return Object.entries(probe.tables).filter(([name]) => !tablesOff?.has(name)).map(
    ([name, spec]) => {
      const table = store.add(name, probe.name, spec);
      added.push(table);
      return { spec, table };
    },
  );
}

class RunningBpf implements RunningProbe {
  readonly #object: BpfObject;
  readonly #store: Store;
  readonly #targets: readonly Target[];
  readonly #iterators: readonly IterReader[];
  readonly #feeds: readonly MapFeed[];
  readonly #losses: MapReader;

  constructor(
    probe: BpfProbe,
    object: BpfObject,
    targets: readonly Target[],
    { store, labelHost }: BpfHost,
  ) {
    this.#object = object;
    this.#store = store;
    this.#targets = targets;
    this.#iterators = probe.iterators.map((program) => object.iterator(program));
    const maps = new Set(targets.map(({ spec }) => spec.map));
    this.#feeds = [...maps].map((map) => {
      const sides = targets.filter(({ spec }) => spec.map === map);
      return new MapFeed(object.table(map), sides, probe.alive, labelHost);
    });
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
