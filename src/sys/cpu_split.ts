// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Splits measured CPU time into user and system time by the ratio of the ticks that hit either, as the kernel does for
 * /proc (cputime_adjust in kernel/sched/cputime.c), so that numbers from BPF are those of /proc. What was shown once
 * never goes back: by the kernel, which hands its last answer over, or by us, who are remembered here.
 */

/** What was shown of a process last. */
interface Shown {
  start: number;
  utime: number;
  stime: number;
  round: number;
}

export class CpuSplit {
  utime = 0;
  stime = 0;
  readonly #shown = new Map<number, Shown>();
  #round = 0;

  /** Ends a reading: processes that it did not have are forgotten. */
  endRound(): void {
    for (const [tgid, { round }] of this.#shown) {
      if (round !== this.#round) this.#shown.delete(tgid);
    }
    this.#round++;
  }

  get size(): number {
    return this.#shown.size;
  }

  /**
   * All times in ns: `utime`, `stime` as counted, `runtime` as measured, `kernelUtime` and `kernelStime` as the kernel
   * showed them last. The answer is left in `utime` and `stime`.
   */
  split(
    tgid: number,
    start: number,
    utime: number,
    stime: number,
    runtime: number,
    kernelUtime: number,
    kernelStime: number,
  ): void {
    let shown = this.#shown.get(tgid);
    if (shown === undefined || shown.start !== start) {
      shown = { start, utime: 0, stime: 0, round: 0 };
      this.#shown.set(tgid, shown);
    }
    shown.round = this.#round;
    const lastUtime = Math.max(shown.utime, kernelUtime);
    const lastStime = Math.max(shown.stime, kernelStime);
    if (lastUtime + lastStime >= runtime) {
      this.utime = lastUtime;
      this.stime = lastStime;
    } else {
      this.#scale(utime, stime, runtime, lastUtime, lastStime);
    }
    shown.utime = this.utime;
    shown.stime = this.stime;
  }

  #scale(
    utime: number,
    stime: number,
    runtime: number,
    lastUtime: number,
    lastStime: number,
  ): void {
    const total = stime + utime;
    const share = total === 0 ? 0 : Math.floor(stime * (runtime / total));
    let system = Math.max(share, lastStime);
    let user = runtime - system;
    if (user < lastUtime) {
      user = lastUtime;
      system = runtime - user;
    }
    this.utime = user;
    this.stime = system;
  }
}
