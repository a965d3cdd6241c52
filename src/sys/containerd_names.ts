// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Containers of containerd: where their bundles are, and what it answers over its socket about those whose bundle does
 * not say all, such as the image of a container that Kubernetes did not start. It only answers gRPC.
 */
import { type ContainerNames, namesOfContainerd, NO_NAMES } from "../core/container_names.ts";
import type { HostFiles } from "../core/probe.ts";
import { protoText } from "../core/protobuf.ts";
import { type GetLimits, grpcOverUnix, type GrpcQuestion, isSocket } from "./unix_http.ts";

/** In each a folder with the running containers by namespace, and a socket. */
const HOMES = ["run/containerd", "run/k3s/containerd"];
const TASKS = "io.containerd.runtime.v2.task";
const SOCKET = "containerd.sock";
const GET_CONTAINER = "/containerd.services.containers.v1.Containers/Get";
const ID_FIELD = 1;
/** It becomes a header. */
const NAMESPACE_REGEXP = /^[\w.-]{1,76}$/;
const MAX_NAMESPACES = 16;
/** Asked about at a time: containerd reads each from its disk. */
const MAX_QUESTIONS = 256;
const REST_MS = 30_000;

export interface ContainerdOptions {
  readonly files: HostFiles;
  /** Where the host's file tree is mounted. */
  readonly root: string;
  readonly clock: () => number;
  readonly limits: GetLimits;
  readonly failed: (what: string, error: unknown, said: { reason: string }) => void;
}

interface Home {
  readonly folder: string;
  readonly socket: string;
  /** Not asked before. */
  due: number;
  reason: string;
}

/** A running container. */
export interface ContainerdTask {
  readonly bundle: string;
  readonly home: Home;
  readonly namespace: string;
}

export class ContainerdNames {
  readonly #options: ContainerdOptions;
  readonly #homes: readonly Home[];

  constructor(options: ContainerdOptions) {
    this.#options = options;
    this.#homes = HOMES.map((folder) => ({
      folder,
      socket: `${options.root}/${folder}/${SOCKET}`,
      due: 0,
      reason: "",
    }));
  }

  /** By id. */
  tasks(): Map<string, ContainerdTask> {
    const { files } = this.#options;
    const found = new Map<string, ContainerdTask>();
    for (const home of this.#homes) {
      const tasks = `${home.folder}/${TASKS}`;
      for (const namespace of files.list(tasks).slice(0, MAX_NAMESPACES)) {
        if (!NAMESPACE_REGEXP.test(namespace)) continue;
        for (const id of files.list(`${tasks}/${namespace}`)) {
          found.set(id, { bundle: `${tasks}/${namespace}/${id}`, home, namespace });
        }
      }
    }
    return found;
  }

  /** Asks about those of `ids` of which no image is known, and adds what is answered. */
  async complete(
    ids: readonly string[],
    tasks: ReadonlyMap<string, ContainerdTask>,
    found: Map<string, ContainerNames>,
  ): Promise<void> {
    const { clock } = this.#options;
    for (const home of this.#homes) {
      const open = ids.filter((id) =>
        tasks.get(id)?.home === home && (found.get(id) ?? NO_NAMES).image === ""
      ).slice(0, MAX_QUESTIONS);
      if (open.length === 0 || clock() < home.due || !isSocket(home.socket)) continue;
      const questions = open.map((id): GrpcQuestion => ({
        path: GET_CONTAINER,
        metadata: { "containerd-namespace": tasks.get(id)!.namespace },
        message: protoText(ID_FIELD, id),
      }));
      const answers = await this.#ask(home, questions);
      open.forEach((id, i) => {
        const answer = answers[i];
        const told = answer === undefined ? undefined : namesOfContainerd(answer);
        if (told !== undefined) found.set(id, completed(found.get(id), told));
      });
    }
  }

  async #ask(
    home: Home,
    questions: readonly GrpcQuestion[],
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const { limits, clock, failed } = this.#options;
    try {
      const answers = await grpcOverUnix(home.socket, questions, limits);
      home.reason = "";
      return answers;
    } catch (error) {
      home.due = clock() + REST_MS;
      failed(`Cannot ask "${home.socket}" for the names of containers`, error, home);
      return [];
    }
  }
}

/** What was known, and where that says nothing, what was told. */
function completed(known: ContainerNames | undefined, told: ContainerNames): ContainerNames {
  if (known === undefined) return told;
  return {
    name: known.name || told.name,
    image: known.image || told.image,
    podId: known.podId || told.podId,
    podName: known.podName || told.podName,
    podNamespace: known.podNamespace || told.podNamespace,
    sandbox: known.sandbox || told.sandbox,
  };
}
