// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Runs something in each network namespace that a process lives in: an iterator of sockets shows those of the
 * namespace in which it was made. No namespace is kept open, so none lives longer because of us.
 */
import { ABI } from "./kernel_abi.ts";
import type { IterReader } from "./iter_reader.ts";
import { cString, type Libbpf } from "./libbpf.ts";

/** Each costs about 20 us a reading; what is beyond is counted. */
const MAX_NAMESPACES = 1024;
const OWN = "/proc/thread-self/ns/net";

export interface NetNamespace {
  /** Inode number of the namespace. */
  readonly inum: number;
  /** A process that lives in it. */
  readonly pid: number;
}

export class NetNamespaces {
  /** Namespaces of the last listing, our own left out. */
  others: readonly NetNamespace[] = [];
  /** Namespaces that were not visited: gone meanwhile, refused, or too many. */
  skipped = 0;
  readonly #libbpf: Libbpf;
  readonly #lister: IterReader;
  readonly #own: number;

  /** `lister` writes a record of two u32, pid and inode number, for each namespace; see bpf/namespaces.h. */
  constructor(libbpf: Libbpf, lister: IterReader) {
    this.#libbpf = libbpf;
    this.#lister = lister;
    this.#own = Deno.statSync(OWN).ino ?? 0;
  }

  /** Lists the namespaces anew. Throws KernelError. */
  list(): void {
    const found: NetNamespace[] = [];
    const { words } = this.#lister;
    this.#lister.read((_, offset) => {
      const pid = words[offset / 4]!;
      const inum = words[offset / 4 + 1]!;
      if (inum === this.#own) return;
      if (found.length < MAX_NAMESPACES) found.push({ pid, inum });
      else this.skipped++;
    });
    this.others = found;
  }

  /** Makes a run of the iterator of sockets in our own namespace and in each other one. Throws KernelError. */
  each(sockets: IterReader, read: (run: number) => void): void {
    read(sockets.create());
    if (this.others.length === 0) return;
    const home = this.#open(OWN);
    if (home < 0) throw this.#libbpf.lastFailure("open", OWN);
    try {
      for (const { pid } of this.others) {
        const run = this.#createIn(pid, home, sockets);
        if (run === undefined) this.skipped++;
        else read(run);
      }
    } finally {
      this.#libbpf.libc.close(home);
    }
  }

  /** Only the making of the run happens in the process's namespace; undefined: it is gone, or not for us. */
  #createIn(pid: number, home: number, sockets: IterReader): number | undefined {
    const { libc } = this.#libbpf;
    const there = this.#open(`/proc/${pid}/ns/net`);
    if (there < 0) return undefined;
    const entered = libc.setns(there, ABI.CLONE_NEWNET) === 0;
    libc.close(there);
    if (!entered) return undefined;
    try {
      return sockets.create();
    } finally {
      this.#goHome(home);
    }
  }

  /** It takes no permission that entering did not take; if it fails all the same the probe must not go on. */
  #goHome(home: number): void {
    const result = this.#libbpf.libc.setns(home, ABI.CLONE_NEWNET);
    if (result !== 0) throw this.#libbpf.lastFailure("return to", OWN);
  }

  #open(path: string): number {
    return this.#libbpf.libc.open(cString(path), ABI["O_RDONLY | O_CLOEXEC"], 0);
  }
}
