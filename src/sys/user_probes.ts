// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Hooks programs to the entry and the returns of functions in libraries that processes have mapped, those of containers
 * too. A library is known by its device and inode; new ones are looked for once in a while.
 */
import { messageOf } from "../core/errors.ts";
import type { HookVerdict, UserHook, UserLibrary } from "../core/probe.ts";
import {
  type ElfFunction,
  type ElfFunctions,
  EM_AARCH64,
  EM_X86_64,
  exportedFunctions,
} from "../core/elf_functions.ts";
import { type HookPlaces, hookPlaces } from "../core/x86_hook_places.ts";
import type { BpfObject } from "./object.ts";

/** r-xp OFFSET DEVICE INODE PATH; musl and static programs have no such file. */
const LIBRARIES: Readonly<Record<UserLibrary, RegExp>> = {
  glibc: /^\S+ r-xp \S+ (\S+ \d+)\s+(\/\S*\/libc(?:-2\.\d+)?\.so(?:\.6)?)$/gm,
  OpenSSL: /^\S+ r-xp \S+ (\S+ \d+)\s+(\/\S*\/libssl[\w.-]*\.so[.\w]*)$/gm,
};
const PID_REGEXP = /^\d+$/;
const MAX_LIBRARIES = 64;
const MAX_FILE_BYTES = 64 * 1024 * 1024;
const RETURN_AARCH64 = 0xd65f03c0;

/** What was seen of the library: hooked, or why not. */
interface Library {
  readonly path: string;
  readonly reason?: string;
}

export class UserProbes {
  readonly #object: BpfObject;
  readonly #hooks: readonly UserHook[];
  /** By device and inode. */
  readonly #libraries = new Map<string, Library>();

  readonly #kind: UserLibrary;

  constructor(object: BpfObject, kind: UserLibrary, hooks: readonly UserHook[]) {
    this.#object = object;
    this.#kind = kind;
    this.#hooks = hooks;
  }

  /** Hooks libraries that were not there before. */
  scan(): void {
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!PID_REGEXP.test(name)) continue;
      for (const [, identity, path] of readMaps(name).matchAll(LIBRARIES[this.#kind])) {
        if (this.#libraries.has(identity!) || this.#libraries.size >= MAX_LIBRARIES) continue;
        this.#libraries.set(identity!, this.#hook(`/proc/${name}/root${path}`));
      }
    }
  }

  verdicts(): HookVerdict[] {
    const hooked = [...this.#libraries.values()].filter(({ reason }) => reason === undefined);
    const hook = `uprobe of ${hooked.length} files of ${this.#kind}`;
    const reason =
      [...this.#libraries.values()].find((each) => each.reason !== undefined)?.reason ??
        `no process has mapped ${this.#kind}`;
    const programs = new Set(this.#hooks.flatMap(({ entry, returns }) => [entry, returns]));
    return [...programs].map((program) =>
      hooked.length > 0 ? { program, hook, state: "attached" } : {
        program,
        hook,
        state: "unsupported",
        reason,
        mend: `a program linked with ${this.#kind}`,
      }
    );
  }

  /** Through the process's root, for the path is that of its mount namespace. */
  #hook(path: string): Library {
    try {
      if (Deno.statSync(path).size > MAX_FILE_BYTES) {
        return { path, reason: `"${path}" is too large` };
      }
      const file = Deno.readFileSync(path);
      const wanted = new Set(this.#hooks.map(({ symbol }) => symbol));
      const library = exportedFunctions(file, wanted);
      for (const hook of this.#hooks) {
        const found = library.functions.get(hook.symbol);
        if (found !== undefined) this.#hookFunction(path, file, library, found, hook);
      }
      return { path };
    } catch (error) {
      // The process may have ended; a file may be anything.
      return { path, reason: messageOf(error) };
    }
  }

  #hookFunction(
    path: string,
    file: Uint8Array,
    { machine }: ElfFunctions,
    { offset, size }: ElfFunction,
    { symbol, entry, returns }: UserHook,
  ): void {
    const code = file.subarray(offset, offset + size);
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
