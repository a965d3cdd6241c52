// SPDX-License-Identifier: MulanPSL-2.0
/** Runs an eBPF probe: loads its object, runs its iterators and carries its maps into tables on each tick. */
import type { LabelHost } from "../core/labels.ts";
import type { BpfProbe, IteratorUse, MapTable, RunningProbe, Settings } from "../core/probe.ts";
import type { Store } from "../core/store.ts";
import type { Table } from "../core/table.ts";
import type { IterReader } from "./iter_reader.ts";
import { kernelEnums } from "./kernel_enums.ts";
import type { Libbpf } from "./libbpf.ts";
import type { Target } from "./feed_side.ts";
import { MapFeed } from "./map_feed.ts";
import { NetNamespaces } from "./net_namespaces.ts";
import { BpfObject } from "./object.ts";
import type { MapReader } from "./table_reader.ts";
import { TopFeed } from "./top_feed.ts";
import { UserProbes } from "./user_probes.ts";

export interface BpfHost {
  readonly store: Store;
  readonly libbpf: Libbpf;
  /** The object file's content, by its name in the layout. */
  readonly image: (object: string) => Uint8Array<ArrayBuffer>;
  readonly settings: Settings;
  readonly btfPath?: string | undefined;
  /** Tables that are not wanted; without, those that are off by themselves. */
  readonly tablesOff?: ReadonlySet<string>;
  readonly log: (text: string) => void;
  /** Knows the container of a process, for its label. */
  readonly containers?: Pick<LabelHost, "idOf"> | undefined;
}

/** The map of every object that counts what did not fit; see bpf/probe.h. */
const LOSSES = "losses";

/** Iterators that show the sockets of one network namespace. */
const SOCKET_ITERATORS: ReadonlySet<string> = new Set(["iter/tcp", "iter/udp"]);

/** Throws Unsupported or KernelError; then nothing is left in the kernel and no table in the store. */
export async function startBpf(probe: BpfProbe, host: BpfHost): Promise<RunningProbe> {
  const { layout } = probe;
  const specs = wantedTables(probe, host.tablesOff ?? offByDefault(probe));
  const object = await BpfObject.load(host.libbpf, {
    name: layout.object,
    bytes: host.image(layout.object),
    layout,
    constants: probe.constants(host.settings, new Set(specs.keys())),
    maxEntries: Object.fromEntries(
      probe.ceilings.map((map) => [map, host.store.limits.maxRows]),
    ),
    off: idlePrograms(probe, specs),
    choices: probe.choices,
    entries: probe.entries(host.settings),
    iterated: Object.fromEntries(
      probe.iterators.flatMap(({ program, over }) => over === undefined ? [] : [[program, over]]),
    ),
    ...(host.btfPath ? { btfPath: host.btfPath } : {}),
  });
  const tables: Table[] = [];
  try {
    object.demand([...probe.optional, ...Object.values(probe.tables).flatMap((it) => it.programs)]);
    for (const note of object.notes) host.log(note);
    leaveOutTables(specs, object, { ...probe, log: host.log });
    const targets = addTables(probe, host, filled(specs, object), tables);
    return new RunningBpf(probe, object, targets, host);
  } catch (error) {
    for (const table of tables) host.store.remove(table);
    object[Symbol.dispose]();
    throw error;
  }
}

/** A table would show zeros if this kernel ran neither its own programs nor others that do the same. */
function leaveOutTables(
  specs: Map<string, MapTable>,
  object: BpfObject,
  { log, optional, choices }: Pick<BpfHost, "log"> & Pick<BpfProbe, "optional" | "choices">,
): void {
  const isServed = (program: string) =>
    object.isAttached(program) ||
    optional.includes(program) || // without it only columns are left out
    choices.some((choice) =>
      choice.includes(program) && choice.some((it) => object.isAttached(it))
    );
  for (const [name, { programs }] of [...specs]) {
    const missing = programs.find((program) => !isServed(program));
    if (missing === undefined) continue;
    specs.delete(name);
    const reason = object.hooks.find(({ program }) => program === missing)?.reason ?? missing;
    log(`Table "${name}" is left out: ${reason}`);
  }
}

function offByDefault({ tables }: BpfProbe): ReadonlySet<string> {
  return new Set(Object.keys(tables).filter((name) => !tables[name]!.on));
}

function wantedTables({ tables }: BpfProbe, off: ReadonlySet<string>): Map<string, MapTable> {
  const on = new Map(Object.entries(tables).filter(([name]) => !off.has(name)));
  for (const { insteadOf } of [...on.values()]) for (const name of insteadOf) on.delete(name);
  return on;
}

/** Programs that serve only tables that are not wanted. */
function idlePrograms({ tables }: BpfProbe, wanted: ReadonlyMap<string, MapTable>): string[] {
  const serving = (specs: Iterable<MapTable>) => [...specs].flatMap(({ programs }) => programs);
  const busy = new Set(serving(wanted.values()));
  return serving(Object.values(tables)).filter((program) => !busy.has(program));
}

/** The tables without columns of programs that this kernel does not take; one without columns is left out. */
function filled(specs: ReadonlyMap<string, MapTable>, object: BpfObject): Map<string, MapTable> {
  const tables = new Map<string, MapTable>();
  for (const [name, spec] of specs) {
    const metrics = Object.entries(spec.metrics).filter(([, { programs }]) =>
      programs?.some((program) => object.isAttached(program)) ?? true
    );
    if (metrics.length > 0) tables.set(name, { ...spec, metrics: Object.fromEntries(metrics) });
  }
  return tables;
}

function addTables(
  { name }: BpfProbe,
  { store }: BpfHost,
  specs: ReadonlyMap<string, MapTable>,
  added: Table[],
): Target[] {
  return [...specs].map(([tableName, spec]) => {
    const table = store.add(tableName, name, spec);
    added.push(table);
    return { spec, table };
  });
}

interface WiredIterator {
  readonly use: IteratorUse;
  readonly reader: IterReader;
  /** Shows one network namespace at a time. */
  readonly ofSockets: boolean;
  /** Its one entry says whether the iterator is wanted. */
  readonly wishes: MapReader | undefined;
}

/** Readings between two searches for new libraries. */
export const SCAN_READINGS = 12;
const FIRST_ENTRY = new Uint8Array(4);

class RunningBpf implements RunningProbe {
  readonly #object: BpfObject;
  readonly #store: Store;
  readonly #targets: readonly Target[];
  readonly #iterators: readonly WiredIterator[];
  readonly #namespaces: NetNamespaces | undefined;
  readonly #feeds: readonly (MapFeed | TopFeed)[];
  readonly #losses: MapReader;
  readonly #userProbes: UserProbes | undefined;
  #readings = 0;

  constructor(
    probe: BpfProbe,
    object: BpfObject,
    targets: readonly Target[],
    { store, libbpf, btfPath, containers, settings }: BpfHost,
  ) {
    this.#object = object;
    this.#store = store;
    this.#targets = targets;
    const hooks: Readonly<Record<string, string>> = probe.layout.programs;
    this.#iterators = probe.iterators.filter(({ program }) => object.isAttached(program))
      .map((use) => ({
        use,
        reader: object.iterator(use.program),
        ofSockets: SOCKET_ITERATORS.has(hooks[use.program]!),
        wishes: use.wishes === undefined ? undefined : object.table(use.wishes),
      }));
    if (probe.namespaces !== undefined) {
      this.#namespaces = new NetNamespaces(libbpf, object.iterator(probe.namespaces, "net_record"));
    }
    const maps = new Set(targets.map(({ spec }) => spec.map));
    const labels: LabelHost = {
      enums: kernelEnums(btfPath),
      idOf: (pid) => containers?.idOf(pid),
    };
    const mostUsed = probe.mostUsed(settings);
    this.#feeds = [...maps].map((map) => {
      const fed = targets.filter(({ spec }) => spec.map === map);
      const options = { alive: probe.alive, changes: probe.changes, labels };
      const ranks = mostUsed.ranks[map];
      const limit = mostUsed.rows;
      if (ranks === undefined || limit < 0) return new MapFeed(object.table(map), fed, options);
      const { timeoutMs } = store.limits;
      return new TopFeed(object.table(map), fed, { ...options, ranks, limit, timeoutMs });
    });
    if (probe.userHooks !== undefined) {
      this.#userProbes = new UserProbes(object, probe.userHooks);
      this.#userProbes.scan();
    }
    this.#losses = object.table(LOSSES);
  }

  tick(now: number): void {
    if (this.#readings % SCAN_READINGS === SCAN_READINGS - 1) this.#userProbes?.scan();
    const namespaces = this.#namespaces;
    namespaces?.list();
    for (const iterator of this.#iterators) {
      if (!this.#isWanted(iterator)) continue;
      const { reader, ofSockets, use } = iterator;
      const read = (run: number) => use.untilRecord ? reader.readFirst(run) : reader.drain(run);
      if (ofSockets && namespaces !== undefined) namespaces.each(reader, read);
      else read(reader.create());
    }
    this.#readings++;
    for (const feed of this.#feeds) feed.read(now);
  }

  #isWanted({ use: { every = 0 }, wishes }: WiredIterator): boolean {
    const due = every > 0 && this.#readings % every === 0;
    if (wishes === undefined) return every === 0 || due;
    const wish = wishes.lookup(FIRST_ENTRY)?.numbers[0] ?? 0;
    // A wish that comes from now on is for the next reading.
    if (wish !== 0) wishes.update(FIRST_ENTRY, new Uint8Array(wishes.layout.value.size));
    return wish !== 0 || due;
  }

  stop(): void {
    for (const { table } of this.#targets) this.#store.remove(table);
    this.#object[Symbol.dispose]();
  }

  hooks() {
    return [...this.#object.hooks, ...this.#userProbes?.verdicts() ?? []];
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
    if (this.#namespaces !== undefined) counted.namespaces_skipped = this.#namespaces.skipped;
    return counted;
  }

  facts() {
    const large = this.#targets.filter(({ table }) => table.rows * 2 >= this.#store.limits.maxRows);
    const hidden = this.#feeds.flatMap((feed) =>
      feed instanceof TopFeed ? [[feed.map, feed.hidden] as const] : []
    );
    return {
      map_bytes: this.#object.mapBytes,
      ...(hidden.length > 0 && { rows_in_other: Object.fromEntries(hidden) }),
      ...(this.#namespaces && { namespaces: this.#namespaces.others.length + 1 }),
      // Which label has so many values, before the table is full.
      ...(large.length > 0 && {
        label_values: Object.fromEntries(
          large.map(({ table }) => [table.name, table.labelValues()]),
        ),
      }),
    };
  }
}
