// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Processes of virtual machines: QEMU itself, and the kernel threads that move its packets (vhost-PID; from Linux 6.4 on
 * they are threads of QEMU). The original asks virsh; names and ids stand in QEMU's command line too.
 */
import { gauge, nativeProbe, table } from "../core/declare.ts";
import type { HostFiles, ProbeHost, Read } from "../core/probe.ts";
import type { Process } from "../core/process_table.ts";
import { machineOfCommand, type VirtualMachine } from "../core/qemu_command.ts";
import { PF_KTHREAD, TASK, TaskBatch } from "../core/task_batch.ts";

/** A machine takes longer to start, and from /proc all processes cost 14 us each. */
const SCAN_SECONDS = 15;
const QEMU_REGEXP = /^(?:qemu-system-|qemu-kvm$|kvm$)/;
const VHOST_REGEXP = /^vhost-(\d{1,10})$/;
const MAX_COMMAND_BYTES = 256 * 1024;

/** `k`, `q` and `v`: few other names need to be looked at. */
const INITIALS = [0x6b, 0x71, 0x76];

const TABLES = {
  virt_proc: table({
    entity: "proc",
    keys: ["tgid"],
    labels: ["uuid", "vm_name", "container_id"],
    metrics: { value: gauge("Always 1: the process belongs to this virtual machine.", "count") },
  }),
};

export default nativeProbe({
  name: "virt",
  help: "Processes of virtual machines, from iter/task or /proc, and the command lines of QEMU.",
  partOf: ["virtualized_infos"],
  on: false,
  tasks: true,
  tables: TABLES,
  open(files, _settings, host) {
    const machines = new Machines(files, host);
    let sinceScan = Infinity;
    const read: Read<typeof TABLES> = ({ virt_proc }, elapsed) => {
      sinceScan += elapsed;
      if (!(sinceScan < SCAN_SECONDS)) {
        machines.scan();
        sinceScan = 0;
      }
      for (const [pid, { machine: { uuid, name }, process }] of machines.found) {
        virt_proc.row(String(pid), uuid, name, process.containerId).set("value", 1);
      }
    };
    return { read, losses: () => ({ too_many_processes: machines.dropped }) };
  },
});

interface Found {
  readonly machine: VirtualMachine;
  /** QEMU's. */
  readonly process: Process;
  /** False while its program is just being started: it has the name already, but no command line yet. */
  readonly started: boolean;
}

class Machines {
  /** By pid. */
  found = new Map<number, Found>();
  readonly #files: HostFiles;
  readonly #host: ProbeHost;
  readonly #batch = new TaskBatch();

  constructor(files: HostFiles, host: ProbeHost) {
    this.#files = files;
    this.#host = host;
  }

  get dropped(): number {
    return this.#batch.dropped;
  }

  scan(): void {
    const batch = this.#batch;
    const { tasks, processes } = this.#host;
    const before = this.found;
    const now = processes.now();
    const helpers: [pid: number, owner: number][] = [];
    this.found = new Map();
    tasks.read(batch);
    for (let index = 0; index < batch.count; index++) {
      if (!INITIALS.includes(batch.commWord(index, 0) & 0xff)) continue;
      const pid = batch.get(index, TASK.tgid);
      const comm = batch.comm(index);
      if ((batch.get(index, TASK.flags) & PF_KTHREAD) !== 0) {
        const owner = VHOST_REGEXP.exec(comm)?.[1];
        if (owner !== undefined) helpers.push([pid, Number(owner)]);
      } else if (QEMU_REGEXP.test(comm)) {
        const process = processes.note(batch, index, now);
        const known = before.get(pid);
        this.found.set(
          pid,
          known?.process === process && known.started ? known : this.#new(process),
        );
      }
    }
    for (const [pid, owner] of helpers) {
      const machine = this.found.get(owner);
      if (machine !== undefined) this.found.set(pid, machine);
    }
  }

  #new(process: Process): Found {
    const path = `proc/${process.pid}/cmdline`;
    const cmdline = this.#files.readOptional(path, MAX_COMMAND_BYTES) ?? new Uint8Array();
    return { machine: machineOfCommand(cmdline), process, started: cmdline.length > 0 };
  }
}
