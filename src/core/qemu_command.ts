// SPDX-License-Identifier: MulanPSL-2.0
/** What a virtual machine is called, read from the command line of its QEMU. Nothing here throws on bad text. */

export interface VirtualMachine {
  /** Lower case; empty when it has none. */
  readonly uuid: string;
  readonly name: string;
}

const UUID_REGEXP = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** A comma in a value is written twice. */
const PARTS_REGEXP = /(?:[^,]|,,)+/g;
/** It becomes a label. */
const MAX_NAME = 256;

const decoder = new TextDecoder();

/** From /proc/PID/cmdline: arguments that end with NUL. Options have one dash or two; the last one counts. */
export function machineOfCommand(cmdline: Uint8Array): VirtualMachine {
  const words = decoder.decode(cmdline).split("\0");
  const uuid = valueOf(words, "uuid").toLowerCase();
  return {
    uuid: UUID_REGEXP.test(uuid) ? uuid : "",
    name: guestOf(valueOf(words, "name")).slice(0, MAX_NAME),
  };
}

function valueOf(words: readonly string[], option: string): string {
  const at = words.findLastIndex((word, i) =>
    i > 0 && (word === `-${option}` || word === `--${option}`)
  );
  return at < 0 ? "" : words[at + 1] ?? "";
}

/** `web`, `guest=web,debug-threads=on` or `web,process=vm-web`. */
function guestOf(value: string): string {
  const parts = [...value.matchAll(PARTS_REGEXP)].map(([part]) => part.replaceAll(",,", ","));
  const named = parts.find((part) => part.startsWith("guest="));
  if (named !== undefined) return named.slice("guest=".length);
  const [first = ""] = parts;
  return /^(?:process|debug-threads)=/.test(first) ? "" : first;
}
