// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Reads the output of children at times of our choosing. A pipe that the runtime reads wakes it with every write, also
 * when nobody wants to read: 15 us of CPU each. So its reading end is taken over, and read without waiting.
 */
import { ABI } from "./kernel_abi.ts";
import { openLibc } from "./libbpf.ts";

/** The reading end of a pipe. */
export interface QuietPipe {
  /** Bytes that were read; 0 at the end, -1 for nothing now. */
  read(buffer: Uint8Array<ArrayBuffer>): number;
  close(): void;
}

/** Above those of stdin, stdout and stderr. */
const LEAST_FD = 3;

export class QuietPipes implements Disposable {
  readonly #libc = openLibc();

  /**
   * A second reading end of the stdout of a child that was just started; the runtime's own is to be closed then.
   * Undefined when it cannot be found, as for the child of another user without CAP_SYS_PTRACE.
   */
  stdoutOf(pid: number): QuietPipe | undefined {
    const { fcntl, read, close } = this.#libc.symbols;
    const own = ownEnd(pid);
    const fd = own === undefined ? -1 : fcntl(own, ABI.F_DUPFD_CLOEXEC, LEAST_FD);
    if (fd < 0) return undefined;
    fcntl(fd, ABI.F_SETFL, ABI.O_NONBLOCK);
    let closed = false;
    return {
      read: (buffer) => closed ? 0 : Number(read(fd, buffer, BigInt(buffer.length))),
      close: () => {
        if (!closed) close(fd);
        closed = true;
      },
    };
  }

  [Symbol.dispose](): void {
    this.#libc.close();
  }
}

/** The descriptor of this process with the other end of what is the child's stdout. */
function ownEnd(pid: number): number | undefined {
  const pipe = linkOf(`/proc/${pid}/fd/1`);
  if (pipe === undefined || !pipe.startsWith("pipe:")) return undefined;
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    if (linkOf(`/proc/self/fd/${name}`) === pipe) return Number(name);
  }
  return undefined;
}

function linkOf(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    // It is gone, as the descriptor that lists this folder, or it is not for us.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return undefined;
    }
    throw error;
  }
}
