// SPDX-License-Identifier: MulanPSL-2.0
/** The devices in a /proc/PID/net/dev, without the loopback. */
import { COLON, type Scanner, word } from "../core/scan.ts";

/** Numbers behind a device's name. */
export const [RX_BYTES, RX_PACKETS, RX_ERRORS, RX_DROPPED] = [0, 1, 2, 3] as const;
export const [TX_BYTES, TX_PACKETS, TX_ERRORS, TX_DROPPED] = [8, 9, 10, 11] as const;
const COLUMNS = 16;

const LOOPBACK = word("lo");
/** As the kernel has it (dev_valid_name). */
const NAME_REGEXP = /^[^\s/:\0]{1,15}$/;
const MAX_DEVICES = 1024;

const columns = new Float64Array(COLUMNS);

/** Calls `take` for each device; `columns` is valid during the call. What is cut short is NaN. */
export function eachNetDevice(
  scan: Scanner,
  take: (name: string, columns: Float64Array) => void,
): void {
  for (let devices = 0; !scan.ended && devices < MAX_DEVICES; scan.nextLine()) {
    if (!scan.field(COLON) || scan.is(LOOPBACK)) continue;
    const name = scan.text();
    if (!NAME_REGEXP.test(name)) continue;
    for (let column = 0; column < COLUMNS; column++) columns[column] = scan.number();
    if (Number.isNaN(columns[RX_BYTES])) continue;
    devices++;
    take(name, columns);
  }
}
