// SPDX-License-Identifier: MulanPSL-2.0
/** What a probe declares. Declarations are data and pure functions; `sys`, `ingest` and `manager` bring them to life. */
import type { ObjectLayout } from "./layout.ts";
import type { ContainerLookup } from "./container_lookup.ts";
import type { ContainerNamer } from "./container_names.ts";
import type { LabelReader } from "./labels.ts";
import type { Snooper } from "./proc_filter.ts";
import type { ProcessTable } from "./process_table.ts";
import type { Discipline } from "./route_netlink.ts";
import type { Keys } from "./setting_key.ts";
import type { HistogramSpec, MetricSpec, NumberSpec, TableSpec } from "./table.ts";
import type { TaskSource } from "./task_batch.ts";

export type ProbeKind = "native" | "ebpf" | "external";

/** Rights that root has, and a service may be given one by one: capabilities(7). */
export type Capability =
  | "CAP_BPF"
  | "CAP_PERFMON"
  | "CAP_SYS_ADMIN"
  | "CAP_SYS_PTRACE"
  | "CAP_DAC_READ_SEARCH"
  | "CAP_DAC_OVERRIDE"
  | "CAP_SETUID"
  | "CAP_SETGID"
  | "CAP_KILL";

export type SettingValue = string | number | boolean;

/**
 * The settings of one probe: what the configuration says, else the default of its declaration. All but `fileText` throw
 * ConfigError only for what came past the check of the configuration file.
 */
export interface Settings {
  number(name: string): number;
  text(name: string): string;
  flag(name: string): boolean;
  pattern(name: string): RegExp;
  list(name: string): string[];
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
  /** The number that the file or folder has in its file system; NaN when there is none. */
  inode(path: string): number;
  /** Where a symbolic link points, as it says; undefined when there is none, or it may not be read. */
  link(path: string): string | undefined;
}

/** What probes share besides files. */
export interface ProbeHost {
  readonly calls: HostCalls;
  readonly containers: ContainerLookup;
  readonly names: ContainerNamer;
  /** Reads all processes: through BPF for a probe with `tasks`, where the kernel can; else from /proc. */
  readonly tasks: TaskSource;
  /** Names and containers of processes. */
  readonly processes: ProcessTable;
  /** This probe's own filter; it outlives a restart of the probe, and may be replaced at any time. */
  readonly snooper: Snooper;
}

/** A mounted file system to be asked for its size. */
export interface Mount {
  /** Tells it from another one that is mounted at the same path later on. */
  readonly id: string;
  readonly path: string;
  /** Whether a server or another program answers for it: such a mount may be dead for long. */
  readonly isRemote: boolean;
  /** Whether the kernel has the answer in memory, so that the call cannot take long; false if it is not known. */
  readonly isPrompt?: boolean;
}

export interface MountSize {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  /** Free for those who are not root. */
  readonly availableBlocks: number;
  readonly inodes: number;
  readonly freeInodes: number;
}

/** `stalled`: no answer yet, for that many seconds. `refused`: it answered with an error, or was not asked at all. */
export type MountAnswer =
  | { readonly state: "known"; readonly size: MountSize }
  | { readonly state: "stalled"; readonly seconds: number }
  | { readonly state: "refused" };

/** What the kernel of the observed host is asked by calls that may take long: none of them holds up the event loop. */
export interface HostCalls {
  /** An answer for each mount, in the same order, within about a second whatever hangs. Never rejects. */
  mountSizes(mounts: readonly Mount[]): Promise<readonly MountAnswer[]>;
  /**
   * Addresses of the host but those of loopback and of links, undefined if the kernel does not answer in time. Absent
   * where the host's network is not that of this process.
   */
  addresses?(): Promise<readonly string[] | undefined>;
  /** What waits in front of each network device: all queueing disciplines; otherwise as `addresses`. */
  queues?(): Promise<readonly Discipline[] | undefined>;
  /** Names of network devices by their index; otherwise as `addresses`. */
  links?(): Promise<ReadonlyMap<number, string> | undefined>;
  /**
   * Bytes of a folder as the process sees it, with all below it on the same file system, as `du -sbx` counts them.
   * Undefined when there is no such folder; NaN when it has too many files, or cannot be read. One folder after the
   * other: the next waits for one that hangs. Never rejects.
   */
  treeBytes?(pid: number, folder: string): Promise<number | undefined>;
}

/** Writes rows of one table during a reading. */
export interface RowWriter<Metric extends string = string> {
  /** Starts or renews the row with these keys and labels, in the declared order; later `set`s go to it. */
  row(...values: readonly string[]): this;
  /** Sets a number of the current row; NaN or an absent `set` means "not known". */
  set(metric: Metric, value: number): this;
  /** Sets a histogram: values of each range, in the order of its bounds and then above the last, and their sum. */
  histogram(metric: string, counts: ArrayLike<number>, sum: number): this;
  /**
   * For thousands of rows: starts or renews a row, as `row` does, but keeps its numbers, and gives its place for `fill`;
   * -1: there is no room. Quickest where it was given `before` with these very labels, unchanged.
   */
  place(values: readonly string[], before: number): number;
  /** Sets a number of the first `count` rows, at these places. */
  fill(metric: Metric, places: Int32Array, numbers: Float64Array, count: number): void;
}

export interface ProbeBase {
  /** Name in the configuration, in `/probes` and in the `probe` label. */
  readonly name: string;
  /** One sentence: what it observes, and from where. */
  readonly help: string;
  /** Names of the original's probes that this one is part of: switching them switches this one. */
  readonly partOf: readonly string[];
  /** Whether it runs when the configuration does not name it. */
  readonly on: boolean;
  /** What may stand in its `settings`. */
  readonly settings: Keys;
  /** Options of the original's command line (`-w FILE`) that stand for a setting: letter to name. */
  readonly options: Readonly<Record<string, string>>;
  /** What is not shown without a capability; those that eBPF needs at all go without saying. */
  readonly capabilities?: Readonly<Partial<Record<Capability, string>>>;
}

/** For probes of sockets: other network namespaces are found by /proc/PID/ns and entered. */
export const NAMESPACE_CAPABILITIES = {
  CAP_SYS_ADMIN: "sockets of other network namespaces (of containers)",
  CAP_SYS_PTRACE: "sockets of other network namespaces (of containers)",
} as const satisfies Partial<Record<Capability, string>>;

export type Tables = Readonly<Record<string, TableSpec>>;

export type Writers<T extends Tables> = {
  readonly [Name in keyof T]: RowWriter<NumberNames<T[Name]["metrics"]>>;
};

/** Metrics of one number, which a native probe can set. */
type NumberNames<M extends Readonly<Record<string, MetricSpec>>> = {
  [Metric in keyof M]: M[Metric] extends HistogramSpec ? never : Extract<Metric, string>;
}[keyof M];

/**
 * Reads once; `elapsed` is the time since the last reading in seconds, NaN at first. One that has to wait gives a
 * promise, and writes its rows after it has waited: the next reading begins only when this one has ended.
 */
export type Read<T extends Tables = Tables> = (
  tables: Writers<T>,
  elapsed: number,
) => void | Promise<void>;

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
  /** Its first reading goes through all processes, so it begins when the server answers already. */
  readonly late: boolean;
  /** Called once at start. Throws Unsupported when the host lacks what it reads. */
  open(files: HostFiles, settings: Settings, host: ProbeHost): Read<T> | Reading<T>;
}

interface FieldBase {
  readonly field: string;
  /** Programs that fill the field: without any of them the column is left out. */
  readonly programs?: readonly string[];
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
  /** Whether it is there when the configuration does not name it. */
  readonly on: boolean;
  /** Programs that run only for the sake of this table, and of others that name them too. */
  readonly programs: readonly string[];
  /** Tables that this one takes the place of when it is on. */
  readonly insteadOf: readonly string[];
  /** Takes only entries of the map whose key has this number in this field. */
  readonly only?: { readonly field: string; readonly value: number };
}

/** A program or library that processes have mapped. */
export type UserLibrary = "glibc" | "OpenSSL" | "CPython";

/** A function of a library, with programs for its entry and its returns. */
export interface UserHook<Program extends string = string> {
  readonly symbol: string;
  readonly entry: Program;
  readonly returns: Program;
}

/** A mark for tracers (USDT) in a library's code, with the program for it. */
export interface UserMark<Program extends string = string> {
  readonly provider: string;
  readonly name: string;
  readonly program: Program;
}

/** Hooks in all files of a library: the marks where a file has every one of them, else the functions. */
export interface UserHooks<Program extends string = string> {
  readonly library: UserLibrary;
  /** In the order in which they are hooked: what ends comes before what begins. */
  readonly marks?: readonly UserMark<Program>[];
  readonly functions?: readonly UserHook<Program>[];
  /** The functions are not exported: only a file that was not stripped of its names tells where they are. */
  readonly private?: boolean;
}

/** A row that user space puts into a map before the first reading. */
export interface MapEntry {
  readonly map: string;
  readonly key: Uint8Array<ArrayBuffer>;
  readonly value: Uint8Array<ArrayBuffer>;
}

export interface IteratorUse<Program extends string = string> {
  readonly program: Program;
  /** The map that the iterator goes through. */
  readonly over?: string;
  /** Ends with the first record, if the program writes one: what follows is of no interest. */
  readonly untilRecord?: boolean;
  /** Runs only when the one entry of this map is not 0, which is then set to 0 ... */
  readonly wishes?: string;
  /** ... and in the first and every n-th reading; without `wishes` in these only. */
  readonly every?: number;
}

/** Rows of these maps that are not shown are one row. */
export interface MostUsed {
  /** Rows that are shown by each rank; -1: all. */
  readonly rows: number;
  /** By map: fields whose sum is a rank. */
  readonly ranks: Readonly<Partial<Record<string, readonly (readonly string[])[]>>>;
}

/** A probe whose numbers are added up by programs in the kernel. */
export interface BpfProbe extends ProbeBase {
  readonly kind: "ebpf";
  readonly layout: ObjectLayout;
  readonly tables: Readonly<Record<string, MapTable>>;
  /** `const volatile` globals, set before loading. */
  readonly constants: (
    settings: Settings,
    tables: ReadonlySet<string>,
  ) => Readonly<Record<string, number>>;
  /** Programs in sections named `uprobe`. */
  readonly userHooks?: UserHooks;
  /** Rows of maps that are set once, such as what is to be observed. */
  readonly entries: (settings: Settings) => readonly MapEntry[];
  /** Columns of the original that are left out on every kernel, with the reason. */
  readonly lacking: Readonly<Record<string, string>>;
  /**
   * Maps that hold as many rows as a table may have (`imdb.max_records_num`): what is beyond belongs to the map's
   * `other` rows, where its programs make such, or is forgotten by a map that is RECENT.
   */
  readonly ceilings: readonly string[];
  /** Iterator programs that are run before each reading, in this order; the one of `namespaces` is run first. */
  readonly iterators: readonly IteratorUse[];
  /** Iterator that lists network namespaces (bpf/namespaces.h): those of sockets are then run in each of them. */
  readonly namespaces?: string;
  /** Programs that do the same, best first: the first one that the kernel takes is attached. */
  readonly choices: readonly (readonly string[])[];
  /** Field of the maps' values that changes whenever the row's thing was seen alive; its rows expire
   * without, and a row where it is 0 is not shown. Maps without such a field do not expire so. */
  readonly alive?: string;
  /** Field of the maps' values that changes after each change of another one, and is the value's first. */
  readonly changes?: string;
  /** Which maps show only the rows that are used most, and those whose field `shown` says so. */
  readonly mostUsed: (settings: Settings) => MostUsed;
  /** Programs without which the probe is of use all the same. */
  readonly optional: readonly string[];
}

/**
 * Records of a ring that are read together; the same object each time, valid until the visitor returns. The bytes are
 * the kernel's own: to be copied if they are kept.
 */
export interface RecordPortion {
  readonly count: number;
  /** Where record i starts in `bytes`; a multiple of 8. */
  readonly offsets: Int32Array;
  /** Bytes of record i. */
  readonly lengths: Int32Array;
  readonly bytes: Uint8Array;
  /** The same memory: the first word of record i is `words[offsets[i] >> 2]`. */
  readonly words: Uint32Array;
}

/** What a probe of records may ask of its host. */
export interface RecordHost {
  readonly settings: Settings;
  /** The container of a process, empty for none. */
  containerOf(pid: number): string;
  /** Puts a row into a map of the probe's object. */
  update(map: string, key: Uint8Array<ArrayBuffer>, value: Uint8Array<ArrayBuffer>): void;
}

/** A table of rows that the agent makes; some are there only when the configuration names them. */
export type RecordTable = TableSpec & { readonly on?: boolean };

export interface RecordReading extends Required<Pick<Reading, "losses">> {
  /** Takes records, many times between two readings. */
  take(records: RecordPortion): void;
  readonly read: Read;
  facts?(): Readonly<Record<string, unknown>>;
}

/** One of the ways to get the same records. */
export interface RecordWay {
  readonly name: string;
  /** Programs that it has no use for, and those that it can do without. */
  readonly off: readonly string[];
  readonly optional: readonly string[];
  readonly constants: Readonly<Record<string, number>>;
  /** Sizes of maps that are not to keep the one they were compiled with. */
  readonly maxEntries: Readonly<Record<string, number>>;
}

/** A probe whose programs send records to a ring, of which the agent makes rows. */
export interface RecordProbe extends ProbeBase {
  readonly kind: "ebpf";
  readonly layout: ObjectLayout;
  /** The ring's map. */
  readonly ring: string;
  readonly tables: Readonly<Record<string, RecordTable>>;
  /** `const volatile` globals, set before loading. */
  readonly constants: (settings: Settings) => Readonly<Record<string, number>>;
  /** Best first: the first one whose programs the kernel takes. */
  readonly ways: (settings: Settings) => readonly [RecordWay, ...RecordWay[]];
  /** Rows of maps that are set once. */
  readonly entries: (settings: Settings) => readonly MapEntry[];
  /** Functions of OpenSSL that are hooked, if the settings want it. */
  readonly userHooks: (settings: Settings) => readonly UserHook[];
  open(host: RecordHost): RecordReading | Promise<RecordReading>;
}

export type AnyProbe = NativeProbe | BpfProbe | RecordProbe;

/** How one BPF program is hooked up, or why not. */
export interface HookVerdict {
  readonly program: string;
  readonly hook: string;
  readonly state: "attached" | "unsupported" | "failed";
  readonly reason?: string;
  readonly mend?: string;
}

/** What a program cost so far: all but `missed` is 0 while the kernel's BPF statistics are off. */
export interface ProgramCost {
  readonly program: string;
  readonly runs: number;
  readonly nanoseconds: number;
  /** Runs that the kernel left out, as the hook was passed in an interrupt while the program was at work on that CPU. */
  readonly missed: number;
}

/** A probe at work. */
export interface RunningProbe {
  /** Reads once. `now` is monotonic, in ms. Absent in probes whose rows arrive when they arrive. */
  tick?(now: number): void | Promise<void>;
  stop(): void | Promise<void>;
  /** Takes new parameters while it runs. */
  configure?(parameters: Readonly<Record<string, unknown>>): void;
  hooks?(): readonly HookVerdict[];
  cost?(): readonly ProgramCost[];
  /** Rows or lines that were lost or refused, by reason. */
  losses?(): Readonly<Record<string, number>>;
  /** Further facts for `/probes`, such as a child's pid. */
  facts?(): Readonly<Record<string, unknown>>;
}
