// SPDX-License-Identifier: MulanPSL-2.0
/** How a probe is declared: functions that check a declaration against its tables and layout, and fill in the defaults. */
import type { EventRule } from "./event.ts";
import type { ObjectLayout } from "./layout.ts";
import { containerOf, type LabelReader, type ValueLabelReader } from "./labels.ts";
import type { Keys } from "./setting_key.ts";
import type { MetricSpec, NumberSpec, NumberType, TableSpec } from "./table.ts";
import type {
  BpfProbe,
  FieldHistogram,
  FieldMetric,
  FieldNumber,
  IteratorUse,
  MapEntry,
  MapTable,
  NativeProbe,
  ProbeBase,
  RecordProbe,
  Settings,
  Tables,
  UserHooks,
} from "./probe.ts";

const VERSION = "1.0.0";
/** As the original names them. */
const PROCESS_KEY = "tgid";
const CONTAINER_LABEL = "container_id";

interface TableDeclaration<Metric> {
  readonly entity: string;
  readonly keys: readonly string[];
  readonly labels?: readonly string[];
  readonly distinct?: number;
  readonly version?: string;
  readonly metrics: Metric;
}

/** Declares a table of a native probe. */
export function table<const M extends Readonly<Record<string, MetricSpec>>>(
  { entity, keys, labels = [], distinct = 0, version = VERSION, metrics }: TableDeclaration<M>,
): TableSpec & { readonly metrics: M } {
  return { entity, keys, labels, distinct, version, metrics };
}

/** A total that only grows. */
export function counter(help: string, unit: string): NumberSpec {
  return { type: "counter", help, unit };
}

/** A number that goes up and down. */
export function gauge(help: string, unit: string): NumberSpec {
  return { type: "gauge", help, unit };
}

/** The metric, whose values can be events. */
export function raises<Metric extends MetricSpec>(metric: Metric, event: EventRule): Metric {
  return { ...metric, event };
}

type Declared<P extends ProbeBase, Own extends keyof P> =
  & Omit<P, "kind" | "help" | "partOf" | "on" | "settings" | "options" | Own>
  & {
    help: string;
    partOf?: readonly string[];
    on?: boolean;
    settings?: Keys;
    options?: Readonly<Record<string, string>>;
  };

export function nativeProbe<const T extends Tables>(
  declaration: Declared<NativeProbe<T>, "tasks" | "late"> & { tasks?: boolean; late?: boolean },
): NativeProbe {
  const probe: NativeProbe<T> = {
    partOf: [],
    on: true,
    settings: {},
    options: {},
    tasks: false,
    late: false,
    ...declaration,
    kind: "native",
  };
  // Its tables are checked against its `open` here; from now on it is one of many, known by names.
  return probe as unknown as NativeProbe;
}

export function recordProbe(
  declaration: Declared<RecordProbe, "userHooks"> & Partial<Pick<RecordProbe, "userHooks">>,
): RecordProbe {
  return {
    ...{ partOf: [], on: true, settings: {}, options: {}, userHooks: () => [] },
    ...declaration,
    kind: "ebpf",
  };
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
export function ofBuckets<const Field extends string, const Sum extends string = never>(
  { field, sum, scale = 1 }: { field: Field; sum?: Sum; scale?: number },
  bounds: readonly number[],
  help: string,
  unit: string,
): FieldHistogram & { readonly field: Field; readonly sum?: Sum } {
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

/** The metric, which is left out where none of these programs is attached. */
export function filledBy<M extends FieldMetric>(
  programs: string | readonly string[],
  metric: M,
): M {
  return { ...metric, programs: [programs].flat() };
}

/** The tables, with programs that run only for the sake of such tables. */
export function served<T extends Readonly<Record<string, MapTable>>>(
  programs: readonly string[],
  tables: T,
): T {
  const entries = Object.entries(tables).map(([name, spec]) =>
    [name, { ...spec, programs: [...spec.programs, ...programs] }] as const
  );
  return Object.fromEntries(entries) as unknown as T;
}

/** Bounds of `slots` buckets of log2_slot() in bpf/probe.h, of which the last has none: 1, 2, 4 ... times `scale`. */
export function log2Bounds(slots: number, scale = 1): number[] {
  return powerBounds(2, slots, scale);
}

/** The same for log4_slot(): 1, 4, 16 ... times `scale`. */
export function log4Bounds(slots: number, scale = 1): number[] {
  return powerBounds(4, slots, scale);
}

function powerBounds(base: number, slots: number, scale: number): number[] {
  // 15 digits hide what multiplying by 1e-9 adds: 1.0240000000000002e-6.
  return Array.from({ length: slots - 1 }, (_, i) => Number((base ** i * scale).toPrecision(15)));
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
  readonly programs?: readonly Extract<keyof L["programs"], string>[];
  readonly insteadOf?: readonly string[];
  readonly only?: { readonly field: Fields<L, M, "key">; readonly value: number };
  readonly metrics: Readonly<
    Record<
      string,
      FieldMetric & { readonly field: Fields<L, M, "value">; readonly sum?: Fields<L, M, "value"> }
    >
  >;
}

/**
 * Declares a table over a BPF map; a field that the map does not have is a type error. A table of processes (key or
 * label `tgid`) also shows the container, last.
 */
export function mapTable<L extends ObjectLayout, M extends Extract<keyof L["maps"], string>>(
  _layout: L,
  declaration: MapTableDeclaration<L, M>,
): MapTable {
  const { keys, labels = {}, ...rest } = declaration;
  const process: LabelReader | undefined = keys[PROCESS_KEY] ?? labels[PROCESS_KEY];
  const shown: Record<string, LabelReader> = { ...labels };
  if (process !== undefined) shown[CONTAINER_LABEL] ??= containerOf(process);
  return {
    version: VERSION,
    on: true,
    programs: [],
    insteadOf: [],
    ...rest,
    keys: Object.keys(keys),
    labels: Object.keys(shown),
    labelReaders: [...Object.values(keys), ...Object.values(shown)],
  };
}

/** What a declaration says in terms of its layout. */
type OfLayout =
  | "constants"
  | "iterators"
  | "optional"
  | "alive"
  | "changes"
  | "namespaces"
  | "choices"
  | "ceilings"
  | "mostUsed"
  | "entries"
  | "lacking"
  | "userHooks";

export function bpfProbe<const L extends ObjectLayout>(
  declaration:
    & Omit<Declared<BpfProbe, OfLayout>, "layout">
    & {
      layout: L;
      constants?: (
        settings: Settings,
        tables: ReadonlySet<string>,
      ) => Readonly<Partial<Record<Extract<keyof L["constants"], string>, number>>>;
      iterators?: readonly IteratorUse<Extract<keyof L["programs"], string>>[];
      optional?: readonly Extract<keyof L["programs"], string>[];
      alive?: string;
      changes?: string;
      namespaces?: Extract<keyof L["programs"], string>;
      choices?: readonly (readonly Extract<keyof L["programs"], string>[])[];
      ceilings?: readonly Extract<keyof L["maps"], string>[];
      mostUsed?: (settings: Settings) => {
        readonly rows: number;
        readonly ranks: {
          readonly [M in Extract<keyof L["maps"], string>]?: readonly (readonly Fields<
            L,
            M,
            "value"
          >[])[];
        };
      };
      entries?: (settings: Settings) => readonly MapEntry[];
      lacking?: Readonly<Record<string, string>>;
      userHooks?: UserHooks<Extract<keyof L["programs"], string>>;
    },
): BpfProbe {
  const { constants, ...rest } = declaration;
  return {
    partOf: [],
    on: true,
    settings: {},
    options: {},
    iterators: [],
    optional: [],
    choices: [],
    ceilings: [],
    mostUsed: () => ({ rows: -1, ranks: {} }),
    entries: () => [],
    lacking: {},
    ...rest,
    constants: (settings, tables) => {
      const given: Readonly<Record<string, number | undefined>> = constants?.(settings, tables) ??
        {};
      const set: Record<string, number> = {};
      for (const [name, value] of Object.entries(given)) if (value !== undefined) set[name] = value;
      return set;
    },
    kind: "ebpf",
  };
}
