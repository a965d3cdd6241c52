// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Sizes, offsets and constants of C headers, named by the C expression that they are the value of.
 * tests/kernel/libbpf_headers_test.ts asserts each of them with a C compiler.
 */
export const ABI = {
  MADV_DONTNEED: 4,
  "sizeof(struct bpf_object_open_opts)": 80,
  "offsetof(struct bpf_object_open_opts, object_name)": 8,
  "offsetof(struct bpf_object_open_opts, btf_custom_path)": 48,
  "sizeof(struct bpf_prog_info)": 232,
  "offsetof(struct bpf_prog_info, run_time_ns)": 192,
  "offsetof(struct bpf_prog_info, run_cnt)": 200,
  "BPF_STATS_RUN_TIME": 0,
  "BPF_ANY": 0,
  "BPF_RINGBUF_HDR_SZ": 8,
  "BPF_RINGBUF_BUSY_BIT": 0x8000_0000,
  "BPF_RINGBUF_DISCARD_BIT": 0x4000_0000,
  "CAP_SYS_ADMIN": 21,
  "CAP_PERFMON": 38,
  "CAP_BPF": 39,
  "MAP_SHARED": 1,
  "(long)MAP_FAILED": -1,
  "PROT_READ": 1,
  "PROT_WRITE": 2,
  "MFD_CLOEXEC": 1,
  "MNT_DETACH": 2,
  "sizeof(struct statfs)": 120,
  "offsetof(struct statfs, f_bsize)": 8,
  "offsetof(struct statfs, f_blocks)": 16,
  "offsetof(struct statfs, f_bfree)": 24,
  "offsetof(struct statfs, f_bavail)": 32,
  "offsetof(struct statfs, f_files)": 40,
  "offsetof(struct statfs, f_ffree)": 48,
  "offsetof(struct statfs, f_frsize)": 72,
  "CLONE_NEWNET": 0x4000_0000,
  "O_RDONLY | O_CLOEXEC": 0x8_0000,
} as const;
