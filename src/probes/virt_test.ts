// SPDX-License-Identifier: MulanPSL-2.0
/** With files made by hand; beside a real QEMU in tests/kernel/virt_test.ts. */
import assert from "node:assert/strict";
import { type FileTexts, runProbe } from "../../tests/run_probe.ts";
import virt from "./virt.ts";

const UUID = "11111111-2222-3333-4444-555555555555";
const [USER, KERNEL] = [0x400000, 0x208040];

function stat(pid: number, comm: string, flags: number, start = 100): FileTexts {
  const text = `${pid} (${comm}) S 1 1 1 0 -1 ${flags} 0 0 0 0 0 0 0 0 20 0 1 0 ${start} ` +
    `${"0 ".repeat(28)}0 0\n`;
  return { [`proc/${pid}/stat`]: text };
}

const command = (...words: string[]) => ["qemu", ...words].map((word) => `${word}\0`).join("");
const HOST: FileTexts = {
  ...stat(700, "qemu-system-x86", USER),
  "proc/700/cmdline": command("-name", "guest=web,debug-threads=on", "-uuid", UUID),
  ...stat(701, "vhost-700", KERNEL),
  ...stat(702, "vhost-9", KERNEL),
  ...stat(703, "vhost-700", USER),
  ...stat(704, "qemu-img", USER),
  ...stat(705, "kvm-nx-lpage-re", KERNEL),
  ...stat(706, "qemu-kvm", USER),
};
const rows = (files: FileTexts | readonly FileTexts[]) =>
  runProbe(virt, files)["virt_proc"]!.map(({ tgid, uuid, vm_name, value }) =>
    [tgid, uuid, vm_name, value].join()
  ).sort();

Deno.test("virt tells the machine of a QEMU and of the kernel's threads that work for it", () => {
  assert.deepEqual(rows(HOST), [`700,${UUID},web,1`, `701,${UUID},web,1`, "706,,,1"]);
  assert.deepEqual(rows({}), []);
});

Deno.test("virt looks again at a QEMU that has no command line yet", () => {
  const { "proc/700/cmdline": cmdline, ...bare } = HOST;
  assert.equal(rows(bare)[0], "700,,,1");
  assert.equal(
    rows([bare, bare, bare, { ...bare, "proc/700/cmdline": cmdline! }])[0],
    `700,${UUID},web,1`,
  );
});

Deno.test("virt takes another machine with the same process id for another one", () => {
  const later = { ...HOST, ...stat(700, "qemu-system-x86", USER, 200) };
  const other = { ...later, "proc/700/cmdline": command("-name", "db") };
  // Machines are looked for every 15 s.
  assert.deepEqual(rows([HOST, HOST, HOST, other])[0], "700,,db,1");
});
