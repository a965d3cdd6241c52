// SPDX-License-Identifier: MulanPSL-2.0
/** What BPF programs cost, from the kernel's own statistics: those count only while someone keeps them switched on. */
import type { ProgramCost } from "../core/probe.ts";
import { ABI } from "./kernel_abi.ts";
import type { Libbpf } from "./libbpf.ts";

const INFO_BYTES = ABI["sizeof(struct bpf_prog_info)"];
const NANOSECONDS = ABI["offsetof(struct bpf_prog_info, run_time_ns)"];
const RUNS = ABI["offsetof(struct bpf_prog_info, run_cnt)"];
/** Since Linux 5.12; 0 before. */
const MISSES = ABI["offsetof(struct bpf_prog_info, recursion_misses)"];
const TWO_32 = 4294967296;

/** Keeps the kernel's run-time statistics on until disposed; they cost each program some 20 ns a run. */
export class BpfStatistics {
  readonly #libbpf: Libbpf;
  #fd: number;

  /** Throws KernelError: EPERM without CAP_SYS_ADMIN. */
  constructor(libbpf: Libbpf) {
    this.#libbpf = libbpf;
    this.#fd = libbpf.bpf.bpf_enable_stats(ABI.BPF_STATS_RUN_TIME);
    if (this.#fd < 0) throw libbpf.failure("switch on", "BPF statistics", -this.#fd);
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) this.#libbpf.libc.close(this.#fd);
    this.#fd = -1;
  }
}

/** Reads runs and nanoseconds of programs, and how often they did not run. */
export class CostReader {
  readonly #libbpf: Libbpf;
  readonly #info = new Uint8Array(INFO_BYTES);
  readonly #view = new DataView(this.#info.buffer);
  readonly #length = new Uint32Array(1);

  constructor(libbpf: Libbpf) {
    this.#libbpf = libbpf;
  }

  read(program: string, fd: number): ProgramCost {
    this.#info.fill(0); // the kernel takes some members as requests
    this.#length[0] = INFO_BYTES;
    const error = -this.#libbpf.bpf.bpf_obj_get_info_by_fd(fd, this.#info, this.#length);
    if (error !== 0) throw this.#libbpf.failure("inspect", program, error);
    const [runs, nanoseconds, missed] = [RUNS, NANOSECONDS, MISSES].map((at) => this.#u64(at));
    return { program, runs: runs!, nanoseconds: nanoseconds!, missed: missed! };
  }

  #u64(offset: number): number {
    return this.#view.getUint32(offset, true) + this.#view.getUint32(offset + 4, true) * TWO_32;
  }
}
