// SPDX-License-Identifier: MulanPSL-2.0
/** How many files this process may have open: BPF programs, maps and links are files, too. */
import { Unsupported } from "../core/errors.ts";
import { ABI } from "./kernel_abi.ts";
import { openLibc } from "./libbpf.ts";

/** All probes together hold some 250, and need some more while they are loaded. */
const NEEDED = 512;
/** What most systems give; more would slow children down that close every number. */
const ENOUGH = 1024;

const UNLIMITED = 0xffff_ffff_ffff_ffffn;

export interface DescriptorLimit {
  readonly soft: number;
  readonly hard: number;
}

/** From the text of /proc/self/limits. */
export function descriptorLimit(text: string): DescriptorLimit {
  const [, soft, hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(text) ?? [];
  const number = (word: string | undefined) => word === "unlimited" ? Infinity : Number(word);
  return { soft: number(soft), hard: number(hard) };
}

/** Raises the limit as far as it may be and is needed. Throws Unsupported where BPF probes would not fit. */
export function demandDescriptors(
  { soft, hard } = descriptorLimit(Deno.readTextFileSync("/proc/self/limits")),
  raise: (limit: DescriptorLimit) => void = setLimit,
): void {
  const wanted = Math.min(hard, ENOUGH);
  if (soft < wanted) raise({ soft: wanted, hard });
  const limit = Math.max(soft, wanted);
  if (limit >= NEEDED) return;
  throw new Unsupported(
    `eBPF needs ${NEEDED} open files, the limit of this process is ${limit}`,
    `LimitNOFILE=${ENOUGH} in the service, or ulimit -n ${ENOUGH}`,
  );
}

function setLimit({ soft, hard }: DescriptorLimit): void {
  const words = [soft, hard].map((limit) => limit === Infinity ? UNLIMITED : BigInt(limit));
  const libc = openLibc();
  libc.symbols.setrlimit(ABI.RLIMIT_NOFILE, new Uint8Array(BigUint64Array.from(words).buffer));
  libc.close();
}
