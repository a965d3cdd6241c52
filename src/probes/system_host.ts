// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What the host is: operating system, kernel, CPUs, memory, addresses, physical or virtual.
 *
 * Sources: /etc/os-release (/etc/openEuler-latest on openEuler), /proc/sys/kernel, /sys/devices/system/cpu, /proc/meminfo,
 * /proc/stat, /proc/cpuinfo, DMI, and the kernel's list of addresses. What cannot change while the host runs is read once.
 */
import { gauge, nativeProbe, table } from "../core/declare.ts";
import type { HostFiles } from "../core/probe.ts";

/** USER_HZ, whatever the kernel's own HZ. */
const CLOCK_TICKS = "100";
const KB_PER_MB = 1024;
/** Names and addresses may change; nothing else does. */
const PERIOD_SECONDS = 60;
const OS_RELEASE = ["etc/os-release", "usr/lib/os-release"];
/** Distributions whose PRETTY_NAME leaves out the service pack, and the file that names it. */
const LATEST = new Map([
  ["openEuler", "etc/openEuler-latest"],
  ["euleros", "etc/euleros-latest"],
]);
const LATEST_REGEXP = /^[a-z]*euler[a-z]*version *= *(.+?) *$/mi;
/** What hypervisors give as their machine's vendor or product; x86 tells by a CPU flag as well. */
const VIRTUAL_REGEXP =
  /qemu|kvm|vmware|virtualbox|xen|bochs|openstack|bhyve|parallels|virtual machine|hvm domu|google compute|alibaba cloud ecs/i;
const HYPERVISOR_FLAG_REGEXP = /^flags\s*:.*\bhypervisor\b/m;

export default nativeProbe({
  name: "system_host",
  help: "Operating system, kernel, CPUs, memory and addresses of the host, from files all over it.",
  partOf: ["baseinfo"],
  capabilities: { CAP_DAC_READ_SEARCH: "serial number and UUID of the machine" },
  tables: {
    system_os: table({
      entity: "host",
      keys: ["os_version"],
      labels: [
        "hostname",
        "kversion",
        "cpu_num",
        "memory_MB",
        "ip_addr",
        "host_type",
        "clock_ticks",
        "os_btime",
      ],
      metrics: { value: gauge("Always 1: the facts are in the labels.", "boolean") },
    }),
  },
  open(files, _settings, { calls }) {
    const release = first(files, OS_RELEASE);
    const version = osVersion(files, release);
    const kernel = firstLine(files, "proc/sys/kernel/osrelease");
    const memory = matched(files, "proc/meminfo", /^MemTotal: +(\d+) kB$/m);
    const bootTime = matched(files, "proc/stat", /^btime (\d+)$/m);
    const type = isVirtual(files) ? "vm" : "pm";
    const megabytes = memory === "" ? "" : String(Math.floor(Number(memory) / KB_PER_MB));
    let hostname = "";
    let cpus = "";
    let addresses = "";
    let since = Infinity;
    return async ({ system_os }, elapsed) => {
      since += elapsed;
      if (!(since < PERIOD_SECONDS)) {
        hostname = firstLine(files, "proc/sys/kernel/hostname");
        cpus = String(countCpus(files));
        addresses = (await calls.addresses?.() ?? []).join(" ");
        since = 0;
      }
      system_os.row(
        version,
        hostname,
        kernel,
        cpus,
        megabytes,
        addresses,
        type,
        CLOCK_TICKS,
        bootTime,
      ).set("value", 1);
    };
  },
});

function text(files: HostFiles, path: string): string {
  const bytes = files.readOptional(path);
  return bytes === undefined ? "" : new TextDecoder().decode(bytes);
}

function first(files: HostFiles, paths: readonly string[]): string {
  for (const path of paths) {
    const found = text(files, path);
    if (found !== "") return found;
  }
  return "";
}

function firstLine(files: HostFiles, path: string): string {
  return text(files, path).split("\n", 1)[0]!.trim();
}

function matched(files: HostFiles, path: string, pattern: RegExp): string {
  return pattern.exec(text(files, path))?.[1] ?? "";
}

function osVersion(files: HostFiles, release: string): string {
  const latest = LATEST.get(value(release, "ID"));
  const precise = latest === undefined ? "" : matched(files, latest, LATEST_REGEXP);
  return precise === "" ? value(release, "PRETTY_NAME") : precise;
}

/** Of a line NAME=value, with or without quotes. */
function value(release: string, name: string): string {
  const found = new RegExp(`^${name}=(?:"([^"\\n]*)"|'([^'\\n]*)'|(\\S*))`, "m").exec(release);
  return found?.[1] ?? found?.[2] ?? found?.[3] ?? "";
}

/** Those that the host has, online or not. */
function countCpus(files: HostFiles): number {
  return files.list("sys/devices/system/cpu").filter((name) => /^cpu\d+$/.test(name)).length;
}

function isVirtual(files: HostFiles): boolean {
  if (HYPERVISOR_FLAG_REGEXP.test(text(files, "proc/cpuinfo"))) return true;
  const names = ["sys_vendor", "product_name"].map((name) =>
    text(files, `sys/class/dmi/id/${name}`)
  );
  if (VIRTUAL_REGEXP.test(names.join("\n"))) return true;
  return files.list("proc/device-tree/hypervisor").length > 0;
}
