// SPDX-License-Identifier: MulanPSL-2.0
/**
 * I/O of block devices, from /proc/diskstats: rates of the last period as iostat computes them, and the totals.
 *
 * Partitions are left out as their disk counts their I/O too (/sys/class/block says which they are), and so are devices
 * that never did any, such as unused loop devices. Kernels before 4.18 do not count discards, those before 5.5 no flushes.
 */
import { counter, gauge, nativeProbe, raises, table } from "../core/declare.ts";
import type { Writers } from "../core/probe.ts";
import { Scanner } from "../core/scan.ts";
import { flagKey } from "../core/setting_key.ts";
import { WrappingCounters } from "../core/wrapping_counters.ts";

/** Columns of /proc/diskstats behind the name. */
const READS = 0;
const READ_SECTORS = 2;
const READ_MS = 3;
const WRITES = 4;
const WRITTEN_SECTORS = 6;
const WRITE_MS = 7;
const IN_FLIGHT = 8;
const IO_MS = 9;
const WEIGHTED_MS = 10;
const DISCARDS = 11;
const DISCARD_MS = 14;
const FLUSHES = 15;
const FLUSH_MS = 16;
const COLUMNS = 17;
/** Of the kernel's type `unsigned int`: they start again at 0 after 49 days of work. */
const WRAPPING: readonly number[] = [READ_MS, WRITE_MS, IO_MS, WEIGHTED_MS, DISCARD_MS, FLUSH_MS];

/** The unit of the file, whatever the device's sectors. */
const SECTOR_BYTES = 512;
const SECTORS_PER_KB = 2;
const MS_PER_SECOND = 1000;
const MAX_DISKS = 4096;

interface Disk {
  readonly name: string;
  /** Not known before it was looked up. */
  isPartition: boolean | undefined;
  /** In this reading, unwrapped. */
  readonly now: Float64Array;
  /** In the reading before; NaN: there is none that belongs to this device. */
  readonly before: Float64Array;
  readonly wrapping: WrappingCounters;
  listed: boolean;
}

const tables = {
  system_iostat: table({
    entity: "disk",
    version: "1.0.1",
    keys: ["disk_name"],
    metrics: {
      rspeed: gauge("Reads of the last period.", "ops/s"),
      rspeed_kB: gauge("Data read in the last period, in 1024 bytes.", "kB/s"),
      r_await: gauge("Mean time of a read, from queueing to answer.", "ms"),
      rareq: gauge("Mean size of a read, in 1024 bytes.", "kB"),
      wspeed: gauge("Writes of the last period.", "ops/s"),
      wspeed_kB: gauge("Data written in the last period, in 1024 bytes.", "kB/s"),
      w_await: gauge("Mean time of a write, from queueing to answer.", "ms"),
      wareq: gauge("Mean size of a write, in 1024 bytes.", "kB"),
      aqu: gauge("Mean number of requests queued or at work.", "count"),
      util: raises(
        gauge("Time of the last period with a request at work.", "percent"),
        { above: "res_upper_thr", says: "Time with a request at work" },
      ),
    },
  }),
  disk_io: table({
    entity: "disk_io",
    keys: ["disk_name"],
    metrics: {
      reads_total: counter("Reads completed.", "ops"),
      read_bytes_total: counter("Data read.", "bytes"),
      read_seconds_total: counter("Time of all reads together.", "seconds"),
      writes_total: counter("Writes completed.", "ops"),
      written_bytes_total: counter("Data written.", "bytes"),
      write_seconds_total: counter("Time of all writes together.", "seconds"),
      discards_total: counter("Discards completed; since 4.18.", "ops"),
      flushes_total: counter("Flushes completed; since 5.5.", "ops"),
      flush_seconds_total: counter("Time of all flushes together; since 5.5.", "seconds"),
      busy_seconds_total: counter("Time with a request at work.", "seconds"),
      queue_seconds_total: counter("Time of all requests together, waiting ones too.", "seconds"),
      in_flight: gauge("Requests queued or at work right now.", "count"),
    },
  }),
};

export default nativeProbe({
  name: "system_disk",
  help: "I/O of block devices, from /proc/diskstats.",
  partOf: ["system_infos", "baseinfo"],
  tables,
  settings: { partitions: flagKey("Whether partitions are shown too.") },
  open(files, settings) {
    files.read("proc/diskstats");
    const partitions = settings.flag("partitions");
    const scan = new Scanner();
    const disks = new Map<string, Disk>();
    return ({ system_iostat, disk_io }, elapsed) => {
      scanDisks(scan.over(files.read("proc/diskstats")), disks);
      for (const disk of disks.values()) {
        if (!(disk.now[READS]! + disk.now[WRITES]! > 0)) continue;
        disk.isPartition ??=
          files.readOptional(`sys/class/block/${disk.name}/partition`) !== undefined;
        if (disk.isPartition && !partitions) continue;
        writeTotals(disk_io, disk);
        if (elapsed > 0 && sameDevice(disk)) writeRates(system_iostat, disk, elapsed);
      }
    };
  },
});

type Rows = Writers<typeof tables>;

function writeTotals(row: Rows["disk_io"], { name, now }: Disk): void {
  row.row(name)
    .set("reads_total", now[READS]!)
    .set("read_bytes_total", now[READ_SECTORS]! * SECTOR_BYTES)
    .set("read_seconds_total", now[READ_MS]! / MS_PER_SECOND)
    .set("writes_total", now[WRITES]!)
    .set("written_bytes_total", now[WRITTEN_SECTORS]! * SECTOR_BYTES)
    .set("write_seconds_total", now[WRITE_MS]! / MS_PER_SECOND)
    .set("discards_total", now[DISCARDS]!)
    .set("flushes_total", now[FLUSHES]!)
    .set("flush_seconds_total", now[FLUSH_MS]! / MS_PER_SECOND)
    .set("busy_seconds_total", now[IO_MS]! / MS_PER_SECOND)
    .set("queue_seconds_total", now[WEIGHTED_MS]! / MS_PER_SECOND)
    .set("in_flight", now[IN_FLIGHT]!);
}

function writeRates(row: Rows["system_iostat"], disk: Disk, elapsed: number): void {
  const grown = (column: number) => disk.now[column]! - disk.before[column]!;
  const [reads, writes] = [grown(READS), grown(WRITES)];
  const readKb = grown(READ_SECTORS) / SECTORS_PER_KB;
  const writtenKb = grown(WRITTEN_SECTORS) / SECTORS_PER_KB;
  const milliseconds = elapsed * MS_PER_SECOND;
  row.row(disk.name)
    .set("rspeed", reads / elapsed)
    .set("rspeed_kB", readKb / elapsed)
    .set("r_await", mean(grown(READ_MS), reads))
    .set("rareq", mean(readKb, reads))
    .set("wspeed", writes / elapsed)
    .set("wspeed_kB", writtenKb / elapsed)
    .set("w_await", mean(grown(WRITE_MS), writes))
    .set("wareq", mean(writtenKb, writes))
    .set("aqu", grown(WEIGHTED_MS) / milliseconds)
    .set("util", Math.min(100, grown(IO_MS) / milliseconds * 100));
}

/** As iostat has it: nothing done took no time. */
function mean(sum: number, count: number): number {
  return count === 0 ? 0 : sum / count;
}

/** Whether no total went back since the reading before: else another device took the name. */
function sameDevice({ now, before }: Disk): boolean {
  for (let column = 0; column < DISCARDS; column++) {
    if (column !== IN_FLIGHT && !(now[column]! >= before[column]!)) return false;
  }
  return true;
}

function scanDisks(scan: Scanner, disks: Map<string, Disk>): void {
  for (const disk of disks.values()) disk.listed = false;
  for (; !scan.ended; scan.nextLine()) {
    scan.word(); // major
    scan.word(); // minor
    const name = scan.word() ? scan.text() : "";
    if (!DISK_NAME_REGEXP.test(name)) continue;
    const reads = scan.number();
    if (!(reads >= 0)) continue;
    let disk = disks.get(name);
    if (disk === undefined) {
      if (disks.size >= MAX_DISKS) continue;
      disks.set(name, disk = newDisk(name));
    } else if (disk.listed) continue;
    disk.listed = true;
    disk.before.set(disk.now);
    disk.now[READS] = reads;
    for (let column = 1; column < COLUMNS; column++) {
      const value = scan.number();
      disk.now[column] = value >= 0 ? value : NaN;
    }
    unwrap(disk);
  }
  for (const [name, disk] of disks) if (!disk.listed) disks.delete(name);
}

/** As the kernel prints it: with ! for each / of its own name. */
const DISK_NAME_REGEXP = /^(?!\.{1,2}$)[\w!.:-]{1,31}$/;

function newDisk(name: string): Disk {
  return {
    name,
    isPartition: undefined,
    now: new Float64Array(COLUMNS).fill(NaN),
    before: new Float64Array(COLUMNS).fill(NaN),
    wrapping: new WrappingCounters(COLUMNS),
    listed: false,
  };
}

function unwrap({ now, before, wrapping }: Disk): void {
  // Where the number of reads or writes went back too, it is another device.
  if (now[READS]! < before[READS]! || now[WRITES]! < before[WRITES]!) wrapping.reset();
  for (const column of WRAPPING) now[column] = wrapping.next(column, now[column]!);
}
