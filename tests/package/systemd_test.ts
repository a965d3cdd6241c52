// SPDX-License-Identifier: MulanPSL-2.0
/** The unit under a real systemd, which is started in namespaces of its own with this host's /usr. */
import assert from "node:assert/strict";
import { freePort, memTotalKb, parseRows, ROOT, until, withFolder } from "../e2e/run_agent.ts";
import { must } from "./clean_root.ts";

const SERVICE = "gala-gopher.service";
const DROP_INS = `/etc/systemd/system/${SERVICE}.d`;
const CONF = "/etc/gala-gopher/gala-gopher.yaml";

/** Where version 2 of cgroups is mounted, which systemd needs a part of. */
function unifiedCgroup(): string | undefined {
  const mounts = Deno.readTextFileSync("/proc/self/mounts");
  return /^\S+ (\S+) cgroup2 rw/m.exec(mounts)?.[1];
}

const lacks = unifiedCgroup() === undefined ? "no cgroup2 mounted" : undefined;
if (lacks !== undefined) console.log(`The unit is not started: ${lacks}`);

/** Deepest first, since a group with children cannot go. */
async function removeCgroup(path: string): Promise<void> {
  for (const { name, isDirectory } of Deno.readDirSync(path)) {
    if (isDirectory) await removeCgroup(`${path}/${name}`);
  }
  // Ended processes leave their group a moment later.
  await until(`${path} to be empty`, () => {
    try {
      Deno.removeSync(path);
      return true;
    } catch (error) {
      if (error instanceof Error && error.message.includes("os error 16")) return undefined;
      throw error;
    }
  });
}

interface System {
  /** Runs systemctl there, and gives code and output. */
  control(...args: string[]): Promise<{ code: number; said: string }>;
  show(property: string): Promise<string>;
  /** The service's process, as this host numbers it. */
  pid(): Promise<number>;
  page(): Promise<string>;
  configure(settings: object): Promise<void>;
  /** A file in the root. */
  write(path: string, text: string): Promise<void>;
}

/** The first process of the namespaces that `outer` has made. */
async function childOf(outer: number): Promise<number> {
  return await until("systemd", async () => {
    const children = await Deno.readTextFile(`/proc/${outer}/task/${outer}/children`);
    return children.trim() === "" ? undefined : Number(children.trim().split(" ")[0]);
  });
}

function system(root: string, first: number, port: number): System {
  const inside = (...args: string[]) =>
    new Deno.Command("nsenter", {
      args: [`--target=${first}`, "--mount", "--pid", "--cgroup", "--root", "--wd", ...args],
      stdin: "null",
    }).output();
  const control = async (...args: string[]) => {
    const { code, stdout, stderr } = await inside("systemctl", ...args);
    const decoder = new TextDecoder();
    return { code, said: decoder.decode(stdout) + decoder.decode(stderr) };
  };
  const show = async (property: string) =>
    (await control("show", SERVICE, "--value", `--property=${property}`)).said.trim();
  const write = async (path: string, text: string) => {
    await Deno.mkdir(root + path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(root + path, text);
  };
  return {
    control,
    show,
    write,
    configure: (settings) => write(CONF, JSON.stringify({ web_server: { port }, ...settings })),
    page: async () => await (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
    pid: async () => {
      const procs = await until("the service's processes", async () => {
        const { stdout } = await inside(
          "cat",
          `/sys/fs/cgroup/system.slice/${SERVICE}/cgroup.procs`,
        );
        return new TextDecoder().decode(stdout).trim() || undefined;
      });
      // Numbers of the inner namespace: the last ones of NSpid.
      const main = procs.split("\n").includes(await show("MainPID")) ? await show("MainPID") : "";
      for (const { name } of Deno.readDirSync("/proc")) {
        if (!/^\d+$/.test(name)) continue;
        const status = textOf(`/proc/${name}/status`);
        if (!/^Name:\tgala-gopher$/m.test(status)) continue;
        const inner = /^NSpid:.*\t(\d+)$/m.exec(status)?.[1];
        const same = linkOf(`/proc/${name}/ns/pid`) === linkOf(`/proc/${first}/ns/pid`);
        if (same && inner === main) return Number(name);
      }
      throw new Error(`the service has no process "${main}"`);
    },
  };
}

/** Empty when the process has gone. */
function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function linkOf(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "";
  }
}

async function withSystem(work: (system: System) => Promise<void>): Promise<void> {
  const cgroup = `${unifiedCgroup()}/gala-gopher-test-${Deno.pid}`;
  await withFolder(async (folder) => {
    const root = `${folder}/root`;
    await must(`${ROOT}scripts/install.sh`, ["--root", root]);
    await Deno.mkdir(`${root}/etc`, { recursive: true });
    for (const name of ["passwd", "group", "ld.so.cache", "nsswitch.conf"]) {
      await Deno.copyFile(`/etc/${name}`, `${root}/etc/${name}`);
    }
    await Deno.writeTextFile(`${root}/etc/machine-id`, "0123456789abcdef0123456789abcdef\n");
    await Deno.mkdir(cgroup);
    const outer = new Deno.Command("sh", {
      args: [
        "-c",
        'echo $$ >"$1/cgroup.procs" && exec unshare --mount --pid --fork --cgroup --kill-child "$2" "$3"',
        "sh",
        cgroup,
        `${ROOT}tests/package/boot_systemd.sh`,
        root,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      const first = await childOf(outer.pid);
      const there = system(root, first, freePort());
      await until("systemd to answer", async () => {
        return (await there.control("is-active", "basic.target")).code === 0 || undefined;
      });
      await work(there);
    } finally {
      outer.kill("SIGKILL");
      await outer.status;
      await removeCgroup(cgroup);
    }
  });
}

async function serves(there: System): Promise<string> {
  const page = await there.page();
  assert.equal(parseRows(page, "gala_gopher_mem_total_kB")[0]?.value, memTotalKb());
  return page;
}

async function started(there: System, verb = "start"): Promise<void> {
  const { code, said } = await there.control(verb, SERVICE);
  assert.equal(code, 0, said + (await there.control("status", SERVICE)).said);
}

/** Ready means that all answers, so nothing is waited for. */
async function startsReady(there: System): Promise<void> {
  const extend_probes = [{
    name: "example",
    command: "/usr/libexec/gala-gopher/probes/example/example.sh",
    user: "nobody",
  }];
  await there.configure({ ingress: { interval: 0.5 }, extend_probes });
  await started(there);
  await serves(there);
  assert.match(await there.show("StatusText"), /^\d+ probes run$/);
  const status = textOf(`/proc/${await there.pid()}/status`);
  assert.match(status, /^NoNewPrivs:\t1$/m);
  assert.match(status, /^Seccomp:\t2$/m);
  for (
    const metric of ["tcp_link_tx_bytes", "example_memory_usage", "agent_bpf_program_runs_total"]
  ) {
    await until(metric, async () => {
      const rows = parseRows(await there.page(), `gala_gopher_${metric}`);
      return rows.some(({ value }) => value > 0) || undefined;
    });
  }
}

async function comesBack(there: System, harm: () => Promise<void>): Promise<void> {
  const before = Number(await there.show("NRestarts"));
  const former = await there.show("MainPID");
  await harm();
  await until("a new process", async () => {
    const [active, pid] = [await there.show("ActiveState"), await there.show("MainPID")];
    return active === "active" && pid !== former && pid !== "0" ? true : undefined;
  });
  assert.equal(Number(await there.show("NRestarts")), before + 1);
  await serves(there);
}

async function staysDown(there: System): Promise<void> {
  await there.configure({ nonsense: 1 });
  await there.control("restart", SERVICE);
  await until("it to fail", async () => await there.show("ActiveState") === "failed" || undefined);
  assert.equal(await there.show("ExecMainStatus"), "2");
  assert.equal(await there.show("NRestarts"), "0");
}

async function runsAsOther(there: System): Promise<void> {
  await there.configure({ ingress: { interval: 0.5 } });
  const text = await Deno.readTextFile(`${ROOT}packaging/systemd/not-root.conf`);
  await there.write(`${DROP_INS}/not-root.conf`, text);
  await there.control("daemon-reload");
  await there.control("reset-failed", SERVICE);
  await started(there);
  const status = textOf(`/proc/${await there.pid()}/status`);
  assert.doesNotMatch(status, /^Uid:\t0/m);
  assert.match(status, /^CapEff:\t000000c000080004$/m);
  const page = await serves(there);
  const states = parseRows(page, "gala_gopher_agent_probe_state").map(({ labels }) => labels.state);
  assert.ok(states.includes("running"));
  for (const bad of ["failed", "unsupported"]) assert.ok(!states.includes(bad), bad);
}

Deno.test({
  name: "systemd starts the unit when it is ready, restarts it, watches it and ends it",
  ignore: lacks !== undefined,
  fn: (t) =>
    withSystem(async (there) => {
      await t.step("ready with eBPF and an external probe", () => startsReady(there));
      await t.step("killed, it comes back", () =>
        comesBack(there, async () => {
          Deno.kill(await there.pid(), "SIGKILL");
        }));
      await t.step("stuck, it is ended by the watchdog and comes back", async () => {
        await there.write(`${DROP_INS}/fast.conf`, "[Service]\nWatchdogSec=1\n");
        await there.control("daemon-reload");
        await started(there, "restart");
        await comesBack(there, async () => {
          Deno.kill(await there.pid(), "SIGSTOP");
        });
      });
      await t.step("a bad configuration is not tried again", () => staysDown(there));
      await t.step("another user with four capabilities", () => runsAsOther(there));
      await t.step("it stops", async () => {
        assert.equal((await there.control("stop", SERVICE)).code, 0);
        assert.equal(await there.show("ActiveState"), "inactive");
        assert.equal(await there.show("ExecMainStatus"), "0");
      });
    }),
});
