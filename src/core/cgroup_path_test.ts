// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutate, randomNumbers } from "../../tests/mutate.ts";
import { containerOfPath, type ContainerPath } from "./cgroup_path.ts";

const ID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OUTER = "f".repeat(64);
const UID = "12345678-9abc-def0-1234-56789abcdef0";
const UID_ = UID.replaceAll("-", "_");
const STATIC = "d41d8cd98f00b204e9800998ecf8427e";
const KUBE = "/kubepods.slice/kubepods-burstable.slice";

/** Path; runtime; pod; what follows the container's own cgroup in the path. */
const CONTAINERS: readonly [string, ContainerPath["runtime"], string, string?][] = [
  [`/docker/${ID}`, "docker", ""],
  [`/docker/${ID}/init.scope`, "docker", "", "/init.scope"],
  [`/docker/${ID}/system.slice/cron.service`, "docker", "", "/system.slice/cron.service"],
  [`/system.slice/docker-${ID}.scope`, "docker", ""],
  [`/my.slice/my-own.slice/docker-${ID}.scope`, "docker", ""],
  [`/isulad/${ID}`, "isulad", ""],
  [`/machine.slice/libpod-${ID}.scope`, "podman", ""],
  [`/machine.slice/libpod-${ID}.scope/container`, "podman", "", "/container"],
  [`/libpod_parent/libpod-${ID}`, "podman", ""],
  [`/libpod_parent/${ID}`, "podman", ""],
  [
    `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope`,
    "podman",
    "",
  ],
  [`/machine.slice/machine-libpod_pod_${OUTER}.slice/libpod-${ID}.scope`, "podman", OUTER],
  [`/system.slice/nerdctl-${ID}.scope`, "containerd", ""],
  [`/default/${ID}`, "unknown", ""],
  [`/kubepods/pod${UID}/${ID}`, "unknown", UID],
  [`/kubepods/burstable/pod${UID}/${ID}`, "unknown", UID],
  [`/kubepods/besteffort/pod${UID}/${ID}`, "unknown", UID],
  [`/kubepods/burstable/pod${STATIC}/${ID}`, "unknown", STATIC],
  [`/kubepods/burstable/pod${UID}/crio-${ID}`, "cri-o", UID],
  [`/kubepods.slice/kubepods-pod${UID_}.slice/cri-containerd-${ID}.scope`, "containerd", UID],
  [`${KUBE}/kubepods-burstable-pod${UID_}.slice/cri-containerd-${ID}.scope`, "containerd", UID],
  [
    `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${UID_}.slice/crio-${ID}.scope`,
    "cri-o",
    UID,
  ],
  [`${KUBE}/kubepods-burstable-pod${UID_}.slice/docker-${ID}.scope`, "docker", UID],
  [`${KUBE}/kubepods-burstable-pod${STATIC}.slice/crio-${ID}.scope`, "cri-o", STATIC],
  [
    `/system.slice/containerd.service/kubepods-burstable-pod${UID_}.slice:cri-containerd:${ID}`,
    "containerd",
    UID,
  ],
  [
    `/docker/${OUTER}/kubelet/kubepods/burstable/pod${UID}/${ID}`,
    "unknown",
    UID,
  ],
  [
    `/docker/${OUTER}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${UID_}.slice/cri-containerd-${ID}.scope`,
    "containerd",
    UID,
  ],
  [`/../../docker/${ID}`, "docker", ""],
  [`/../${ID}`, "unknown", ""],
];

Deno.test("container is found in the cgroup names of every runtime and driver", () => {
  for (const [path, runtime, podId, below = ""] of CONTAINERS) {
    const own = path.slice(0, path.length - below.length);
    assert.deepEqual(containerOfPath(path), { id: ID, runtime, podId, path: own }, path);
  }
});

Deno.test("container of nspawn and LXC has its machine's name, with systemd's escapes undone", () => {
  const cases = [
    ["/machine.slice/systemd-nspawn@web.service/payload", "web", "nspawn"],
    ["/machine.slice/systemd-nspawn@my\\x2ddb.service", "my-db", "nspawn"],
    ["/machine.slice/machine-deb\\x2d12.scope", "deb-12", "nspawn"],
    ["/lxc.payload.mail/system.slice/x.service", "mail", "lxc"],
    ["/lxc.payload/mail", "mail", "lxc"],
    ["/lxc/mail/init.scope", "mail", "lxc"],
  ] as const;
  for (const [path, id, runtime] of cases) {
    const found = containerOfPath(path);
    assert.deepEqual([found?.id, found?.runtime], [id, runtime], path);
  }
});

Deno.test("container is not seen where there is none", () => {
  const paths = [
    "/",
    "",
    "/docker",
    "/system.slice/docker.service",
    "/system.slice/containerd.service",
    "/user.slice/user-0.slice/session-3.scope",
    `/kubepods/burstable/pod${UID}`,
    `/machine.slice/libpod-conmon-${ID}.scope`,
    `/libpod_parent/libpod-conmon-${ID}`,
    `${KUBE}/kubepods-burstable-pod${UID_}.slice/crio-conmon-${ID}.scope`,
    `/machine.slice/machine-libpod_pod_${ID}.slice`,
    "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
    "/machine.slice/systemd-nspawn@web.service/supervisor",
    "/lxc.monitor.mail",
    "/lxc.monitor/mail",
    `/docker/${ID.slice(1)}`,
    `/docker/${ID.toUpperCase()}`,
    `/docker/${ID}0`,
    `/docker/${ID} (deleted)`,
    `docker/${ID}`,
    "/process_api/800ddc4298a97463ee09bc55736af584",
  ];
  for (const path of paths) assert.equal(containerOfPath(path), undefined, path);
});

Deno.test("container path survives 10,000 spoilt paths, and what it finds stands in them", () => {
  const random = randomNumbers(7);
  for (let round = 0; round < 10_000; round++) {
    const [path] = CONTAINERS[round % CONTAINERS.length]!;
    const spoilt = new TextDecoder().decode(mutate(path, random));
    const found = containerOfPath(spoilt);
    if (found === undefined) continue;
    assert.ok(spoilt.startsWith(found.path), spoilt);
    assert.ok(found.runtime === "nspawn" || found.path.includes(found.id), spoilt);
  }
});
