// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { KernelError, Unsupported } from "../../src/core/errors.ts";
import type { HookVerdict } from "../../src/core/probe.ts";
import { BpfStatistics } from "../../src/sys/bpf_cost.ts";
import { BpfObject } from "../../src/sys/object.ts";
import { assertGone, heldBy, type Ids } from "../held_in_kernel.ts";
import { openInstalled, testImage } from "./test_object.ts";
import { callMany } from "./workload.ts";

const CHILD = new URL("load_child.ts", import.meta.url).pathname;

interface Outcome {
  hooks?: HookVerdict[];
  notes?: string[];
  tracefs?: boolean;
  error?: string;
  message?: string;
  mend?: string;
}

/** Runs the child behind `wrapper`, a command that prepares its surroundings and then runs its own arguments. */
async function loadBehind(wrapper: string[], ...args: string[]): Promise<Outcome> {
  const [command, ...rest] = [
    ...wrapper,
    Deno.execPath(),
    "run",
    "-A",
    "--no-check",
    CHILD,
    ...args,
  ];
  const { stdout, stderr } = await new Deno.Command(command!, { args: rest }).output();
  const text = new TextDecoder().decode(stdout);
  if (text === "") throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

/** A shell line run in a mount namespace of its own, before the child. */
function inMountNamespace(line: string): string[] {
  return ["unshare", "--mount", "sh", "-c", `${line}; exec "$@"`, "sh"];
}

/** A wrapper that takes capabilities away. */
function without(...capabilities: string[]): string[] {
  return ["setpriv", `--bounding-set=${capabilities.map((name) => `-${name}`).join()}`];
}

Deno.test("BpfObject loads what the kernel takes and says of each other program why not", async () => {
  using libbpf = openInstalled();
  using object = await BpfObject.load(
    libbpf,
    await testImage("refused", { constants: { watch_tgid: Deno.pid } }),
  );
  const states = object.hooks.map(({ program, state }) => [program, state]).sort();
  assert.deepEqual(states, [
    ["good", "attached"],
    ["long_log", "failed"],
    ["missing_field", "unsupported"],
    ["missing_hook", "unsupported"],
    ["missing_tracepoint", "unsupported"],
    ["unchecked_lookup", "failed"],
  ]);
  const reasons = Object.fromEntries(object.hooks.map((hook) => [hook.program, hook.reason]));
  // Older kernels do not tell the place.
  assert.match(
    reasons.unchecked_lookup!,
    /^Cannot load "unchecked_lookup": EACCES \(R0 invalid mem access 'map_value_or_null'; (refused\.bpf\.c:\d+: )?val->calls\+\+;\)$/,
  );
  assert.equal(
    reasons.missing_field,
    'Cannot load "missing_field": EINVAL (kernel lacks struct task_struct.no_such_field)',
  );
  assert.equal(
    reasons.missing_hook,
    'Cannot load "missing_hook": ESRCH (this kernel has no "tp_btf/no_such_tracepoint")',
  );
  assert.match(
    reasons.missing_tracepoint!,
    /: ENOENT \(this kernel has no "tracepoint\/sched\/no_such_event"\)/,
  );
  assert.match(reasons.long_log!, /R0 invalid mem access 'map_value_or_null'/);
  callMany(1009);
  let calls = 0;
  object.table("good_calls").read(({ numbers }) => calls += numbers[0]!);
  assert.equal(calls, 1009);
});

Deno.test("BpfObject loads off the event loop", async () => {
  using libbpf = openInstalled();
  const image = await testImage("refused");
  let turns = 0;
  const timer = setInterval(() => turns++, 5);
  try {
    using _object = await BpfObject.load(libbpf, image);
  } finally {
    clearInterval(timer);
  }
  assert.ok(turns >= 20, `${turns} turns while a long program was verified`);
});

Deno.test("BpfObject.demand throws for a program that is neither attached nor optional", async () => {
  using libbpf = openInstalled();
  const off = ["long_log", "missing_tracepoint"];
  using object = await BpfObject.load(libbpf, await testImage("refused", { off }));
  assert.throws(() => object.demand(["unchecked_lookup", "missing_field"]), Unsupported);
  assert.throws(
    () => object.demand(["missing_field", "missing_hook"]),
    (error) => error instanceof KernelError && error.code === "EACCES",
  );
  object.demand(["missing_field", "missing_hook", "unchecked_lookup"]);
});

Deno.test("BpfObject sets constants of each type before loading and refuses what does not fit", async () => {
  using libbpf = openInstalled();
  const tag = new TextEncoder().encode("hello");
  const constants = { watch_tgid: Deno.pid, step: -3, big: 2 ** 52 + 1, tag };
  using object = await BpfObject.load(libbpf, await testImage("sample", { constants }));
  callMany(1);
  let seen: unknown;
  const calls = object.table("shared_calls");
  calls.read(({ numbers, values, valueOffset }) => {
    const { offset, size } = calls.layout.value.fields.tag!;
    const bytes = values.slice(valueOffset + offset, valueOffset + offset + size);
    seen = [numbers[calls.indexOf("balance")], numbers[calls.indexOf("bytes")], ...bytes];
  });
  assert.deepEqual(seen, [-3, 2 ** 52 + 1, ...tag, 0, 0]);
  const load = async (wrong: Record<string, number>) =>
    await BpfObject.load(libbpf, await testImage("sample", { constants: wrong }));
  await assert.rejects(() => load({ no_such: 1 }), /Object "sample" has no constant "no_such"/);
  await assert.rejects(() => load({ watch_tgid: -1 }), /an integer from 0 to 4294967295/);
});

Deno.test("BpfObject.cost tells runs and nanoseconds while BPF statistics are on", async () => {
  using libbpf = openInstalled();
  using object = await BpfObject.load(
    libbpf,
    await testImage("sample", { constants: { watch_tgid: Deno.pid } }),
  );
  const cost = () => object.cost().find(({ program }) => program === "sample_tasks")!;
  const tasks = object.iterator("sample_tasks", "task_record");
  using _statistics = new BpfStatistics(libbpf);
  assert.deepEqual(cost(), { program: "sample_tasks", runs: 0, nanoseconds: 0, missed: 0 });
  const records = tasks.read();
  assert.equal(cost().runs, records + 1); // and once with a NULL task at the end
  assert.ok(cost().nanoseconds > 0);
});

Deno.test("BpfObject refuses bytes that are no BPF object", async () => {
  using libbpf = openInstalled();
  for (const bytes of [new Uint8Array(0), new TextEncoder().encode("not an ELF file")]) {
    await assert.rejects(
      async () => BpfObject.load(libbpf, await testImage("sample", { bytes })),
      (error) => error instanceof KernelError && error.operation === "open",
    );
  }
});

Deno.test("BpfObject estimates its map memory as the kernel accounts it", async () => {
  using libbpf = openInstalled();
  using object = await BpfObject.load(libbpf, await testImage("sample"));
  let accounted = 0;
  for (const map of Object.keys((await testImage("sample")).layout.maps)) {
    const info = Deno.readTextFileSync(`/proc/self/fdinfo/${object.mapFd(map)}`);
    accounted += Number(/memlock:\s*(\d+)/.exec(info)![1]);
  }
  const ratio = object.mapBytes / accounted;
  assert.ok(ratio > 0.7 && ratio < 1.4, `estimated ${object.mapBytes}, kernel says ${accounted}`);
});

Deno.test("BpfObject is unsupported without privileges, and says what to give", async () => {
  const dropped = await loadBehind(without("bpf", "sys_admin"), "sample");
  assert.equal(dropped.error, "Unsupported");
  assert.match(dropped.message!, /needs privileges/);
  assert.match(dropped.mend!, /run as root, or give CAP_BPF/);
  const namespaced = await loadBehind(["unshare", "--user", "--map-root-user"], "sample");
  assert.equal(namespaced.error, "Unsupported");
  assert.match(namespaced.message!, /Kernel refuses eBPF: Cannot load "sample": EPERM/);
});

Deno.test("BpfObject needs CAP_BPF and CAP_PERFMON only, and no room under RLIMIT_MEMLOCK", async () => {
  const limited = [
    ...without("sys_admin", "sys_resource", "ipc_lock"),
    "prlimit",
    "--memlock=8192",
  ];
  const { hooks } = await loadBehind(limited, "sample");
  assert.ok(hooks!.every(({ state }) => state === "attached"), JSON.stringify(hooks));
});

Deno.test("BpfObject is unsupported without BTF, and works with BTF from a path", async () => {
  const hidden = inMountNamespace(
    "cp /sys/kernel/btf/vmlinux /dev/shm/vmlinux.btf; mount -t tmpfs none /sys/kernel/btf",
  );
  const without = await loadBehind(inMountNamespace("mount -t tmpfs none /sys/kernel/btf"));
  assert.equal(without.error, "Unsupported");
  assert.match(without.message!, /"\/sys\/kernel\/btf\/vmlinux" does not exist/);
  const missing = await loadBehind([], "sample", "/no/such.btf");
  assert.deepEqual(missing.message, 'BTF file "/no/such.btf" does not exist');
  try {
    const given = await loadBehind(hidden, "tracepoint", "/dev/shm/vmlinux.btf");
    assert.deepEqual(given.hooks?.map(({ state }) => state), ["attached"], JSON.stringify(given));
  } finally {
    Deno.removeSync("/dev/shm/vmlinux.btf");
  }
});

Deno.test("BpfObject mounts tracefs only for a plain tracepoint, says so, and takes it away again", async () => {
  const unmounted = inMountNamespace(
    "while umount -l /sys/kernel/tracing 2>&-; do :; done; umount -l /sys/kernel/debug 2>&-; true",
  );
  const plain = await loadBehind(unmounted, "tracepoint");
  assert.deepEqual(plain.hooks?.map(({ state }) => state), ["attached"], JSON.stringify(plain));
  assert.deepEqual(plain.notes, [
    "mounted tracefs on /sys/kernel/tracing while attaching plain tracepoints",
  ]);
  assert.equal(plain.tracefs, false);
  const others = await loadBehind(unmounted, "sample");
  assert.deepEqual(others.notes, []);
  const refused = await loadBehind([...unmounted, ...without("sys_admin")], "tracepoint");
  assert.deepEqual(refused.hooks, [{
    program: "count_exit",
    hook: "tracepoint/sched/sched_process_exit",
    state: "unsupported",
    reason: 'tracefs is not mounted: Cannot mount tracefs on "/sys/kernel/tracing": EPERM',
    mend: "mount -t tracefs nodev /sys/kernel/tracing",
  }]);
});

Deno.test("BpfObject leaves no fd, program, map or link behind after 20 rounds", async () => {
  using libbpf = openInstalled();
  const image = await testImage("tracepoint");
  const held: Ids = new Set();
  const round = async () => {
    using object = await BpfObject.load(libbpf, image);
    object.table("exits").read(() => {});
    for (const id of heldBy(Deno.pid)) held.add(id);
  };
  await round();
  assert.ok(held.size >= 4);
  const fds = [...Deno.readDirSync("/proc/self/fd")].length;
  for (let i = 0; i < 20; i++) await round();
  assert.equal([...Deno.readDirSync("/proc/self/fd")].length, fds);
  await assertGone(held);
});

Deno.test("BpfObject leaves nothing attached when its process is killed", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", CHILD, "tracepoint", "", "stay"],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "ready\n");
  const held = heldBy(child.pid);
  assert.ok(held.size >= 4);
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  await assertGone(held);
});

Deno.test("BpfObject is read by its own descriptors, and attaches nothing more, when libbpf has forgotten it", async () => {
  using libbpf = openInstalled();
  const constants = { watch_tgid: Deno.pid };
  const object = await BpfObject.load(libbpf, await testImage("sample", { constants }));
  callMany(1009);
  let calls = 0;
  object.table("per_cpu_calls").read(({ numbers }) => calls += numbers[0]!);
  assert.equal(calls, 1009);
  assert.throws(() => object.attachUser("sample_tasks", "/bin/sh", 0), TypeError);
  object[Symbol.dispose]();
  assert.throws(() => object.mapFd("per_cpu_calls"), /Object "sample" is closed/);
  assert.throws(() => object.cost(), /Object "sample" is closed/);
});
