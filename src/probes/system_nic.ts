// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Health of the network devices that are hardware: carrier lost and found, transmit time-outs, link speed.
 *
 * Source: /sys/class/net/DEVICE of devices with a `device` folder, in this process's network namespace: sysfs shows that of
 * whoever mounted it. The original counts events as they happen, so what came before its start is missing there. Kernels
 * before 4.16 do not count carrier changes by direction, some drivers no time-outs.
 */
import { counter, gauge, nativeProbe, raises, table } from "../core/declare.ts";
import type { HostFiles } from "../core/probe.ts";
import { Scanner, word } from "../core/scan.ts";

const FOLDER = "sys/class/net";
/** Devices, and transmit queues of each, that are looked at. */
const MAX_DEVICES = 256;
const MAX_QUEUES = 256;
/** Time-outs are rare, a device has up to hundreds of queues, and each is a file. */
const QUEUE_PERIOD_SECONDS = 30;
const QUEUE_REGEXP = /^tx-(\d{1,4})$/;
const DEVICE_REGEXP = /^(?!\.{1,2}$)[^\s/:\0]{1,15}$/;
const DRIVER_REGEXP = /^DRIVER=(\S+)$/m;
const MEGABIT = 1e6;
const UP = word("up");

interface Device {
  readonly name: string;
  readonly driver: string;
  readonly queues: readonly string[];
  /** Of all queues, and of each. */
  timeouts: number;
  readonly timeoutsOf: Float64Array;
  /** The queue that timed out last. */
  lastQueue: string;
}

export default nativeProbe({
  name: "system_nic",
  help: "Carrier changes, transmit time-outs and speed of network hardware, from /sys/class/net.",
  partOf: ["hw"],
  tables: {
    nic_failure: table({
      entity: "hw",
      keys: ["name"],
      labels: ["dev_name", "driver", "queue_index"],
      metrics: {
        xmit_timeout_count: raises(
          counter(
            "Times a transmit queue stood still for too long; queue_index is the last that did.",
            "count",
          ),
          { above: 0, says: "Transmit time-outs of a network device" },
        ),
        carrier_up_count: counter("Times the link came up.", "count"),
        carrier_down_count: counter("Times the link was lost.", "count"),
      },
    }),
    nic_link: table({
      entity: "nic_link",
      keys: ["dev_name"],
      metrics: {
        up: gauge("1 if the link can be used, else 0.", "boolean"),
        speed_bits_per_second: gauge("Speed of the link, where the driver knows it.", "bits/s"),
        mtu_bytes: gauge("Largest packet.", "bytes"),
      },
    }),
  },
  open(files) {
    const scan = new Scanner();
    const numberIn = (path: string) => {
      const bytes = files.readOptional(path);
      return bytes === undefined ? NaN : scan.over(bytes).number();
    };
    let devices: readonly Device[] = [];
    let sinceQueues = Infinity;
    return ({ nic_failure, nic_link }, elapsed) => {
      sinceQueues += elapsed;
      if (!(sinceQueues < QUEUE_PERIOD_SECONDS)) {
        devices = hardware(files, devices);
        for (const device of devices) readTimeouts(device, numberIn);
        sinceQueues = 0;
      }
      for (const { name, driver, timeouts, lastQueue } of devices) {
        const folder = `${FOLDER}/${name}`;
        const state = files.readOptional(`${folder}/operstate`);
        if (state === undefined) continue;
        scan.over(state).word();
        nic_link.row(name)
          .set("up", scan.is(UP) ? 1 : 0)
          .set("speed_bits_per_second", speed(numberIn(`${folder}/speed`)))
          .set("mtu_bytes", numberIn(`${folder}/mtu`));
        nic_failure.row(name, name, driver, lastQueue)
          .set("xmit_timeout_count", timeouts)
          .set("carrier_up_count", numberIn(`${folder}/carrier_up_count`))
          .set("carrier_down_count", numberIn(`${folder}/carrier_down_count`));
      }
    };
  },
});

/** -1, or 2^32 - 1 in older drivers, stands for "not known". */
function speed(megabits: number): number {
  return megabits > 0 && megabits < 2 ** 32 - 1 ? megabits * MEGABIT : NaN;
}

/** The devices of now; one that was there before goes on with what is known of it. */
function hardware(files: HostFiles, before: readonly Device[]): Device[] {
  const devices: Device[] = [];
  for (const name of files.list(FOLDER).sort()) {
    if (devices.length >= MAX_DEVICES) break;
    if (!DEVICE_REGEXP.test(name)) continue;
    const uevent = files.readOptional(`${FOLDER}/${name}/device/uevent`);
    if (uevent === undefined) continue;
    const driver = DRIVER_REGEXP.exec(new TextDecoder().decode(uevent))?.[1] ?? "";
    const queues = files.list(`${FOLDER}/${name}/queues`)
      .map((queue) => QUEUE_REGEXP.exec(queue)?.[1]).filter((queue) => queue !== undefined)
      .sort((a, b) => Number(a) - Number(b)).slice(0, MAX_QUEUES);
    const known = before.find((device) => device.name === name && device.driver === driver);
    const goesOn = known?.queues.length === queues.length;
    devices.push({
      name,
      driver,
      queues,
      timeouts: NaN,
      timeoutsOf: goesOn ? known.timeoutsOf : new Float64Array(queues.length),
      lastQueue: goesOn ? known.lastQueue : "",
    });
  }
  return devices;
}

function readTimeouts(device: Device, numberIn: (path: string) => number): void {
  const { name, queues, timeoutsOf } = device;
  for (const [i, queue] of queues.entries()) {
    const timeouts = numberIn(`${FOLDER}/${name}/queues/tx-${queue}/tx_timeout`);
    if (!(timeouts >= 0)) continue;
    if (timeouts > timeoutsOf[i]!) device.lastQueue = queue;
    timeoutsOf[i] = timeouts;
    device.timeouts = Number.isNaN(device.timeouts) ? timeouts : device.timeouts + timeouts;
  }
}
