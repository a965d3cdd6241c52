// SPDX-License-Identifier: MulanPSL-2.0
/** Written by scripts/gen.ts from the BTF of bpf/*.bpf.c: do not edit. */
import type { ObjectLayout } from "../core/layout.ts";

export const proc = {
  object: "proc.bpf.o",
  maps: {
    losses: {
      type: "percpu_array",
      maxEntries: 1,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 16,
        fields: {
          table_full: { offset: 0, size: 8, kind: "unsigned" },
          ring_drop: { offset: 8, size: 8, kind: "unsigned" },
        },
      },
    },
  },
  records: {
    proc_record: {
      size: 224,
      fields: {
        tgid: { offset: 0, size: 4, kind: "unsigned" },
        ppid: { offset: 4, size: 4, kind: "unsigned" },
        pgid: { offset: 8, size: 4, kind: "unsigned" },
        flags: { offset: 12, size: 4, kind: "unsigned" },
        priority: { offset: 16, size: 4, kind: "signed" },
        nice: { offset: 20, size: 4, kind: "signed" },
        threads: { offset: 24, size: 4, kind: "unsigned" },
        cpu: { offset: 28, size: 4, kind: "unsigned" },
        fds: { offset: 32, size: 4, kind: "unsigned" },
        lacks_threads: { offset: 36, size: 1, kind: "unsigned" },
        lacks_fds: { offset: 37, size: 1, kind: "unsigned" },
        lacks_io: { offset: 38, size: 1, kind: "unsigned" },
        padding: { offset: 39, size: 1, kind: "unsigned" },
        comm: { offset: 40, size: 16, kind: "bytes" },
        start_ns: { offset: 56, size: 8, kind: "unsigned" },
        start_stack: { offset: 64, size: 8, kind: "unsigned" },
        utime_ns: { offset: 72, size: 8, kind: "unsigned" },
        stime_ns: { offset: 80, size: 8, kind: "unsigned" },
        runtime_ns: { offset: 88, size: 8, kind: "unsigned" },
        shown_utime_ns: { offset: 96, size: 8, kind: "unsigned" },
        shown_stime_ns: { offset: 104, size: 8, kind: "unsigned" },
        children_utime_ns: { offset: 112, size: 8, kind: "unsigned" },
        children_stime_ns: { offset: 120, size: 8, kind: "unsigned" },
        minor_faults: { offset: 128, size: 8, kind: "unsigned" },
        major_faults: { offset: 136, size: 8, kind: "unsigned" },
        size_pages: { offset: 144, size: 8, kind: "unsigned" },
        resident_pages: { offset: 152, size: 8, kind: "unsigned" },
        fd_limit: { offset: 160, size: 8, kind: "unsigned" },
        "io.rchar": { offset: 168, size: 8, kind: "unsigned" },
        "io.wchar": { offset: 176, size: 8, kind: "unsigned" },
        "io.syscr": { offset: 184, size: 8, kind: "unsigned" },
        "io.syscw": { offset: 192, size: 8, kind: "unsigned" },
        "io.read_bytes": { offset: 200, size: 8, kind: "unsigned" },
        "io.write_bytes": { offset: 208, size: 8, kind: "unsigned" },
        "io.cancelled_write_bytes": { offset: 216, size: 8, kind: "unsigned" },
      },
    },
  },
  constants: {},
  programs: {
    proc_tasks: "iter/task",
  },
} as const satisfies ObjectLayout;

export const tcp = {
  object: "tcp.bpf.o",
  maps: {
    listen_ports: {
      type: "array",
      maxEntries: 65536,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 1,
        fields: {
          value: { offset: 0, size: 1, kind: "unsigned" },
        },
      },
    },
    losses: {
      type: "percpu_array",
      maxEntries: 1,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 16,
        fields: {
          table_full: { offset: 0, size: 8, kind: "unsigned" },
          ring_drop: { offset: 8, size: 8, kind: "unsigned" },
        },
      },
    },
    sock_memories: {
      type: "other",
      maxEntries: 0,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "signed" },
        },
      },
      value: {
        size: 32,
        fields: {
          rx_bytes: { offset: 0, size: 8, kind: "unsigned" },
          tx_bytes: { offset: 8, size: 8, kind: "unsigned" },
          segs_in: { offset: 16, size: 4, kind: "unsigned" },
          segs_out: { offset: 20, size: 4, kind: "unsigned" },
          tgid: { offset: 24, size: 4, kind: "unsigned" },
          owner: { offset: 28, size: 1, kind: "unsigned" },
          role: { offset: 29, size: 1, kind: "unsigned" },
          local_port: { offset: 30, size: 2, kind: "unsigned" },
        },
      },
    },
    tcp_link: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 44,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          role: { offset: 4, size: 2, kind: "unsigned" },
          family: { offset: 6, size: 2, kind: "unsigned" },
          client_port: { offset: 8, size: 2, kind: "unsigned" },
          server_port: { offset: 10, size: 2, kind: "unsigned" },
          client_ip: { offset: 12, size: 16, kind: "bytes" },
          server_ip: { offset: 28, size: 16, kind: "bytes" },
        },
      },
      value: {
        size: 48,
        fields: {
          rx_bytes: { offset: 0, size: 8, kind: "unsigned" },
          tx_bytes: { offset: 8, size: 8, kind: "unsigned" },
          segs_in: { offset: 16, size: 8, kind: "unsigned" },
          segs_out: { offset: 24, size: 8, kind: "unsigned" },
          srtt_us: { offset: 32, size: 4, kind: "unsigned" },
          rcv_rtt_us: { offset: 36, size: 4, kind: "unsigned" },
          reading: { offset: 40, size: 8, kind: "unsigned" },
        },
      },
    },
  },
  records: {},
  constants: {
    keep_client_port: { offset: 0, size: 1, kind: "unsigned" },
  },
  programs: {
    tcp_living: "iter/tcp",
    tcp_owners: "iter/task_file",
    tcp_state: "tp_btf/inet_sock_set_state",
  },
} as const satisfies ObjectLayout;
