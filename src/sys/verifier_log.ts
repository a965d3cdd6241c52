// SPDX-License-Identifier: MulanPSL-2.0
/** The one line of a verifier log that says why a program was refused, and the line of C that it is about. */

/** What the log contains beside the reason: statistics, instructions, source lines, register states. */
const NOISE_REGEXP = new RegExp(
  [
    /^processed \d+ insns/,
    /^verification time /,
    /^stack depth /,
    /^insns processed /,
    /^func#\d+ @\d+$/,
    /^(Live|live) regs before insn/,
    /^Validating .+ func#\d+/,
    /^\d+: (\([0-9a-f]{2}\)|R\d+=|\(\w+\))/,
    /^\d+: [.0-9]+ \([0-9a-f]{2}\)/,
    /^from \d+ to \d+/,
    /^;/,
    /^(last_idx|first_idx|mark_precise|regs=|parent |propagating)/,
    /^R\d+(_\w+)?=/,
    /^fp-?\d+=/,
    /^caller:|^callee:/,
    /^-- (BEGIN|END) PROG LOAD LOG --$/,
  ].map((part) => part.source).join("|"),
);

/** `failed to resolve CO-RE relocation <byte_off> [29] struct sock___new.field (0:0 @ offset 0)` */
const RELOCATION_REGEXP = /failed to resolve CO-RE relocation (?:<\w+> )?(?:\[\d+\] )?([^(\n]+)/;
/** `___new` behind a struct's name tells apart its versions in C. */
const FLAVOR_REGEXP = /___\w+/;
const MAX_LENGTH = 300;

/** The telling line of `log`, or undefined when there is none. A missing kernel field comes before all else. */
export function tellingLine(log: string): string | undefined {
  const relocation = RELOCATION_REGEXP.exec(log);
  if (relocation !== null) {
    return shorten(`kernel lacks ${relocation[1]!.replace(FLAVOR_REGEXP, "")}`);
  }
  const lines = log.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const telling = lines.findLast((line) => !NOISE_REGEXP.test(line)) ?? lines[0];
  return telling === undefined ? undefined : shorten(telling);
}

/** `; val->calls++; @ refused.bpf.c:45`: lines of C, of which newer kernels tell the place. */
const SOURCE_REGEXP = /^; (.*?)(?: @ (\S+:\d+))?$/;

/** The line of C that the verifier had come to, with its place where the kernel tells it; undefined when there is none. */
export function refusedSource(log: string): string | undefined {
  const line = log.split("\n").map((line) => line.trim()).findLast((line) => line.startsWith("; "));
  const [, code, place] = SOURCE_REGEXP.exec(line ?? "") ?? [];
  // The head of a program says no more than its name, which is told anyway.
  if (code === undefined || code.includes("BPF_PROG(")) return undefined;
  return shorten(place === undefined ? code : `${place}: ${code}`);
}

function shorten(line: string): string {
  const clean = line.replaceAll(/[^\x20-\x7e]/g, "?").trim();
  return clean.length <= MAX_LENGTH ? clean : `${clean.slice(0, MAX_LENGTH - 3)}...`;
}
