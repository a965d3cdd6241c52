// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutateBytes, randomNumbers } from "../../tests/mutate.ts";
import { NO_NAMES } from "./container_names.ts";
import {
  imageOfStatus,
  isImageId,
  namesOfCri,
  READY_SANDBOXES,
  RUNNING_CONTAINERS,
} from "./cri.ts";

/** Fields by number; the items of a list are fields of the same number. */
type Field = readonly [number, string | readonly Field[]];

function message(...fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(fields.flatMap(([number, value]) => {
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : message(...value);
    const tag = number * 8 + 2;
    const head = tag < 128 ? [tag] : [tag % 128 + 128, tag >> 7];
    const size = bytes.length < 128
      ? [bytes.length]
      : [bytes.length % 128 + 128, bytes.length >> 7];
    return [...head, ...size, ...bytes];
  }));
}

const label = (name: string, value: string): Field => [8, [[1, name], [2, value]]];

const SANDBOXES = message(
  [1, [[1, "pod"], [2, [[1, "shop-0"], [2, "u-1"], [3, "prod"]]]]],
  [1, [[1, "bare"]]],
);
const CONTAINERS = message(
  [1, [[1, "a"], [2, "pod"], [3, [[1, "web"]]], [4, [[1, "nginx:1"]]]]],
  [1, [
    [1, "b"],
    [2, "gone"],
    [3, [[1, "db"]]],
    [4, [[1, `sha256:${"a".repeat(64)}`], [18, "pg:15"]]],
    label("io.kubernetes.pod.name", "shop-1"),
    label("io.kubernetes.pod.namespace", "test"),
    label("io.kubernetes.pod.uid", "u-2"),
    label("io.kubernetes.container.name", "postgres"),
  ]],
  [1, [[1, "c"]]],
);

Deno.test("namesOfCri gives names of pods, and of containers with those of their pod", () => {
  const pod = { podId: "u-1", podName: "shop-0", podNamespace: "prod" };
  assert.deepEqual(Object.fromEntries(namesOfCri(SANDBOXES, CONTAINERS)), {
    pod: { ...NO_NAMES, ...pod, name: "POD", sandbox: true },
    bare: { ...NO_NAMES, name: "POD", sandbox: true },
    a: { ...NO_NAMES, ...pod, name: "web", image: "nginx:1" },
    b: {
      name: "postgres",
      image: "pg:15",
      podId: "u-2",
      podName: "shop-1",
      podNamespace: "test",
      sandbox: false,
    },
    c: NO_NAMES,
  });
  assert.equal(namesOfCri(new Uint8Array(), new Uint8Array()).size, 0);
});

Deno.test("imageOfStatus prefers what people read to an id", () => {
  const status = (image: string, ref: string) =>
    imageOfStatus(message([1, [[8, [[1, image]]], [9, ref]]]));
  const id = `sha256:${"0".repeat(64)}`;
  assert.equal(status("nginx:1", id), "nginx:1");
  assert.equal(status(id, "nginx@sha256:1"), "nginx@sha256:1");
  assert.equal(status(id, id.slice(7)), undefined);
  assert.equal(status("x".repeat(300), "")?.length, 256);
  assert.equal(imageOfStatus(new Uint8Array()), undefined);
  assert.deepEqual([isImageId(id), isImageId("deadbeef")], [true, false]);
});

Deno.test("questions for lists are those that a generated client would send", () => {
  // { filter: { state: { state: SANDBOX_READY } } } and { filter: { state: { state: CONTAINER_RUNNING } } }
  assert.deepEqual([...READY_SANDBOXES], [0x0a, 2, 0x12, 0]);
  assert.deepEqual([...RUNNING_CONTAINERS], [0x0a, 4, 0x12, 2, 8, 1]);
});

Deno.test("names survive 10,000 spoilt answers of each kind", () => {
  const random = randomNumbers(11);
  const status = message([1, [[8, [[1, "nginx:1"]]], [9, "x"]]]);
  for (let round = 0; round < 10_000; round++) {
    const spoilt = [SANDBOXES, CONTAINERS].map((it) => mutateBytes(it, random));
    for (const names of namesOfCri(spoilt[0]!, spoilt[1]!).values()) {
      assert.ok(names.image.length <= 256 && names.name.length <= 256);
    }
    assert.ok((imageOfStatus(mutateBytes(status, random)) ?? "").length <= 256);
  }
});
