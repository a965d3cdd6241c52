// SPDX-License-Identifier: MulanPSL-2.0
/** A root with a shell and nothing else, into which packages are installed, and the program running in it. */
import assert from "node:assert/strict";
import { finished, freePort, until, withFolder } from "../e2e/run_agent.ts";

const PATIENCE_MS = 120_000;

/** Runs a command that must succeed, and gives all that it said. */
export async function must(command: string, args: string[], env = {}): Promise<string> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const options = { args, env, signal, stdin: "null" } as const;
  const { code, stdout, stderr } = await new Deno.Command(command, options).output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.equal(code, 0, `${command} ${args.join(" ")}: ${said}`);
  return said;
}

/** Copies what the loader needs for a program; `program` is a path on this host. */
async function copyLibraries(root: string, program: string): Promise<void> {
  const { out } = await finished("ldd", [program]);
  for (const [, path] of out.matchAll(/(\/\S+) \(0x/g)) {
    await Deno.mkdir(root + path!.slice(0, path!.lastIndexOf("/")), { recursive: true });
    await Deno.copyFile(path!, root + path);
  }
}

/** As a distribution's: /bin is /usr/bin, and so on. */
export function withRoot(work: (root: string) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const root = `${folder}/root`;
    for (const name of ["bin", "sbin", "lib", "lib64"]) {
      await Deno.mkdir(`${root}/usr/${name}`, { recursive: true });
      await Deno.symlink(`usr/${name}`, `${root}/${name}`);
    }
    for (const name of ["proc", "sys", "tmp", "etc", "var/lib", "var/log"]) {
      await Deno.mkdir(`${root}/${name}`, { recursive: true });
    }
    for (const program of ["/bin/sh", "/bin/rm"]) {
      await Deno.copyFile(program, root + program);
      await copyLibraries(root, program);
    }
    await work(root);
  });
}

/** Every file and folder below the root but those of the package manager. */
export function contents(root: string, path = ""): string[] {
  const lines: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(root + path)) {
    const below = `${path}/${name}`;
    if (below === "/var/lib/dpkg" || below === "/var/lib/rpm" || below === "/root") continue;
    lines.push(below);
    if (isDirectory) lines.push(...contents(root, below));
  }
  return lines.sort();
}

/** The mounts go with the process. */
const IN_ROOT = `
  mount --rbind /proc "$1/proc" && mount --rbind /sys "$1/sys" || exit 99
  exec chroot "$1" /usr/bin/gala-gopher`;

/** Starts what is installed, as its unit does, with the configuration in /etc; then scrapes and ends it. */
export async function scrapeInstalled(root: string): Promise<string> {
  await copyLibraries(root, `${root}/usr/bin/gala-gopher`);
  const port = freePort();
  const child = new Deno.Command("unshare", {
    args: ["--mount", "--propagation=private", "sh", "-c", IN_ROOT, "sh", root],
    env: { GOPHER_METRIC_PORT: String(port) },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let log = "";
  let ended = false;
  const status = child.status.finally(() => ended = true);
  const reading = child.stderr.pipeThrough(new TextDecoderStream())
    .pipeTo(new WritableStream({ write: (text) => void (log += text) }));
  try {
    await until("ready", () => {
      assert.ok(!ended, `ended at start: ${log}`);
      return log.includes("Serves metrics") || undefined;
    });
    const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    child.kill("SIGTERM");
    assert.equal((await status).code, 0, log);
    return page;
  } finally {
    if (!ended) child.kill("SIGKILL");
    await status;
    await reading;
  }
}
