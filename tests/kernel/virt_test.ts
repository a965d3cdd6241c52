// SPDX-License-Identifier: MulanPSL-2.0
/** The virt probe beside a QEMU of the distribution, whose machine has neither memory nor a running CPU. */
import assert from "node:assert/strict";
import type { TaskSource } from "../../src/core/task_batch.ts";
import virt from "../../src/probes/virt.ts";
import { BpfTasks } from "../../src/sys/bpf_tasks.ts";
import { RootFiles } from "../../src/sys/host_files.ts";
import { startNative } from "../../src/sys/native_runner.ts";
import { pageSize, ProcTasks } from "../../src/sys/proc_tasks.ts";
import { until } from "../e2e/run_agent.ts";
import { newStore, settingsOf, storeRows } from "../run_probe.ts";
import { openInstalled, probeBytes } from "./test_object.ts";

const QEMU = "/usr/bin/qemu-system-x86_64";

async function withMachine(
  name: string,
  uuid: string,
  run: (pid: number) => Promise<void>,
): Promise<void> {
  const machine = ["-accel", "tcg", "-machine", "none", "-S", "-nodefaults", "-display", "none"];
  const child = new Deno.Command(QEMU, {
    args: [...machine, "-name", `guest=${name},debug-threads=on`, "-uuid", uuid],
    stdin: "null",
    stdout: "null",
  }).spawn();
  try {
    // The program has its name before it has its arguments.
    const command = `/proc/${child.pid}/cmdline`;
    await until("QEMU", () => Deno.readTextFileSync(command).includes(uuid) || undefined);
    await run(child.pid);
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
}

/** Rows of one reading, of this machine alone: others may run here. */
function rowsOf(files: RootFiles, tasks: TaskSource, uuid: string) {
  const store = newStore();
  const running = startNative(virt, { store, files, settings: settingsOf(virt), tasks });
  running.tick(0);
  const rows = storeRows(store)["virt_proc"]!.filter((row) => row["uuid"] === uuid);
  running.stop();
  return rows.map(({ tgid, vm_name, value }) => [Number(tgid), vm_name, value]);
}

const missing = !await Deno.stat(QEMU).then(() => true, () => false);
if (missing) console.log(`virt: skipped, ${QEMU} is not installed`);

Deno.test({
  name: "virt knows a machine of QEMU by its name and id, through BPF and through /proc",
  ignore: missing,
  async fn() {
    using files = new RootFiles();
    using libbpf = openInstalled();
    const proc = new ProcTasks(files, pageSize());
    const host = { libbpf, files: proc, pageBytes: pageSize(), root: "" };
    using bpf = await BpfTasks.load({ ...host, image: await probeBytes("proc") });
    const uuid = crypto.randomUUID();
    await withMachine("stable,,7", uuid, (pid) => {
      for (const tasks of [bpf, proc]) {
        assert.deepEqual(rowsOf(files, tasks, uuid), [[pid, "stable,7", 1]], tasks.name);
      }
      return Promise.resolve();
    });
    assert.deepEqual(rowsOf(files, bpf, uuid), []);
  },
});
