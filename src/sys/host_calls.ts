// SPDX-License-Identifier: MulanPSL-2.0
/** Calls of the C library that probes make through `HostCalls`; the library is opened by the first one. */
import type { HostCalls, Mount, MountAnswer } from "../core/probe.ts";
import {
  parseAddresses,
  parseDisciplines,
  parseLinks,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETQDISC,
} from "../core/route_netlink.ts";
import { type LibcCalls, openLibc } from "./libbpf.ts";
import { MountSizes } from "./mount_sizes.ts";
import { RouteDump } from "./route_dump.ts";
import { treeBytes } from "./tree_bytes.ts";

export class LibcHostCalls implements HostCalls, Disposable {
  readonly addresses?: NonNullable<HostCalls["addresses"]>;
  readonly queues?: NonNullable<HostCalls["queues"]>;
  readonly links?: NonNullable<HostCalls["links"]>;
  readonly #root: string;
  #libc: ReturnType<typeof openLibc> | undefined;
  #sizes: MountSizes | undefined;
  #routes: RouteDump | undefined;
  #walk: Promise<unknown> = Promise.resolve();

  /** `root`: where the host's file tree is mounted; empty: this process's own. */
  constructor(root = "") {
    this.#root = root.replace(/\/+$/, "");
    if (!isOwnNetwork(this.#root)) return;
    this.addresses = () => this.#ask(RTM_GETADDR, parseAddresses);
    this.queues = () => this.#ask(RTM_GETQDISC, parseDisciplines);
    this.links = () => this.#ask(RTM_GETLINK, parseLinks);
  }

  mountSizes(mounts: readonly Mount[]): Promise<readonly MountAnswer[]> {
    this.#sizes ??= new MountSizes({ root: this.#root, calls: this.#calls() });
    return this.#sizes.mountSizes(mounts);
  }

  treeBytes(pid: number, folder: string): Promise<number | undefined> {
    const bytes = this.#walk.then(() => treeBytes(`${this.#root}/proc/${pid}/root`, folder));
    this.#walk = bytes;
    return bytes;
  }

  [Symbol.dispose](): void {
    this.#sizes?.close();
    this.#libc?.close();
    this.#libc = this.#sizes = this.#routes = undefined;
  }

  #calls(): LibcCalls {
    this.#libc ??= openLibc();
    return this.#libc.symbols;
  }

  async #ask<T>(type: number, parse: (answer: Uint8Array) => T): Promise<T | undefined> {
    this.#routes ??= new RouteDump(this.#calls());
    const answer = await this.#routes.dump(type);
    return answer === undefined ? undefined : parse(answer);
  }
}

/** Whether the host's first process has the network of this one. */
function isOwnNetwork(root: string): boolean {
  if (root === "") return true;
  try {
    const host = Deno.readLinkSync(`${root}/proc/1/ns/net`);
    return host === Deno.readLinkSync("/proc/self/ns/net");
  } catch (error) {
    // It is not for us, or the root is made of plain files.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return false;
    }
    throw error;
  }
}
