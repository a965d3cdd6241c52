// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Traffic of network devices, and totals of TCP and UDP, of the host's first network namespace.
 *
 * Sources: /proc/net/dev, /sys/class/net/DEVICE/operstate, /proc/net/snmp. Receive drops are those of the device and of
 * the stack together, as /proc/net/dev has them.
 */
import type { EventRule } from "../core/event.ts";
import {
  counter,
  gauge,
  type HostFiles,
  nativeProbe,
  raises,
  table,
  type Writers,
} from "../core/probe.ts";
import { COLON, Scanner, word, WordList } from "../core/scan.ts";

/** The original's tables name the file so. */
const ORIGIN = "/proc/dev/snmp";
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
}

/** The lines of one protocol in /proc/net/snmp: a heading with names, then numbers. */
interface Protocol {
  readonly name: Uint8Array;
  readonly names: WordList;
  readonly values: Float64Array;
}

const SEGMENTS_IN = "TCP segments received, bad ones included.";
const SEGMENTS_OUT = "TCP segments sent, without those that only repeat.";
const SEGMENTS_REPEATED = "TCP segments sent again.";
const SEGMENTS_BAD = "TCP segments received with a bad checksum or header.";
const CONNECTIONS = "TCP connections established or in CLOSE-WAIT.";
const DATAGRAMS_IN = "UDP datagrams delivered to programs.";
const DATAGRAMS_OUT = "UDP datagrams sent.";

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
    },
  }),
  // The older and the newer state of the original name the same numbers differently.
  system_tcp: table({
    entity: "system_tcp",
    keys: ["origin"],
    metrics: {
      curr_estab: gauge(CONNECTIONS, "count"),
      in_segs: counter(SEGMENTS_IN, "segments"),
      out_segs: counter(SEGMENTS_OUT, "segments"),
      retrans_segs: counter(SEGMENTS_REPEATED, "segments"),
      in_errs: counter(SEGMENTS_BAD, "segments"),
    },
  }),
  net_tcp: table({
    entity: "net",
    version: "1.0.1",
    keys: ["origin"],
    metrics: {
      tcp_curr_estab: gauge(CONNECTIONS, "count"),
      tcp_in_segs: counter(SEGMENTS_IN, "segments"),
      tcp_out_segs: counter(SEGMENTS_OUT, "segments"),
      tcp_retrans_segs: counter(SEGMENTS_REPEATED, "segments"),
      tcp_in_errs: counter(SEGMENTS_BAD, "segments"),
    },
  }),
  system_udp: table({
    entity: "system_udp",
    keys: ["origin"],
    metrics: {
      indata_grams: counter(DATAGRAMS_IN, "datagrams"),
      outdata_grams: counter(DATAGRAMS_OUT, "datagrams"),
    },
  }),
  net_udp: table({
    entity: "net",
    version: "1.0.1",
    keys: ["origin"],
    metrics: {
      udp_indata_grams: counter(DATAGRAMS_IN, "datagrams"),
      udp_outdata_grams: counter(DATAGRAMS_OUT, "datagrams"),
    },
  }),
};

export default nativeProbe({
  name: "system_net",
  help:
    "Traffic of network devices and totals of TCP and UDP, from /proc/net/dev, /proc/net/snmp and " +
    "/sys/class/net.",
  partOf: ["system_infos", "baseinfo"],
  tables,
  open(files) {
    files.read("proc/net/dev");
    const scan = new Scanner();
    const devices = new Map<string, Device>();
    const tcp = protocol("Tcp", ["CurrEstab", "InSegs", "OutSegs", "RetransSegs", "InErrs"]);
    const udp = protocol("Udp", ["InDatagrams", "OutDatagrams"]);
    return (rows, elapsed) => {
      scanDevices(scan.over(files.read("proc/net/dev")), devices);
      for (const device of devices.values()) {
        writeDevice(rows.nic, device, status(files, device, scan), elapsed);
      }
      const snmp = files.readOptional("proc/net/snmp");
      if (snmp === undefined) return;
      scanSnmp(scan.over(snmp), [tcp, udp]);
      if (hasNumber(tcp.values)) writeTcp(rows, tcp.values);
      if (hasNumber(udp.values)) writeUdp(rows, udp.values);
    };
  },
});

type Rows = Writers<typeof tables>;

function writeDevice(nic: Rows["nic"], device: Device, status: string, elapsed: number): void {
  const { name, columns, rxBytes, txBytes } = device;
  const row = nic.row(name, status);
  for (const [column, metric] of DEVICE_METRICS) row.set(metric, columns[column]!);
  row.set("rxspeed_KB", speed(columns[RX_BYTES]! - rxBytes, elapsed))
    .set("txspeed_KB", speed(columns[TX_BYTES]! - txBytes, elapsed));
}

function writeTcp({ system_tcp, net_tcp }: Rows, values: Float64Array): void {
  const [connections, segmentsIn, segmentsOut, repeated, bad] = values;
  system_tcp.row(ORIGIN)
    .set("curr_estab", connections!)
    .set("in_segs", segmentsIn!)
    .set("out_segs", segmentsOut!)
    .set("retrans_segs", repeated!)
    .set("in_errs", bad!);
  net_tcp.row(ORIGIN)
    .set("tcp_curr_estab", connections!)
    .set("tcp_in_segs", segmentsIn!)
    .set("tcp_out_segs", segmentsOut!)
    .set("tcp_retrans_segs", repeated!)
    .set("tcp_in_errs", bad!);
}

function writeUdp({ system_udp, net_udp }: Rows, values: Float64Array): void {
  const [datagramsIn, datagramsOut] = values;
  system_udp.row(ORIGIN).set("indata_grams", datagramsIn!).set("outdata_grams", datagramsOut!);
  net_udp.row(ORIGIN).set("udp_indata_grams", datagramsIn!).set("udp_outdata_grams", datagramsOut!);
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
      device = { name, columns, rxBytes: NaN, txBytes: NaN, listed: true };
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

function protocol(name: string, names: readonly string[]): Protocol {
  return { name: word(name), names: new WordList(names), values: new Float64Array(names.length) };
}

function scanSnmp(scan: Scanner, protocols: readonly Protocol[]): void {
  for (const { values } of protocols) values.fill(NaN);
  const columns: number[] = [];
  while (!scan.ended) {
    const found = scan.field(COLON) ? protocols.find(({ name }) => scan.is(name)) : undefined;
    if (found === undefined) {
      scan.nextLine();
      continue;
    }
    columns.length = 0;
    while (scan.word()) columns.push(found.names.indexOf(scan));
    scan.nextLine();
    // The numbers must be those of this heading.
    if (!scan.field(COLON) || !scan.is(found.name)) continue;
    for (const index of columns) {
      const value = scan.number();
      if (index >= 0) found.values[index] = value;
    }
    scan.nextLine();
  }
}

function hasNumber(values: Float64Array): boolean {
  return values.some((value) => !Number.isNaN(value));
}
