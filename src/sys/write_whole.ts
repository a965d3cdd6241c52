// SPDX-License-Identifier: MulanPSL-2.0
/** What a command has to say, whole into a standard stream. */
import { KernelError } from "../core/errors.ts";
import { ERRNO, errnoName } from "./errno.ts";
import { openLibc } from "./libbpf.ts";

/** How many bytes were taken, or the negative errno. */
type Write = (fd: number, bytes: Uint8Array<ArrayBuffer>) => number;

const LOOK_AGAIN_MS = 5;
const nobody = new Int32Array(new SharedArrayBuffer(4));

/**
 * Whoever shares a pipe with us may have set it not to wait, and then it takes what fits and refuses the rest: we wait
 * in its place, as long as the reader takes. A reader that goes has read what it wanted. The runtime's own writing
 * does not tell how much was taken before the refusal.
 */
export function writeWhole(fd: number, text: string, write: Write = systemWrite): void {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) {
    const taken = write(fd, bytes.subarray(done));
    if (taken >= 0) {
      done += taken;
    } else if (taken === -ERRNO.EPIPE) {
      return;
    } else if (taken === -ERRNO.EAGAIN) {
      Atomics.wait(nobody, 0, 0, LOOK_AGAIN_MS);
    } else if (taken !== -ERRNO.EINTR) {
      throw new KernelError("write to", `file descriptor ${fd}`, -taken, errnoName(-taken));
    }
  }
}

function systemWrite(fd: number, bytes: Uint8Array<ArrayBuffer>): number {
  const libc = openLibc();
  const { symbols } = libc;
  try {
    const taken = Number(symbols.write(fd, bytes, BigInt(bytes.length)));
    return taken < 0 ? -new Deno.UnsafePointerView(symbols.__errno_location()!).getInt32() : taken;
  } finally {
    libc.close();
  }
}
