// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutate, randomNumbers } from "../../tests/mutate.ts";
import {
  namesOfBundle,
  namesOfDockerFile,
  namesOfList,
  namesOfStorage,
  NO_NAMES,
} from "./container_names.ts";

const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

const KUBE_LABELS = {
  "io.kubernetes.container.name": "web",
  "io.kubernetes.pod.name": "shop-0",
  "io.kubernetes.pod.namespace": "prod",
  "io.kubernetes.pod.uid": "u-1",
};
const KUBE = { podId: "u-1", podName: "shop-0", podNamespace: "prod" };
const LIST = [
  { Id: "a1", Names: ["/other/alias", "/web"], Image: "nginx:1", Labels: { x: "y" } },
  {
    Id: "b2",
    Names: ["/k8s_POD_shop"],
    Image: "pause",
    Labels: {
      ...KUBE_LABELS,
      "io.kubernetes.container.name": "POD",
      "io.kubernetes.docker.type": "podsandbox",
    },
  },
  { Id: "c3", Names: null, Image: 7, Labels: null },
  { Names: ["/none"] },
  null,
];
const DOCKER_FILE = { Name: "/web", Config: { Image: "nginx:1", Labels: KUBE_LABELS } };
const CONTAINERD = {
  annotations: {
    "io.kubernetes.cri.container-name": "web",
    "io.kubernetes.cri.container-type": "container",
    "io.kubernetes.cri.image-name": "docker.io/nginx:1",
    "io.kubernetes.cri.sandbox-name": "shop-0",
    "io.kubernetes.cri.sandbox-namespace": "prod",
    "io.kubernetes.cri.sandbox-uid": "u-1",
  },
};
const CRIO = {
  annotations: {
    ...KUBE_LABELS,
    "io.kubernetes.cri-o.ContainerType": "container",
    "io.kubernetes.cri-o.ImageName": "quay.io/nginx:1",
  },
};
const STORAGE = [{
  id: "a1",
  names: ["k8s_web"],
  metadata: JSON.stringify({ "image-name": "quay.io/nginx:1", name: "web" }),
}, { id: "b2", names: ["plain"], metadata: "{" }];

Deno.test("names come from the list of Docker's socket", () => {
  assert.deepEqual(Object.fromEntries(namesOfList(bytes(LIST))!), {
    a1: { ...NO_NAMES, name: "web", image: "nginx:1" },
    b2: { name: "POD", image: "pause", ...KUBE, sandbox: true },
    c3: NO_NAMES,
  });
});

Deno.test("names come from Docker's file of a container", () => {
  const expected = { name: "web", image: "nginx:1", ...KUBE, sandbox: false };
  assert.deepEqual(namesOfDockerFile(bytes(DOCKER_FILE)), expected);
});

Deno.test("names come from the annotations that containerd, CRI-O and nerdctl leave", () => {
  const expected = { name: "web", image: "docker.io/nginx:1", ...KUBE, sandbox: false };
  assert.deepEqual(namesOfBundle(bytes(CONTAINERD)), expected);
  assert.deepEqual(namesOfBundle(bytes(CRIO)), { ...expected, image: "quay.io/nginx:1" });
  const pause = { ...CONTAINERD.annotations, "io.kubernetes.cri.container-type": "sandbox" };
  const { "io.kubernetes.cri.container-name": _, ...rest } = pause;
  assert.deepEqual(namesOfBundle(bytes({ annotations: rest })), {
    ...expected,
    name: "POD",
    sandbox: true,
  });
  assert.equal(namesOfBundle(bytes({ annotations: { "nerdctl/name": "n" } }))?.name, "n");
  assert.equal(namesOfBundle(bytes({ annotations: {} })), undefined);
});

Deno.test("names come from the storage that podman and CRI-O share", () => {
  assert.deepEqual(Object.fromEntries(namesOfStorage(bytes(STORAGE))!), {
    a1: { ...NO_NAMES, name: "web", image: "quay.io/nginx:1" },
    b2: { ...NO_NAMES, name: "plain" },
  });
});

Deno.test("names are cut to what a label may hold", () => {
  const file = { Name: `/${"n".repeat(1000)}`, Config: { Image: "i".repeat(1000) } };
  const names = namesOfDockerFile(bytes(file))!;
  assert.ok(names.name.length <= 256 && names.image.length === 256);
});

Deno.test("names survive 10,000 spoilt texts for each reader", () => {
  const readers = [
    [namesOfList, LIST],
    [namesOfDockerFile, DOCKER_FILE],
    [namesOfBundle, CONTAINERD],
    [namesOfBundle, CRIO],
    [namesOfStorage, STORAGE],
  ] as const;
  for (const [read, value] of readers) {
    const random = randomNumbers(5);
    const text = JSON.stringify(value);
    for (let round = 0; round < 10_000; round++) read(mutate(text, random));
  }
  for (const text of ["", "null", "7", '"x"', "[[]]", "{}", "[7]", "[".repeat(100_000)]) {
    for (const [read] of readers) read(new TextEncoder().encode(text));
  }
});
