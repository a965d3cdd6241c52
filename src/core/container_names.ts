// SPDX-License-Identifier: MulanPSL-2.0
/** What people call a container, read from what its runtime answers or keeps on disk. Nothing here throws on bad text. */
import type { Container } from "./process_cgroups.ts";
import { protoFields, protoMap, protoTextOf } from "./protobuf.ts";

export interface ContainerNames {
  readonly name: string;
  readonly image: string;
  /** Uid of the Kubernetes pod. */
  readonly podId: string;
  readonly podName: string;
  readonly podNamespace: string;
  /** Whether it is only the pod's pause container, which holds the pod's network. */
  readonly sandbox: boolean;
}

/** Tells names at once, from what it knows so far. */
export interface ContainerNamer {
  /** Undefined: not known, or not yet. */
  namesOf(container: Container): ContainerNames | undefined;
  /** Totals of what went wrong. */
  readonly losses: Readonly<Record<string, number>>;
}

export const NO_NAMES: ContainerNames = {
  name: "",
  image: "",
  podId: "",
  podName: "",
  podNamespace: "",
  sandbox: false,
};

/** Longer names are cut: they become labels. Kubernetes' own limit is 253. */
export const MAX_NAME = 256;

type Json = Readonly<Record<string, unknown>>;

const decoder = new TextDecoder();

/** `GET /containers/json` of Docker and podman: names by id of all running containers. */
export function namesOfList(bytes: Uint8Array): Map<string, ContainerNames> | undefined {
  const list = parse(bytes);
  if (!Array.isArray(list)) return undefined;
  const names = new Map<string, ContainerNames>();
  for (const entry of list) {
    const item = object(entry);
    const id = text(item["Id"]);
    if (id === "") continue;
    const all = Array.isArray(item["Names"]) ? item["Names"] : [];
    const own = all.map(text).find((name) => name.lastIndexOf("/") <= 0) ?? text(all[0]);
    names.set(
      id,
      namesOfLabels(own.replace(/^\//, ""), text(item["Image"]), object(item["Labels"])),
    );
  }
  return names;
}

/** Docker's `/var/lib/docker/containers/ID/config.v2.json`. */
export function namesOfDockerFile(bytes: Uint8Array): ContainerNames | undefined {
  const file = object(parse(bytes));
  const config = object(file["Config"]);
  const name = text(file["Name"]).replace(/^\//, "");
  return name === ""
    ? undefined
    : namesOfLabels(name, text(config["Image"]), object(config["Labels"]));
}

/** The OCI `config.json` that containerd, CRI-O, podman and nerdctl keep for a running container. */
export function namesOfBundle(bytes: Uint8Array): ContainerNames | undefined {
  const notes = object(object(parse(bytes))["annotations"]);
  const first = (...keys: string[]) => keys.map((key) => text(notes[key])).find(Boolean) ?? "";
  const podName = first("io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name");
  const type = first("io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType");
  const sandbox = type === "sandbox";
  const names = {
    name: first(
      "io.kubernetes.cri.container-name",
      "io.kubernetes.container.name",
      "nerdctl/name",
      "io.podman.annotations.name",
    ) || (sandbox ? "POD" : ""),
    image: first("io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName"),
    podId: first("io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"),
    podName,
    podNamespace: first("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"),
    sandbox,
  };
  return names.name === "" && podName === "" ? undefined : names;
}

/** Numbers of fields: of GetContainerResponse, and of its Container. */
const CONTAINER = 1;
const LABELS = 2;
const IMAGE = 3;

/** containerd's answer to `containerd.services.containers.v1.Containers/Get`. */
export function namesOfContainerd(message: Uint8Array): ContainerNames | undefined {
  const container = protoFields(message).find(({ number }) => number === CONTAINER);
  if (container === undefined) return undefined;
  const fields = protoFields(container.bytes);
  const labels = protoMap(fields, LABELS);
  const names = namesOfLabels(labels["nerdctl/name"] ?? "", protoTextOf(fields, IMAGE), labels);
  return { ...names, sandbox: labels["io.cri-containerd.kind"] === "sandbox" };
}

/** `containers.json` of containers/storage, which podman and CRI-O share: names by id, running or not. */
export function namesOfStorage(bytes: Uint8Array): Map<string, ContainerNames> | undefined {
  const list = parse(bytes);
  if (!Array.isArray(list)) return undefined;
  const names = new Map<string, ContainerNames>();
  for (const entry of list) {
    const item = object(entry);
    const id = text(item["id"]);
    if (id === "") continue;
    const metadata = object(
      parseText(typeof item["metadata"] === "string" ? item["metadata"] : ""),
    );
    const first = Array.isArray(item["names"]) ? text(item["names"][0]) : "";
    const name = text(metadata["name"]) || first;
    names.set(id, { ...NO_NAMES, name, image: text(metadata["image-name"]) });
  }
  return names;
}

/** What Kubernetes wrote into a container's labels, and where it did not make it, the runtime's own name of it. */
export function namesOfLabels(name: string, image: string, labels: Json): ContainerNames {
  const type = text(labels["io.kubernetes.docker.type"]);
  return {
    name: text(labels["io.kubernetes.container.name"]) || text(name),
    image: text(image),
    podId: text(labels["io.kubernetes.pod.uid"]),
    podName: text(labels["io.kubernetes.pod.name"]),
    podNamespace: text(labels["io.kubernetes.pod.namespace"]),
    sandbox: type === "podsandbox",
  };
}

function parse(bytes: Uint8Array): unknown {
  return parseText(decoder.decode(bytes));
}

function parseText(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    // Cut short, or not JSON at all: as good as no answer.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function object(value: unknown): Json {
  return typeof value === "object" && value !== null ? value as Json : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value.slice(0, MAX_NAME) : "";
}
