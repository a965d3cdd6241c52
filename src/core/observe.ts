// SPDX-License-Identifier: MulanPSL-2.0
/** Which processes the dear tables of a probe are about: what the configuration says, for the maps of bpf/observe.h. */
import type { MapEntry, Settings } from "./probe.ts";
import { CONTAINERS, PIDS } from "./setting_format.ts";
import { choiceKey, type Keys, listKey, numberKey, type TextFormat } from "./setting_key.ts";

const COMM_BYTES = 16;
/** As the enum in bpf/observe.h: what the user names is shown whatever it uses. */
const OBSERVED = new Uint8Array([1]);
const NAMED = new Uint8Array([2]);
/** The original's. */
const LISTED = "go,java,python,python3";
const NAMES: TextFormat = { accepts: () => true, allowed: "names" };
const MAX_PIDS = 8192;
const MAX_NAMES = 256;
/** As containers are shown; the kernel compares no more. */
const ID_DIGITS = 12;

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
    observe_containers: listKey(CONTAINERS, "Their containers.", { most: MAX_NAMES }),
  } satisfies Keys;
}

/** How many rows of processes and threads a probe shows, for src/sys/top_feed.ts. */
export const topKey = numberKey(
  5,
  [-1, 1_000_000],
  'Processes with most use to show by each measure, beside those named; others are the row "other"; -1: all.',
  { unit: "rows" },
);

export function observedConstants(settings: Settings) {
  return {
    observe_all: Number(settings.text("observe") === "all"),
    containers_listed: Number(settings.list("observe_containers").length > 0),
  };
}

/** Rows for the maps of bpf/observe.h. */
export function observedEntries(settings: Settings): MapEntry[] {
  const names = settings.list("observe_names");
  const value = names.join() === LISTED ? OBSERVED : NAMED;
  return [
    ...names.map((name) => ({ map: "observed_names", key: commKey(name), value })),
    ...settings.list("observe_pids").map((pid) => (
      { map: "observed", key: pidKey(pid), value: NAMED }
    )),
    ...settings.list("observe_containers").map((id) => (
      { map: "observed_containers", key: idKey(id), value: NAMED }
    )),
  ];
}

function idKey(id: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(id.slice(0, ID_DIGITS).toLowerCase());
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
