// SPDX-License-Identifier: MulanPSL-2.0
/** Which processes the dear tables of a probe are about: what the configuration says, for the maps of bpf/observe.h. */
import type { MapEntry, Settings } from "./probe.ts";

const COMM_BYTES = 16;
/** As the enum in bpf/observe.h: what is named by the user is shown whatever it uses. */
const OBSERVED = new Uint8Array([1]);
const NAMED = new Uint8Array([2]);
/** The original's. */
const NAMES = "go,java,python,python3";
const MAX_PID = 4194304;
const MAX_PIDS = 8192;
const MAX_NAMES = 256;
const ID_DIGITS = 12;

/** Constants by the settings `observe` (all or listed) and `observe_containers`. */
export function observedConstants(settings: Settings) {
  const observe = settings.text("observe", "listed");
  if (observe !== "all" && observe !== "listed") {
    throw new RangeError(`Setting "observe" is "${observe}", must be all or listed`);
  }
  return {
    observe_all: Number(observe === "all"),
    containers_listed: Number(containersOf(settings).length > 0),
  };
}

/** Ids of 12 or more digits, of which the first 12 count. */
function containersOf(settings: Settings): string[] {
  return settings.list("observe_containers", /^[\da-f]{12,64}$/, "ids of containers");
}

/** Rows for the maps of bpf/observe.h, by `observe_names`, `observe_pids` and `observe_containers`. */
export function observedEntries(settings: Settings, listed = NAMES): MapEntry[] {
  const text = settings.text("observe_names", listed);
  const names = wordsOf(text, "observe_names", MAX_NAMES);
  const value = text === listed ? OBSERVED : NAMED;
  const pids = settings.list("observe_pids", /^[1-9]\d{0,6}$/, "ids of processes");
  if (pids.length > MAX_PIDS) {
    throw new RangeError(`Setting "observe_pids" has ${pids.length} ids, may have ${MAX_PIDS}`);
  }
  const containers = containersOf(settings);
  if (containers.length > MAX_NAMES) {
    throw new RangeError(
      `Setting "observe_containers" has ${containers.length} ids, may have ${MAX_NAMES}`,
    );
  }
  return [
    ...names.map((name) => ({ map: "observed_names", key: commKey(name), value })),
    ...pids.map((pid) => ({ map: "observed", key: pidKey(pid), value: NAMED })),
    ...containers.map((id) => ({
      map: "observed_containers",
      key: new TextEncoder().encode(id.slice(0, ID_DIGITS)),
      value: NAMED,
    })),
  ];
}

function wordsOf(text: string, setting: string, most: number): string[] {
  const words = text.split(",").map((word) => word.trim()).filter((word) => word !== "");
  if (words.length <= most) return words;
  throw new RangeError(`Setting "${setting}" has ${words.length} words, may have ${most}`);
}

/** The kernel keeps 15 bytes of a name. */
function commKey(name: string): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(COMM_BYTES);
  new TextEncoder().encodeInto(name, key.subarray(0, COMM_BYTES - 1));
  return key;
}

function pidKey(text: string): Uint8Array<ArrayBuffer> {
  const pid = Number(text);
  if (!Number.isInteger(pid) || pid < 1 || pid > MAX_PID) {
    throw new RangeError(`Setting "observe_pids" has "${text}", must have numbers of processes`);
  }
  return new Uint8Array(new Uint32Array([pid]).buffer);
}
