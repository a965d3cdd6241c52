// SPDX-License-Identifier: MulanPSL-2.0
/** Runs an eBPF probe of records: loads its object, reads its ring all the time, and its rows on each tick. */
import type { RecordProbe, RecordReading, RunningProbe } from "../core/probe.ts";
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
  const { layout } = probe;
  const object = await BpfObject.load(host.libbpf, {
    name: layout.object,
    bytes: host.image(layout.object),
    layout,
    constants: probe.constants(host.settings),
    ...(host.btfPath ? { btfPath: host.btfPath } : {}),
  });
  let writers: TableWriters | undefined;
  try {
    object.demand();
    for (const { map, key, value } of probe.entries(host.settings)) {
      object.table(map).update(key, value);
    }
    for (const note of object.notes) host.log(note);
    const off = host.tablesOff ?? offByDefault(probe);
    writers = new TableWriters(host.store, probe.name, probe.tables, off);
    const { settings, containers } = host;
    const maps = new Map<string, MapReader>();
    const reading = probe.open({
      settings,
      containerOf: (pid) => containers?.idOf(pid) ?? "",
      update(map, key, value) {
        let reader = maps.get(map);
        if (reader === undefined) maps.set(map, reader = object.table(map));
        reader.update(key, value);
      },
    });
    const hooks = probe.userHooks(settings);
    const userProbes = hooks.length > 0 ? new UserProbes(object, "OpenSSL", hooks) : undefined;
    userProbes?.scan();
    return new RunningRecords(object, object.ring(probe.ring), writers, reading, userProbes);
  } catch (error) {
    writers?.remove();
    object[Symbol.dispose]();
    throw error;
  }
}

function offByDefault({ tables }: RecordProbe): ReadonlySet<string> {
  return new Set(Object.keys(tables).filter((name) => tables[name]!.on === false));
}

class RunningRecords implements RunningProbe {
  readonly #object: BpfObject;
  readonly #ring: RingReader;
  readonly #writers: TableWriters;
  readonly #reading: RecordReading;
  readonly #losses: MapReader;
  readonly #userProbes: UserProbes | undefined;
  #readings = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = NaN;
  /** What ended the looking at the ring; told by the next tick. */
  #failure: { readonly error: unknown } | undefined;

  constructor(
    object: BpfObject,
    ring: RingReader,
    writers: TableWriters,
    reading: RecordReading,
    userProbes: UserProbes | undefined,
  ) {
    this.#object = object;
    this.#userProbes = userProbes;
    this.#ring = ring;
    this.#writers = writers;
    this.#reading = reading;
    this.#losses = object.table(LOSSES);
    this.#look(IDLE_MS);
  }

  tick(now: number): void | Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#readings++ % SCAN_READINGS === SCAN_READINGS - 1) this.#userProbes?.scan();
    this.#drain();
    this.#writers.begin(now);
    const elapsed = (now - this.#last) / 1000;
    this.#last = now;
    return this.#reading.read(this.#writers.tables, elapsed);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#writers.remove();
    this.#object[Symbol.dispose]();
  }

  hooks() {
    return [...this.#object.hooks, ...this.#userProbes?.verdicts() ?? []];
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
    return { map_bytes: this.#object.mapBytes, ...this.#reading.facts?.() };
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
