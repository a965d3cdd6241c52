// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Names of containers, as their runtimes have them. Asked in the background: an answer is there a tick later.
 *
 * Docker and podman are asked over their sockets (one GET for all containers), then the runtimes of Kubernetes over
 * theirs (CRI). Of those that none of them knows, or while a socket does not answer, names are read from what the
 * runtimes keep on disk: the OCI bundle of every running container, the list of their storage, Docker's own file. What
 * is missing there, such as the image of a container that nerdctl started, containerd is asked for by its own API.
 * Nothing is ever written, and a failed socket rests for a while.
 */
import {
  type ContainerNamer,
  type ContainerNames,
  namesOfBundle,
  namesOfDockerFile,
  namesOfList,
  namesOfStorage,
  NO_NAMES,
} from "../core/container_names.ts";
import { KernelError, messageOf } from "../core/errors.ts";
import type { HostFiles } from "../core/probe.ts";
import type { Container } from "../core/process_cgroups.ts";
import { ContainerdNames, type ContainerdTask } from "./containerd_names.ts";
import { CriNames } from "./cri_names.ts";
import { type GetLimits, getOverUnix, isSocket } from "./unix_http.ts";

export interface RuntimeNamesOptions {
  /** Where the host's file tree is mounted; empty: this process's own. */
  readonly root?: string;
  /** Monotonic, in ms. */
  readonly clock: () => number;
  /** Told once for each new reason why a socket does not answer. */
  readonly log?: (text: string) => void;
  readonly limits?: GetLimits;
  /** Containers whose names are remembered. */
  readonly maxNames?: number;
}

interface Known {
  names: ContainerNames | undefined;
  /** When to ask again. */
  due: number;
  /** Questions in a row that nobody could answer. */
  failures: number;
}

interface Socket {
  /** Of which the first that exists is asked. */
  readonly paths: readonly string[];
  /** Not asked before. */
  due: number;
  /** Why it did not answer the last time; empty if it did. */
  reason: string;
}

/** `/var/run` is a link to `/run`, which below a root leads out of it. */
const SOCKETS = [["run/docker.sock", "var/run/docker.sock"], ["run/podman/podman.sock"]];
const LIST_PATH = "/containers/json";
/** In each, a folder for the storage driver in use: `overlay-containers`, `vfs-containers` and so on. */
const STORAGE = ["run/containers/storage", "var/lib/containers/storage"];
const DRIVER_FOLDER_REGEXP = /^[a-z]+-containers$/;
const MAX_DRIVERS = 8;
const DOCKER = "var/lib/docker/containers";

const LIMITS: GetLimits = { timeoutMs: 2000, maxBytes: 4 * 1024 * 1024 };
/** A container may be renamed. */
const AGAIN_MS = 300_000;
const RETRY_MS = 5000;
const MAX_RETRY_MS = 300_000;
const SOCKET_REST_MS = 30_000;
/** Files read before others get their turn; each takes some 50 us. */
const FILES_IN_A_ROW = 16;
const ID_REGEXP = /^[0-9a-f]{64}$/;

export class RuntimeNames implements ContainerNamer {
  /** Sockets that did not answer as they should, files that could not be read. */
  failures = 0;
  /** Containers forgotten, as there were too many. */
  dropped = 0;

  readonly #files: HostFiles;
  readonly #options: RuntimeNamesOptions;
  readonly #sockets: readonly Socket[];
  readonly #cri: CriNames;
  readonly #containerd: ContainerdNames;
  readonly #known = new Map<string, Known>();
  readonly #wanted = new Map<string, Container>();
  readonly #maxNames: number;
  readonly #last = { reason: "" };
  #asking: Promise<void> | undefined;

  constructor(files: HostFiles, options: RuntimeNamesOptions) {
    this.#files = files;
    this.#options = options;
    this.#maxNames = options.maxNames ?? 4096;
    const root = (options.root ?? "").replace(/\/+$/, "");
    this.#sockets = SOCKETS.map((paths) => ({
      paths: paths.map((path) => `${root}/${path}`),
      due: 0,
      reason: "",
    }));
    const asking = {
      root,
      clock: options.clock,
      limits: options.limits ?? LIMITS,
      failed: this.#failed.bind(this),
    };
    this.#cri = new CriNames(asking);
    this.#containerd = new ContainerdNames({ ...asking, files });
  }

  get losses(): Record<string, number> {
    return { names_not_answered: this.failures, names_forgotten: this.dropped };
  }

  namesOf(container: Container): ContainerNames | undefined {
    const { id } = container;
    if (!ID_REGEXP.test(id)) return { ...NO_NAMES, name: id };
    const known = this.#known.get(id);
    if (known === undefined || this.#options.clock() >= known.due) {
      this.#want(container);
    }
    return known?.names;
  }

  /** Resolves when no question is open. */
  async settled(): Promise<void> {
    while (this.#asking !== undefined) await this.#asking;
  }

  #want(container: Container): void {
    if (this.#wanted.size < this.#maxNames) this.#wanted.set(container.id, container);
    // In a later turn, when all that are wanted are known.
    this.#asking ??= Promise.resolve().then(() => this.#ask())
      .catch((error) => this.#failed("Cannot learn the names of containers", error))
      .finally(() => this.#asking = undefined);
  }

  async #ask(): Promise<void> {
    const wanted = [...this.#wanted.values()];
    this.#wanted.clear();
    const found = await this.#askSockets();
    const missing = () => wanted.map(({ id }) => id).filter((id) => !found.has(id));
    for (const [id, names] of await this.#cri.find(missing())) found.set(id, names);
    const tasks = this.#containerd.tasks();
    await this.#readFiles(missing(), tasks, found);
    await this.#containerd.complete(wanted.map(({ id }) => id), tasks, found);
    for (const container of wanted) this.#remember(container, found.get(container.id));
  }

  #remember({ id }: Container, names: ContainerNames | undefined): void {
    const before = this.#known.get(id);
    const failures = names === undefined ? (before?.failures ?? 0) + 1 : 0;
    const pause = names === undefined
      ? Math.min(RETRY_MS * 2 ** (failures - 1), MAX_RETRY_MS)
      : AGAIN_MS;
    this.#known.delete(id);
    const due = this.#options.clock() + pause;
    this.#known.set(id, { names: names ?? before?.names, due, failures });
    if (this.#known.size <= this.#maxNames) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      this.dropped++;
      return;
    }
  }

  async #askSockets(): Promise<Map<string, ContainerNames>> {
    const now = this.#options.clock();
    const due = this.#sockets.filter((socket) => now >= socket.due);
    const found = new Map<string, ContainerNames>();
    for (const names of await Promise.all(due.map((socket) => this.#askSocket(socket)))) {
      for (const [id, own] of names) found.set(id, own);
    }
    return found;
  }

  async #askSocket(socket: Socket): Promise<Map<string, ContainerNames>> {
    const { clock, limits = LIMITS } = this.#options;
    const path = socket.paths.find(isSocket);
    if (path === undefined) return new Map();
    try {
      const { status, body } = await getOverUnix(path, LIST_PATH, limits);
      const names = status === 200 ? namesOfList(body) : undefined;
      if (names !== undefined) {
        socket.reason = "";
        return names;
      }
      throw new TypeError(status === 200 ? "the answer is no list" : `status ${status}`);
    } catch (error) {
      this.#failed(`Cannot ask "${path}" for the names of containers`, error, socket);
    }
    socket.due = clock() + SOCKET_REST_MS;
    return new Map();
  }

  #failed(what: string, error: unknown, said: { reason: string } = this.#last): void {
    const reason = messageOf(error);
    this.failures++;
    if (said.reason === reason) return;
    said.reason = reason;
    this.#options.log?.(`${what}: ${reason}`);
  }

  async #readFiles(
    missing: readonly string[],
    tasks: ReadonlyMap<string, ContainerdTask>,
    found: Map<string, ContainerNames>,
  ): Promise<void> {
    if (missing.length === 0) return;
    const storage = this.#storageFolders();
    const stored = new Map(
      storage.flatMap((folder) => [
        ...this.#parse(`${folder}/containers.json`, namesOfStorage) ?? [],
      ]),
    );
    for (let i = 0; i < missing.length; i++) {
      const id = missing[i]!;
      const task = tasks.get(id);
      const bundles = task === undefined
        ? storage.map((folder) => `${folder}/${id}/userdata`)
        : [task.bundle];
      const names = this.#bundle(bundles, stored.get(id)) ??
        this.#parse(`${DOCKER}/${id}/config.v2.json`, namesOfDockerFile);
      if (names !== undefined) found.set(id, names);
      if (i % FILES_IN_A_ROW === FILES_IN_A_ROW - 1) await new Promise((go) => setTimeout(go, 0));
    }
  }

  #storageFolders(): string[] {
    return STORAGE.flatMap((folder) =>
      this.#files.list(folder).filter((name) => DRIVER_FOLDER_REGEXP.test(name))
        .slice(0, MAX_DRIVERS).map((name) => `${folder}/${name}`)
    );
  }

  #bundle(
    bundles: readonly string[],
    stored: ContainerNames | undefined,
  ): ContainerNames | undefined {
    for (const bundle of bundles) {
      const names = this.#parse(`${bundle}/config.json`, namesOfBundle);
      if (names === undefined) continue;
      const { name, image } = names;
      return {
        ...names,
        name: name || (stored?.name ?? ""),
        image: image || (stored?.image ?? ""),
      };
    }
    return stored;
  }

  #parse<Result>(
    path: string,
    read: (bytes: Uint8Array) => Result | undefined,
  ): Result | undefined {
    try {
      const bytes = this.#files.readOptional(path);
      return bytes === undefined ? undefined : read(bytes);
    } catch (error) {
      // Too large, or its disk is broken: names are not worth the rest of the reading.
      if (!(error instanceof KernelError)) throw error;
      this.failures++;
      return undefined;
    }
  }
}
