// SPDX-License-Identifier: MulanPSL-2.0
/** A workload that can be counted: getppid, which nothing else in this process calls. */

const libc = Deno.dlopen("libc.so.6", {
  getppid: { parameters: [], result: "i32" },
  getppidElsewhere: { name: "getppid", parameters: [], result: "i32", nonblocking: true },
  sched_setaffinity: { parameters: ["i32", "usize", "buffer"], result: "i32" },
  sched_getaffinity: { parameters: ["i32", "usize", "buffer"], result: "i32" },
});

const MASK_BYTES = 128;

/** Calls getppid `count` times on this thread. */
export function callMany(count: number): void {
  for (let i = 0; i < count; i++) libc.symbols.getppid();
}

/** Calls getppid once, on another thread. */
export function callElsewhere(): Promise<number> {
  return libc.symbols.getppidElsewhere();
}

/** Runs `work` with this thread on one CPU. */
export function onCpu(cpu: number, work: () => void): void {
  const size = BigInt(MASK_BYTES);
  const before = new Uint8Array(MASK_BYTES);
  const mask = new Uint8Array(MASK_BYTES);
  libc.symbols.sched_getaffinity(0, size, before);
  mask[cpu >> 3] = 1 << (cpu & 7);
  if (libc.symbols.sched_setaffinity(0, size, mask) !== 0) throw new Error(`No CPU ${cpu}`);
  try {
    work();
  } finally {
    libc.symbols.sched_setaffinity(0, size, before);
  }
}
