// SPDX-License-Identifier: MulanPSL-2.0
/** What a probe declares. Declarations are data and pure functions; `sys`, `ingest` and `manager` bring them to life. */
import type { ObjectLayout } from "./layout.ts";
import type { LabelReader } from "./labels.ts";
import type { Snooper } from "./proc_filter.ts";
import type { ProcessTable } from "./process_table.ts";
import type { MetricSpec, MetricType, TableSpec } from "./table.ts";
import type { TaskSource } from "./task_batch.ts";

export type ProbeKind = "native" | "ebpf" | "external";

export type SettingValue = string | number | boolean;

/** The settings of one probe from the configuration, read with a default that also fixes the type. */
export interface Settings {
  /** Throws ConfigError when the configured value is of another type or outside the range. */
  number(name: string, fallback: number, min?: number, max?: number): number;
  text(name: string, fallback: string): string;
  flag(name: string, fallback: boolean): boolean;
  /** A regular expression. */
  pattern(name: string, fallback: string): RegExp;
  /**
   * Parts of a text that stand between commas, without the blanks around; a single number is one part. Throws
   * ConfigError when a part is not of the form.
   */
  list(name: string, form: RegExp, allowed: string): string[];
  /** Text of the file that this setting names; empty when it names none. Throws ConfigError if it cannot be read. */
  fileText(name: string): string;
}

/** Files of the observed host, below its root. Paths have no leading slash: `proc/stat`. */
export interface HostFiles {
  /** Content, valid until the next call. Throws Unsupported when there is no such file. */
  read(path: string): Uint8Array;
  /**
   * Content, or undefined when there is no such file (or it vanished while being read). With `maxBytes`: no more than
   * its first bytes, where otherwise a file that is too large is an error.
   */
  readOptional(path: string, maxBytes?: number): Uint8Array | undefined;
  /** As readOptional, but elsewhere: for a file that takes the kernel long. The content is the caller's own. */
  readLater(path: string): Promise<Uint8Array | undefined>;
  /** Names in a folder, in no particular order; empty when there is no such folder. */
  list(path: string): string[];
  /** How many names `list` would give, which may be cheaper; NaN when there is no such folder. */
  count(path: string): number;
}

/** Writes rows of one table during a reading. */
export interface RowWriter<Metric extends string = string> {
  /** Starts or renews the row with these keys and labels, in the declared order; later `set`s go to it. */
  row(...values: readonly string[]): this;
  /** Sets a number of the current row; NaN or an absent `set` means "not known". */
  set(metric: Metric, value: number): this;
}

/** What probes share besides files. */
export interface ProbeHost {
  /** Reads all processes: through BPF for a probe with `tasks`, where the kernel can; else from /proc. */
  readonly tasks: TaskSource;
  /** Names and containers of processes. */
  readonly processes: ProcessTable;
  /** This probe's own filter; it outlives a restart of the probe, and may be replaced at any time. */
  readonly snooper: Snooper;
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
  /** Options of the original's command line (`-w FILE`) that stand for a setting: letter to name. */
  readonly options: Readonly<Record<string, string>>;
}

export type Tables = Readonly<Record<string, TableSpec>>;

export type Writers<T extends Tables> = {
  readonly [Name in keyof T]: RowWriter<Extract<keyof T[Name]["metrics"], string>>;
};

/** Reads once; `elapsed` is the time since the last reading in seconds, NaN at first. */
export type Read<T extends Tables = Tables> = (tables: Writers<T>, elapsed: number) => void;

export interface Reading<T extends Tables = Tables> {
  readonly read: Read<T>;
  /** What could not be read or shown so far, by reason. */
  losses?(): Readonly<Record<string, number>>;
}

/** A probe that reads files of the host on each tick. */
export interface NativeProbe<T extends Tables = Tables> extends ProbeBase {
  readonly kind: "native";
  readonly tables: T;
  /** Whether it reads all processes: it then starts as late as eBPF probes do. */
  readonly tasks: boolean;
  /** Called once at start. Throws Unsupported when the host lacks what it reads. */
  open(files: HostFiles, settings: Settings, host: ProbeHost): Read<T> | Reading<T>;
}

/** A metric whose number stands in a field of a BPF map's value. */
export interface FieldMetric extends MetricSpec {
  readonly field: string;
  /** The exported number is the field times this. */
  readonly scale: number;
}

/** A table whose rows are the entries of one BPF map. */
export interface MapTable extends TableSpec {
  readonly map: string;
  readonly labelReaders: readonly LabelReader[];
  readonly metrics: Readonly<Record<string, FieldMetric>>;
}

/** A probe whose numbers are added up by programs in the kernel. */
export interface BpfProbe extends ProbeBase {
  readonly kind: "ebpf";
  readonly layout: ObjectLayout;
  readonly tables: Readonly<Record<string, MapTable>>;
  /** `const volatile` globals, set before loading. */
  readonly constants: (settings: Settings) => Readonly<Record<string, number>>;
  /** Iterator programs that are run before each reading, in this order. */
  readonly iterators: readonly string[];
  /** Field of the maps' values that changes whenever the row's thing was seen alive; its rows expire without. */
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
export function counter(help: string, unit: string): MetricSpec {
  return { type: "counter", help, unit };
}

/** A number that goes up and down. */
export function gauge(help: string, unit: string): MetricSpec {
  return { type: "gauge", help, unit };
}

type Declared<P extends ProbeBase, Own extends keyof P> =
  & Omit<P, "kind" | "help" | "partOf" | "on" | "options" | Own>
  & {
    help: string;
    partOf?: readonly string[];
    on?: boolean;
    options?: Readonly<Record<string, string>>;
  };

export function nativeProbe<const T extends Tables>(
  declaration: Declared<NativeProbe<T>, "tasks"> & { tasks?: boolean },
): NativeProbe {
  const probe: NativeProbe<T> = {
    partOf: [],
    on: true,
    options: {},
    tasks: false,
    ...declaration,
    kind: "native",
  };
  // Its tables are checked against its `open` here; from now on it is one of many, known by names.
  return probe as unknown as NativeProbe;
}

/** A number in the field `field` of the map's value, times `scale`. */
export function ofField<Field extends string>(
  type: MetricType,
  field: Field,
  help: string,
  unit: string,
  scale = 1,
): FieldMetric & { readonly field: Field } {
  return { type, field, help, unit, scale };
}

type Fields<L extends ObjectLayout, M extends keyof L["maps"], Part extends "key" | "value"> =
  Extract<
    keyof L["maps"][M][Part]["fields"],
    string
  >;

interface MapTableDeclaration<L extends ObjectLayout, M extends Extract<keyof L["maps"], string>> {
  readonly map: M;
  readonly entity: string;
  readonly keys: Readonly<Record<string, LabelReader<Fields<L, M, "key">>>>;
  readonly labels?: Readonly<Record<string, LabelReader<Fields<L, M, "key">>>>;
  readonly version?: string;
  readonly metrics: Readonly<
    Record<string, FieldMetric & { readonly field: Fields<L, M, "value"> }>
  >;
}

/** Declares a table over a BPF map; a field that the map does not have is a type error. */
export function mapTable<L extends ObjectLayout, M extends Extract<keyof L["maps"], string>>(
  _layout: L,
  { map, entity, keys, labels = {}, version = VERSION, metrics }: MapTableDeclaration<L, M>,
): MapTable {
  return {
    map,
    entity,
    version,
    keys: Object.keys(keys),
    labels: Object.keys(labels),
    labelReaders: [...Object.values(keys), ...Object.values(labels)],
    metrics,
  };
}

export function bpfProbe<const L extends ObjectLayout>(
  declaration:
    & Omit<Declared<BpfProbe, "constants" | "iterators" | "optional" | "alive">, "layout">
    & {
      layout: L;
      constants?: (
        settings: Settings,
      ) => Readonly<Partial<Record<Extract<keyof L["constants"], string>, number>>>;
      iterators?: readonly Extract<keyof L["programs"], string>[];
      optional?: readonly Extract<keyof L["programs"], string>[];
      alive?: string;
    },
): BpfProbe {
  const { constants, ...rest } = declaration;
  return {
    partOf: [],
    on: true,
    options: {},
    iterators: [],
    optional: [],
    ...rest,
    constants: (settings) => {
      const given: Readonly<Record<string, number | undefined>> = constants?.(settings) ?? {};
      const set: Record<string, number> = {};
      for (const [name, value] of Object.entries(given)) if (value !== undefined) set[name] = value;
      return set;
    },
    kind: "ebpf",
  };
}
