// SPDX-License-Identifier: MulanPSL-2.0
/** What a probe declares. Declarations are data and pure functions; `sys`, `ingest` and `manager` bring them to life. */
import type { ObjectLayout } from "./layout.ts";
import type { LabelReader, ValueLabelReader } from "./labels.ts";
import type { HistogramSpec, MetricSpec, NumberSpec, NumberType, TableSpec } from "./table.ts";

export type ProbeKind = "native" | "ebpf" | "external";

export type SettingValue = string | number | boolean;

/** The settings of one probe from the configuration, read with a default that also fixes the type. */
export interface Settings {
  /** Throws ConfigError when the configured value is of another type or outside the range. */
  number(name: string, fallback: number, min?: number, max?: number): number;
  text(name: string, fallback: string): string;
  flag(name: string, fallback: boolean): boolean;
}

/** Files of the observed host, below its root. Paths have no leading slash: `proc/stat`. */
export interface HostFiles {
  /** Content, valid until the next call. Throws Unsupported when there is no such file. */
  read(path: string): Uint8Array;
  /** Content, or undefined when there is no such file (or it vanished while being read). */
  readOptional(path: string): Uint8Array | undefined;
  /** Names in a folder, in no particular order; empty when there is no such folder. */
  list(path: string): string[];
}

/** Writes rows of one table during a reading. */
export interface RowWriter<Metric extends string = string> {
  /** Starts or renews the row with these keys and labels, in the declared order; later `set`s go to it. */
  row(...values: readonly string[]): this;
  /** Sets a number of the current row; NaN or an absent `set` means "not known". */
  set(metric: Metric, value: number): this;
}

interface ProbeBase {
  /** Name in the configuration, in `/probes` and in the `probe` label. */
  readonly name: string;
  /** One sentence: what it observes, and from where. */
  readonly help: string;
  /** Names of the original's probes that this one is part of: switching them switches this one. */
  readonly partOf: readonly string[];
  /** Whether it runs when the configuration does not name it. */
  readonly on: boolean;
}

export type Tables = Readonly<Record<string, TableSpec>>;

export type Writers<T extends Tables> = {
  readonly [Name in keyof T]: RowWriter<NumberNames<T[Name]["metrics"]>>;
};

/** Metrics of one number, which a native probe can set. */
type NumberNames<M extends Readonly<Record<string, MetricSpec>>> = {
  [Metric in keyof M]: M[Metric] extends HistogramSpec ? never : Extract<Metric, string>;
}[keyof M];

/** A probe that reads files of the host on each tick. */
export interface NativeProbe<T extends Tables = Tables> extends ProbeBase {
  readonly kind: "native";
  readonly tables: T;
  /** Called once at start; what it returns is called on each tick with the time since the last one in seconds. */
  open(files: HostFiles, settings: Settings): (tables: Writers<T>, elapsed: number) => void;
}

interface FieldBase {
  readonly field: string;
  /** Program that fills the field: without it the column is left out. */
  readonly program?: string;
}

/** A metric whose number stands in a field of a BPF map's value. */
export interface FieldNumber extends NumberSpec, FieldBase {
  /** The exported number is the field times this. */
  readonly scale: number;
}

/** A histogram whose counts stand in an array of a BPF map's value: one for each bound, and one for what is above. */
export interface FieldHistogram extends HistogramSpec, FieldBase {
  /** Field with the sum of all values, if there is one; exported times `scale`. */
  readonly sum?: string;
  readonly scale: number;
}

export type FieldMetric = FieldNumber | FieldHistogram;

/** A table whose rows are the entries of one BPF map. */
export interface MapTable extends TableSpec {
  readonly map: string;
  readonly labelReaders: readonly LabelReader[];
  readonly metrics: Readonly<Record<string, FieldMetric>>;
  /** False: it is off when the configuration does not name it. */
  readonly on?: boolean;
  /** The table has only the map's rows with these numbers in their key. */
  readonly where?: Readonly<Record<string, number>>;
}

/** A row that user space puts into a map before the first reading. */
export interface MapEntry {
  readonly map: string;
  readonly key: Uint8Array<ArrayBuffer>;
  readonly value: Uint8Array<ArrayBuffer>;
}

/** A probe whose numbers are added up by programs in the kernel. */
export interface BpfProbe extends ProbeBase {
  readonly kind: "ebpf";
  readonly layout: ObjectLayout;
  readonly tables: Readonly<Record<string, MapTable>>;
  /** `const volatile` globals, set before loading. `on`: the tables that are wanted. */
  readonly constants: (
    settings: Settings,
    on: ReadonlySet<string>,
  ) => Readonly<Record<string, number>>;
  /** Rows of maps that are set once, such as what is to be observed. */
  readonly entries: (settings: Settings) => readonly MapEntry[];
  /** Programs that only some tables use: not loaded while none of those is on. */
  readonly uses: Readonly<Record<string, readonly string[]>>;
  /** Columns of the original that no kernel can give, with the reason. */
  readonly lacking: Readonly<Record<string, string>>;
  /** Iterator programs that are run before each reading, in this order. */
  readonly iterators: readonly string[];
  /**
   * Field of the maps' values that changes whenever the row's thing was seen alive; its rows expire without. In a map
   * that has no such field, being in the map is life.
   */
  readonly alive?: string;
  /** Programs without which the probe is of use all the same. */
  readonly optional: readonly string[];
}

export type AnyProbe = NativeProbe | BpfProbe;

/** How one BPF program is hooked up, or why not. */
export interface HookVerdict {
  readonly program: string;
  readonly hook: string;
  readonly state: "attached" | "unsupported" | "failed";
  readonly reason?: string;
  readonly mend?: string;
}

/** What a program cost so far, from the kernel's BPF statistics. */
export interface ProgramCost {
  readonly program: string;
  readonly runs: number;
  readonly nanoseconds: number;
}

/** A probe at work. */
export interface RunningProbe {
  /** Reads once. `now` is monotonic, in ms. Absent in probes whose rows arrive when they arrive. */
  tick?(now: number): void | Promise<void>;
  stop(): void | Promise<void>;
  hooks?(): readonly HookVerdict[];
  cost?(): readonly ProgramCost[];
  /** Rows or lines that were lost or refused, by reason. */
  losses?(): Readonly<Record<string, number>>;
  /** Further facts for `/probes`, such as a child's pid. */
  facts?(): Readonly<Record<string, unknown>>;
}

const VERSION = "1.0.0";

interface TableDeclaration<Metric> {
  readonly entity: string;
  readonly keys: readonly string[];
  readonly labels?: readonly string[];
  readonly version?: string;
  readonly metrics: Metric;
}

/** Declares a table of a native probe. */
export function table<const M extends Readonly<Record<string, MetricSpec>>>(
  { entity, keys, labels = [], version = VERSION, metrics }: TableDeclaration<M>,
): TableSpec & { readonly metrics: M } {
  return { entity, keys, labels, version, metrics };
}

/** A total that only grows. */
export function counter(help: string, unit: string): NumberSpec {
  return { type: "counter", help, unit };
}

/** A number that goes up and down. */
export function gauge(help: string, unit: string): NumberSpec {
  return { type: "gauge", help, unit };
}

type Declared<P extends ProbeBase, Own extends keyof P> =
  & Omit<P, "kind" | "help" | "partOf" | "on" | Own>
  & { help: string; partOf?: readonly string[]; on?: boolean };

export function nativeProbe<const T extends Tables>(
  declaration: Declared<NativeProbe<T>, never>,
): NativeProbe {
  const probe: NativeProbe<T> = { partOf: [], on: true, ...declaration, kind: "native" };
  // Its tables are checked against its `open` here; from now on it is one of many, known by names.
  return probe as unknown as NativeProbe;
}

/** A number in the field `field` of the map's value, times `scale`. */
export function ofField<Field extends string>(
  type: NumberType,
  field: Field,
  help: string,
  unit: string,
  scale = 1,
): FieldNumber & { readonly field: Field } {
  return { type, field, help, unit, scale };
}

/**
 * A histogram in the array `field` of the map's value, with a sum in the field `sum`. `bounds` are in the unit that is
 * exported; the sum is exported times `scale`.
 */
export function ofBuckets<Field extends string>(
  { field, sum, scale = 1 }: { field: Field; sum?: Field; scale?: number },
  bounds: readonly number[],
  help: string,
  unit: string,
): FieldHistogram & { readonly field: Field; readonly sum?: Field } {
  return {
    type: "histogram",
    field,
    ...(sum === undefined ? {} : { sum }),
    scale,
    bounds,
    help,
    unit,
  };
}

/** The metric, which is left out where `program` is not attached. */
export function filledBy<M extends FieldMetric>(program: string, metric: M): M {
  return { ...metric, program };
}

/** Bounds of `slots` buckets of log2_slot() in bpf/probe.h, of which the last has none: 1, 2, 4 ... times `scale`. */
export function log2Bounds(slots: number, scale = 1): number[] {
  // 15 digits hide what multiplying by 1e-9 adds: 1.0240000000000002e-6.
  return Array.from({ length: slots - 1 }, (_, i) => Number((2 ** i * scale).toPrecision(15)));
}

type Fields<L extends ObjectLayout, M extends keyof L["maps"], Part extends "key" | "value"> =
  Extract<
    keyof L["maps"][M][Part]["fields"],
    string
  >;

type Labels<L extends ObjectLayout, M extends keyof L["maps"]> = Readonly<
  Record<string, LabelReader<Fields<L, M, "key">> | ValueLabelReader<Fields<L, M, "value">>>
>;

interface MapTableDeclaration<L extends ObjectLayout, M extends Extract<keyof L["maps"], string>> {
  readonly map: M;
  readonly entity: string;
  readonly keys: Labels<L, M>;
  readonly labels?: Labels<L, M>;
  readonly version?: string;
  readonly on?: boolean;
  readonly where?: Readonly<Partial<Record<Fields<L, M, "key">, number>>>;
  readonly metrics: Readonly<
    Record<
      string,
      FieldMetric & { readonly field: Fields<L, M, "value">; readonly sum?: Fields<L, M, "value"> }
    >
  >;
}

/** Declares a table over a BPF map; a field that the map does not have is a type error. */
export function mapTable<L extends ObjectLayout, M extends Extract<keyof L["maps"], string>>(
  _layout: L,
  declaration: MapTableDeclaration<L, M>,
): MapTable {
  const { map, entity, keys, labels = {}, version = VERSION, metrics, on = true } = declaration;
  return {
    map,
    entity,
    version,
    on,
    where: (declaration.where ?? {}) as Readonly<Record<string, number>>,
    keys: Object.keys(keys),
    labels: Object.keys(labels),
    labelReaders: [...Object.values(keys), ...Object.values(labels)],
    metrics,
  };
}

type BpfDefaults =
  | "constants"
  | "entries"
  | "uses"
  | "lacking"
  | "iterators"
  | "optional"
  | "alive";
type ProgramOf<L extends ObjectLayout> = Extract<keyof L["programs"], string>;

interface BpfParts<L extends ObjectLayout, T extends string> {
  readonly layout: L;
  readonly tables: Readonly<Record<T, MapTable>>;
  readonly constants?: (
    settings: Settings,
    on: ReadonlySet<string>,
  ) => Readonly<Partial<Record<Extract<keyof L["constants"], string>, number>>>;
  readonly entries?: (settings: Settings) => readonly MapEntry[];
  readonly uses?: Readonly<Partial<Record<ProgramOf<L>, readonly NoInfer<T>[]>>>;
  readonly lacking?: Readonly<Record<string, string>>;
  readonly iterators?: readonly ProgramOf<L>[];
  readonly optional?: readonly ProgramOf<L>[];
  readonly alive?: string;
}

export function bpfProbe<const L extends ObjectLayout, T extends string>(
  declaration: Omit<Declared<BpfProbe, BpfDefaults>, "layout" | "tables"> & BpfParts<L, T>,
): BpfProbe {
  const { constants, uses = {}, ...rest } = declaration;
  return {
    partOf: [],
    on: true,
    iterators: [],
    optional: [],
    lacking: {},
    entries: () => [],
    ...rest,
    uses: uses as Readonly<Record<string, readonly string[]>>,
    constants: (settings, on) => {
      const given: Readonly<Record<string, number | undefined>> = constants?.(settings, on) ?? {};
      const set: Record<string, number> = {};
      for (const [name, value] of Object.entries(given)) if (value !== undefined) set[name] = value;
      return set;
    },
    kind: "ebpf",
  };
}
