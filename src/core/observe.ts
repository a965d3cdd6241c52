// SPDX-License-Identifier: MulanPSL-2.0
/** Which processes the dear tables of a probe are about: what the configuration says, for the maps of bpf/observe.h. */
import type { MapEntry, Settings } from "./probe.ts";
import { PIDS } from "./setting_format.ts";
import { choiceKey, type Keys, listKey, type TextFormat } from "./setting_key.ts";

const COMM_BYTES = 16;
const YES = new Uint8Array([1]);
/** The original's. */
const LISTED = "go,java,python,python3";
const NAMES: TextFormat = { accepts: () => true, allowed: "names" };
const MAX_PIDS = 8192;
const MAX_NAMES = 256;

/** Settings of a probe that has such tables. */
export function observeKeys(names = LISTED) {
  return {
    observe: choiceKey(
      ["listed", "all"],
      "listed",
      "Processes that tables of system calls, threads and latency are about.",
    ),
    observe_names: listKey(NAMES, "Their names as in /proc/PID/comm.", {
      value: names,
      most: MAX_NAMES,
    }),
    observe_pids: listKey(PIDS, "Their ids.", { most: MAX_PIDS }),
  } satisfies Keys;
}

export function observedAll(settings: Settings): boolean {
  return settings.text("observe") === "all";
}

/** Rows for the maps `observed` and `observed_names`. */
export function observedEntries(settings: Settings): MapEntry[] {
  return [
    ...settings.list("observe_names").map((name) => (
      { map: "observed_names", key: commKey(name), value: YES }
    )),
    ...settings.list("observe_pids").map((pid) => (
      { map: "observed", key: pidKey(pid), value: YES }
    )),
  ];
}

/** The kernel keeps 15 bytes of a name. */
function commKey(name: string): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(COMM_BYTES);
  new TextEncoder().encodeInto(name, key.subarray(0, COMM_BYTES - 1));
  return key;
}

function pidKey(pid: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array([Number(pid)]).buffer);
}
