// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutate, randomNumbers } from "../../tests/mutate.ts";
import { type FileTexts, NO_CALLS, runWaiting, waitOnHost } from "../../tests/run_probe.ts";
import systemHost from "./system_host.ts";

const FILES: Record<string, string> = {
  "etc/os-release": 'NAME="openEuler"\nID="openEuler"\nPRETTY_NAME="openEuler 22.03 (LTS)"\n',
  "etc/openEuler-latest": "openeulerversion=openEuler-22.03-LTS-SP4\ncompiletime=2024-06-27\n",
  "proc/sys/kernel/osrelease": "5.10.0-216.0.0.115.oe2203sp4.x86_64\n",
  "proc/sys/kernel/hostname": "node7\n",
  "proc/meminfo": "MemTotal:       32764716 kB\nMemFree:        1 kB\n",
  "proc/stat": "cpu  1 2 3\nbtime 1700000000\n",
  "sys/devices/system/cpu/cpu0/uevent": "",
  "sys/devices/system/cpu/cpu11/uevent": "",
  "sys/devices/system/cpu/cpufreq/x": "",
};
const CALLS = { ...NO_CALLS, addresses: () => Promise.resolve(["192.0.2.7", "2001:db8::7"]) };

async function row(files: FileTexts, calls = CALLS) {
  return (await runWaiting(systemHost, files, calls))["system_os"]![0]!;
}

Deno.test("system_os reports what the host is in its labels", async () => {
  assert.deepEqual(await row(FILES), {
    os_version: "openEuler-22.03-LTS-SP4",
    hostname: "node7",
    kversion: "5.10.0-216.0.0.115.oe2203sp4.x86_64",
    cpu_num: "2",
    memory_MB: "31996",
    ip_addr: "192.0.2.7 2001:db8::7",
    host_type: "pm",
    clock_ticks: "100",
    os_btime: "1700000000",
    value: 1,
  });
});

Deno.test("system_os takes the name of other distributions from os-release, wherever it is", async () => {
  const debian = "ID=debian\nPRETTY_NAME='Debian GNU/Linux 12'\n";
  assert.equal((await row({ "etc/os-release": debian }))["os_version"], "Debian GNU/Linux 12");
  assert.equal((await row({ "usr/lib/os-release": debian }))["os_version"], "Debian GNU/Linux 12");
  assert.equal((await row({ "etc/os-release": "PRETTY_NAME=Plain\n" }))["os_version"], "Plain");
});

Deno.test("system_os tells virtual machines by CPU flag, by DMI or by device tree", async () => {
  const type = async (path: string, text: string) =>
    (await row({ ...FILES, [path]: text }))["host_type"];
  assert.equal(await type("proc/cpuinfo", "flags\t\t: fpu vme hypervisor lahf_lm\n"), "vm");
  assert.equal(await type("sys/class/dmi/id/sys_vendor", "QEMU\n"), "vm");
  assert.equal(await type("sys/class/dmi/id/product_name", "TaiShan 200 (Model 2280)\n"), "pm");
  assert.equal(await type("proc/device-tree/hypervisor/compatible", "linux,kvm"), "vm");
});

Deno.test("system_os has a row whatever is missing, without addresses where they are not the host's", async () => {
  const { addresses: _addresses, ...without } = CALLS;
  const bare = (await runWaiting(systemHost, {}, without))["system_os"];
  assert.deepEqual(bare, [{
    os_version: "",
    hostname: "",
    kversion: "",
    cpu_num: "0",
    memory_MB: "",
    ip_addr: "",
    host_type: "pm",
    clock_ticks: "100",
    os_btime: "",
    value: 1,
  }]);
});

Deno.test("system_host follows a new host name within a minute", async () => {
  const renamed = { ...FILES, "proc/sys/kernel/hostname": "node8\n" };
  const readings = [FILES, ...Array.from({ length: 12 }, () => renamed)];
  const name = async (ticks: number) =>
    (await runWaiting(systemHost, readings.slice(0, ticks), CALLS))["system_os"]![0]!["hostname"];
  assert.equal(await name(2), "node7");
  assert.equal(await name(13), "node8");
});

Deno.test("system_host survives spoilt files", async () => {
  const random = randomNumbers(5);
  const paths = Object.keys(FILES);
  for (let round = 0; round < 10_000; round++) {
    const path = paths[round % paths.length]!;
    assert.equal((await row({ ...FILES, [path]: mutate(FILES[path]!, random) }))["value"], 1);
  }
});

Deno.test("system_host knows this host's name and kernel", async () => {
  const [found] = (await waitOnHost(systemHost))["system_os"]!;
  assert.equal(found!["kversion"], Deno.readTextFileSync("/proc/sys/kernel/osrelease").trim());
  assert.equal(found!["hostname"], Deno.readTextFileSync("/proc/sys/kernel/hostname").trim());
});
