// SPDX-License-Identifier: MulanPSL-2.0
/** What the kernel has added up for one cgroup, whichever version it is of. NaN: this kernel does not say. */

/** Bytes and operations of one block device. */
export interface DeviceUsage {
  /** `8:0`. */
  readonly number: string;
  readBytes: number;
  writtenBytes: number;
  reads: number;
  writes: number;
  readSeconds: number;
  writeSeconds: number;
  /** Time with an operation under way. */
  busySeconds: number;
  /** Time of all operations, from their arrival to their end, added up. */
  weightedSeconds: number;
  mergedReads: number;
  mergedWrites: number;
  queued: number;
  /** Bytes by the kernel's name of the kind of operation: `Read`, `Sync`, `Discard`. */
  readonly operations: Map<string, number>;
}

/** `own`: of the cgroup's own processes; else of those in cgroups below it too. */
export class CgroupUsage {
  cpuSeconds = NaN;
  userSeconds = NaN;
  systemSeconds = NaN;
  /** By CPU, only when asked for. */
  readonly perCpuSeconds: number[] = [];
  periods = NaN;
  throttledPeriods = NaN;
  throttledSeconds = NaN;

  cacheBytes = NaN;
  rssBytes = NaN;
  mappedBytes = NaN;
  swapBytes = NaN;
  inactiveFileBytes = NaN;
  usageBytes = NaN;
  maxUsageBytes = NaN;
  limitHits = NaN;
  oomKills = NaN;
  faults = NaN;
  majorFaults = NaN;
  ownFaults = NaN;
  ownMajorFaults = NaN;

  threads = NaN;
  maxThreads = NaN;

  readonly devices = new Map<string, DeviceUsage>();

  /** Infinity: no limit. */
  quotaUs = NaN;
  periodUs = NaN;
  shares = NaN;
  limitBytes = NaN;
  reservationBytes = NaN;
  /** Memory and swap together. */
  swapLimitBytes = NaN;

  /** Found or made; undefined when there are more than any host has. */
  device(number: string): DeviceUsage | undefined {
    let device = this.devices.get(number);
    if (device === undefined && this.devices.size < MAX_DEVICES) {
      device = newDevice(number);
      this.devices.set(number, device);
    }
    return device;
  }
}

const MAX_DEVICES = 256;
const DEVICE_REGEXP = /^\d{1,4}:\d{1,7}$/;

export function isDeviceNumber(text: string): boolean {
  return DEVICE_REGEXP.test(text);
}

function newDevice(number: string): DeviceUsage {
  return {
    number,
    readBytes: NaN,
    writtenBytes: NaN,
    reads: NaN,
    writes: NaN,
    readSeconds: NaN,
    writeSeconds: NaN,
    busySeconds: NaN,
    weightedSeconds: NaN,
    mergedReads: NaN,
    mergedWrites: NaN,
    queued: NaN,
    operations: new Map(),
  };
}
