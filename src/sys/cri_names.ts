// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Containers as the runtimes of Kubernetes tell them over their sockets: containerd, CRI-O, iSulad. All that run are
 * listed at once; the status of one is asked for when the list has but the id of its image. Nothing is ever changed.
 */
import type { ContainerNames } from "../core/container_names.ts";
import {
  CRI_VERSIONS,
  type CriMethod,
  criPath,
  type CriVersion,
  imageOfStatus,
  isImageId,
  namesOfCri,
  READY_SANDBOXES,
  RUNNING_CONTAINERS,
  statusQuestion,
} from "../core/cri.ts";
import { type GetLimits, grpcOverUnix, isSocket } from "./unix_http.ts";

/** `/var/run` is a link to `/run`, which below a root leads out of it. */
const SOCKETS = [
  ["run/containerd/containerd.sock"],
  ["run/k3s/containerd/containerd.sock"],
  ["run/crio/crio.sock", "var/run/crio/crio.sock"],
  ["run/isulad.sock", "var/run/isulad.sock"],
];
/** Statuses asked for at a time. */
const MAX_STATUSES = 256;
/** After a failure, and of a runtime that does not speak CRI, such as the containerd of Docker. */
const REST_MS = 30_000;

export interface CriOptions {
  /** Where the host's file tree is mounted. */
  readonly root: string;
  readonly clock: () => number;
  readonly limits: GetLimits;
  readonly failed: (what: string, error: unknown, said: { reason: string }) => void;
}

interface Runtime {
  /** Of which the first that exists is asked. */
  readonly paths: readonly string[];
  /** What it speaks, as far as it has answered. */
  version: CriVersion | undefined;
  /** Not asked before. */
  due: number;
  reason: string;
}

export class CriNames {
  readonly #options: CriOptions;
  readonly #runtimes: readonly Runtime[];

  constructor(options: CriOptions) {
    this.#options = options;
    this.#runtimes = SOCKETS.map((paths) => ({
      paths: paths.map((path) => `${options.root}/${path}`),
      version: undefined,
      due: 0,
      reason: "",
    }));
  }

  /** Names of those of `ids` that a runtime knows. Never rejects. */
  async find(ids: readonly string[]): Promise<Map<string, ContainerNames>> {
    const wanted = new Set(ids);
    const found = new Map<string, ContainerNames>();
    if (wanted.size === 0) return found;
    for (const names of await Promise.all(this.#runtimes.map((it) => this.#ask(it, wanted)))) {
      for (const [id, own] of names) found.set(id, own);
    }
    return found;
  }

  async #ask(runtime: Runtime, wanted: ReadonlySet<string>): Promise<Map<string, ContainerNames>> {
    const { clock, failed } = this.#options;
    const names = new Map<string, ContainerNames>();
    const socket = clock() < runtime.due ? undefined : runtime.paths.find(isSocket);
    if (socket === undefined) return names;
    try {
      const all = await this.#list(runtime, socket);
      for (const [id, own] of all) if (wanted.has(id)) names.set(id, own);
      if (runtime.version === undefined) runtime.due = clock() + REST_MS;
      else await this.#nameImages(runtime.version, socket, names);
      runtime.reason = "";
    } catch (error) {
      runtime.due = clock() + REST_MS;
      failed(`Cannot ask "${socket}" for the names of containers`, error, runtime);
    }
    return names;
  }

  /** Finds out which version the runtime speaks, too: an upgrade may change it. */
  async #list(runtime: Runtime, socket: string): Promise<Map<string, ContainerNames>> {
    const first = runtime.version;
    const versions = first === undefined
      ? CRI_VERSIONS
      : [first, ...CRI_VERSIONS.filter((it) => it !== first)];
    runtime.version = undefined;
    for (const version of versions) {
      const [sandboxes, containers] = await this.#questions(socket, version, [
        ["ListPodSandbox", READY_SANDBOXES],
        ["ListContainers", RUNNING_CONTAINERS],
      ]);
      if (sandboxes === undefined || containers === undefined) continue;
      runtime.version = version;
      return namesOfCri(sandboxes, containers);
    }
    return new Map();
  }

  async #nameImages(
    version: CriVersion,
    socket: string,
    names: Map<string, ContainerNames>,
  ): Promise<void> {
    const open = [...names].filter(([, { image }]) => isImageId(image)).slice(0, MAX_STATUSES);
    if (open.length === 0) return;
    const statuses = await this.#questions(
      socket,
      version,
      open.map(([id]) => ["ContainerStatus", statusQuestion(id)]),
    );
    open.forEach(([id, own], i) => {
      const image = imageOfStatus(statuses[i] ?? NO_STATUS);
      if (image !== undefined) names.set(id, { ...own, image });
    });
  }

  #questions(
    socket: string,
    version: CriVersion,
    questions: readonly (readonly [CriMethod, Uint8Array])[],
  ): Promise<(Uint8Array | undefined)[]> {
    const all = questions.map(([method, message]) => ({
      path: criPath(version, method),
      metadata: {},
      message,
    }));
    return grpcOverUnix(socket, all, this.#options.limits);
  }
}

const NO_STATUS = new Uint8Array();
