// SPDX-License-Identifier: MulanPSL-2.0
/** Runs an eBPF probe of records: loads its object, reads its ring all the time, and its rows on each tick. */
import { setImmediate } from "node:timers/promises";
import { KernelError, Unsupported } from "../core/errors.ts";
import type {
  HookVerdict,
  RecordProbe,
  RecordReading,
  RecordWay,
  RunningProbe,
} from "../core/probe.ts";
import { type BpfHost, SCAN_READINGS } from "./bpf_runner.ts";
import { BpfObject } from "./object.ts";
import type { RingReader } from "./ring_reader.ts";
import type { MapReader } from "./table_reader.ts";
import { TableWriters } from "./table_writers.ts";
import { UserProbes } from "./user_probes.ts";

/** Between two looks at a ring, where records come and where none came the last time. */
const BUSY_MS = 20;
const IDLE_MS = 100;
/** Then others have their turn on the event loop. */
const TURN_RECORDS = 20_000;
const LOSSES = "losses";

/** Throws Unsupported or KernelError; then nothing is left in the kernel and no table in the store. */
export async function startRecords(probe: RecordProbe, host: BpfHost): Promise<RunningProbe> {
  const { object, refused, way, idle } = await loadFirst(probe, host);
  let writers: TableWriters | undefined;
  try {
    for (const note of object.notes) host.log(note);
    const off = host.tablesOff ?? offByDefault(probe);
    writers = new TableWriters(host.store, probe.name, probe.tables, off);
    const { settings, containers } = host;
    const maps = new Map<string, MapReader>();
    const reading = await probe.open({
      settings,
      containerOf: (pid) => containers?.idOf(pid) ?? "",
      update(map, key, value) {
        let reader = maps.get(map);
        if (reader === undefined) maps.set(map, reader = object.table(map));
        reader.update(key, value);
      },
    });
    const ring = object.ring(probe.ring);
    const functions = probe.userHooks(settings).filter(({ entry }) => !idle.includes(entry));
    const userProbes = functions.length > 0
      ? new UserProbes(object, { library: "OpenSSL", functions })
      : undefined;
    userProbes?.scan();
    return new RunningRecords({ object, ring, writers, reading, refused, way, idle, userProbes });
  } catch (error) {
    writers?.remove();
    object[Symbol.dispose]();
    throw error;
  }
}

interface Loaded {
  readonly object: BpfObject;
  readonly way: string;
  /** Programs that do nothing this way. */
  readonly idle: readonly string[];
  /** Programs of better ways. */
  readonly refused: readonly HookVerdict[];
}

/** Loads the first of the probe's ways that this kernel takes. Throws what the first one met if it takes none. */
async function loadFirst(probe: RecordProbe, host: BpfHost): Promise<Loaded> {
  const refused: HookVerdict[] = [];
  let failure: unknown;
  for (const way of probe.ways(host.settings)) {
    const object = await load(probe, way, host);
    try {
      object.demand(way.optional);
      const reason = (text = "refused") => `${text}; "${way.name}" does its work`;
      const replaced = refused.filter(({ program }) => !object.isAttached(program))
        .map((verdict) => ({ ...verdict, reason: reason(verdict.reason) }));
      return { object, way: way.name, idle: way.off, refused: replaced };
    } catch (error) {
      const own = object.hooks.filter(({ state }) => state !== "attached");
      refused.push(...own.map((verdict) => ({ ...verdict, state: "unsupported" }) as const));
      object[Symbol.dispose]();
      failure ??= error;
      if (!(error instanceof Unsupported) && !(error instanceof KernelError)) throw error;
      host.log(`Source "${way.name}" is not to be had: ${error.message}`);
    }
  }
  throw failure;
}

function load(probe: RecordProbe, way: RecordWay, host: BpfHost): Promise<BpfObject> {
  const { layout } = probe;
  return BpfObject.load(host.libbpf, {
    name: layout.object,
    bytes: host.image(layout.object),
    layout,
    constants: { ...probe.constants(host.settings), ...way.constants },
    maxEntries: way.maxEntries,
    off: way.off,
    entries: probe.entries(host.settings),
    ...(host.btfPath ? { btfPath: host.btfPath } : {}),
  });
}

function offByDefault({ tables }: RecordProbe): ReadonlySet<string> {
  return new Set(Object.keys(tables).filter((name) => tables[name]!.on === false));
}

interface RecordParts extends Loaded {
  readonly ring: RingReader;
  readonly writers: TableWriters;
  readonly reading: RecordReading;
  readonly userProbes: UserProbes | undefined;
}

class RunningRecords implements RunningProbe {
  readonly #parts: RecordParts;
  readonly #object: BpfObject;
  readonly #ring: RingReader;
  readonly #writers: TableWriters;
  readonly #reading: RecordReading;
  readonly #losses: MapReader;
  #readings = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = NaN;
  #stopped = false;
  /** What ended the looking at the ring; told by the next tick. */
  #failure: { readonly error: unknown } | undefined;

  constructor(parts: RecordParts) {
    const { object, ring, writers, reading } = parts;
    this.#parts = parts;
    this.#object = object;
    this.#ring = ring;
    this.#writers = writers;
    this.#reading = reading;
    this.#losses = object.table(LOSSES);
    this.#look(IDLE_MS);
  }

  tick(now: number): void | Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#readings++ % SCAN_READINGS === SCAN_READINGS - 1) this.#parts.userProbes?.scan();
    const end = this.#ring.produced;
    if (this.#drain() < TURN_RECORDS) return this.#read(now);
    return this.#catchUp(end).then(() => this.#stopped ? undefined : this.#read(now));
  }

  /** Reads on to where the ring ended when the tick began: what has happened until then is in its rows. */
  async #catchUp(end: bigint): Promise<void> {
    do await setImmediate(); while (
      !this.#stopped && this.#ring.consumed < end && this.#drain() >= TURN_RECORDS
    );
  }

  #read(now: number): void | Promise<void> {
    this.#writers.begin(now);
    const elapsed = (now - this.#last) / 1000;
    this.#last = now;
    return this.#reading.read(this.#writers.tables, elapsed);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#writers.remove();
    this.#object[Symbol.dispose]();
  }

  hooks() {
    const { refused, userProbes } = this.#parts;
    return [...this.#object.hooks, ...refused, ...userProbes?.verdicts() ?? []];
  }

  cost() {
    return this.#object.cost();
  }

  losses(): Record<string, number> {
    const counted: Record<string, number> = { ...this.#reading.losses() };
    const names = this.#losses.numberNames;
    this.#losses.read(({ numbers }) => {
      names.forEach((name, i) => counted[name] = (counted[name] ?? 0) + numbers[i]!);
    });
    return counted;
  }

  facts() {
    const { way } = this.#parts;
    return { map_bytes: this.#object.mapBytes, source: way, ...this.#reading.facts?.() };
  }

  #look(delay: number): void {
    this.#timer = setTimeout(() => {
      try {
        const records = this.#drain();
        this.#look(records >= TURN_RECORDS ? 0 : records > 0 ? BUSY_MS : IDLE_MS);
      } catch (error) {
        this.#failure = { error };
      }
    }, delay);
  }

  #drain(): number {
    return this.#ring.drainPortions((records) => this.#reading.take(records), TURN_RECORDS);
  }
}
