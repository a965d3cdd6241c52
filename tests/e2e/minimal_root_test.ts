// SPDX-License-Identifier: MulanPSL-2.0
/** The program needs no other file: it runs in a root with the C library, /proc, /sys and a conf folder, nothing else. */
import assert from "node:assert/strict";
import { type Agent, BINARY, finished, until, withAgent, withFolder } from "./run_agent.ts";

const MAX_BYTES = 100_000_000;

/** Copies the program and what ldd names; gives the names of these libraries. */
async function furnish(root: string): Promise<string[]> {
  const { code, out, err } = await finished("ldd", [BINARY]);
  assert.equal(code, 0, err);
  const libraries = [...out.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
  for (const path of libraries) {
    await Deno.mkdir(root + path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.copyFile(path, root + path);
  }
  for (const folder of ["proc", "sys", "conf", "tmp"]) await Deno.mkdir(`${root}/${folder}`);
  await Deno.copyFile(BINARY, `${root}/gala-gopher`);
  return libraries.map((path) => path.slice(path.lastIndexOf("/") + 1));
}

/** Every file with size and last change; /proc and /sys are the kernel's. */
function contents(root: string, path = ""): string[] {
  const lines: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(root + path)) {
    const below = `${path}/${name}`;
    const { size, mtime } = Deno.lstatSync(root + below);
    lines.push(`${below} ${size} ${mtime?.getTime()}`);
    if (isDirectory && below !== "/proc" && below !== "/sys") {
      lines.push(...contents(root, below));
    }
  }
  return lines.sort();
}

/**
 * The mounts are in a namespace that only this process has: they go with it, however it ends. The configuration is
 * bound, too, so that its folder is the one of the test.
 */
function inRoot(root: string, conf: string): string[] {
  const script = `
    mount --bind "$2" "$1/conf" && mount --rbind /proc "$1/proc" && mount --rbind /sys "$1/sys" || exit 99
    root=$1
    shift 2
    exec chroot "$root" "$@"`;
  return ["unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh", root, conf];
}

async function serves(agent: Agent): Promise<void> {
  const row = await until("a row of tcp", async () => {
    const rows = await agent.rows("gala_gopher_tcp_link_tx_bytes");
    return rows.find(({ labels }) => labels.server_port === String(agent.port));
  });
  assert.equal(row.labels.server_ip, "127.0.0.1");
  assert.equal((await agent.rows("gala_gopher_mem_total_kB")).length, 1);
  const maps = await Deno.readTextFile(`/proc/${agent.pid}/maps`);
  const folder = await Deno.readLink(`/proc/${agent.pid}/root`);
  assert.match(folder, /\/root$/);
  // What it has mapped beyond its root is memory; "/dev/zero (deleted)" is the kernel's name for shared memory.
  const files = new Set([...maps.matchAll(/ (\/\S.*)$/gm)].map(([, path]) => path!));
  for (const path of files) {
    const memory = path.startsWith("/memfd:") || path === "/dev/zero (deleted)";
    assert.ok(path.startsWith(`${folder}/`) || memory, path);
  }
}

Deno.test("gala-gopher is one file below 100 MB", async () => {
  assert.ok((await Deno.stat(BINARY)).size < MAX_BYTES);
});

Deno.test("gala-gopher shows eBPF metrics in a root with only the C library, and writes nothing", async () => {
  await withFolder(async (folder) => {
    const root = `${folder}/root`;
    await Deno.mkdir(root);
    const libraries = await furnish(root);
    for (const library of libraries) {
      assert.match(library, /^(ld-linux|lib(c|m|dl|pthread|rt|gcc_s|stdc\+\+)\.so)/, library);
    }
    const before = contents(root);
    const settings = {
      ingress: { interval: 0.5 },
      probes: ["system_cpu", "system_meminfo", "system_net", "tcp"].map((name) => ({ name })),
      extend_probes: [],
    };
    const prefix = (conf: string) => inRoot(root, conf);
    await withAgent(
      { settings, prefix, binary: "/gala-gopher", conf: "/conf" },
      async (agent) => {
        await serves(agent);
        assert.deepEqual(contents(root), before);
        const { code } = await agent.end("SIGTERM");
        assert.equal(code, 0, agent.log());
      },
    );
    assert.deepEqual(contents(root), before);
    const mounts = await Deno.readTextFile("/proc/self/mounts");
    assert.ok(!mounts.includes(root), mounts);
  });
});
