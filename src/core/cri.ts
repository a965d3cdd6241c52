// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The part of Kubernetes' container runtime interface (CRI) that names containers: what is asked, and what the answers
 * say. Nothing here throws on bad bytes. v1alpha2, which older runtimes speak, has the same numbers of fields.
 */
import { type ContainerNames, MAX_NAME, namesOfLabels } from "./container_names.ts";
import {
  type ProtoField,
  protoFields,
  protoFirst,
  protoMap,
  protoMessage,
  protoText,
  protoTextOf,
} from "./protobuf.ts";

export const CRI_VERSIONS = ["v1", "v1alpha2"] as const;
export type CriVersion = typeof CRI_VERSIONS[number];
export type CriMethod = "ListPodSandbox" | "ListContainers" | "ContainerStatus";

export function criPath(version: CriVersion, method: CriMethod): string {
  return `/runtime.${version}.RuntimeService/${method}`;
}

/** Numbers of fields. */
const FILTER = { self: 1, state: 2, value: 1 } as const;
/** Of both kinds of list: the items. */
const ITEM = 1;
const SANDBOX = { id: 1, metadata: 2 } as const;
const POD = { name: 1, uid: 2, namespace: 3 } as const;
const CONTAINER = { id: 1, sandbox: 2, metadata: 3, image: 4, labels: 8 } as const;
const METADATA = { name: 1 } as const;
const IMAGE = { name: 1, asWritten: 18 } as const;
const STATUS = { self: 1, image: 8, imageRef: 9 } as const;
const STATUS_OF = 1;

const listOf = (state: Uint8Array) => protoMessage(FILTER.self, protoMessage(FILTER.state, state));

/** Messages of the two lists' questions. A state with the number 0, as that of a ready pod, is not written. */
export const READY_SANDBOXES = listOf(new Uint8Array());
export const RUNNING_CONTAINERS = listOf(Uint8Array.of(FILTER.value * 8, 1));

/** Message of a question for the status of one container. */
export function statusQuestion(id: string): Uint8Array<ArrayBuffer> {
  return protoText(STATUS_OF, id);
}

const ID_REGEXP = /^(?:sha256:)?[0-9a-f]{64}$/;

/** Kubernetes hands over ids of images, which say nothing to people. */
export function isImageId(image: string): boolean {
  return ID_REGEXP.test(image);
}

/** Names by id of all containers and pods that the two lists have. */
export function namesOfCri(
  sandboxes: Uint8Array,
  containers: Uint8Array,
): Map<string, ContainerNames> {
  const names = new Map<string, ContainerNames>();
  for (const sandbox of itemsOf(sandboxes)) {
    const pod = protoFields(protoFirst(sandbox, SANDBOX.metadata));
    names.set(protoTextOf(sandbox, SANDBOX.id), {
      ...namesOfLabels("POD", "", {
        "io.kubernetes.pod.name": protoTextOf(pod, POD.name),
        "io.kubernetes.pod.uid": protoTextOf(pod, POD.uid),
        "io.kubernetes.pod.namespace": protoTextOf(pod, POD.namespace),
      }),
      sandbox: true,
    });
  }
  for (const container of itemsOf(containers)) {
    const metadata = protoFields(protoFirst(container, CONTAINER.metadata));
    const own = namesOfLabels(
      protoTextOf(metadata, METADATA.name),
      imageOf(container, CONTAINER.image),
      protoMap(container, CONTAINER.labels),
    );
    const pod = names.get(protoTextOf(container, CONTAINER.sandbox));
    names.set(protoTextOf(container, CONTAINER.id), {
      ...own,
      podId: own.podId || (pod?.podId ?? ""),
      podName: own.podName || (pod?.podName ?? ""),
      podNamespace: own.podNamespace || (pod?.podNamespace ?? ""),
    });
  }
  return names;
}

/** The image that a status tells; undefined when it knows no more than an id. */
export function imageOfStatus(message: Uint8Array): string | undefined {
  const status = protoFields(protoFirst(protoFields(message), STATUS.self));
  return [imageOf(status, STATUS.image), protoTextOf(status, STATUS.imageRef)]
    .find((image) => image !== "" && !isImageId(image))?.slice(0, MAX_NAME);
}

function itemsOf(list: Uint8Array): ProtoField[][] {
  return protoFields(list).filter(({ number }) => number === ITEM)
    .map(({ bytes }) => protoFields(bytes));
}

/** As the user wrote it, where the runtime knows that (CRI of 2023 and later). */
function imageOf(fields: readonly ProtoField[], number: number): string {
  const image = protoFields(protoFirst(fields, number));
  return protoTextOf(image, IMAGE.asWritten) || protoTextOf(image, IMAGE.name);
}
