// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The whole program beside real container engines of the distribution: each runs one container of busybox, without an
 * image from anywhere. All that an engine writes is in a folder of the test, but for its control groups.
 */
import assert from "node:assert/strict";
import { runPod } from "./run_pod.ts";
import { finished, until, withAgent, withFolder } from "./run_agent.ts";

const PARENT = `/gala-gopher-test-${Deno.pid}`;
const COMMAND = ["/bin/sh", "-c", "while :; do /bin/busybox sleep 1; done"];
const CRI_PLUGIN = "grpc.v1.cri";
const CONTAINERD_PLUGINS = [CRI_PLUGIN, "snapshotter.v1.btrfs", "snapshotter.v1.devmapper"];

/** What it must be called. */
interface Names {
  readonly container_name: string;
  readonly container_image?: string;
  readonly pod?: string;
  readonly pod_namespace?: string;
  readonly pod_id?: string;
}

interface Started extends AsyncDisposable {
  readonly id: string;
  readonly names: Names;
}

interface Engine {
  readonly name: string;
  readonly programs: readonly string[];
  /** Starts the engine and the container below the root that the agent sees. */
  start(root: string): Promise<Started>;
}

async function run(command: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await finished(command, args);
  assert.equal(code, 0, `${command} ${args.join(" ")}: ${err}`);
  return out.trim();
}

/** A service that is asked to end by SIGTERM. */
function serve(command: string, args: string[]): AsyncDisposable {
  const child = new Deno.Command(command, { args, stdin: "null", stdout: "null", stderr: "null" })
    .spawn();
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

async function fileAt(path: string): Promise<void> {
  await until(path, async () => {
    try {
      await Deno.stat(path);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  });
}

async function makeRootfs(folder: string): Promise<string> {
  await Deno.mkdir(`${folder}/bin`, { recursive: true });
  await Deno.copyFile("/bin/busybox", `${folder}/bin/busybox`);
  await Deno.symlink("busybox", `${folder}/bin/sh`);
  return folder;
}

/** An image as `docker save` writes it, with one layer. */
async function makeImage(folder: string, tag: string, Cmd?: string[]): Promise<string> {
  const rootfs = await makeRootfs(`${folder}/rootfs`);
  await Deno.mkdir(`${folder}/image`);
  await run("tar", "-C", rootfs, "-cf", `${folder}/image/layer.tar`, ".");
  const layer = await run("sha256sum", `${folder}/image/layer.tar`);
  const config = {
    architecture: Deno.build.arch === "x86_64" ? "amd64" : "arm64",
    os: "linux",
    config: { Cmd },
    rootfs: { type: "layers", diff_ids: [`sha256:${layer.split(" ")[0]}`] },
  };
  const manifest = [{ Config: "config.json", RepoTags: [tag], Layers: ["layer.tar"] }];
  await Deno.writeTextFile(`${folder}/image/config.json`, JSON.stringify(config));
  await Deno.writeTextFile(`${folder}/image/manifest.json`, JSON.stringify(manifest));
  await run("tar", "-C", `${folder}/image`, "-cf", `${folder}/image.tar`, ".");
  return `${folder}/image.tar`;
}

const docker: Engine = {
  name: "Docker",
  programs: ["dockerd", "containerd", "runc"],
  async start(root) {
    const [host, work] = [`${root}/run/docker.sock`, `${root}/docker`];
    const dirs = [
      "--data-root",
      `${work}/data`,
      "--exec-root",
      `${work}/exec`,
      "-p",
      `${work}.pid`,
    ];
    const plain = [
      "--bridge=none",
      "--storage-driver=vfs",
      "--exec-opt",
      "native.cgroupdriver=cgroupfs",
    ];
    const off = ["iptables", "ip6tables", "ip-forward", "ip-masq"].map((name) => `--${name}=false`);
    const service = serve("dockerd", ["-H", `unix://${host}`, ...dirs, ...plain, ...off]);
    const client = Deno.createHttpClient({ proxy: { transport: "unix", path: host } });
    const post = async (path: string, type: string, body: BodyInit) => {
      const init = { method: "POST", headers: { "Content-Type": type }, body, client };
      const response = await fetch(`http://localhost${path}`, init);
      const text = await response.text();
      assert.ok(response.ok, text);
      return text === "" ? {} : JSON.parse(text);
    };
    await fileAt(host);
    const rootfs = await makeRootfs(`${work}/rootfs`);
    await run("tar", "-C", rootfs, "-cf", `${work}/image.tar`, ".");
    const image = await Deno.readFile(`${work}/image.tar`);
    await post("/images/create?fromSrc=-&repo=shop&tag=7", "application/x-tar", image);
    const HostConfig = { NetworkMode: "none", CgroupParent: PARENT };
    const wanted = JSON.stringify({ Image: "shop:7", Cmd: COMMAND, HostConfig });
    const { Id } = await post("/containers/create?name=web", "application/json", wanted);
    await post(`/containers/${Id}/start`, "application/json", "{}");
    return {
      id: Id,
      names: { container_name: "web", container_image: "shop:7" },
      async [Symbol.asyncDispose]() {
        await post(`/containers/${Id}/kill`, "application/json", "{}");
        client.close();
        await service[Symbol.asyncDispose]();
      },
    };
  },
};

const podman = (withSocket: boolean): Engine => ({
  name: withSocket ? "podman, by its socket" : "podman, by its files",
  programs: ["podman", "conmon", "runc"],
  async start(root) {
    const folders = ["--root", `${root}/var/lib/containers/storage`, "--runroot", `${root}/podman`];
    const options = [...folders, "--tmpdir", `${root}/podman/tmp`, "--cgroup-manager=cgroupfs"];
    const all = [...options, "--events-backend=none", "--storage-driver=vfs", "--runtime=runc"];
    const rootfs = await makeRootfs(`${root}/rootfs`);
    // More than the test's own may have cannot be asked for.
    const limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000"];
    const where = ["--net=none", `--cgroup-parent=${PARENT}`];
    const first = ["run", "-d", "--name", "cellar", ...limits, ...where, "--rootfs", rootfs];
    const id = await run("podman", ...all, ...first, ...COMMAND);
    const socket = `${root}/run/podman/podman.sock`;
    await Deno.mkdir(`${root}/run/podman`);
    const service = withSocket
      ? serve("podman", [...all, "system", "service", "--time=0", `unix://${socket}`])
      : undefined;
    if (withSocket) await fileAt(socket);
    return {
      id,
      names: { container_name: "cellar" },
      async [Symbol.asyncDispose]() {
        await service?.[Symbol.asyncDispose]();
        await run("podman", ...all, "rm", "-f", "-t", "0", "cellar");
        // Its monitor still cleans up.
        await until(
          "conmon to end",
          async () => (await finished("pgrep", ["-f", `conmon.*${id}`])).code === 1 || undefined,
        );
      },
    };
  },
});

/** What its configuration begins with. */
function containerdLines(root: string, state: string, without: readonly string[]): string[] {
  const socket = `${root}/run/containerd/containerd.sock`;
  return [
    "version = 2",
    `root = "${root}/containerd"`,
    `state = "${state}"`,
    `disabled_plugins = ${JSON.stringify(without.map((it) => `io.containerd.${it}`))}`,
    `[grpc]\naddress = "${socket}"`,
    `[ttrpc]\naddress = "${socket}.ttrpc"`,
  ];
}

const containerd: Engine = {
  name: "containerd",
  programs: ["containerd", "ctr", "runc"],
  async start(root) {
    const state = `${root}/run/containerd`;
    await Deno.mkdir(state);
    const lines = containerdLines(root, state, CONTAINERD_PLUGINS);
    await Deno.writeTextFile(`${root}/containerd.toml`, lines.join("\n"));
    const service = serve("containerd", ["-c", `${root}/containerd.toml`]);
    await fileAt(`${state}/containerd.sock`);
    const ctr = (...words: string[]) => run("ctr", "-a", `${state}/containerd.sock`, ...words);
    const image = "docker.io/library/attic:3";
    // Needs no file system that can be laid over another.
    const snapshotter = ["--snapshotter", "native"];
    await ctr("images", "import", ...snapshotter, await makeImage(root, image));
    const id = crypto.randomUUID().replaceAll("-", "").repeat(2);
    const label = ["--label", "nerdctl/name=attic", "--cgroup", `${PARENT}/${id}`];
    await ctr("run", "-d", "--cwd", "/", ...snapshotter, ...label, image, id, ...COMMAND);
    return {
      id,
      names: { container_name: "attic", container_image: image },
      async [Symbol.asyncDispose]() {
        await ctr("task", "rm", "-f", id);
        await service[Symbol.asyncDispose]();
      },
    };
  },
};

/** containerd as Kubernetes uses it: the test says to it what a kubelet would. Its files are out of the agent's sight. */
const kubernetes: Engine = {
  name: "containerd, by CRI alone",
  programs: ["containerd", "containerd-shim-runc-v2", "ctr", "runc"],
  async start(root) {
    await using stack = new AsyncDisposableStack();
    const socket = `${root}/run/containerd/containerd.sock`;
    const image = "docker.io/library/barn:4";
    const lines = [
      ...containerdLines(
        root,
        `${root}/state`,
        CONTAINERD_PLUGINS.filter((it) => it !== CRI_PLUGIN),
      ),
      // Less than the test's own cannot be asked for.
      `[plugins."io.containerd.${CRI_PLUGIN}"]\nrestrict_oom_score_adj = true`,
      `sandbox_image = "${image}"`,
      `[plugins."io.containerd.${CRI_PLUGIN}".containerd]\nsnapshotter = "native"`,
    ];
    await Deno.mkdir(`${root}/run/containerd`);
    await Deno.writeTextFile(`${root}/containerd.toml`, lines.join("\n"));
    stack.use(serve("containerd", ["-c", `${root}/containerd.toml`]));
    await fileAt(socket);
    const archive = await makeImage(root, image, COMMAND);
    const snapshotter = ["--snapshotter", "native"];
    await run("ctr", "-a", socket, "-n", "k8s.io", "images", "import", ...snapshotter, archive);
    // As a kubelet calls it.
    const digest = await run("sha256sum", `${root}/image/config.json`);
    const imageId = `sha256:${digest.split(" ")[0]}`;
    const pod = stack.use(
      await runPod(socket, { image: imageId, parent: PARENT, command: COMMAND }),
    );
    const all = stack.move();
    return {
      id: pod.container,
      names: {
        container_name: "barn",
        container_image: image,
        pod: "farm/barn-0",
        pod_namespace: "farm",
        pod_id: "b4-2",
      },
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    };
  },
};

/** A root whose /proc and /sys are the host's. */
async function makeRoot(folder: string): Promise<string> {
  const root = `${folder}/root`;
  await Deno.mkdir(`${root}/run`, { recursive: true });
  for (const name of ["proc", "sys"]) await Deno.symlink(`/${name}`, `${root}/${name}`);
  return root;
}

async function removeGroups(): Promise<void> {
  const { out } = await finished("find", [
    "/sys/fs/cgroup",
    "-depth",
    "-path",
    `*${PARENT}*`,
    "-type",
    "d",
  ]);
  for (const folder of out.split("\n").filter(Boolean)) await Deno.remove(folder);
}

function isInstalled(program: string): boolean {
  return ["/bin", "/usr/bin", "/sbin", "/usr/sbin"].some((folder) => {
    try {
      return Deno.statSync(`${folder}/${program}`).isFile;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  });
}

const PROBE = `#!/bin/sh
while :; do
  for pid in $(cat "$GROUP/cgroup.procs"); do echo "|from_outside|$pid|1|"; done
  sleep 0.3
done
`;
const META = `version = "1"
measurements: ( { table_name: "from_outside", entity_name: "from_outside", fields: (
  { description: "Process", type: "key", name: "tgid" },
  { description: "A number", type: "gauge", name: "size" } ) } )
`;

async function writeProbe(folder: string): Promise<string> {
  await Deno.writeTextFile(`${folder}/outside.sh`, PROBE);
  await Deno.writeTextFile(`${folder}/outside.sh.meta`, META);
  await Deno.chmod(`${folder}/outside.sh`, 0o755);
  return `${folder}/outside.sh`;
}

for (const engine of [docker, podman(true), podman(false), containerd, kubernetes]) {
  const missing = ["busybox", ...engine.programs].filter((program) => !isInstalled(program));
  const name = `gala-gopher shows the container of a real engine: ${engine.name}`;
  if (missing.length > 0) console.log(`${name}: skipped, not installed: ${missing.join(", ")}`);
  Deno.test({
    name,
    ignore: missing.length > 0,
    fn: () =>
      withFolder(async (folder) => {
        const root = await makeRoot(folder);
        const command = await writeProbe(folder);
        try {
          await using started = await engine.start(root);
          await look(started, root, command);
        } finally {
          await removeGroups();
        }
      }),
  });
}

async function look({ id, names }: Started, root: string, command: string): Promise<void> {
  const { out } = await finished("find", [
    "/sys/fs/cgroup/",
    "-path",
    `*${PARENT}*${id}*`,
    "-type",
    "d",
  ]);
  const folders = out.split("\n").filter(Boolean);
  const group = folders.find((folder) => folder.includes("/unified/")) ?? folders[0]!;
  const settings = {
    global: { root },
    ingress: { interval: 0.3 },
    probes: [{ name: "container" }, { name: "system_proc", settings: { top: 1000 } }],
    extend_probes: [{ name: "outside", command, environment: { GROUP: group } }],
  };
  await withAgent({ settings }, async (agent) => {
    const of = async (metric: string) =>
      (await agent.rows(`gala_gopher_${metric}`))
        .find(({ labels }) => labels["container_id"] === id.slice(0, 12));
    const row = await until("its name", async () => {
      const row = await of("container_processes");
      return row?.labels["container_name"] === undefined ? undefined : row;
    });
    const told = Object.keys(names).map((label) => [label, row.labels[label]]);
    assert.deepEqual(Object.fromEntries(told), names);
    assert.ok(row.value >= 1);
    for (const metric of ["container_fs_usage_bytes", "proc_num_threads", "from_outside_size"]) {
      await until(metric, () => of(metric));
    }
    const used = (await of("container_memory_usage_bytes"))!.value;
    assert.ok(used > 0);
    assert.equal((await agent.end("SIGTERM")).code, 0);
  });
}
