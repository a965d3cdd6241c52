// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Hooks programs to marks, or to the entry and the returns of functions, in programs and libraries that processes have
 * mapped, those of containers too. A file is known by its device and inode; new ones are looked for once in a while.
 */
import { messageOf } from "../core/errors.ts";
import type { HookVerdict, UserHook, UserHooks, UserLibrary, UserMark } from "../core/probe.ts";
import { type ElfFile, EM_AARCH64, EM_X86_64, readElf } from "../core/elf_file.ts";
import { DYNSYM, type ElfFunction, namedFunctions, SYMTAB } from "../core/elf_functions.ts";
import { usdtMarks } from "../core/usdt_marks.ts";
import { type HookPlaces, hookPlaces } from "../core/x86_hook_places.ts";
import type { BpfObject } from "./object.ts";

/** r-xp OFFSET DEVICE INODE PATH; musl and static programs have no such file. */
const LIBRARIES: Readonly<Record<UserLibrary, RegExp>> = {
  glibc: /^\S+ r-xp \S+ (\S+ \d+)\s+(\/\S*\/libc(?:-2\.\d+)?\.so(?:\.6)?)$/gm,
  CPython:
    /^\S+ r-xp \S+ (\S+ \d+)\s+(\/\S*\/(?:python(?:[23](?:\.\d+)?[dmtu]*(?:-dbg)?)?|libpython[23]\.\d+[dmtu]*\.so[.\d]*))$/gm,
  OpenSSL: /^\S+ r-xp \S+ (\S+ \d+)\s+(\/\S*\/libssl[\w.-]*\.so[.\w]*)$/gm,
};
const PID_REGEXP = /^\d+$/;
const MAX_LIBRARIES = 64;
const MAX_FILE_BYTES = 64 * 1024 * 1024;
const RETURN_AARCH64 = 0xd65f03c0;

/** What was seen of a file: which programs are hooked to it, and if none, why. */
interface Library {
  readonly programs: readonly string[];
  readonly reason?: string;
}

export class UserProbes {
  readonly #object: BpfObject;
  readonly #library: UserLibrary;
  readonly #marks: readonly UserMark[];
  readonly #functions: readonly UserHook[];
  readonly #symbols: number;
  /** By device and inode. */
  readonly #libraries = new Map<string, Library>();

  constructor(object: BpfObject, hooks: UserHooks) {
    this.#object = object;
    this.#library = hooks.library;
    this.#marks = hooks.marks ?? [];
    this.#functions = hooks.functions ?? [];
    this.#symbols = hooks.private ? SYMTAB : DYNSYM;
  }

  /** Hooks libraries that were not there before. */
  scan(): void {
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!PID_REGEXP.test(name)) continue;
      for (const [, identity, path] of readMaps(name).matchAll(LIBRARIES[this.#library])) {
        if (this.#libraries.has(identity!) || this.#libraries.size >= MAX_LIBRARIES) continue;
        const library = this.#hook(`/proc/${name}/root${path}`);
        if (library !== undefined) this.#libraries.set(identity!, library);
      }
    }
  }

  /** Where some files are hooked, programs that are for others only are not mentioned. */
  verdicts(): HookVerdict[] {
    const libraries = [...this.#libraries.values()];
    const hooked = libraries.flatMap(({ programs }) => programs);
    const reason = libraries.find((each) => each.reason !== undefined)?.reason ??
      `no process has mapped ${this.#library}`;
    const built = this.#marks.length > 0 ? " that was built with marks for tracers" : "";
    const mend = `a program linked with ${this.#library}${built}`;
    const all = new Set([
      ...this.#marks.map(({ program }) => program),
      ...this.#functions.flatMap(({ entry, returns }) => [entry, returns]),
    ]);
    return [...all].flatMap((program): HookVerdict[] => {
      const files = hooked.filter((each) => each === program).length;
      const hook = `uprobe of ${files} files of ${this.#library}`;
      if (files > 0) return [{ program, hook, state: "attached" }];
      return hooked.length > 0 ? [] : [{ program, hook, state: "unsupported", reason, mend }];
    });
  }

  /** Through the process's root, for the path is that of its mount namespace; undefined: there is no such file now. */
  #hook(path: string): Library | undefined {
    try {
      if (Deno.statSync(path).size > MAX_FILE_BYTES) {
        return { programs: [], reason: `"${path}" is too large` };
      }
      const file = readElf(Deno.readFileSync(path));
      return { programs: this.#hookMarks(path, file) ?? this.#hookFunctions(path, file) };
    } catch (error) {
      // The process has ended: another one may have the file.
      if (error instanceof Deno.errors.NotFound) return undefined;
      return { programs: [], reason: messageOf(error) }; // a file may be anything
    }
  }

  /** Programs that are hooked; undefined if the file does not have all marks. */
  #hookMarks(path: string, file: ElfFile): readonly string[] | undefined {
    const places = this.#marks.map(({ provider, name }) =>
      usdtMarks(file, provider, new Set([name]))
    );
    if (places.length === 0 || places.some((found) => found.length === 0)) return undefined;
    return this.#marks.map(({ program }, i) => {
      for (const { offset, semaphore } of places[i]!) {
        this.#object.attachUser(program, path, offset, semaphore);
      }
      return program;
    });
  }

  #hookFunctions(path: string, file: ElfFile): readonly string[] {
    const wanted = new Set(this.#functions.map(({ symbol }) => symbol));
    const functions = namedFunctions(file, wanted, this.#symbols);
    if (functions.size === 0) {
      const marks = this.#marks.length > 0 ? "has no marks for tracers and " : "";
      throw new RangeError(`"${path}" ${marks}names none of ${[...wanted].join(", ")}`);
    }
    const programs = new Set<string>();
    for (const hook of this.#functions) {
      const found = functions.get(hook.symbol);
      if (found === undefined) continue;
      this.#hookFunction(path, file, found, hook);
      programs.add(hook.entry).add(hook.returns);
    }
    return [...programs];
  }

  #hookFunction(
    path: string,
    { bytes, machine }: ElfFile,
    { offset, size }: ElfFunction,
    { symbol, entry, returns }: UserHook,
  ): void {
    const code = bytes.subarray(offset, offset + size);
    const places = placesOf(machine, code);
    if (places === undefined) {
      throw new RangeError(`Cannot find the returns of "${symbol}" in "${path}"`);
    }
    // Returns first: an entry without return would be a call that never ends.
    for (const at of places.returns) this.#object.attachUser(returns, path, offset + at);
    this.#object.attachUser(entry, path, offset + places.entry);
  }
}

function placesOf(machine: number, code: Uint8Array): HookPlaces | undefined {
  if (machine === EM_X86_64) return hookPlaces(code);
  if (machine !== EM_AARCH64) return undefined;
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const words = Array.from({ length: code.length >> 2 }, (_, i) => view.getUint32(4 * i, true));
  const returns = words.flatMap((word, i) => word === RETURN_AARCH64 ? [4 * i] : []);
  return returns.length > 0 ? { entry: 0, returns } : undefined;
}

function readMaps(pid: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/maps`);
  } catch {
    return ""; // it has ended, or is the kernel's
  }
}
