// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Asks the kernel's routing netlink, off the event loop: it takes a lock that a driver in trouble may hold for long. While
 * one answer of a kind is awaited, that kind is not asked for again: all who want it get the same.
 */
import { dumpRequest, endsDump } from "../core/route_netlink.ts";
import { ABI } from "./kernel_abi.ts";
import type { LibcCalls } from "./libbpf.ts";

type NetlinkCalls = Pick<LibcCalls, "socket" | "send" | "recv" | "close">;

const PATIENCE_MS = 300;
/** The kernel fills no more at a time. */
const PART_BYTES = 32 * 1024;
/** A host of 10,000 virtual devices answers with some MB. */
const MAX_BYTES = 16 * 1024 * 1024;

export class RouteDump {
  readonly #calls: NetlinkCalls;
  readonly #patienceMs: number;
  /** What each kind's askers get; it stands here until the kernel has answered, however late. */
  readonly #awaited = new Map<number, Promise<Uint8Array | undefined>>();
  /** A buffer that no call uses: a new one each time is work for the garbage collector. */
  #spare: Uint8Array<ArrayBuffer> | undefined;

  constructor(calls: NetlinkCalls, patienceMs = PATIENCE_MS) {
    this.#calls = calls;
    this.#patienceMs = patienceMs;
  }

  /** The messages of the answer, to be read only; undefined when there is none in time. Never rejects. */
  dump(type: number): Promise<Uint8Array | undefined> {
    let awaited = this.#awaited.get(type);
    if (awaited === undefined) {
      awaited = this.#inTime(this.#ask(type).finally(() => this.#awaited.delete(type)));
      this.#awaited.set(type, awaited);
    }
    return awaited;
  }

  async #inTime(answer: Promise<Uint8Array | undefined>): Promise<Uint8Array | undefined> {
    const timeout = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => timeout.resolve(undefined), this.#patienceMs);
    const first = await Promise.race([answer, timeout.promise]);
    clearTimeout(timer);
    return first;
  }

  async #ask(type: number): Promise<Uint8Array | undefined> {
    const fd = this.#calls.socket(
      ABI.AF_NETLINK,
      ABI.SOCK_RAW | ABI.SOCK_CLOEXEC,
      ABI.NETLINK_ROUTE,
    );
    if (fd < 0) return undefined;
    try {
      const request = dumpRequest(type);
      const sent = await this.#calls.send(fd, request, BigInt(request.length), 0);
      return Number(sent) === request.length ? await this.#receive(fd) : undefined;
    } finally {
      this.#calls.close(fd);
    }
  }

  async #receive(fd: number): Promise<Uint8Array | undefined> {
    const part = this.#spare ?? new Uint8Array(PART_BYTES);
    this.#spare = undefined;
    const all: Uint8Array[] = [];
    try {
      for (let size = 0; size < MAX_BYTES;) {
        const received = Number(await this.#calls.recv(fd, part, BigInt(part.length), 0));
        if (received <= 0) return undefined;
        all.push(part.slice(0, received));
        size += received;
        if (endsDump(all.at(-1)!)) return join(all, size);
      }
      return undefined;
    } finally {
      this.#spare = part;
    }
  }
}

/** Each part ends with a whole message. */
function join(parts: readonly Uint8Array[], size: number): Uint8Array {
  const joined = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
