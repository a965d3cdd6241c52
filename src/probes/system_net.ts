// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Traffic of the network devices of the host's first network namespace.
 *
 * Sources: /proc/net/dev, /sys/class/net/DEVICE/operstate. Receive drops are those of the device and of the stack
 * together, as /proc/net/dev has them. What the queueing disciplines say comes from netlink, where this process has the
 * network of the host.
 */
import type { EventRule } from "../core/event.ts";
import { counter, gauge, nativeProbe, raises, table } from "../core/declare.ts";
import type { HostFiles, Writers } from "../core/probe.ts";
import { type QueueTotals, queueTotals } from "../core/route_netlink.ts";
import { COLON, Scanner, word } from "../core/scan.ts";
import { WrappingCounters } from "../core/wrapping_counters.ts";

const BYTES_PER_KB = 1024;
const LOOPBACK = word("lo");

/** Columns of /proc/net/dev behind the name, and the metrics that show them. */
const DEVICE_COLUMNS = 16;
const DEVICE_METRICS = [
  [0, "rx_bytes"],
  [1, "rx_packets"],
  [2, "rx_errs"],
  [3, "rx_dropped"],
  [8, "tx_bytes"],
  [9, "tx_packets"],
  [10, "tx_errs"],
  [11, "tx_dropped"],
] as const;
const [RX_BYTES, TX_BYTES] = [0, 8] as const;

interface Device {
  readonly name: string;
  readonly columns: Float64Array;
  /** Of the reading before. */
  rxBytes: number;
  txBytes: number;
  listed: boolean;
  /** The kernel's number of it; NaN: not yet looked up. */
  index: number;
  readonly queueCounters: WrappingCounters;
}

const drops = (says: string): EventRule => ({ above: "drops_thr", says });

const tables = {
  nic: table({
    entity: "nic",
    version: "1.0.1",
    keys: ["dev_name"],
    labels: ["status"],
    metrics: {
      rx_bytes: counter("Bytes received.", "bytes"),
      rx_packets: counter("Packets received.", "packets"),
      rx_errs: raises(
        counter("Bad packets received.", "packets"),
        drops("Number of receive errors"),
      ),
      rx_dropped: raises(
        counter("Received packets dropped.", "packets"),
        drops("Number of receive queue drops"),
      ),
      tx_bytes: counter("Bytes sent.", "bytes"),
      tx_packets: counter("Packets sent.", "packets"),
      tx_errs: raises(
        counter("Packets that could not be sent.", "packets"),
        drops("Number of transmit errors"),
      ),
      tx_dropped: raises(
        counter("Packets dropped before they were sent.", "packets"),
        drops("Number of transmit queue drops"),
      ),
      rxspeed_KB: gauge("Rate of receiving in the last period, in 1024 bytes.", "KB/s"),
      txspeed_KB: gauge("Rate of sending in the last period, in 1024 bytes.", "KB/s"),
      tc_sent_drop: counter("Packets dropped by the queueing discipline.", "packets"),
      tc_sent_overlimits: counter("Packets that had to wait as it limits the rate.", "packets"),
      tc_backlog: gauge("Bytes that wait to be sent.", "bytes"),
      tc_ecn_mark: counter("Packets marked instead of dropped; fq_codel, codel, red.", "packets"),
    },
  }),
};

export default nativeProbe({
  name: "system_net",
  help: "Traffic of network devices, from /proc/net/dev and /sys/class/net.",
  partOf: ["system_infos", "baseinfo"],
  tables,
  open(files, _settings, { calls }) {
    files.read("proc/net/dev");
    const scan = new Scanner();
    const devices = new Map<string, Device>();
    return ({ nic }, elapsed) => {
      scanDevices(scan.over(files.read("proc/net/dev")), devices);
      const write = (queues?: Queues) => {
        for (const device of devices.values()) {
          writeDevice(nic, device, status(files, device, scan), elapsed);
          if (queues !== undefined) {
            writeQueue(nic, device, queues.get(indexOf(files, device, scan, queues)));
          }
        }
      };
      if (calls.queues === undefined) return write();
      return calls.queues().then((answer) => write(answer && queueTotals(answer)));
    };
  },
});

type Queues = ReadonlyMap<number, QueueTotals>;

/** Of the device that has the name now: one that came in its place is looked up again. */
function indexOf(files: HostFiles, device: Device, scan: Scanner, queues: Queues): number {
  if (!queues.has(device.index)) {
    const bytes = files.readOptional(`sys/class/net/${device.name}/ifindex`);
    device.index = bytes === undefined ? NaN : scan.over(bytes).number();
    device.queueCounters.reset();
  }
  return device.index;
}

/** What the kernel keeps in 32 bits, in the order of `Device.queueCounters`. */
const QUEUE_COUNTERS = [
  ["drops", "tc_sent_drop"],
  ["overlimits", "tc_sent_overlimits"],
  ["ecnMarks", "tc_ecn_mark"],
] as const;

function writeQueue(nic: Rows["nic"], device: Device, queue: QueueTotals | undefined): void {
  if (queue === undefined) return;
  nic.set("tc_backlog", queue.backlogBytes);
  QUEUE_COUNTERS.forEach(([field, metric], i) =>
    nic.set(metric, device.queueCounters.next(i, queue[field]))
  );
}

type Rows = Writers<typeof tables>;

function writeDevice(nic: Rows["nic"], device: Device, status: string, elapsed: number): void {
  const { name, columns, rxBytes, txBytes } = device;
  const row = nic.row(name, status);
  for (const [column, metric] of DEVICE_METRICS) row.set(metric, columns[column]!);
  row.set("rxspeed_KB", speed(columns[RX_BYTES]! - rxBytes, elapsed))
    .set("txspeed_KB", speed(columns[TX_BYTES]! - txBytes, elapsed));
}

/** Not known in the first period, and when the count went back: the device is a new one of the same name. */
function speed(bytes: number, elapsed: number): number {
  return bytes >= 0 && elapsed > 0 ? bytes / BYTES_PER_KB / elapsed : NaN;
}

function status(files: HostFiles, { name }: Device, scan: Scanner): string {
  const bytes = files.readOptional(`sys/class/net/${name}/operstate`);
  if (bytes === undefined) return "";
  return scan.over(bytes).word() ? scan.text() : "";
}

function scanDevices(scan: Scanner, devices: Map<string, Device>): void {
  for (const device of devices.values()) device.listed = false;
  for (; !scan.ended; scan.nextLine()) {
    if (!scan.field(COLON) || scan.is(LOOPBACK)) continue;
    const name = scan.text();
    if (!isDeviceName(name)) continue;
    const received = scan.number();
    if (Number.isNaN(received)) continue;
    let device = devices.get(name);
    if (device === undefined) {
      const columns = new Float64Array(DEVICE_COLUMNS).fill(NaN);
      device = {
        name,
        columns,
        rxBytes: NaN,
        txBytes: NaN,
        listed: true,
        index: NaN,
        queueCounters: new WrappingCounters(QUEUE_COUNTERS.length),
      };
      devices.set(name, device);
    }
    const { columns } = device;
    device.listed = true;
    device.rxBytes = columns[RX_BYTES]!;
    device.txBytes = columns[TX_BYTES]!;
    columns[RX_BYTES] = received;
    for (let column = 1; column < DEVICE_COLUMNS; column++) columns[column] = scan.number();
  }
  for (const [name, device] of devices) if (!device.listed) devices.delete(name);
}

/** As the kernel has it (dev_valid_name); it becomes part of a path. */
const DEVICE_NAME_REGEXP = /^(?!\.{1,2}$)[^\s/:\0]{1,15}$/;

function isDeviceName(name: string): boolean {
  return DEVICE_NAME_REGEXP.test(name);
}
