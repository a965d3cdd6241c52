// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The one FFI table: what the agent calls of libbpf 1.1 and of the C library, and how both are opened.
 *
 * `c` is the C type of the function; tests/kernel/libbpf_headers_test.ts compiles it against the installed headers
 * and holds the FFI types beside it to it. An empty typed array arrives in C as NULL.
 */
import { KernelError, Unsupported } from "../core/errors.ts";
import { errnoName } from "./errno.ts";
import { ABI } from "./kernel_abi.ts";

interface Symbol extends Deno.ForeignFunction {
  readonly c: string;
}

export const LIBC_SYMBOLS = {
  __errno_location: { c: "int *(void)", parameters: [], result: "pointer" },
  memfd_create: {
    c: "int (const char *, unsigned int)",
    parameters: ["buffer", "u32"],
    result: "i32",
  },
  open: {
    c: "int (const char *, int, ...)",
    parameters: ["buffer", "i32", "u32"],
    result: "i32",
  },
  close: { c: "int (int)", parameters: ["i32"], result: "i32" },
  fcntl: { c: "int (int, int, ...)", parameters: ["i32", "i32", "i32"], result: "i32" },
  read: {
    c: "ssize_t (int, void *, size_t)",
    parameters: ["i32", "buffer", "usize"],
    result: "isize",
  },
  pread: {
    c: "ssize_t (int, void *, size_t, off_t)",
    parameters: ["i32", "buffer", "usize", "i64"],
    result: "isize",
  },
  write: {
    c: "ssize_t (int, const void *, size_t)",
    parameters: ["i32", "buffer", "usize"],
    result: "isize",
  },
  mmap: {
    c: "void *(void *, size_t, int, int, int, off_t)",
    parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"],
    result: "pointer",
  },
  munmap: { c: "int (void *, size_t)", parameters: ["pointer", "usize"], result: "i32" },
  madvise: {
    c: "int (void *, size_t, int)",
    parameters: ["pointer", "usize", "i32"],
    result: "i32",
  },
  getpeername: {
    c: "int (int, struct sockaddr *, unsigned int *)",
    parameters: ["i32", "buffer", "buffer"],
    result: "i32",
  },
  socket: { c: "int (int, int, int)", parameters: ["i32", "i32", "i32"], result: "i32" },
  send: {
    c: "ssize_t (int, const void *, size_t, int)",
    parameters: ["i32", "buffer", "usize", "i32"],
    result: "isize",
    nonblocking: true,
  },
  recv: {
    c: "ssize_t (int, void *, size_t, int)",
    parameters: ["i32", "buffer", "usize", "i32"],
    result: "isize",
    nonblocking: true,
  },
  sendto: {
    c: "ssize_t (int, const void *, size_t, int, const struct sockaddr *, unsigned int)",
    parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"],
    result: "isize",
  },
  shutdown: { c: "int (int, int)", parameters: ["i32", "i32"], result: "i32" },
  malloc_trim: { c: "int (size_t)", parameters: ["usize"], result: "i32" },
  mallopt: { c: "int (int, int)", parameters: ["i32", "i32"], result: "i32" },
  mount: {
    c: "int (const char *, const char *, const char *, unsigned long, const void *)",
    parameters: ["buffer", "buffer", "buffer", "usize", "buffer"],
    result: "i32",
  },
  umount2: { c: "int (const char *, int)", parameters: ["buffer", "i32"], result: "i32" },
  prctl: {
    c: "int (int, ...)",
    parameters: ["i32", "usize", "usize", "usize", "usize"],
    result: "i32",
  },
  statfs: {
    c: "int (const char *, struct statfs *)",
    parameters: ["buffer", "buffer"],
    result: "i32",
    nonblocking: true, // it waits for the server of a network file system, for ever if that is gone
  },
  // The same call on 64 bits, for file systems that answer from memory: a thread for it costs ten times as much.
  statfs64: {
    c: "int (const char *, struct statfs64 *)",
    parameters: ["buffer", "buffer"],
    result: "i32",
  },
  setns: { c: "int (int, int)", parameters: ["i32", "i32"], result: "i32" },
  getpagesize: { c: "int (void)", parameters: [], result: "i32" },
  setrlimit: {
    c: "int (enum __rlimit_resource, const struct rlimit *)",
    parameters: ["u32", "buffer"],
    result: "i32",
  },
} as const satisfies Record<string, Symbol>;

export const LIBBPF_SYMBOLS = {
  libbpf_set_print: {
    c: "libbpf_print_fn_t (libbpf_print_fn_t)",
    parameters: ["pointer"],
    result: "pointer",
  },
  libbpf_version_string: { c: "const char *(void)", parameters: [], result: "pointer" },
  libbpf_num_possible_cpus: { c: "int (void)", parameters: [], result: "i32" },
  bpf_object__open_mem: {
    c: "struct bpf_object *(const void *, size_t, const struct bpf_object_open_opts *)",
    parameters: ["buffer", "usize", "buffer"],
    result: "pointer",
  },
  bpf_object__load: {
    c: "int (struct bpf_object *)",
    parameters: ["pointer"],
    result: "i32",
    nonblocking: true,
  },
  bpf_object__close: { c: "void (struct bpf_object *)", parameters: ["pointer"], result: "void" },
  bpf_object__next_program: {
    c: "struct bpf_program *(const struct bpf_object *, struct bpf_program *)",
    parameters: ["pointer", "pointer"],
    result: "pointer",
  },
  bpf_object__find_map_by_name: {
    c: "struct bpf_map *(const struct bpf_object *, const char *)",
    parameters: ["pointer", "buffer"],
    result: "pointer",
  },
  bpf_map__fd: { c: "int (const struct bpf_map *)", parameters: ["pointer"], result: "i32" },
  bpf_map__set_max_entries: {
    c: "int (struct bpf_map *, __u32)",
    parameters: ["pointer", "u32"],
    result: "i32",
  },
  bpf_map__initial_value: {
    c: "const void *(struct bpf_map *, size_t *)",
    parameters: ["pointer", "buffer"],
    result: "pointer",
  },
  bpf_program__name: {
    c: "const char *(const struct bpf_program *)",
    parameters: ["pointer"],
    result: "pointer",
  },
  bpf_program__section_name: {
    c: "const char *(const struct bpf_program *)",
    parameters: ["pointer"],
    result: "pointer",
  },
  bpf_program__fd: {
    c: "int (const struct bpf_program *)",
    parameters: ["pointer"],
    result: "i32",
  },
  bpf_program__set_autoload: {
    c: "int (struct bpf_program *, bool)",
    parameters: ["pointer", "bool"],
    result: "i32",
  },
  bpf_program__set_log_buf: {
    c: "int (struct bpf_program *, char *, size_t)",
    parameters: ["pointer", "buffer", "usize"],
    result: "i32",
  },
  bpf_program__attach: {
    c: "struct bpf_link *(const struct bpf_program *)",
    parameters: ["pointer"],
    result: "pointer",
  },
  bpf_program__attach_iter: {
    c: "struct bpf_link *(const struct bpf_program *, const struct bpf_iter_attach_opts *)",
    parameters: ["pointer", "buffer"],
    result: "pointer",
  },
  bpf_program__attach_uprobe_opts: {
    c: "struct bpf_link *(const struct bpf_program *, pid_t, const char *, size_t, const struct bpf_uprobe_opts *)",
    parameters: ["pointer", "i32", "buffer", "usize", "buffer"],
    result: "pointer",
  },
  bpf_link__fd: { c: "int (const struct bpf_link *)", parameters: ["pointer"], result: "i32" },
  bpf_link__destroy: { c: "int (struct bpf_link *)", parameters: ["pointer"], result: "i32" },
  bpf_iter_create: { c: "int (int)", parameters: ["i32"], result: "i32" },
  bpf_enable_stats: { c: "int (enum bpf_stats_type)", parameters: ["u32"], result: "i32" },
  bpf_obj_get_info_by_fd: {
    c: "int (int, void *, __u32 *)",
    parameters: ["i32", "buffer", "buffer"],
    result: "i32",
  },
  bpf_map_lookup_batch: {
    c: "int (int, void *, void *, void *, void *, __u32 *, const struct bpf_map_batch_opts *)",
    parameters: ["i32", "buffer", "buffer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  bpf_map_delete_batch: {
    c: "int (int, const void *, __u32 *, const struct bpf_map_batch_opts *)",
    parameters: ["i32", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  bpf_map_get_next_key: {
    c: "int (int, const void *, void *)",
    parameters: ["i32", "buffer", "buffer"],
    result: "i32",
  },
  bpf_map_lookup_elem: {
    c: "int (int, const void *, void *)",
    parameters: ["i32", "buffer", "buffer"],
    result: "i32",
  },
  bpf_map_lookup_and_delete_elem: {
    c: "int (int, const void *, void *)",
    parameters: ["i32", "buffer", "buffer"],
    result: "i32",
  },
  bpf_map_update_elem: {
    c: "int (int, const void *, const void *, __u64)",
    parameters: ["i32", "buffer", "buffer", "u64"],
    result: "i32",
  },
  bpf_map_delete_elem: {
    c: "int (int, const void *)",
    parameters: ["i32", "buffer"],
    result: "i32",
  },
} as const satisfies Record<string, Symbol>;

type Calls<Table extends Deno.ForeignLibraryInterface> = Deno.DynamicLibrary<Table>["symbols"];

export type LibcCalls = Calls<typeof LIBC_SYMBOLS>;

/** A larger piece of memory is not in use before it is written to, and goes back to the kernel as soon as it is freed. */
const MMAP_THRESHOLD_BYTES = 64 * 1024;
/** So much may be free at the end of a heap. */
const TRIM_THRESHOLD_BYTES = 128 * 1024;

type Libc = Deno.DynamicLibrary<typeof LIBC_SYMBOLS>;

let opened: Libc | undefined;
let users = 0;

/**
 * The C library alone, for what needs no libbpf. Each of its functions takes a page of code and some objects, so all
 * who have it open share it; the last one to close it ends that.
 */
export function openLibc(): { readonly symbols: LibcCalls; close(): void } {
  opened ??= loadLibc();
  users++;
  let closed = false;
  return {
    symbols: opened.symbols,
    close() {
      if (closed) return;
      closed = true;
      if (--users > 0) return;
      opened?.close();
      opened = undefined;
    },
  };
}

function loadLibc(): Libc {
  const libc = Deno.dlopen("libc.so.6", LIBC_SYMBOLS);
  keepHeapSmall(libc.symbols);
  return libc;
}

function keepHeapSmall({ mallopt }: LibcCalls): void {
  // Left to itself, the C library raises this limit to the size of what was freed last, and then keeps the kernel's
  // type data, which each load reads, in its heap: 11 MB more resident.
  mallopt(ABI.M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
  mallopt(ABI.M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES);
  // Each thread would have a heap of its own, of whose free end nothing goes back: 3 MB.
  mallopt(ABI.M_ARENA_MAX, 1);
}

/** In the order of their dependence: the loader finds an earlier one by its soname. */
const LIBRARIES = ["libz.so.1", "libelf.so.1", "libbpf.so.1"] as const;

/** Both libraries, opened. To be closed after everything that was made with it. */
export class Libbpf {
  readonly bpf: Calls<typeof LIBBPF_SYMBOLS>;
  readonly libc: LibcCalls;
  /** Possible, not online, CPUs: the number of copies in a per-CPU value. */
  readonly cpus: number;
  readonly pageSize: number;
  /** `v1.1`. */
  readonly version: string;
  readonly #errno: Deno.UnsafePointerView;
  readonly #open: { close(): void }[] = [];

  constructor(embedded: (name: string) => Uint8Array) {
    const libc = openLibc();
    this.#open.push(libc);
    this.libc = libc.symbols;
    try {
      this.#errno = new Deno.UnsafePointerView(this.libc.__errno_location()!);
      this.bpf = this.#openLibraries(embedded);
      this.bpf.libbpf_set_print(null); // its messages go to stderr otherwise
      this.cpus = this.bpf.libbpf_num_possible_cpus();
      if (this.cpus < 1) throw this.failure("count", "possible CPUs", -this.cpus);
      this.pageSize = this.libc.getpagesize();
      this.version = Deno.UnsafePointerView.getCString(this.bpf.libbpf_version_string()!);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** errno of the last failed call on this thread; to be asked before any other call. */
  errno(): number {
    return this.#errno.getInt32();
  }

  /** The error of a call that gave -1 or NULL. */
  lastFailure(operation: string, object: string): KernelError {
    return this.failure(operation, object, this.errno());
  }

  failure(operation: string, object: string, errno: number, detail?: string): KernelError {
    return new KernelError(operation, object, errno, errnoName(errno), detail);
  }

  [Symbol.dispose](): void {
    for (const library of this.#open.splice(0).reverse()) library.close();
  }

  #openLibraries(embedded: (name: string) => Uint8Array): Calls<typeof LIBBPF_SYMBOLS> {
    const fds: number[] = [];
    try {
      for (const name of LIBRARIES) fds.push(this.#memoryFile(name, embedded(name)));
      const [libz, libelf, libbpf] = fds.map((fd, role) => memoryPath(fd, role));
      this.#open.push(Deno.dlopen(libz!, {}));
      this.#open.push(Deno.dlopen(libelf!, {}));
      const library = Deno.dlopen(libbpf!, LIBBPF_SYMBOLS);
      this.#open.push(library);
      return library.symbols;
    } catch (cause) {
      if (cause instanceof KernelError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Unsupported(`Cannot open libbpf: ${reason}`, undefined, { cause });
    } finally {
      for (const fd of fds) this.libc.close(fd);
    }
  }

  #memoryFile(name: string, bytes: Uint8Array): number {
    const fd = this.libc.memfd_create(cString(name), ABI.MFD_CLOEXEC);
    if (fd < 0) throw this.lastFailure("memfd_create", name);
    for (let written = 0; written < bytes.length;) {
      const rest = bytes.subarray(written) as Uint8Array<ArrayBuffer>;
      const count = Number(this.libc.write(fd, rest, BigInt(rest.length)));
      if (count <= 0) {
        const failure = this.lastFailure("write", name);
        this.libc.close(fd);
        throw failure;
      }
      written += count;
    }
    return fd;
  }
}

/**
 * Opens libbpf; nothing is written to disk. `embedded` gives the bytes of a shared library by its soname. Throws
 * Unsupported or KernelError.
 */
export function openLibbpf(embedded: (name: string) => Uint8Array): Libbpf {
  return new Libbpf(embedded);
}

const INSTALLED = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"];

/** The library as installed on this machine, for `openLibbpf` in development. */
export function installedLibrary(name: string): Uint8Array {
  for (const folder of INSTALLED) {
    try {
      return Deno.readFileSync(`${folder}/${name}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Deno.errors.NotFound(`Cannot find "${name}" in ${INSTALLED.join(", ")}`);
}

/**
 * The loader takes a path that it saw before for the same library, and fd numbers come round again: each of the
 * three gets its own spelling of the path, so that libbpf is never taken for libz.
 */
function memoryPath(fd: number, role: number): string {
  return `/proc/self/${"./".repeat(role)}fd/${fd}`;
}

const encoder = new TextEncoder();

export function cString(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${text}\0`);
}
