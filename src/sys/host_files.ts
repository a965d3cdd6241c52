// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Files of the observed host below a root (`global.root`), read into one reused buffer.
 *
 * Files of procfs and sysfs stay open and are read again from their start: measured for /proc/stat 6.8 us so, 7.3 by
 * pread through FFI, 11.6 with open and close, 14.4 as text; for a small file 2.0, 1.8, 5.1 and 5.8. What may not be
 * read by this process counts as not there. What several probes want of one reading of all is read once for all of them. Symbolic links are followed: the root says where to look, it is no jail.
 */
import { KernelError, Unsupported } from "../core/errors.ts";
import type { HostFiles } from "../core/probe.ts";
import { ERRNO, errnoName } from "./errno.ts";

export interface RootFilesOptions {
  /** Where the host's file tree is mounted; empty: this process's own. */
  readonly root?: string;
  /** Files that stay open; one that was not read for a while makes room. */
  readonly maxKept?: number;
  /** Monotonic, in ms. */
  readonly clock?: () => number;
  /** A larger file is refused. */
  readonly maxBytes?: number;
}

const FIRST_BYTES = 64 * 1024;
/** For files in /proc/sys the kernel makes and clears a buffer of the size asked for: 64 KB cost 3 us more than 4 KB. */
const FIRST_REQUEST = 4096;

/**
 * No such file; its device, process or network is gone; it is not for us (hidepid, no privileges); or it has nothing to
 * say: the speed of a link that is down (EINVAL), the pressure of a kernel booted with psi=0 (EOPNOTSUPP).
 */
const ABSENT: ReadonlySet<number> = new Set([
  ERRNO.ENOENT,
  ERRNO.ENOTDIR,
  ERRNO.ESRCH,
  ERRNO.ENODEV,
  ERRNO.ENXIO,
  ERRNO.EINVAL,
  ERRNO.EOPNOTSUPP,
  ERRNO.EACCES,
  ERRNO.EPERM,
]);
/** No descriptor is left. */
const TOO_MANY: ReadonlySet<number> = new Set([ERRNO.EMFILE, ERRNO.ENFILE]);
const FORBIDDEN: ReadonlySet<number> = new Set([ERRNO.EACCES, ERRNO.EPERM]);

/** Files of one process go with it, so they are not kept. */
const KEPT_REGEXP = /^(?:sys|proc)\/(?!\d)/;
/** 300 containers have some 3,600 files; half of the descriptors that this process may have is a bound as well. */
const MAX_KEPT = 8192;
const SHARE_OF_LIMIT = 2;
/** A file that nobody reads any more (of a container that is gone) is closed; looked for once in this time. */
const IDLE_MS = 60_000;
/** Longer than from one tick to the next, mostly. */
const SOON_MS = 20_000;

/** Links to whoever reads: below a root, this container's instead of the host's. */
const OWN_REGEXP = /^proc\/(?:(net)|self)(?=\/|$)/;
const DESCRIPTORS_REGEXP = /^proc\/\d+\/fd$/;
/** The kernel writes these in one go, so that a part is the whole: not to ask for the end saves a sixth of the time. */
const ONE_PART_REGEXP = /^sys\/fs\/cgroup\/.*\/(?!cgroup\.|tasks$)[^/]+$/;
const OS_ERROR_REGEXP = /\(os error (\d+)\)/;

interface Kept {
  readonly file: Deno.FsFile;
  readonly onePart: boolean;
  used: number;
  /** In which reading of all probes it was read last. */
  reading: number;
  /** What it said then; only of a file that was wanted twice in one reading before. */
  copy: Uint8Array | undefined;
  size: number;
}

/** A reading of all probes is over by then, but for those that wait. */
const READING_MS = 250;

export class RootFiles implements HostFiles, Disposable {
  readonly #root: string;
  readonly #maxKept: number;
  readonly #maxBytes: number;
  /** By path, the one read last at the end. */
  readonly #kept = new Map<string, Kept>();
  readonly #clock: () => number;
  #idleSince = 0;
  #buffer: Uint8Array;
  /** Where the file that was read last is, unless it is in the buffer. */
  #copy: Uint8Array | undefined;
  #reading = 0;
  #readingSince = -Infinity;
  /** Whether the size of a folder of descriptors is their number; undefined until it was tried. */
  #sizeIsCount: boolean | undefined;

  constructor({
    root = "",
    maxKept = Math.min(MAX_KEPT, Math.floor(openFilesLimit() / SHARE_OF_LIMIT)),
    maxBytes = 4 * 1024 * 1024,
    clock = () => performance.now(),
  }: RootFilesOptions = {}) {
    this.#root = root.replace(/\/+$/, "");
    this.#maxKept = maxKept;
    this.#clock = clock;
    this.#idleSince = clock();
    this.#maxBytes = maxBytes;
    this.#buffer = new Uint8Array(Math.min(FIRST_BYTES, maxBytes));
  }

  /** A reading of all probes begins: in a moment they all see the same of a file. */
  beginReading(): void {
    this.#reading++;
    this.#readingSince = this.#clock();
  }

  /** Descriptors now held. */
  get kept(): number {
    return this.#kept.size;
  }

  read(path: string): Uint8Array {
    const size = this.#load(path);
    if (size >= 0) return (this.#copy ?? this.#buffer).subarray(0, size);
    throw new Unsupported(
      `Cannot read "${this.#resolve(path)}": ${errnoName(-size)}`,
      FORBIDDEN.has(-size)
        ? "Run as root, or with CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE"
        : undefined,
    );
  }

  readOptional(path: string, maxBytes = Infinity): Uint8Array | undefined {
    const size = this.#load(path, maxBytes);
    return size >= 0 ? (this.#copy ?? this.#buffer).subarray(0, size) : undefined;
  }

  async readLater(path: string): Promise<Uint8Array | undefined> {
    const full = this.#resolve(path);
    try {
      return await Deno.readFile(full);
    } catch (error) {
      const errno = errnoOf(error);
      if (!ABSENT.has(errno)) throw new KernelError("read", full, errno, errnoName(errno));
      return undefined;
    }
  }

  list(path: string): string[] {
    return this.#list(path) ?? [];
  }

  /** Since 6.2 (commit f1f1f2569901) the size of /proc/PID/fd is the number of its entries: found out by trial. */
  count(path: string): number {
    if (!DESCRIPTORS_REGEXP.test(path)) return this.#list(path)?.length ?? NaN;
    const size = this.#sizeIsCount === false ? 0 : this.#sizeOf(path);
    if (Number.isNaN(size) || (this.#sizeIsCount && size > 0)) return size;
    const count = this.#list(path)?.length ?? NaN;
    // A process that opens files meanwhile, or a root of plain files, decides nothing.
    if (count > 0 && size === 0) this.#sizeIsCount = false;
    else if (count > 0 && size === count) this.#sizeIsCount = true;
    return count;
  }

  inode(path: string): number {
    const full = this.#resolve(path);
    try {
      return Deno.statSync(full).ino ?? NaN;
    } catch (error) {
      const errno = errnoOf(error);
      if (ABSENT.has(errno)) return NaN;
      throw new KernelError("look at", full, errno, errnoName(errno));
    }
  }

  link(path: string): string | undefined {
    const full = this.#resolve(path);
    try {
      return Deno.readLinkSync(full);
    } catch (error) {
      const errno = errnoOf(error);
      if (ABSENT.has(errno) || errno === ERRNO.EINVAL) return undefined;
      throw new KernelError("read the link", full, errno, errnoName(errno));
    }
  }

  [Symbol.dispose](): void {
    for (const { file } of this.#kept.values()) file.close();
    this.#kept.clear();
  }

  #list(path: string): string[] | undefined {
    const full = this.#resolve(path);
    const names: string[] = [];
    try {
      for (const { name } of Deno.readDirSync(full)) names.push(name);
      return names;
    } catch (error) {
      const errno = errnoOf(error);
      if (!ABSENT.has(errno)) throw new KernelError("list", full, errno, errnoName(errno));
      // A process that ended while it was listed has no names left.
      return names.length > 0 ? names : undefined;
    }
  }

  #sizeOf(path: string): number {
    const full = this.#resolve(path);
    try {
      return Deno.statSync(full).size;
    } catch (error) {
      const errno = errnoOf(error);
      if (!ABSENT.has(errno)) throw new KernelError("look up", full, errno, errnoName(errno));
      return NaN;
    }
  }

  /** Fills the buffer, or finds a copy; the size, or the negative errno of a file that is absent. */
  #load(path: string, maxBytes = Infinity): number {
    const kept = this.#kept.get(path);
    this.#copy = undefined;
    if (kept !== undefined) {
      if (maxBytes === Infinity && this.#isShared(kept)) return kept.size;
      this.#kept.delete(path);
      const size = this.#fill(kept.file, maxBytes, kept.onePart);
      if (size > 0) {
        kept.used = this.#clock();
        this.#kept.set(path, kept);
        if (maxBytes === Infinity) this.#note(kept, size);
        if (kept.used - this.#idleSince >= IDLE_MS) this.#closeIdle(kept.used);
        return size;
      }
      // Its device went and came back, or it does not support a second reading: once more from a fresh descriptor.
      kept.file.close();
    }
    let size = this.#open(path, maxBytes);
    if (TOO_MANY.has(-size) && this.#kept.size > 0) {
      this[Symbol.dispose]();
      size = this.#open(path, maxBytes);
    }
    if (size >= 0 || ABSENT.has(-size)) return size;
    const detail = -size === ERRNO.EFBIG ? `more than ${this.#maxBytes} bytes` : undefined;
    throw new KernelError("read", this.#resolve(path), -size, errnoName(-size), detail);
  }

  /** Whether it was read in this reading already; then its copy is loaded, if there is one. */
  #isShared(kept: Kept): boolean {
    if (kept.reading !== this.#reading) return false;
    if (this.#clock() - this.#readingSince >= READING_MS) return false;
    kept.copy ??= NO_COPY;
    if (kept.size === 0) return false;
    this.#copy = kept.copy;
    return true;
  }

  #note(kept: Kept, size: number): void {
    kept.reading = this.#reading;
    if (kept.copy === undefined) return;
    if (kept.copy.length < size) kept.copy = new Uint8Array(size * 2);
    kept.copy.set(this.#buffer.subarray(0, size));
    kept.size = size;
  }

  #open(path: string, maxBytes: number): number {
    let file: Deno.FsFile;
    try {
      file = Deno.openSync(this.#resolve(path));
    } catch (error) {
      return -errnoOf(error);
    }
    const onePart = ONE_PART_REGEXP.test(path);
    const size = this.#fill(file, maxBytes, onePart);
    // Files with blocks on a disk (a root made of plain files) may be replaced, which a kept descriptor would not see.
    if (size > 0 && this.#maxKept > 0 && KEPT_REGEXP.test(path) && file.statSync().blocks === 0) {
      this.#keep(path, file, onePart);
    } else {
      file.close();
    }
    return size;
  }

  #keep(path: string, file: Deno.FsFile, onePart: boolean): void {
    const now = this.#clock();
    if (this.#kept.size >= this.#maxKept) {
      for (const [oldest, { file: unused, used }] of this.#kept) {
        // Were it read again soon, the next ones would push each other out in turn, and none would be there when wanted.
        if (now - used < SOON_MS) return file.close();
        unused.close();
        this.#kept.delete(oldest);
        break;
      }
    }
    const reading = this.#reading;
    this.#kept.set(path, { file, onePart, used: now, reading, copy: undefined, size: 0 });
  }

  #closeIdle(now: number): void {
    this.#idleSince = now;
    for (const [path, { file, used }] of this.#kept) {
      if (now - used < IDLE_MS) return;
      file.close();
      this.#kept.delete(path);
    }
  }

  /** Reads from the start to the end: the kernel gives a long file in several parts. Size or negative errno. */
  #fill(file: Deno.FsFile, maxBytes: number, onePart: boolean): number {
    try {
      file.seekSync(0, Deno.SeekMode.Start);
      let size = 0;
      let request = FIRST_REQUEST;
      for (;;) {
        if (size >= maxBytes) return maxBytes;
        if (size === this.#buffer.length && !this.#grow()) return -ERRNO.EFBIG;
        const read = file.readSync(this.#buffer.subarray(size, size + request));
        if (read === null || read === 0) return size;
        size += read;
        if (onePart && read < request) return size;
        if (read === request) request *= 4;
      }
    } catch (error) {
      return -errnoOf(error);
    }
  }

  #grow(): boolean {
    // One byte more than allowed, so that a file of just that size is seen to end.
    const larger = Math.min(this.#buffer.length * 2, this.#maxBytes + 1);
    if (larger <= this.#buffer.length) return false;
    const buffer = new Uint8Array(larger);
    buffer.set(this.#buffer);
    this.#buffer = buffer;
    return true;
  }

  #resolve(path: string): string {
    if (
      path === "" || path.startsWith("/") || path.includes("\0") || path.split("/").includes("..")
    ) {
      throw new TypeError(`Path "${path}" is not one below the root, such as "proc/stat"`);
    }
    if (this.#root === "") return `/${path}`;
    return `${this.#root}/${
      path.replace(OWN_REGEXP, (_, net) => net === undefined ? "proc/1" : "proc/1/net")
    }`;
  }
}

const NO_COPY = new Uint8Array();

const LIMIT_REGEXP = /^Max open files +(\d+)/m;

function openFilesLimit(): number {
  const found = LIMIT_REGEXP.exec(Deno.readTextFileSync("/proc/self/limits"));
  return found === null ? Infinity : Number(found[1]);
}

/** The errno in an error of the runtime, which has `code` for some errors only. */
function errnoOf(error: unknown): number {
  const found = error instanceof Error ? OS_ERROR_REGEXP.exec(error.message) : null;
  if (found === null) throw error;
  return Number(found[1]);
}
