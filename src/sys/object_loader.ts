// SPDX-License-Identifier: MulanPSL-2.0
/** Opens a BPF object from memory and loads as many of its programs as the kernel takes. */
import type { MapLayout, ObjectLayout } from "../core/layout.ts";
import type { MapEntry } from "../core/probe.ts";
import { ERRNO } from "./errno.ts";
import { setConstants } from "./constants.ts";
import { ABI } from "./kernel_abi.ts";
import { cString, type Libbpf } from "./libbpf.ts";
import { emptyMapBytes } from "./map_memory.ts";
import { blameMemoryLimit, demandMemory } from "./memory_limit.ts";
import { loadRefusal, type Refused } from "./verdict.ts";

/** What is to be loaded. */
export interface ObjectImage {
  /** For messages, and in the kernel's names of the maps: `tcp`. */
  readonly name: string;
  /** The ELF file. */
  readonly bytes: Uint8Array;
  readonly layout: ObjectLayout;
  /** `const volatile` globals that are not to keep the value they were compiled with. */
  readonly constants?: Readonly<Record<string, number | Uint8Array>> | undefined;
  /** Sizes of maps that are not to keep the one they were compiled with. */
  readonly maxEntries?: Readonly<Record<string, number>> | undefined;
  /** Programs that are not wanted. */
  readonly off?: readonly string[] | undefined;
  /** Programs that do the same, best first: of each list the first one that the kernel takes is attached. */
  readonly choices?: readonly (readonly string[])[] | undefined;
  /** Of iterator programs that go through a map: which. */
  readonly iterated?: Readonly<Record<string, string>> | undefined;
  /** Rows that maps have before the first program is attached. */
  readonly entries?: readonly MapEntry[] | undefined;
  /** BTF file to use instead of the kernel's own. */
  readonly btfPath?: string | undefined;
}

export interface Program {
  readonly name: string;
  /** ELF section: `tp_btf/sys_enter`. */
  readonly hook: string;
  readonly handle: NonNullable<Deno.PointerValue>;
}

export interface LoadedObject {
  readonly handle: NonNullable<Deno.PointerValue>;
  /** Those that the kernel took. */
  readonly programs: readonly Program[];
  readonly refused: readonly Refused[];
}

interface Attempt {
  readonly handle: NonNullable<Deno.PointerValue>;
  readonly on: readonly Program[];
  /** 0: loaded. Otherwise the object is closed. */
  readonly errno: number;
  /** Verifier logs of programs that have one. */
  readonly logs: ReadonlyMap<Program, string>;
}

/** Untouched pages of a log buffer cost nothing; a log that does not fit hides the error behind ENOSPC. */
const LOG_BYTES = 256 * 1024;
/** The verifier's own limit before 5.2. Kernels since 6.4 keep the end of a longer log, which is what counts. */
const LONG_LOG_BYTES = 16 * 1024 * 1024 - 1;

/**
 * Loads the object without the programs that the kernel refuses. libbpf loads all or nothing and says only by a log
 * buffer which program it was; where there is no log each program is tried alone. Throws KernelError if not even
 * the maps can be made.
 */
export async function loadObject(libbpf: Libbpf, image: ObjectImage): Promise<LoadedObject> {
  const off = new Set(image.off);
  const refused: Refused[] = [];
  demandMemory(image.name, leastMapBytes(image, libbpf.cpus));
  for (;;) { // each round takes at least one program out
    const attempt = await attemptLoad(libbpf, image, (name) => !off.has(name));
    if (attempt.errno === 0) return { handle: attempt.handle, programs: attempt.on, refused };
    // Each further attempt would take what the rest of the program needs.
    if (attempt.errno === ERRNO.ENOMEM && attempt.logs.size === 0) blameMemoryLimit(image.name);
    const found = await culprits(libbpf, image, attempt);
    if (found.length === 0) throw libbpf.failure("load", image.name, attempt.errno);
    for (const { verdict } of found) off.add(verdict.program);
    refused.push(...found);
  }
}

function leastMapBytes(image: ObjectImage, cpus: number): number {
  return Object.entries(image.layout.maps)
    .reduce((bytes, [name, map]) => bytes + emptyMapBytes(sizedMap(image, name, map), cpus), 0);
}

/** A map's layout with the size that is asked for. */
export function sizedMap(
  { maxEntries }: Pick<ObjectImage, "maxEntries">,
  name: string,
  layout: MapLayout,
): MapLayout {
  return { ...layout, maxEntries: maxEntries?.[name] ?? layout.maxEntries };
}

async function culprits(
  libbpf: Libbpf,
  image: ObjectImage,
  { on, errno, logs }: Attempt,
): Promise<Refused[]> {
  const found = [...logs].map(([{ name, hook }, log]) =>
    loadRefusal({ program: name, hook, errno, log })
  );
  if (found.length > 0) return found;
  const mapsOnly = await attemptLoad(libbpf, image, () => false);
  if (mapsOnly.errno !== 0) throw libbpf.failure("load", image.name, mapsOnly.errno);
  libbpf.bpf.bpf_object__close(mapsOnly.handle);
  for (const { name, hook } of on) {
    const alone = await attemptLoad(libbpf, image, (other) => other === name);
    if (alone.errno === 0) libbpf.bpf.bpf_object__close(alone.handle);
    else {
      const log = [...alone.logs.values()].join("\n");
      found.push(loadRefusal({ program: name, hook, errno: alone.errno, log }));
    }
  }
  return found;
}

/** Opens and loads with the programs that `wanted` names. */
async function attemptLoad(
  libbpf: Libbpf,
  image: ObjectImage,
  wanted: (program: string) => boolean,
): Promise<Attempt> {
  for (let logBytes = LOG_BYTES;; logBytes = LONG_LOG_BYTES) {
    const { handle, on } = openObject(libbpf, image, wanted);
    const buffers = new Map(on.map((program) => [program, new Uint8Array(logBytes)]));
    for (const [program, buffer] of buffers) {
      libbpf.bpf.bpf_program__set_log_buf(program.handle, buffer, BigInt(logBytes));
    }
    const errno = -await libbpf.bpf.bpf_object__load(handle);
    if (errno === 0) return { handle, on, errno, logs: new Map() };
    libbpf.bpf.bpf_object__close(handle);
    const logs = readLogs(buffers);
    if (errno !== ERRNO.ENOSPC || logs.size === 0 || logBytes === LONG_LOG_BYTES) {
      return { handle, on, errno, logs };
    }
  }
}

/** Logs are written only for a program that was refused. */
function readLogs(buffers: ReadonlyMap<Program, Uint8Array>): Map<Program, string> {
  const logs = new Map<Program, string>();
  for (const [program, buffer] of buffers) {
    const end = buffer.indexOf(0);
    if (end !== 0) {
      logs.set(program, new TextDecoder().decode(buffer.subarray(0, end < 0 ? undefined : end)));
    }
  }
  return logs;
}

function openObject(
  libbpf: Libbpf,
  image: ObjectImage,
  wanted: (program: string) => boolean,
): { handle: NonNullable<Deno.PointerValue>; on: Program[] } {
  const { bpf } = libbpf;
  const bytes = image.bytes as Uint8Array<ArrayBuffer>;
  if (bytes.length === 0) throw libbpf.failure("open", image.name, ERRNO.EINVAL, "no bytes");
  const name = cString(image.name);
  const btfPath = image.btfPath === undefined ? undefined : cString(image.btfPath);
  const handle = bpf.bpf_object__open_mem(
    bytes,
    BigInt(bytes.length),
    openOptions(name, btfPath),
  );
  if (handle === null) throw libbpf.lastFailure("open", image.name);
  try {
    setConstants(libbpf, handle, image);
    for (const [map, entries] of Object.entries(image.maxEntries ?? {})) {
      const error = bpf.bpf_map__set_max_entries(findMap(libbpf, handle, map), entries);
      if (error !== 0) throw libbpf.failure("resize", map, -error);
    }
    const on = programsOf(libbpf, handle).filter(({ name, handle }) => {
      const keep = wanted(name);
      bpf.bpf_program__set_autoload(handle, keep);
      return keep;
    });
    return { handle, on };
  } catch (error) {
    bpf.bpf_object__close(handle);
    throw error;
  }
}

/** `struct bpf_object_open_opts`; the strings must outlive the call that it is given to. */
function openOptions(
  name: Uint8Array<ArrayBuffer>,
  btfPath: Uint8Array<ArrayBuffer> | undefined,
): Uint8Array<ArrayBuffer> {
  const size = ABI["sizeof(struct bpf_object_open_opts)"];
  const view = new DataView(new ArrayBuffer(size));
  const setPointer = (offset: number, bytes: Uint8Array<ArrayBuffer>) =>
    view.setBigUint64(offset, Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)), true);
  view.setBigUint64(0, BigInt(size), true);
  setPointer(ABI["offsetof(struct bpf_object_open_opts, object_name)"], name);
  if (btfPath !== undefined) {
    setPointer(ABI["offsetof(struct bpf_object_open_opts, btf_custom_path)"], btfPath);
  }
  return new Uint8Array(view.buffer);
}

function programsOf(libbpf: Libbpf, object: Deno.PointerValue): Program[] {
  const programs: Program[] = [];
  let handle: Deno.PointerValue = null;
  while ((handle = libbpf.bpf.bpf_object__next_program(object, handle)) !== null) {
    programs.push({
      name: Deno.UnsafePointerView.getCString(libbpf.bpf.bpf_program__name(handle)!),
      hook: Deno.UnsafePointerView.getCString(libbpf.bpf.bpf_program__section_name(handle)!),
      handle,
    });
  }
  return programs;
}

/** The map of this name, which may also be a section: `.rodata`. */
export function findMap(
  libbpf: Libbpf,
  object: Deno.PointerValue,
  name: string,
): NonNullable<Deno.PointerValue> {
  const map = libbpf.bpf.bpf_object__find_map_by_name(object, cString(name));
  if (map === null) throw libbpf.lastFailure("find map", name);
  return map;
}
