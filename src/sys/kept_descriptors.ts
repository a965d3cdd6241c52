// SPDX-License-Identifier: MulanPSL-2.0
/** Descriptors of a BPF object's maps and programs that stay when libbpf has forgotten the object. */
import { ABI } from "./kernel_abi.ts";
import type { Libbpf } from "./libbpf.ts";

/** Above those of stdin, stdout and stderr. */
const LEAST_FD = 3;

export class KeptDescriptors implements Disposable {
  readonly #libbpf: Libbpf;
  readonly #fds = new Map<string, number>();

  constructor(libbpf: Libbpf) {
    this.#libbpf = libbpf;
  }

  /** Makes a descriptor of its own for what `fd` stands for. Throws KernelError when there can be no more of them. */
  keep(name: string, fd: number): void {
    const own = this.#libbpf.libc.fcntl(fd, ABI.F_DUPFD_CLOEXEC, LEAST_FD);
    if (own < 0) throw this.#libbpf.lastFailure("keep open", name);
    this.#fds.set(name, own);
  }

  get(name: string): number {
    const fd = this.#fds.get(name);
    if (fd === undefined) throw new TypeError(`No descriptor of "${name}" was kept`);
    return fd;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds.values()) this.#libbpf.libc.close(fd);
    this.#fds.clear();
  }
}
