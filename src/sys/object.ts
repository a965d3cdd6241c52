// SPDX-License-Identifier: MulanPSL-2.0
/** One BPF object in the kernel: its programs, links and maps live exactly as long as this object, nothing is pinned. */
import { KernelError, Unsupported } from "../core/errors.ts";
import type { MapLayout } from "../core/layout.ts";
import type { HookVerdict, ProgramCost } from "../core/probe.ts";
import { CostReader } from "./bpf_cost.ts";
import { demandBpf } from "./bpf_ability.ts";
import { ERRNO } from "./errno.ts";
import { IterReader } from "./iter_reader.ts";
import { KeptDescriptors } from "./kept_descriptors.ts";
import { cString, type Libbpf } from "./libbpf.ts";
import { mapBytes } from "./map_memory.ts";
import {
  findMap,
  type LoadedObject,
  loadObject,
  type ObjectImage,
  type Program,
  sizedMap,
} from "./object_loader.ts";
import { RingReader } from "./ring_reader.ts";
import { MapReader } from "./table_reader.ts";
import { needsTracefs, Tracefs } from "./tracefs.ts";
import { attachRefusal, type Refused } from "./verdict.ts";

/** Such programs are hooked up by `attachUser`. */
const USER_HOOK = "uprobe";

/** One at a time: what libbpf parses for two at once is left behind in pieces, 17 MB more resident for good. */
const loading = new WeakMap<Libbpf, Promise<void>>();

export class BpfObject {
  readonly name: string;
  /** How each wanted program is hooked up, or why not. */
  readonly hooks: HookVerdict[] = [];
  /** What was done to the host for it, for the log. */
  readonly notes: string[] = [];
  /** Kernel memory of all maps when they are full. */
  readonly mapBytes: number;
  readonly #libbpf: Libbpf;
  /** Without its bytes, of which libbpf has copied what it needs. */
  readonly #image: Omit<ObjectImage, "bytes">;
  readonly #programs: readonly Program[];
  readonly #links = new Map<string, NonNullable<Deno.PointerValue>>();
  readonly #userLinks: NonNullable<Deno.PointerValue>[] = [];
  readonly #errors = new Map<string, KernelError | Unsupported>();
  readonly #cost: CostReader;
  readonly #readers = new DisposableStack();
  readonly #mapFds: KeptDescriptors;
  readonly #programFds: KeptDescriptors;
  /** Null once libbpf has forgotten the object, with the handles of its programs. */
  #handle: Deno.PointerValue;
  #closed = false;

  private constructor(libbpf: Libbpf, image: ObjectImage, loaded: LoadedObject) {
    this.name = image.name;
    this.#libbpf = libbpf;
    const { bytes: _, ...others } = image;
    this.#image = others;
    this.#handle = loaded.handle;
    this.#programs = loaded.programs;
    this.#cost = new CostReader(libbpf);
    this.#mapFds = new KeptDescriptors(libbpf);
    this.#programFds = new KeptDescriptors(libbpf);
    this.mapBytes = Object.keys(image.layout.maps)
      .reduce((bytes, map) => bytes + mapBytes(this.#layoutOf(map), libbpf.cpus), 0);
    for (const refused of loaded.refused) this.#refuse(refused);
  }

  /**
   * Loads off the event loop, then attaches program by program. A program that is refused becomes a verdict. Throws
   * Unsupported when this host can run no eBPF at all, KernelError when not even the maps can be made.
   */
  static load(libbpf: Libbpf, image: ObjectImage): Promise<BpfObject> {
    const before = loading.get(libbpf) ?? Promise.resolve();
    const load = before.then(() => BpfObject.#load(libbpf, image));
    loading.set(libbpf, load.then(() => {}, () => {}));
    return load;
  }

  static async #load(libbpf: Libbpf, image: ObjectImage): Promise<BpfObject> {
    demandBpf(image.btfPath);
    try {
      const object = new BpfObject(libbpf, image, await loadObject(libbpf, image));
      try {
        for (const { map, key, value } of image.entries ?? []) object.table(map).update(key, value);
        object.#attachAll();
        object.#excuseReplaced();
        if (!object.#hasUserPrograms()) object.#forget();
      } catch (error) {
        object[Symbol.dispose]();
        throw error;
      }
      return object;
    } catch (error) {
      if (error instanceof KernelError && error.errno === ERRNO.EPERM) {
        throw new Unsupported(
          `Kernel refuses eBPF: ${error.message}`,
          "run as root in the initial user namespace, without lockdown",
          { cause: error },
        );
      }
      throw error;
    } finally {
      libbpf.libc.malloc_trim(0n); // libbpf's parsing leaves megabytes of free heap
    }
  }

  /**
   * Throws Unsupported or KernelError for the first program that is not attached, unless it is in `optional` or
   * another one of its choice is.
   */
  demand(optional: readonly string[] = []): void {
    for (const { program, state, reason, mend } of this.hooks) {
      if (state === "attached" || optional.includes(program)) continue;
      if (this.#choiceOf(program).some((other) => this.#links.has(other))) continue;
      const cause = this.#errors.get(program);
      if (state === "failed" && cause !== undefined) throw cause;
      throw new Unsupported(reason ?? state, mend, { cause });
    }
  }

  /** A reader of the map; made anew by each call. */
  table(map: string): MapReader {
    const layout = this.#layoutOf(map);
    return new MapReader(this.#libbpf, this.mapFd(map), map, layout);
  }

  /** A reader of the ring; closed with this object. */
  ring(map: string): RingReader {
    const { type, maxEntries } = this.#layoutOf(map);
    if (type !== "ringbuf") throw new TypeError(`Map "${map}" is a ${type}, not a ringbuf`);
    return this.#readers.use(new RingReader(this.#libbpf, this.mapFd(map), map, maxEntries));
  }

  /** A reader of the attached iterator program; `record` names the struct that it writes, if it writes. */
  iterator(program: string, record?: string): IterReader {
    const link = this.#links.get(program);
    if (link === undefined) throw new TypeError(`Program "${program}" is not attached`);
    const struct = record === undefined ? undefined : this.#image.layout.records[record];
    if (record !== undefined && struct === undefined) {
      throw new TypeError(`Object "${this.name}" has no record "${record}"`);
    }
    const fd = this.#libbpf.bpf.bpf_link__fd(link);
    return new IterReader(this.#libbpf, fd, program, struct?.size ?? 0);
  }

  /**
   * Hooks a program of a section `uprobe` to an instruction of a file, in every process; a semaphore that is not 0 is
   * raised there as long. Throws KernelError.
   */
  attachUser(program: string, path: string, offset: number, semaphore = 0): void {
    this.#demandOpen();
    const handle = this.#programs.find(({ name }) => name === program)?.handle;
    if (handle === undefined || this.#handle === null) {
      throw new TypeError(`Object "${this.name}" has no "${program}"`);
    }
    const { bpf } = this.#libbpf;
    const file = cString(path);
    const options = uprobeOptions(semaphore);
    const link = bpf.bpf_program__attach_uprobe_opts(handle, -1, file, BigInt(offset), options);
    if (link === null) throw this.#libbpf.lastFailure("attach", `${program} to ${path}`);
    this.#userLinks.push(link);
  }

  isAttached(program: string): boolean {
    return this.#links.has(program);
  }

  mapFd(map: string): number {
    this.#demandOpen();
    if (this.#handle === null) return this.#mapFds.get(map);
    return this.#libbpf.bpf.bpf_map__fd(findMap(this.#libbpf, this.#handle, map));
  }

  /** Of each program since loading; runs and nanoseconds are zero while BPF statistics are off. */
  cost(): ProgramCost[] {
    this.#demandOpen();
    return this.#programs.map((program) => this.#cost.read(program.name, this.#programFd(program)));
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#readers.dispose();
    for (const link of this.#links.values()) this.#libbpf.bpf.bpf_link__destroy(link);
    this.#links.clear();
    for (const link of this.#userLinks.splice(0)) this.#libbpf.bpf.bpf_link__destroy(link);
    this.#closeHandle();
    this.#mapFds[Symbol.dispose]();
    this.#programFds[Symbol.dispose]();
  }

  #demandOpen(): void {
    if (this.#closed) throw new TypeError(`Object "${this.name}" is closed`);
  }

  /** Those are attached later on, by their handles. */
  #hasUserPrograms(): boolean {
    return this.#programs.some(({ hook }) => hook === USER_HOOK);
  }

  /** libbpf keeps instructions and types of all programs, a megabyte in all; links do not need them. */
  #forget(): void {
    for (const map of Object.keys(this.#image.layout.maps)) this.#mapFds.keep(map, this.mapFd(map));
    for (const program of this.#programs) {
      this.#programFds.keep(program.name, this.#programFd(program));
    }
    this.#closeHandle();
  }

  #closeHandle(): void {
    if (this.#handle !== null) this.#libbpf.bpf.bpf_object__close(this.#handle);
    this.#handle = null;
  }

  #programFd({ name, handle }: Program): number {
    if (this.#handle === null) return this.#programFds.get(name);
    return this.#libbpf.bpf.bpf_program__fd(handle);
  }

  #layoutOf(map: string): MapLayout {
    const layout = this.#image.layout.maps[map];
    if (layout === undefined) throw new TypeError(`Object "${this.name}" has no map "${map}"`);
    return sizedMap(this.#image, map, layout);
  }

  #attachAll(): void {
    const rank = ({ name }: Program) => this.#choiceOf(name).indexOf(name);
    const own = this.#programs.filter(({ hook }) => hook !== USER_HOOK);
    const bestFirst = own.toSorted((a, b) => rank(a) - rank(b));
    const [tracepoints, others] = partition(bestFirst, ({ hook }) => needsTracefs(hook));
    for (const program of others) this.#attach(program);
    if (tracepoints.length === 0) return;
    try {
      using tracefs = new Tracefs(this.#libbpf);
      for (const program of tracepoints) this.#attach(program);
      if (tracefs.note !== undefined) this.notes.push(tracefs.note);
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      const { message: reason, mend } = error;
      for (const { name: program, hook } of tracepoints) {
        this.#errors.set(program, error);
        this.hooks.push({ program, hook, state: "unsupported", reason, ...(mend && { mend }) });
      }
    }
  }

  /** A program of a choice that the kernel refused is no failure when another one does its work. */
  #excuseReplaced(): void {
    this.hooks.forEach((verdict, i) => {
      const other = this.#choiceOf(verdict.program).find((name) => this.#links.has(name));
      if (verdict.state !== "failed" || other === undefined) return;
      const reason = `${verdict.reason ?? "refused"}; "${other}" does its work`;
      this.hooks[i] = { ...verdict, state: "unsupported", reason };
    });
  }

  #choiceOf(program: string): readonly string[] {
    return this.#image.choices?.find((choice) => choice.includes(program)) ?? [];
  }

  #attach({ name: program, hook, handle }: Program): void {
    if (this.#choiceOf(program).some((other) => this.#links.has(other))) return;
    const map = this.#image.iterated?.[program];
    const link = map === undefined
      ? this.#libbpf.bpf.bpf_program__attach(handle)
      : attachIterator(this.#libbpf, handle, this.mapFd(map));
    if (link === null) {
      this.#refuse(attachRefusal({ program, hook, errno: this.#libbpf.errno() }));
      return;
    }
    this.#links.set(program, link);
    this.hooks.push({ program, hook, state: "attached" });
  }

  #refuse({ verdict, error }: Refused): void {
    this.#errors.set(verdict.program, error);
    this.hooks.push(verdict);
  }
}

/** struct bpf_iter_attach_opts: its size, where the bpf_iter_link_info is, the size of that. */
function attachIterator(
  libbpf: Libbpf,
  program: NonNullable<Deno.PointerValue>,
  mapFd: number,
): Deno.PointerValue {
  const info = new Uint32Array([mapFd, 0, 0, 0]);
  const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(info));
  const options = new BigUint64Array([24n, address, BigInt(info.byteLength)]);
  return libbpf.bpf.bpf_program__attach_iter(program, options);
}

/** struct bpf_uprobe_opts: its size, ref_ctr_offset, bpf_cookie, retprobe, func_name. */
function uprobeOptions(semaphore: number): BigUint64Array<ArrayBuffer> {
  return new BigUint64Array([40n, BigInt(semaphore), 0n, 0n, 0n]);
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
