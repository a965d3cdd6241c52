// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Containers of this host, whatever runs them: found by the cgroups of running processes.
 *
 * Sources: /proc/PID/cgroup and mountinfo (where the cgroups are), the files of cgroup v1 and v2, /proc/PID/net/dev of
 * one process for each network namespace, /proc/PID/stat and /proc/PID/fd. A namespace that containers share (a pod's) is
 * shown once, with the pod's sandbox or else with the container that started first; the host's own belongs to none.
 */
import { type CgroupMounts, cgroupMounts } from "../core/cgroup_mounts.ts";
import { Unsupported } from "../core/errors.ts";
import { nativeProbe } from "../core/declare.ts";
import type { HostFiles, ProbeHost } from "../core/probe.ts";
import { processStat } from "../core/proc_pid.ts";
import { Scanner, word } from "../core/scan.ts";
import { flagKey } from "../core/setting_key.ts";
import { type Rows, STATES, writeMain, writeMore, writeNetwork } from "./container_rows.ts";
import { type CgroupHost, ContainerState } from "./container_state.ts";
import { tables } from "./container_tables.ts";
import { Turns } from "./turns.ts";

/** Limits, cgroup folders and network namespaces; the time of boot and the names of devices. */
const RENEW_SECONDS = 60;
/** Disk, threads, and what memory met: of a third of the containers in each tick. */
const SLOW_TICKS = 3;
/** Containers that were found together are not all renewed together. */
const SPREAD_SECONDS = 30;
/** Processes looked at in one tick: 7 us each for the state, some 20 us and more for the descriptors. */
const STATES_A_TICK = 128;
const DESCRIPTORS_A_TICK = 32;
/** File systems asked for their size in one tick: 25 us each, most of it elsewhere. */
const ROOTS_A_TICK = 32;
/** New containers read without a pause: some 0.6 ms each, as all their files have to be opened. */
const AT_ONCE = 32;
const LOAD_SECONDS = 10;
const NETWORK_TRIES = 3;
const MAX_DEVICE_NAMES = 4096;

const RUNNING = STATES.indexOf("running");
/** The kernel's letters for them, in that order. */
const LETTERS = ["R", "SI", "Tt", "D"] as const;

export default nativeProbe({
  name: "container",
  late: true,
  help: "Containers of any runtime, from cgroup v1 and v2, /proc/PID/net/dev and /proc/PID/stat; " +
    "their names from Docker, podman, containerd and CRI-O.",
  partOf: ["cadvisor", "container"],
  capabilities: {
    CAP_SYS_PTRACE: "networks, file systems and descriptors of containers of other users",
    CAP_DAC_READ_SEARCH: "names that stand in files of the runtime",
    CAP_DAC_OVERRIDE: "names that Docker, podman and containerd tell over their sockets",
  },
  tables,
  settings: { per_cpu: flagKey("CPU time of each CPU instead of one sum (cgroup v1 only).") },
  open(files, settings, host) {
    const reader = new ContainerReader(files, host, settings.flag("per_cpu"));
    return {
      read: (rows, elapsed) => reader.tick(rows, elapsed),
      losses: () => ({
        processes_not_kept: host.containers.notKept,
        roots_not_answered: reader.rootsNotAnswered,
        ...host.names.losses,
      }),
    };
  },
});

class ContainerReader {
  rootsNotAnswered = 0;
  readonly #files: HostFiles;
  readonly #host: ProbeHost;
  readonly #perCpu: boolean;
  readonly #cgroups: CgroupHost;
  readonly #scan = new Scanner();
  readonly #states = new Map<string, ContainerState>();
  readonly #stateTurns = new Turns<ContainerState>(STATES_A_TICK, ({ pids }) => pids.length);
  readonly #fdTurns = new Turns<ContainerState>(DESCRIPTORS_A_TICK, ({ pids }) => pids.length);
  readonly #sizeTurns = new Turns<ContainerState>(ROOTS_A_TICK, () => 1);
  readonly #deviceNames = new Map<string, string>();
  /** Since the first tick, in seconds. */
  #now = 0;
  #askingSizes = false;
  #ticks = 0;
  #renewed = -Infinity;
  #born = 0;
  #bootSeconds = NaN;
  #hostNetwork = "";

  constructor(files: HostFiles, host: ProbeHost, perCpu: boolean) {
    this.#files = files;
    this.#host = host;
    this.#perCpu = perCpu;
    const mounts = cgroupMounts(textOf(
      files.readOptional("proc/1/mountinfo") ?? files.read("proc/self/mountinfo"),
    ));
    if (mounts.size === 0) {
      throw new Unsupported("No cgroup hierarchy is mounted", "mount one at /sys/fs/cgroup");
    }
    this.#cgroups = { mounts, blkioFiles: blkioFiles(files, mounts) };
  }

  tick(rows: Rows, elapsed: number): void | Promise<void> {
    this.#ticks++;
    if (elapsed > 0) this.#now += elapsed;
    if (this.#now - this.#renewed >= RENEW_SECONDS) this.#renew();
    const states = this.#find();
    const fresh = states.filter(({ renewed }) => renewed === -Infinity);
    if (fresh.length > AT_ONCE) return this.#readInParts(rows, states);
    for (const state of states) this.#readOne(state);
    this.#finish(rows, states);
  }

  /** Many new ones, as at the start: others have their turn in between. */
  async #readInParts(rows: Rows, states: readonly ContainerState[]): Promise<void> {
    for (const [i, state] of states.entries()) {
      this.#readOne(state);
      if (i % AT_ONCE === AT_ONCE - 1) await new Promise<void>((go) => setTimeout(go, 0));
    }
    this.#finish(rows, states);
  }

  #readOne(state: ContainerState): void {
    const renew = this.#now - state.renewed >= RENEW_SECONDS + state.number % SPREAD_SECONDS;
    if (renew) state.renew(this.#files, this.#cgroups, this.#now);
    state.read(this.#perCpu, renew || (this.#ticks + state.number) % SLOW_TICKS === 0);
  }

  #finish(rows: Rows, states: readonly ContainerState[]): void {
    this.#askSizes(states);
    for (const state of this.#stateTurns.take(states)) this.#lookAtProcesses(state);
    for (const state of this.#fdTurns.take(states)) this.#countDescriptors(state);
    // First what each container has once, so that a table that is full lacks the rows of least use.
    for (const state of states) writeMain(rows, state, this.#bootSeconds);
    for (const state of this.#networkOwners(states)) this.#writeNetwork(rows, state);
    for (const state of states) writeMore(rows, state, (number) => this.#deviceName(number));
  }

  #renew(): void {
    this.#renewed = this.#now;
    this.#deviceNames.clear();
    const stat = this.#files.readOptional("proc/stat");
    if (stat !== undefined) this.#bootSeconds = bootTime(this.#scan.over(stat));
    // The first process may be closed to us; kernel threads live in the host's network too.
    this.#hostNetwork = ["1", "2", "self"].map((pid) => this.#files.link(`proc/${pid}/ns/net`))
      .find((link) => link !== undefined) ?? "";
  }

  /** The containers that have processes now. */
  #find(): ContainerState[] {
    const before = new Map(this.#states);
    const found: ContainerState[] = [];
    this.#states.clear();
    for (const group of this.#host.containers.scan()) {
      const { container } = group;
      const state = before.get(container.id) ??
        new ContainerState(container, this.#born++);
      // Its runtime may have put it together step by step.
      if (state.container.paths.size !== container.paths.size) state.renewed = -Infinity;
      state.seen(group);
      const names = this.#host.names.namesOf(container);
      if (names !== undefined) state.name(names);
      this.#states.set(container.id, state);
      found.push(state);
    }
    return found;
  }

  /** In the background: what it hears is shown from the next tick on, whatever hangs. */
  #askSizes(states: readonly ContainerState[]): void {
    if (this.#askingSizes) return;
    const asked = [...this.#sizeTurns.take(states)].filter(({ pids }) => pids.length > 0);
    if (asked.length === 0) return;
    this.#askingSizes = true;
    const mounts = asked.map(({ container, pids }) => ({
      id: `container ${container.id}`,
      path: `/proc/${pids[0]}/root`,
      isRemote: false,
    }));
    this.#host.calls.mountSizes(mounts).then((answers) => {
      this.#askingSizes = false;
      answers.forEach((answer, i) => {
        asked[i]!.size = answer.state === "known" ? answer.size : undefined;
        // Of a process that has ended in the meantime, the answer is "refused".
        if (answer.state === "stalled") this.rootsNotAnswered++;
      });
    }, () => {
      // The program ends, and has closed what it asks through.
      this.#askingSizes = false;
      this.rootsNotAnswered += asked.length;
    });
  }

  #lookAtProcesses(state: ContainerState): void {
    const counts = STATES.map(() => 0);
    for (const pid of state.pids) {
      const stat = this.#files.readOptional(`proc/${pid}/stat`);
      const letter = stat === undefined ? "" : processStat(stat).state;
      const index = letter === "" ? -1 : LETTERS.findIndex((letters) => letters.includes(letter));
      if (index >= 0) counts[index]!++;
    }
    const passed = this.#now - state.lookedAt;
    const running = counts[RUNNING]!;
    const kept = passed > 0 ? Math.exp(-passed / LOAD_SECONDS) : 0;
    state.load = kept === 0 ? running : state.load * kept + running * (1 - kept);
    state.states = counts;
    state.lookedAt = this.#now;
  }

  #countDescriptors(state: ContainerState): void {
    let descriptors = 0;
    for (const pid of state.pids) descriptors += this.#files.count(`proc/${pid}/fd`) || 0;
    state.descriptors = descriptors;
  }

  /** One container for each network namespace that is not the host's. */
  #networkOwners(states: readonly ContainerState[]): Iterable<ContainerState> {
    const owners = new Map<string, ContainerState>();
    for (const state of states) {
      const { network } = state;
      if (network === "" || network === this.#hostNetwork) continue;
      const owner = owners.get(network);
      if (owner === undefined || comesFirst(state, owner)) owners.set(network, state);
    }
    return owners.values();
  }

  #writeNetwork(rows: Rows, state: ContainerState): void {
    for (const pid of state.pids.slice(0, NETWORK_TRIES)) {
      const bytes = this.#files.readOptional(`proc/${pid}/net/dev`);
      if (bytes !== undefined) return writeNetwork(rows, state, this.#scan.over(bytes));
    }
  }

  /** `/dev/sda` of `8:0`; the number itself where the kernel does not name it. */
  #deviceName(number: string): string {
    let name = this.#deviceNames.get(number);
    if (name !== undefined) return name;
    const link = this.#files.link(`sys/dev/block/${number}`);
    name = link === undefined ? number : `/dev/${link.slice(link.lastIndexOf("/") + 1)}`;
    if (this.#deviceNames.size < MAX_DEVICE_NAMES) this.#deviceNames.set(number, name);
    return name;
  }
}

function comesFirst(one: ContainerState, other: ContainerState): boolean {
  if (one.names.sandbox !== other.names.sandbox) return one.names.sandbox;
  return one.start < other.start || (one.start === other.start && one.id < other.id);
}

const BOOT_TIME = word("btime");

function bootTime(scan: Scanner): number {
  for (; !scan.ended; scan.nextLine()) if (scan.word() && scan.is(BOOT_TIME)) return scan.number();
  return NaN;
}

/** The root of v1's blkio has all files of all schedulers there are; what has no cgroup.procs is not that root. */
function blkioFiles(files: HostFiles, mounts: CgroupMounts): ReadonlySet<string> | undefined {
  const mount = mounts.get("blkio");
  const names = new Set(mount === undefined ? [] : files.list(mount.folder));
  return names.has("cgroup.procs") ? names : undefined;
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
