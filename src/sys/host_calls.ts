// SPDX-License-Identifier: MulanPSL-2.0
/** Calls of the C library that probes make through `HostCalls`; the library is opened by the first one. */
import type { HostCalls, Mount, MountAnswer } from "../core/probe.ts";
import { openLibc } from "./libbpf.ts";
import { MountSizes } from "./mount_sizes.ts";

export class LibcHostCalls implements HostCalls, Disposable {
  readonly #root: string;
  #libc: ReturnType<typeof openLibc> | undefined;
  #sizes: MountSizes | undefined;

  /** `root`: where the host's file tree is mounted; empty: this process's own. */
  constructor(root = "") {
    this.#root = root;
  }

  mountSizes(mounts: readonly Mount[]): Promise<readonly MountAnswer[]> {
    this.#libc ??= openLibc();
    this.#sizes ??= new MountSizes({ root: this.#root, calls: this.#libc.symbols });
    return this.#sizes.mountSizes(mounts);
  }

  [Symbol.dispose](): void {
    this.#libc?.close();
    this.#libc = this.#sizes = undefined;
  }
}
