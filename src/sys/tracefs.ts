// SPDX-License-Identifier: MulanPSL-2.0
/** tracefs, which libbpf needs to find the number of a plain tracepoint; mounted only while it is needed. */
import { Unsupported } from "../core/errors.ts";
import { ABI } from "./kernel_abi.ts";
import { cString, type Libbpf } from "./libbpf.ts";

/** Where libbpf looks, in its order: the first one if it exists at all. */
const DEBUGFS_TRACING = "/sys/kernel/debug/tracing";
const TRACEFS = "/sys/kernel/tracing";
const MEND = `mount -t tracefs nodev ${TRACEFS}`;

/** Hooks whose attaching reads tracefs. */
const NEEDING_REGEXP = /^(tracepoint|tp)\//;

export function needsTracefs(hook: string): boolean {
  return NEEDING_REGEXP.test(hook);
}

/** Holds tracefs mounted until disposed: what is attached stays attached without it. */
export class Tracefs {
  readonly #libbpf: Libbpf;
  #mounted = false;

  /** Throws Unsupported when it is not mounted and cannot be. */
  constructor(libbpf: Libbpf) {
    this.#libbpf = libbpf;
    if (exists(`${DEBUGFS_TRACING}/events`) || exists(`${TRACEFS}/events`)) return;
    const { libc } = libbpf;
    if (libc.mount(cString("nodev"), cString(TRACEFS), cString("tracefs"), 0n, null) !== 0) {
      const cause = libbpf.lastFailure("mount tracefs on", TRACEFS);
      throw new Unsupported(`tracefs is not mounted: ${cause.message}`, MEND, { cause });
    }
    this.#mounted = true;
  }

  /** What the operator should know, if anything was done. */
  get note(): string | undefined {
    return this.#mounted
      ? `mounted tracefs on ${TRACEFS} while attaching plain tracepoints`
      : undefined;
  }

  [Symbol.dispose](): void {
    if (!this.#mounted) return;
    this.#mounted = false;
    this.#libbpf.libc.umount2(cString(TRACEFS), ABI.MNT_DETACH);
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    const absent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.PermissionDenied;
    if (absent) return false;
    throw error;
  }
}
