// SPDX-License-Identifier: MulanPSL-2.0
/** Written by scripts/gen.ts from the BTF of bpf/*.bpf.c: do not edit. */
import type { ObjectLayout } from "../core/layout.ts";

export const io = {
  object: "io.bpf.o",
  maps: {
    disks: {
      type: "hash",
      maxEntries: 512,
      key: {
        size: 8,
        fields: {
          major: { offset: 0, size: 4, kind: "unsigned" },
          first_minor: { offset: 4, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 1032,
        fields: {
          req_max: { offset: 0, size: 8, kind: "unsigned" },
          req_last: { offset: 8, size: 8, kind: "unsigned" },
          req_sum: { offset: 16, size: 8, kind: "unsigned" },
          req_jitter: { offset: 24, size: 8, kind: "unsigned" },
          req_count: { offset: 32, size: 8, kind: "unsigned" },
          flush_max: { offset: 40, size: 8, kind: "unsigned" },
          flush_last: { offset: 48, size: 8, kind: "unsigned" },
          flush_sum: { offset: 56, size: 8, kind: "unsigned" },
          flush_jitter: { offset: 64, size: 8, kind: "unsigned" },
          flush_count: { offset: 72, size: 8, kind: "unsigned" },
          driver_max: { offset: 80, size: 8, kind: "unsigned" },
          driver_last: { offset: 88, size: 8, kind: "unsigned" },
          driver_sum: { offset: 96, size: 8, kind: "unsigned" },
          driver_jitter: { offset: 104, size: 8, kind: "unsigned" },
          driver_count: { offset: 112, size: 8, kind: "unsigned" },
          device_max: { offset: 120, size: 8, kind: "unsigned" },
          device_last: { offset: 128, size: 8, kind: "unsigned" },
          device_sum: { offset: 136, size: 8, kind: "unsigned" },
          device_jitter: { offset: 144, size: 8, kind: "unsigned" },
          device_count: { offset: 152, size: 8, kind: "unsigned" },
          req_slots: { offset: 160, size: 192, kind: "array", element: 8 },
          flush_slots: { offset: 352, size: 192, kind: "array", element: 8 },
          driver_slots: { offset: 544, size: 192, kind: "array", element: 8 },
          device_slots: { offset: 736, size: 192, kind: "array", element: 8 },
          read_bytes: { offset: 928, size: 8, kind: "unsigned" },
          write_bytes: { offset: 936, size: 8, kind: "unsigned" },
          errors: { offset: 944, size: 8, kind: "unsigned" },
          last_errno: { offset: 952, size: 8, kind: "unsigned" },
          accessed: { offset: 960, size: 8, kind: "unsigned" },
          buffers_dirtied: { offset: 968, size: 8, kind: "unsigned" },
          loaded: { offset: 976, size: 8, kind: "unsigned" },
          dirtied: { offset: 984, size: 8, kind: "unsigned" },
          period: { offset: 992, size: 8, kind: "unsigned" },
          name: { offset: 1000, size: 32, kind: "bytes" },
        },
      },
    },
    issued: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 8,
        fields: {
          value: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 8,
        fields: {
          value: { offset: 0, size: 8, kind: "unsigned" },
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
    observed: {
      type: "hash",
      maxEntries: 8192,
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
    observed_names: {
      type: "hash",
      maxEntries: 256,
      key: {
        size: 16,
        fields: {
          comm: { offset: 0, size: 16, kind: "bytes" },
        },
      },
      value: {
        size: 1,
        fields: {
          value: { offset: 0, size: 1, kind: "unsigned" },
        },
      },
    },
    proc_io: {
      type: "hash",
      maxEntries: 8192,
      key: {
        size: 4,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 88,
        fields: {
          small_reads: { offset: 0, size: 8, kind: "unsigned" },
          small_writes: { offset: 8, size: 8, kind: "unsigned" },
          large_reads: { offset: 16, size: 8, kind: "unsigned" },
          large_writes: { offset: 24, size: 8, kind: "unsigned" },
          errors: { offset: 32, size: 8, kind: "unsigned" },
          hangs: { offset: 40, size: 8, kind: "unsigned" },
          max_ns: { offset: 48, size: 8, kind: "unsigned" },
          period: { offset: 56, size: 8, kind: "unsigned" },
          reading: { offset: 64, size: 8, kind: "unsigned" },
          comm: { offset: 72, size: 16, kind: "bytes" },
        },
      },
    },
    proc_page: {
      type: "hash",
      maxEntries: 8192,
      key: {
        size: 4,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 88,
        fields: {
          accessed: { offset: 0, size: 8, kind: "unsigned" },
          buffers_dirtied: { offset: 8, size: 8, kind: "unsigned" },
          loaded: { offset: 16, size: 8, kind: "unsigned" },
          dirtied: { offset: 24, size: 8, kind: "unsigned" },
          reclaims: { offset: 32, size: 8, kind: "unsigned" },
          reclaim_ns: { offset: 40, size: 8, kind: "unsigned" },
          reclaim_max_ns: { offset: 48, size: 8, kind: "unsigned" },
          period: { offset: 56, size: 8, kind: "unsigned" },
          reading: { offset: 64, size: 8, kind: "unsigned" },
          comm: { offset: 72, size: 16, kind: "bytes" },
        },
      },
    },
    queued: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 8,
        fields: {
          value: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 24,
        fields: {
          since: { offset: 0, size: 8, kind: "unsigned" },
          tgid: { offset: 8, size: 4, kind: "unsigned" },
          pid: { offset: 12, size: 4, kind: "unsigned" },
          bytes: { offset: 16, size: 4, kind: "unsigned" },
          is_write: { offset: 20, size: 1, kind: "unsigned" },
          observed: { offset: 21, size: 1, kind: "unsigned" },
        },
      },
    },
    reclaiming: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 8,
        fields: {
          value: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
    },
    thread_io: {
      type: "hash",
      maxEntries: 8192,
      key: {
        size: 4,
        fields: {
          pid: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 64,
        fields: {
          read_bytes: { offset: 0, size: 8, kind: "unsigned" },
          write_bytes: { offset: 8, size: 8, kind: "unsigned" },
          errors: { offset: 16, size: 8, kind: "unsigned" },
          hangs: { offset: 24, size: 8, kind: "unsigned" },
          reading: { offset: 32, size: 8, kind: "unsigned" },
          tgid: { offset: 40, size: 4, kind: "unsigned" },
          comm: { offset: 44, size: 16, kind: "bytes" },
        },
      },
    },
  },
  records: {},
  constants: {
    count_on: { offset: 2, size: 1, kind: "unsigned" },
    disk_on: { offset: 1, size: 1, kind: "unsigned" },
    observe_all: { offset: 0, size: 1, kind: "unsigned" },
    page_disk_on: { offset: 5, size: 1, kind: "unsigned" },
    page_process_on: { offset: 6, size: 1, kind: "unsigned" },
    process_on: { offset: 3, size: 1, kind: "unsigned" },
    thread_on: { offset: 4, size: 1, kind: "unsigned" },
  },
  programs: {
    io_bio_complete: "tp_btf/block_bio_complete",
    io_buffer_dirty: "tp_btf/block_dirty_buffer",
    io_complete: "tp_btf/block_rq_complete",
    io_hang: "tp_btf/sched_process_hang",
    io_issue: "tp_btf/block_rq_issue",
    io_page_access: "tp_btf/mm_filemap_get_pages",
    io_page_dirty: "tp_btf/writeback_dirty_folio",
    io_page_load: "tp_btf/mm_filemap_add_to_page_cache",
    io_queue: "tp_btf/block_bio_queue",
    io_reading: "iter/task",
    io_reclaim_begin: "tp_btf/mm_vmscan_direct_reclaim_begin",
    io_reclaim_end: "tp_btf/mm_vmscan_direct_reclaim_end",
  },
} as const satisfies ObjectLayout;

export const kill = {
  object: "kill.bpf.o",
  maps: {
    kills: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 28,
        fields: {
          killer: { offset: 0, size: 4, kind: "unsigned" },
          killed: { offset: 4, size: 4, kind: "unsigned" },
          signal: { offset: 8, size: 4, kind: "unsigned" },
          comm: { offset: 12, size: 16, kind: "bytes" },
        },
      },
      value: {
        size: 16,
        fields: {
          signals: { offset: 0, size: 8, kind: "unsigned" },
          last_ns: { offset: 8, size: 8, kind: "unsigned" },
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
  },
  records: {},
  constants: {},
  programs: {
    kill_generate: "tp_btf/signal_generate",
  },
} as const satisfies ObjectLayout;

export const oom = {
  object: "oom.bpf.o",
  maps: {
    cgroups: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 8,
        fields: {
          cgroup: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 72,
        fields: {
          ooms: { offset: 0, size: 8, kind: "unsigned" },
          name: { offset: 8, size: 64, kind: "bytes" },
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
    victims: {
      type: "hash",
      maxEntries: 1024,
      key: {
        size: 16,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          unused: { offset: 4, size: 4, kind: "unsigned" },
          cgroup: { offset: 8, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 128,
        fields: {
          kills: { offset: 0, size: 8, kind: "unsigned" },
          anon_pages: { offset: 8, size: 8, kind: "unsigned" },
          file_pages: { offset: 16, size: 8, kind: "unsigned" },
          shmem_pages: { offset: 24, size: 8, kind: "unsigned" },
          vm_pages: { offset: 32, size: 8, kind: "unsigned" },
          last_ns: { offset: 40, size: 8, kind: "unsigned" },
          comm: { offset: 48, size: 16, kind: "bytes" },
          cgroup_name: { offset: 64, size: 64, kind: "bytes" },
        },
      },
    },
  },
  records: {},
  constants: {},
  programs: {
    oom_cgroup_gone: "tp_btf/cgroup_rmdir",
    oom_victim: "tp_btf/mark_victim",
    oom_victim_pid: "tp_btf/mark_victim",
  },
} as const satisfies ObjectLayout;

export const task = {
  object: "task.bpf.o",
  maps: {
    call_storage: {
      type: "other",
      maxEntries: 0,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "signed" },
        },
      },
      value: {
        size: 3120,
        fields: {
          sum: { offset: 0, size: 120, kind: "array", element: 8 },
          max: { offset: 120, size: 120, kind: "array", element: 8 },
          slots: { offset: 240, size: 2880, kind: "bytes" },
        },
      },
    },
    living: {
      type: "hash",
      maxEntries: 32768,
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
    observed: {
      type: "hash",
      maxEntries: 8192,
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
    observed_names: {
      type: "hash",
      maxEntries: 256,
      key: {
        size: 16,
        fields: {
          comm: { offset: 0, size: 16, kind: "bytes" },
        },
      },
      value: {
        size: 1,
        fields: {
          value: { offset: 0, size: 1, kind: "unsigned" },
        },
      },
    },
    preemptions: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 24,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          by: { offset: 4, size: 4, kind: "unsigned" },
          by_comm: { offset: 8, size: 16, kind: "bytes" },
        },
      },
      value: {
        size: 24,
        fields: {
          count: { offset: 0, size: 8, kind: "unsigned" },
          ns: { offset: 8, size: 8, kind: "unsigned" },
          reading: { offset: 16, size: 8, kind: "unsigned" },
        },
      },
    },
    proc_call_errors: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 12,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          number: { offset: 4, size: 2, kind: "unsigned" },
          error: { offset: 6, size: 2, kind: "unsigned" },
          machine: { offset: 8, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 16,
        fields: {
          count: { offset: 0, size: 8, kind: "unsigned" },
          reading: { offset: 8, size: 8, kind: "unsigned" },
        },
      },
    },
    proc_call_times: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 8,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          call: { offset: 4, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 208,
        fields: {
          ns: { offset: 0, size: 8, kind: "unsigned" },
          slots: { offset: 8, size: 192, kind: "array", element: 8 },
          reading: { offset: 200, size: 8, kind: "unsigned" },
        },
      },
    },
    proc_calls: {
      type: "hash",
      maxEntries: 8192,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 152,
        fields: {
          mount_ns: { offset: 0, size: 8, kind: "unsigned" },
          umount_ns: { offset: 8, size: 8, kind: "unsigned" },
          read_ns: { offset: 16, size: 8, kind: "unsigned" },
          write_ns: { offset: 24, size: 8, kind: "unsigned" },
          fsync_ns: { offset: 32, size: 8, kind: "unsigned" },
          sendmsg_ns: { offset: 40, size: 8, kind: "unsigned" },
          recvmsg_ns: { offset: 48, size: 8, kind: "unsigned" },
          sched_yield_ns: { offset: 56, size: 8, kind: "unsigned" },
          futex_ns: { offset: 64, size: 8, kind: "unsigned" },
          epoll_wait_ns: { offset: 72, size: 8, kind: "unsigned" },
          epoll_pwait_ns: { offset: 80, size: 8, kind: "unsigned" },
          fork_ns: { offset: 88, size: 8, kind: "unsigned" },
          vfork_ns: { offset: 96, size: 8, kind: "unsigned" },
          clone_ns: { offset: 104, size: 8, kind: "unsigned" },
          ioctl_ns: { offset: 112, size: 8, kind: "unsigned" },
          failed: { offset: 120, size: 8, kind: "unsigned" },
          reading: { offset: 128, size: 8, kind: "unsigned" },
          comm: { offset: 136, size: 16, kind: "bytes" },
        },
      },
    },
    proc_fs: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 8,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          fs: { offset: 4, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 864,
        fields: {
          read_max_ns: { offset: 0, size: 8, kind: "unsigned" },
          write_max_ns: { offset: 8, size: 8, kind: "unsigned" },
          open_max_ns: { offset: 16, size: 8, kind: "unsigned" },
          flush_max_ns: { offset: 24, size: 8, kind: "unsigned" },
          read_ns: { offset: 32, size: 8, kind: "unsigned" },
          write_ns: { offset: 40, size: 8, kind: "unsigned" },
          open_ns: { offset: 48, size: 8, kind: "unsigned" },
          flush_ns: { offset: 56, size: 8, kind: "unsigned" },
          read_slots: { offset: 64, size: 192, kind: "array", element: 8 },
          write_slots: { offset: 256, size: 192, kind: "array", element: 8 },
          open_slots: { offset: 448, size: 192, kind: "array", element: 8 },
          flush_slots: { offset: 640, size: 192, kind: "array", element: 8 },
          period: { offset: 832, size: 8, kind: "unsigned" },
          reading: { offset: 840, size: 8, kind: "unsigned" },
          comm: { offset: 848, size: 16, kind: "bytes" },
        },
      },
    },
    proc_ioctl: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 16,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          fd: { offset: 4, size: 4, kind: "unsigned" },
          size: { offset: 8, size: 4, kind: "unsigned" },
          dir: { offset: 12, size: 1, kind: "unsigned" },
          type: { offset: 13, size: 1, kind: "unsigned" },
          nr: { offset: 14, size: 1, kind: "unsigned" },
          unused: { offset: 15, size: 1, kind: "unsigned" },
        },
      },
      value: {
        size: 32,
        fields: {
          max_ns: { offset: 0, size: 8, kind: "unsigned" },
          size: { offset: 8, size: 8, kind: "unsigned" },
          reading: { offset: 16, size: 8, kind: "unsigned" },
          period: { offset: 24, size: 8, kind: "unsigned" },
        },
      },
    },
    proc_latency: {
      type: "percpu_hash",
      maxEntries: 1024,
      key: {
        size: 4,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 408,
        fields: {
          wait_ns: { offset: 0, size: 8, kind: "unsigned" },
          wait_slots: { offset: 8, size: 192, kind: "array", element: 8 },
          off_ns: { offset: 200, size: 8, kind: "unsigned" },
          off_slots: { offset: 208, size: 192, kind: "array", element: 8 },
          reading: { offset: 400, size: 8, kind: "unsigned" },
        },
      },
    },
    proc_sched: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 4,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 104,
        fields: {
          offcpu_ns: { offset: 0, size: 8, kind: "unsigned" },
          iowait_ns: { offset: 8, size: 8, kind: "unsigned" },
          wait_ns: { offset: 16, size: 8, kind: "unsigned" },
          waits: { offset: 24, size: 8, kind: "unsigned" },
          preempted: { offset: 32, size: 8, kind: "unsigned" },
          voluntary: { offset: 40, size: 8, kind: "unsigned" },
          migrations: { offset: 48, size: 8, kind: "unsigned" },
          forks: { offset: 56, size: 8, kind: "unsigned" },
          threads: { offset: 64, size: 8, kind: "unsigned" },
          execs: { offset: 72, size: 8, kind: "unsigned" },
          reading: { offset: 80, size: 8, kind: "unsigned" },
          comm: { offset: 88, size: 16, kind: "bytes" },
        },
      },
    },
    sched_latency: {
      type: "percpu_array",
      maxEntries: 1,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 408,
        fields: {
          wait_ns: { offset: 0, size: 8, kind: "unsigned" },
          wait_slots: { offset: 8, size: 192, kind: "array", element: 8 },
          off_ns: { offset: 200, size: 8, kind: "unsigned" },
          off_slots: { offset: 208, size: 192, kind: "array", element: 8 },
          reading: { offset: 400, size: 8, kind: "unsigned" },
        },
      },
    },
    sli_containers: {
      type: "hash",
      maxEntries: 2048,
      key: {
        size: 8,
        fields: {
          cgroup: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 488,
        fields: {
          wait_ns: { offset: 0, size: 8, kind: "unsigned" },
          sleep_ns: { offset: 8, size: 8, kind: "unsigned" },
          iowait_ns: { offset: 16, size: 8, kind: "unsigned" },
          block_ns: { offset: 24, size: 8, kind: "unsigned" },
          reclaim_ns: { offset: 32, size: 8, kind: "unsigned" },
          compact_ns: { offset: 40, size: 8, kind: "unsigned" },
          wait_slots: { offset: 48, size: 56, kind: "array", element: 8 },
          sleep_slots: { offset: 104, size: 56, kind: "array", element: 8 },
          iowait_slots: { offset: 160, size: 56, kind: "array", element: 8 },
          block_slots: { offset: 216, size: 56, kind: "array", element: 8 },
          reclaim_slots: { offset: 272, size: 56, kind: "array", element: 8 },
          compact_slots: { offset: 328, size: 56, kind: "array", element: 8 },
          reading: { offset: 384, size: 8, kind: "unsigned" },
          name: { offset: 392, size: 96, kind: "bytes" },
        },
      },
    },
    sli_node: {
      type: "percpu_array",
      maxEntries: 1,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 488,
        fields: {
          wait_ns: { offset: 0, size: 8, kind: "unsigned" },
          sleep_ns: { offset: 8, size: 8, kind: "unsigned" },
          iowait_ns: { offset: 16, size: 8, kind: "unsigned" },
          block_ns: { offset: 24, size: 8, kind: "unsigned" },
          reclaim_ns: { offset: 32, size: 8, kind: "unsigned" },
          compact_ns: { offset: 40, size: 8, kind: "unsigned" },
          wait_slots: { offset: 48, size: 56, kind: "array", element: 8 },
          sleep_slots: { offset: 104, size: 56, kind: "array", element: 8 },
          iowait_slots: { offset: 160, size: 56, kind: "array", element: 8 },
          block_slots: { offset: 216, size: 56, kind: "array", element: 8 },
          reclaim_slots: { offset: 272, size: 56, kind: "array", element: 8 },
          compact_slots: { offset: 328, size: 56, kind: "array", element: 8 },
          reading: { offset: 384, size: 8, kind: "unsigned" },
          name: { offset: 392, size: 96, kind: "bytes" },
        },
      },
    },
    thread_cpu: {
      type: "hash",
      maxEntries: 8192,
      key: {
        size: 4,
        fields: {
          pid: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 64,
        fields: {
          off_cpu_ns: { offset: 0, size: 8, kind: "unsigned" },
          migrations: { offset: 8, size: 8, kind: "unsigned" },
          reading: { offset: 16, size: 8, kind: "unsigned" },
          tgid: { offset: 24, size: 4, kind: "unsigned" },
          comm: { offset: 28, size: 16, kind: "bytes" },
          preemptor: { offset: 44, size: 16, kind: "bytes" },
        },
      },
    },
    threads: {
      type: "other",
      maxEntries: 0,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "signed" },
        },
      },
      value: {
        size: 248,
        fields: {
          now: { offset: 0, size: 80, kind: "array", element: 8 },
          counted: { offset: 80, size: 80, kind: "array", element: 8 },
          off_since: { offset: 160, size: 8, kind: "unsigned" },
          ready_since: { offset: 168, size: 8, kind: "unsigned" },
          preempted_max_ns: { offset: 176, size: 8, kind: "unsigned" },
          cpu: { offset: 184, size: 4, kind: "unsigned" },
          preemptor: { offset: 188, size: 4, kind: "unsigned" },
          preemptor_comm: { offset: 192, size: 16, kind: "bytes" },
          off: { offset: 208, size: 1, kind: "unsigned" },
          observed: { offset: 209, size: 1, kind: "unsigned" },
          kind: { offset: 210, size: 1, kind: "unsigned" },
          call: { offset: 212, size: 4, kind: "unsigned" },
          entered_ns: { offset: 216, size: 8, kind: "unsigned" },
          failed: { offset: 224, size: 8, kind: "unsigned" },
          failed_counted: { offset: 232, size: 8, kind: "unsigned" },
          stalled_since: { offset: 240, size: 8, kind: "unsigned" },
        },
      },
    },
  },
  records: {},
  constants: {
    call_failures_on: { offset: 12, size: 1, kind: "unsigned" },
    call_times_on: { offset: 13, size: 1, kind: "unsigned" },
    calls_on: { offset: 8, size: 4, kind: "unsigned" },
    fs_on: { offset: 16, size: 4, kind: "unsigned" },
    ioctl_on: { offset: 14, size: 1, kind: "unsigned" },
    latency_on: { offset: 5, size: 1, kind: "unsigned" },
    observe_all: { offset: 0, size: 1, kind: "unsigned" },
    preemption_on: { offset: 4, size: 1, kind: "unsigned" },
    proc_latency_on: { offset: 6, size: 1, kind: "unsigned" },
    sched_on: { offset: 2, size: 1, kind: "unsigned" },
    sli_on: { offset: 1, size: 1, kind: "unsigned" },
    thread_cpu_on: { offset: 3, size: 1, kind: "unsigned" },
  },
  programs: {
    task_compact_begin: "tp_btf/mm_compaction_begin",
    task_compact_end: "tp_btf/mm_compaction_end",
    task_exec: "tp_btf/sched_process_exec",
    task_exit: "tp_btf/sched_process_exit",
    task_fork: "tp_btf/sched_process_fork",
    task_reading: "iter/task",
    task_reclaim_begin: "tp_btf/mm_vmscan_memcg_reclaim_begin",
    task_reclaim_end: "tp_btf/mm_vmscan_memcg_reclaim_end",
    task_switch: "tp_btf/sched_switch",
    task_sys_enter: "tp_btf/sys_enter",
    task_sys_exit: "tp_btf/sys_exit",
    task_wakeup: "tp_btf/sched_wakeup",
    task_wakeup_new: "tp_btf/sched_wakeup_new",
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
