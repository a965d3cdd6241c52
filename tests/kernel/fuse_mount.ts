// SPDX-License-Identifier: MulanPSL-2.0
/**
 * A FUSE file system that this process serves, and that stops answering when it is told to: a stand-in for a dead server.
 *
 * Numbers are those of <linux/fuse.h>, protocol 7.31. Nobody but statfs may touch the mount point while it hangs.
 */
import { KernelError } from "../../src/core/errors.ts";
import { ABI } from "../../src/sys/kernel_abi.ts";
import { cString, openLibc } from "../../src/sys/libbpf.ts";

const [FUSE_GETATTR, FUSE_STATFS, FUSE_INIT] = [3, 17, 26] as const;
/** Opcodes without an answer. */
const NO_REPLY: ReadonlySet<number> = new Set([2, 36, 42]);
const ENOSYS = 38;
const IN_HEADER = 40;
const OUT_HEADER = 16;
const ATTR_OUT = 104;
const S_IFDIR = 0o040755;

export const BLOCKS = 1009;
export const FREE_BLOCKS = 503;
export const BLOCK_BYTES = 4096;

export class FuseMount implements AsyncDisposable {
  /** The process whose statfs is left without an answer; others on this host look at mounts as well. */
  hangsFor = NaN;
  readonly #libc = openLibc();
  readonly #device: Deno.FsFile;
  readonly #served: Promise<void>;
  readonly #waiting: Uint8Array[] = [];
  #asked = 0;
  #wake: (() => void) | undefined;

  constructor(readonly path: string) {
    const before = fuseDescriptors();
    this.#device = Deno.openSync("/dev/fuse", { read: true, write: true });
    const fd = fuseDescriptors().find((other) => !before.includes(other));
    const options = cString(`fd=${fd},rootmode=40000,user_id=0,group_id=0,allow_other`);
    const name = cString("stand-in");
    if (this.#libc.symbols.mount(name, cString(path), cString("fuse"), 0n, options) !== 0) {
      throw new KernelError("mount", path, 0, "unknown");
    }
    this.#served = this.#serve();
  }

  /** Resolves when that process asked and got no answer, `count` times in all. */
  async asked(count: number): Promise<void> {
    while (this.#asked < count) await new Promise<void>((resolve) => this.#wake = resolve);
  }

  /** How often so far. */
  get count(): number {
    return this.#asked;
  }

  /** Answers everything that waits, and from now on. */
  release(): void {
    this.hangsFor = NaN;
    for (const request of this.#waiting.splice(0)) this.#answer(request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    this.#libc.symbols.umount2(cString(this.path), ABI.MNT_DETACH);
    await this.#served;
    this.#device.close();
    this.#libc.close();
  }

  /** Until the last user of the mount is gone: reading then fails with ENODEV. */
  async #serve(): Promise<void> {
    for (;;) {
      const request = new Uint8Array(64 * 1024 + 4096);
      try {
        await this.#device.read(request);
      } catch (error) {
        if (error instanceof Error && error.message.includes("os error 19")) return;
        throw error;
      }
      if (opcode(request) === FUSE_STATFS && isOf(this.hangsFor, request)) {
        this.#waiting.push(request);
        this.#asked++;
        this.#wake?.();
        continue;
      }
      this.#answer(request);
    }
  }

  #answer(request: Uint8Array): void {
    const code = opcode(request);
    if (NO_REPLY.has(code)) return;
    const body = bodyOf(code);
    const reply = new Uint8Array(OUT_HEADER + (body?.length ?? 0));
    const view = new DataView(reply.buffer);
    view.setUint32(0, reply.length, true);
    view.setInt32(4, body === undefined ? -ENOSYS : 0, true);
    reply.set(request.subarray(8, 16), 8); // unique
    if (body !== undefined) reply.set(body, OUT_HEADER);
    try {
      this.#device.writeSync(reply);
    } catch (error) {
      // Whoever asked was killed.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

function opcode(request: Uint8Array): number {
  return new DataView(request.buffer, 0, IN_HEADER).getUint32(4, true);
}

/** Whether a thread of the process waits for the answer. */
function isOf(pid: number, request: Uint8Array): boolean {
  if (Number.isNaN(pid)) return false;
  const thread = new DataView(request.buffer, 0, IN_HEADER).getUint32(32, true);
  try {
    return Deno.statSync(`/proc/${pid}/task/${thread}`).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function bodyOf(code: number): Uint8Array | undefined {
  if (code === FUSE_INIT) {
    const body = new Uint8Array(64);
    const view = new DataView(body.buffer);
    view.setUint32(0, 7, true);
    view.setUint32(4, 31, true);
    view.setUint32(20, 4096, true); // max_write
    return body;
  }
  if (code === FUSE_GETATTR) {
    const body = new Uint8Array(ATTR_OUT);
    const view = new DataView(body.buffer);
    view.setUint32(16, 1, true); // inode
    view.setUint32(16 + 60, S_IFDIR, true);
    view.setUint32(16 + 64, 1, true); // links
    return body;
  }
  if (code !== FUSE_STATFS) return undefined;
  const body = new Uint8Array(80);
  const view = new DataView(body.buffer);
  for (const [i, count] of [BLOCKS, FREE_BLOCKS, FREE_BLOCKS, 100, 50].entries()) {
    view.setUint32(8 * i, count, true);
  }
  view.setUint32(40, BLOCK_BYTES, true);
  view.setUint32(44, 255, true);
  view.setUint32(48, BLOCK_BYTES, true);
  return body;
}

function fuseDescriptors(): number[] {
  const found: number[] = [];
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`) === "/dev/fuse") found.push(Number(name));
    } catch (error) {
      // That of the listing itself is closed again.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return found;
}
