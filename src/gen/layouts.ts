// SPDX-License-Identifier: MulanPSL-2.0
/** Written by scripts/gen.ts from the BTF of bpf/*.bpf.c: do not edit. */
import type { ObjectLayout } from "../core/layout.ts";

export const dns = {
  object: "dns.bpf.o",
  maps: {
    domains: {
      type: "hash",
      maxEntries: 2048,
      key: {
        size: 68,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          domain: { offset: 4, size: 64, kind: "bytes" },
        },
      },
      value: {
        size: 256,
        fields: {
          count: { offset: 0, size: 8, kind: "unsigned" },
          errors: { offset: 8, size: 8, kind: "unsigned" },
          ns: { offset: 16, size: 8, kind: "unsigned" },
          average_ns: { offset: 24, size: 8, kind: "unsigned" },
          error_permille: { offset: 32, size: 8, kind: "unsigned" },
          max_ns: { offset: 40, size: 8, kind: "unsigned" },
          period: { offset: 48, size: 8, kind: "unsigned" },
          reading: { offset: 56, size: 8, kind: "unsigned" },
          slots: { offset: 64, size: 192, kind: "array", element: 8 },
        },
      },
    },
    lookups: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 72,
        fields: {
          since: { offset: 0, size: 8, kind: "unsigned" },
          domain: { offset: 8, size: 64, kind: "bytes" },
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
    proc_dns: {
      type: "hash",
      maxEntries: 2048,
      key: {
        size: 4,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 48,
        fields: {
          failed: { offset: 0, size: 8, kind: "unsigned" },
          max_ns: { offset: 8, size: 8, kind: "unsigned" },
          period: { offset: 16, size: 8, kind: "unsigned" },
          reading: { offset: 24, size: 8, kind: "unsigned" },
          comm: { offset: 32, size: 16, kind: "bytes" },
        },
      },
    },
  },
  records: {},
  constants: {},
  programs: {
    dns_begin: "uprobe",
    dns_end: "uprobe",
    dns_end_pointer: "uprobe",
    dns_reading: "iter/task",
  },
} as const satisfies ObjectLayout;

export const endpoint = {
  object: "endpoint.bpf.o",
  maps: {
    connectors: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 24,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          family: { offset: 4, size: 4, kind: "unsigned" },
          local_ip: { offset: 8, size: 16, kind: "bytes" },
        },
      },
      value: {
        size: 24,
        fields: {
          active_open: { offset: 0, size: 8, kind: "unsigned" },
          active_open_failed: { offset: 8, size: 8, kind: "unsigned" },
          reading: { offset: 16, size: 8, kind: "unsigned" },
        },
      },
    },
    endpoint_memories: {
      type: "other",
      maxEntries: 0,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "signed" },
        },
      },
      value: {
        size: 48,
        fields: {
          since: { offset: 0, size: 8, kind: "unsigned" },
          tgid: { offset: 8, size: 4, kind: "unsigned" },
          drops: { offset: 12, size: 4, kind: "unsigned" },
          error: { offset: 16, size: 4, kind: "unsigned" },
          port: { offset: 20, size: 2, kind: "unsigned" },
          owned: { offset: 22, size: 1, kind: "unsigned" },
          asked: { offset: 23, size: 1, kind: "unsigned" },
          comm: { offset: 24, size: 16, kind: "bytes" },
          state: { offset: 40, size: 1, kind: "unsigned" },
        },
      },
    },
    listeners: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 8,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          port: { offset: 4, size: 2, kind: "unsigned" },
          unused: { offset: 6, size: 2, kind: "unsigned" },
        },
      },
      value: {
        size: 72,
        fields: {
          listendrop: { offset: 0, size: 8, kind: "unsigned" },
          accept_overflow: { offset: 8, size: 8, kind: "unsigned" },
          syn_overflow: { offset: 16, size: 8, kind: "unsigned" },
          passive_open: { offset: 24, size: 8, kind: "unsigned" },
          passive_open_failed: { offset: 32, size: 8, kind: "unsigned" },
          retran_synacks: { offset: 40, size: 8, kind: "unsigned" },
          accept_queue: { offset: 48, size: 4, kind: "unsigned" },
          accept_limit: { offset: 52, size: 4, kind: "unsigned" },
          syn_queue: { offset: 56, size: 4, kind: "unsigned" },
          unused: { offset: 60, size: 4, kind: "unsigned" },
          reading: { offset: 64, size: 8, kind: "unsigned" },
        },
      },
    },
    listening: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 8,
        fields: {
          value: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 48,
        fields: {
          since: { offset: 0, size: 8, kind: "unsigned" },
          tgid: { offset: 8, size: 4, kind: "unsigned" },
          drops: { offset: 12, size: 4, kind: "unsigned" },
          error: { offset: 16, size: 4, kind: "unsigned" },
          port: { offset: 20, size: 2, kind: "unsigned" },
          owned: { offset: 22, size: 1, kind: "unsigned" },
          asked: { offset: 23, size: 1, kind: "unsigned" },
          comm: { offset: 24, size: 16, kind: "bytes" },
          state: { offset: 40, size: 1, kind: "unsigned" },
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
    net_runs: {
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
    owner_wishes: {
      type: "array",
      maxEntries: 1,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 8,
        fields: {
          count: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
    },
    requests: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 8,
        fields: {
          value: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 60,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          role: { offset: 4, size: 2, kind: "unsigned" },
          family: { offset: 6, size: 2, kind: "unsigned" },
          server_port: { offset: 8, size: 2, kind: "unsigned" },
          unused: { offset: 10, size: 2, kind: "unsigned" },
          client_ip: { offset: 12, size: 16, kind: "bytes" },
          server_ip: { offset: 28, size: 16, kind: "bytes" },
          comm: { offset: 44, size: 16, kind: "bytes" },
        },
      },
    },
    syn_senders: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 8,
        fields: {
          value: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 60,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          role: { offset: 4, size: 2, kind: "unsigned" },
          family: { offset: 6, size: 2, kind: "unsigned" },
          server_port: { offset: 8, size: 2, kind: "unsigned" },
          unused: { offset: 10, size: 2, kind: "unsigned" },
          client_ip: { offset: 12, size: 16, kind: "bytes" },
          server_ip: { offset: 28, size: 16, kind: "bytes" },
          comm: { offset: 44, size: 16, kind: "bytes" },
        },
      },
    },
    tcp_peers: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 60,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          role: { offset: 4, size: 2, kind: "unsigned" },
          family: { offset: 6, size: 2, kind: "unsigned" },
          server_port: { offset: 8, size: 2, kind: "unsigned" },
          unused: { offset: 10, size: 2, kind: "unsigned" },
          client_ip: { offset: 12, size: 16, kind: "bytes" },
          server_ip: { offset: 28, size: 16, kind: "bytes" },
          comm: { offset: 44, size: 16, kind: "bytes" },
        },
      },
      value: {
        size: 184,
        fields: {
          passive_open: { offset: 0, size: 8, kind: "unsigned" },
          passive_open_failed: { offset: 8, size: 8, kind: "unsigned" },
          listendrop: { offset: 16, size: 8, kind: "unsigned" },
          accept_overflow: { offset: 24, size: 8, kind: "unsigned" },
          syn_overflow: { offset: 32, size: 8, kind: "unsigned" },
          retran_synacks: { offset: 40, size: 8, kind: "unsigned" },
          retran_syn: { offset: 48, size: 8, kind: "unsigned" },
          active_open: { offset: 56, size: 8, kind: "unsigned" },
          active_open_failed: { offset: 64, size: 8, kind: "unsigned" },
          syn_sent: { offset: 72, size: 8, kind: "unsigned" },
          synack_sent: { offset: 80, size: 8, kind: "unsigned" },
          req_drops: { offset: 88, size: 8, kind: "unsigned" },
          syn_drop: { offset: 96, size: 8, kind: "unsigned" },
          latency_slots: { offset: 104, size: 64, kind: "array", element: 8 },
          latency_ns: { offset: 168, size: 8, kind: "unsigned" },
          reading: { offset: 176, size: 8, kind: "unsigned" },
        },
      },
    },
    udp_addresses: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 28,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          family: { offset: 4, size: 2, kind: "unsigned" },
          port: { offset: 6, size: 2, kind: "unsigned" },
          kind: { offset: 8, size: 4, kind: "unsigned" },
          local_ip: { offset: 12, size: 16, kind: "bytes" },
        },
      },
      value: {
        size: 48,
        fields: {
          drops: { offset: 0, size: 8, kind: "unsigned" },
          sent_bytes: { offset: 8, size: 8, kind: "unsigned" },
          received_bytes: { offset: 16, size: 8, kind: "unsigned" },
          error: { offset: 24, size: 8, kind: "unsigned" },
          queue_bytes: { offset: 32, size: 8, kind: "unsigned" },
          reading: { offset: 40, size: 8, kind: "unsigned" },
        },
      },
    },
    udp_peers: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 44,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          family: { offset: 4, size: 2, kind: "unsigned" },
          local_port: { offset: 6, size: 2, kind: "unsigned" },
          remote_port: { offset: 8, size: 2, kind: "unsigned" },
          unused: { offset: 10, size: 2, kind: "unsigned" },
          local_ip: { offset: 12, size: 16, kind: "bytes" },
          remote_ip: { offset: 28, size: 16, kind: "bytes" },
        },
      },
      value: {
        size: 32,
        fields: {
          drops: { offset: 0, size: 8, kind: "unsigned" },
          sent_bytes: { offset: 8, size: 8, kind: "unsigned" },
          received_bytes: { offset: 16, size: 8, kind: "unsigned" },
          reading: { offset: 24, size: 8, kind: "unsigned" },
        },
      },
    },
    udp_ports: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 28,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          family: { offset: 4, size: 2, kind: "unsigned" },
          port: { offset: 6, size: 2, kind: "unsigned" },
          kind: { offset: 8, size: 4, kind: "unsigned" },
          local_ip: { offset: 12, size: 16, kind: "bytes" },
        },
      },
      value: {
        size: 48,
        fields: {
          drops: { offset: 0, size: 8, kind: "unsigned" },
          sent_bytes: { offset: 8, size: 8, kind: "unsigned" },
          received_bytes: { offset: 16, size: 8, kind: "unsigned" },
          error: { offset: 24, size: 8, kind: "unsigned" },
          queue_bytes: { offset: 32, size: 8, kind: "unsigned" },
          reading: { offset: 40, size: 8, kind: "unsigned" },
        },
      },
    },
  },
  records: {
    net_record: {
      size: 8,
      fields: {
        pid: { offset: 0, size: 4, kind: "unsigned" },
        inum: { offset: 4, size: 4, kind: "unsigned" },
      },
    },
  },
  constants: {
    want_peers: { offset: 0, size: 1, kind: "unsigned" },
    want_udp_peers: { offset: 1, size: 1, kind: "unsigned" },
  },
  programs: {
    endpoint_listeners: "iter/tcp",
    endpoint_owners: "iter/task_file",
    endpoint_received: "tp_btf/sock_recv_length",
    endpoint_received_inet: "fexit/inet_recvmsg",
    endpoint_received_inet6: "fexit/inet6_recvmsg",
    endpoint_received_udp: "fexit/udp_recvmsg",
    endpoint_received_udp6: "fexit/udpv6_recvmsg",
    endpoint_request_end: "fentry/tcp_v4_reqsk_destructor",
    endpoint_request_end6: "fentry/tcp_v6_reqsk_destructor",
    endpoint_request_end6_kprobe: "kprobe/tcp_v6_reqsk_destructor",
    endpoint_request_end_kprobe: "kprobe/tcp_v4_reqsk_destructor",
    endpoint_sent: "tp_btf/sock_send_length",
    endpoint_sent_inet: "fexit/inet_sendmsg",
    endpoint_sent_inet6: "fexit/inet6_sendmsg",
    endpoint_sent_udp: "fexit/udp_sendmsg",
    endpoint_sent_udp6: "fexit/udpv6_sendmsg",
    endpoint_state: "tp_btf/inet_sock_set_state",
    endpoint_state_missed: "tp_btf/inet_sock_set_state",
    endpoint_syn_again: "tp_btf/tcp_retransmit_skb",
    endpoint_syn_drop: "tp_btf/kfree_skb",
    endpoint_synack: "fentry/tcp_make_synack",
    endpoint_synack_again: "tp_btf/tcp_retransmit_synack",
    endpoint_synack_kprobe: "kprobe/tcp_make_synack",
    endpoint_udp_error: "tp_btf/udp_fail_queue_rcv_skb",
    endpoint_udp_living: "iter/udp",
    net_namespaces: "iter/task",
  },
} as const satisfies ObjectLayout;

export const exec = {
  object: "exec.bpf.o",
  maps: {
    execs: {
      type: "hash",
      maxEntries: 1024,
      key: {
        size: 128,
        fields: {
          comm: { offset: 0, size: 16, kind: "bytes" },
          parent: { offset: 16, size: 16, kind: "bytes" },
          cgroup: { offset: 32, size: 96, kind: "bytes" },
        },
      },
      value: {
        size: 8,
        fields: {
          starts: { offset: 0, size: 8, kind: "unsigned" },
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
  constants: {
    by_parent: { offset: 0, size: 1, kind: "unsigned" },
  },
  programs: {
    exec_start: "tp_btf/sched_process_exec",
  },
} as const satisfies ObjectLayout;

export const io = {
  object: "io.bpf.o",
  maps: {
    cgroup_verdicts: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 8,
        fields: {
          value: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 1,
        fields: {
          value: { offset: 0, size: 1, kind: "unsigned" },
        },
      },
    },
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
        size: 1048,
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
          scsi_timeouts: { offset: 992, size: 8, kind: "unsigned" },
          scsi_errors: { offset: 1000, size: 8, kind: "unsigned" },
          period: { offset: 1008, size: 8, kind: "unsigned" },
          name: { offset: 1016, size: 32, kind: "bytes" },
        },
      },
    },
    issued: {
      type: "array",
      maxEntries: 4096,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "bytes" },
        },
      },
      value: {
        size: 64,
        fields: {
          value: { offset: 0, size: 64, kind: "bytes" },
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
    observed_containers: {
      type: "hash",
      maxEntries: 256,
      key: {
        size: 12,
        fields: {
          digits: { offset: 0, size: 12, kind: "bytes" },
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
        size: 96,
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
          shown: { offset: 88, size: 8, kind: "unsigned" },
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
        size: 96,
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
          shown: { offset: 88, size: 8, kind: "unsigned" },
        },
      },
    },
    queued: {
      type: "array",
      maxEntries: 4096,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "bytes" },
        },
      },
      value: {
        size: 160,
        fields: {
          value: { offset: 0, size: 160, kind: "bytes" },
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
    sli_io_containers: {
      type: "hash",
      maxEntries: 2048,
      key: {
        size: 8,
        fields: {
          cgroup: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 168,
        fields: {
          name: { offset: 0, size: 96, kind: "bytes" },
          reading: { offset: 96, size: 8, kind: "unsigned" },
          ns: { offset: 104, size: 8, kind: "unsigned" },
          slots: { offset: 112, size: 56, kind: "array", element: 8 },
        },
      },
    },
    sli_io_node: {
      type: "percpu_array",
      maxEntries: 1,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 168,
        fields: {
          name: { offset: 0, size: 96, kind: "bytes" },
          reading: { offset: 96, size: 8, kind: "unsigned" },
          ns: { offset: 104, size: 8, kind: "unsigned" },
          slots: { offset: 112, size: 56, kind: "array", element: 8 },
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
        size: 72,
        fields: {
          read_bytes: { offset: 0, size: 8, kind: "unsigned" },
          write_bytes: { offset: 8, size: 8, kind: "unsigned" },
          errors: { offset: 16, size: 8, kind: "unsigned" },
          hangs: { offset: 24, size: 8, kind: "unsigned" },
          reading: { offset: 32, size: 8, kind: "unsigned" },
          tgid: { offset: 40, size: 4, kind: "unsigned" },
          comm: { offset: 44, size: 16, kind: "bytes" },
          shown: { offset: 64, size: 8, kind: "unsigned" },
        },
      },
    },
  },
  records: {},
  constants: {
    containers_listed: { offset: 1, size: 1, kind: "unsigned" },
    count_on: { offset: 3, size: 1, kind: "unsigned" },
    disk_on: { offset: 2, size: 1, kind: "unsigned" },
    observe_all: { offset: 0, size: 1, kind: "unsigned" },
    page_disk_on: { offset: 7, size: 1, kind: "unsigned" },
    page_process_on: { offset: 8, size: 1, kind: "unsigned" },
    process_on: { offset: 5, size: 1, kind: "unsigned" },
    sli_on: { offset: 4, size: 1, kind: "unsigned" },
    thread_on: { offset: 6, size: 1, kind: "unsigned" },
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
    io_scsi_error: "tp_btf/scsi_dispatch_cmd_error",
    io_scsi_timeout: "tp_btf/scsi_dispatch_cmd_timeout",
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

export const messages = {
  object: "messages.bpf.o",
  maps: {
    call_memories: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 8,
        fields: {
          value: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 104,
        fields: {
          arrived: { offset: 0, size: 32, kind: "array", element: 8 },
          arrived_to: { offset: 32, size: 16, kind: "array", element: 4 },
          arrival_count: { offset: 48, size: 1, kind: "unsigned" },
          verdict: { offset: 49, size: 1, kind: "unsigned" },
          unused: { offset: 50, size: 6, kind: "bytes" },
          connection: { offset: 56, size: 8, kind: "unsigned" },
          changes: { offset: 64, size: 8, kind: "unsigned" },
          ssl: { offset: 72, size: 8, kind: "unsigned" },
          rx_next: { offset: 80, size: 4, kind: "unsigned" },
          tx_next: { offset: 84, size: 4, kind: "unsigned" },
          serial: { offset: 88, size: 2, kind: "unsigned" },
          told: { offset: 90, size: 1, kind: "unsigned" },
          lost: { offset: 91, size: 1, kind: "unsigned" },
          is_new: { offset: 92, size: 1, kind: "unsigned" },
          rx_known: { offset: 93, size: 1, kind: "unsigned" },
          tx_known: { offset: 94, size: 1, kind: "unsigned" },
          connects: { offset: 95, size: 1, kind: "unsigned" },
          left: { offset: 96, size: 1, kind: "unsigned" },
          established: { offset: 97, size: 1, kind: "unsigned" },
          encrypted: { offset: 98, size: 1, kind: "unsigned" },
          whole: { offset: 99, size: 1, kind: "unsigned" },
        },
      },
    },
    call_watches: {
      type: "other",
      maxEntries: 0,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "signed" },
        },
      },
      value: {
        size: 8,
        fields: {
          asked: { offset: 0, size: 1, kind: "unsigned" },
          observed: { offset: 1, size: 1, kind: "unsigned" },
          unused: { offset: 2, size: 6, kind: "bytes" },
        },
      },
    },
    cgroup_verdicts: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 8,
        fields: {
          value: { offset: 0, size: 8, kind: "unsigned" },
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
    message_memories: {
      type: "other",
      maxEntries: 0,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "signed" },
        },
      },
      value: {
        size: 104,
        fields: {
          arrived: { offset: 0, size: 32, kind: "array", element: 8 },
          arrived_to: { offset: 32, size: 16, kind: "array", element: 4 },
          arrival_count: { offset: 48, size: 1, kind: "unsigned" },
          verdict: { offset: 49, size: 1, kind: "unsigned" },
          unused: { offset: 50, size: 6, kind: "bytes" },
          connection: { offset: 56, size: 8, kind: "unsigned" },
          changes: { offset: 64, size: 8, kind: "unsigned" },
          ssl: { offset: 72, size: 8, kind: "unsigned" },
          rx_next: { offset: 80, size: 4, kind: "unsigned" },
          tx_next: { offset: 84, size: 4, kind: "unsigned" },
          serial: { offset: 88, size: 2, kind: "unsigned" },
          told: { offset: 90, size: 1, kind: "unsigned" },
          lost: { offset: 91, size: 1, kind: "unsigned" },
          is_new: { offset: 92, size: 1, kind: "unsigned" },
          rx_known: { offset: 93, size: 1, kind: "unsigned" },
          tx_known: { offset: 94, size: 1, kind: "unsigned" },
          connects: { offset: 95, size: 1, kind: "unsigned" },
          left: { offset: 96, size: 1, kind: "unsigned" },
          established: { offset: 97, size: 1, kind: "unsigned" },
          encrypted: { offset: 98, size: 1, kind: "unsigned" },
          whole: { offset: 99, size: 1, kind: "unsigned" },
        },
      },
    },
    message_ring: {
      type: "ringbuf",
      maxEntries: 4194304,
      key: {
        size: 0,
        fields: {},
      },
      value: {
        size: 0,
        fields: {},
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
    observed_containers: {
      type: "hash",
      maxEntries: 256,
      key: {
        size: 12,
        fields: {
          digits: { offset: 0, size: 12, kind: "bytes" },
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
    observed_ports: {
      type: "hash",
      maxEntries: 1024,
      key: {
        size: 2,
        fields: {
          value: { offset: 0, size: 2, kind: "unsigned" },
        },
      },
      value: {
        size: 1,
        fields: {
          value: { offset: 0, size: 1, kind: "unsigned" },
        },
      },
    },
    scratches: {
      type: "percpu_array",
      maxEntries: 1,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 1024,
        fields: {
          "event.time": { offset: 0, size: 8, kind: "unsigned" },
          "event.connection": { offset: 8, size: 8, kind: "unsigned" },
          "event.length": { offset: 16, size: 4, kind: "unsigned" },
          "event.serial": { offset: 20, size: 2, kind: "unsigned" },
          "event.kind": { offset: 22, size: 1, kind: "unsigned" },
          "event.known": { offset: 23, size: 1, kind: "unsigned" },
          "event.thread": { offset: 24, size: 4, kind: "unsigned" },
          "event.bytes": { offset: 28, size: 256, kind: "bytes" },
          slack: { offset: 288, size: 512, kind: "bytes" },
          "piece.sock": { offset: 800, size: 8, kind: "unsigned" },
          "piece.from": { offset: 808, size: 8, kind: "unsigned" },
          "piece.length": { offset: 816, size: 8, kind: "unsigned" },
          "piece.segments": { offset: 824, size: 8, kind: "unsigned" },
          "piece.name": { offset: 832, size: 8, kind: "unsigned" },
          "piece.control": { offset: 840, size: 8, kind: "unsigned" },
          "piece.control_bytes": { offset: 848, size: 8, kind: "unsigned" },
          "piece.arrived": { offset: 856, size: 8, kind: "unsigned" },
          "piece.kind": { offset: 864, size: 1, kind: "unsigned" },
          "piece.unused": { offset: 865, size: 7, kind: "bytes" },
          "slot.message.name": { offset: 872, size: 8, kind: "unsigned" },
          "slot.message.name_bytes": { offset: 880, size: 4, kind: "unsigned" },
          "slot.message.segments": { offset: 888, size: 8, kind: "unsigned" },
          "slot.message.segment_count": { offset: 896, size: 8, kind: "unsigned" },
          "slot.message.control": { offset: 904, size: 8, kind: "unsigned" },
          "slot.message.control_bytes": { offset: 912, size: 8, kind: "unsigned" },
          "slot.message.flags": { offset: 920, size: 4, kind: "unsigned" },
          "slot.length": { offset: 928, size: 4, kind: "unsigned" },
          "named.time": { offset: 936, size: 8, kind: "unsigned" },
          "named.connection": { offset: 944, size: 8, kind: "unsigned" },
          "named.tgid": { offset: 952, size: 4, kind: "unsigned" },
          "named.family": { offset: 956, size: 2, kind: "unsigned" },
          "named.kind": { offset: 958, size: 1, kind: "unsigned" },
          "named.is_new": { offset: 959, size: 1, kind: "unsigned" },
          "named.fd": { offset: 960, size: 4, kind: "unsigned" },
          "named.local_port": { offset: 964, size: 2, kind: "unsigned" },
          "named.remote_port": { offset: 966, size: 2, kind: "unsigned" },
          "named.local_ip": { offset: 968, size: 16, kind: "bytes" },
          "named.remote_ip": { offset: 984, size: 16, kind: "bytes" },
          "named.thread": { offset: 1000, size: 4, kind: "unsigned" },
          "named.comm": { offset: 1004, size: 16, kind: "bytes" },
          "named.established": { offset: 1020, size: 1, kind: "unsigned" },
          "named.transport": { offset: 1021, size: 1, kind: "unsigned" },
          "named.is_tls": { offset: 1022, size: 1, kind: "unsigned" },
          "named.padding": { offset: 1023, size: 1, kind: "unsigned" },
        },
      },
    },
    serials: {
      type: "percpu_array",
      maxEntries: 1,
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
    tls_calls: {
      type: "other",
      maxEntries: 0,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "signed" },
        },
      },
      value: {
        size: 40,
        fields: {
          ssl: { offset: 0, size: 8, kind: "unsigned" },
          buffer: { offset: 8, size: 8, kind: "unsigned" },
          length_at: { offset: 16, size: 8, kind: "unsigned" },
          time: { offset: 24, size: 8, kind: "unsigned" },
          arrived: { offset: 32, size: 8, kind: "unsigned" },
        },
      },
    },
    tls_early: {
      type: "hash",
      maxEntries: 1024,
      key: {
        size: 16,
        fields: {
          ssl: { offset: 0, size: 8, kind: "unsigned" },
          tgid: { offset: 8, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 288,
        fields: {
          time: { offset: 0, size: 8, kind: "unsigned" },
          connection: { offset: 8, size: 8, kind: "unsigned" },
          length: { offset: 16, size: 4, kind: "unsigned" },
          serial: { offset: 20, size: 2, kind: "unsigned" },
          kind: { offset: 22, size: 1, kind: "unsigned" },
          known: { offset: 23, size: 1, kind: "unsigned" },
          thread: { offset: 24, size: 4, kind: "unsigned" },
          bytes: { offset: 28, size: 256, kind: "bytes" },
        },
      },
    },
    tls_sessions: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 16,
        fields: {
          ssl: { offset: 0, size: 8, kind: "unsigned" },
          tgid: { offset: 8, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 24,
        fields: {
          connection: { offset: 0, size: 8, kind: "unsigned" },
          changes: { offset: 8, size: 8, kind: "unsigned" },
          verdict: { offset: 16, size: 1, kind: "unsigned" },
          unused: { offset: 17, size: 1, kind: "unsigned" },
          serial: { offset: 18, size: 2, kind: "unsigned" },
          more_unused: { offset: 20, size: 4, kind: "unsigned" },
        },
      },
    },
    verdict_changes: {
      type: "array",
      maxEntries: 1,
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
    verdicts: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 8,
        fields: {
          value: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 1,
        fields: {
          value: { offset: 0, size: 1, kind: "unsigned" },
        },
      },
    },
  },
  records: {
    connection_event: {
      size: 88,
      fields: {
        time: { offset: 0, size: 8, kind: "unsigned" },
        connection: { offset: 8, size: 8, kind: "unsigned" },
        tgid: { offset: 16, size: 4, kind: "unsigned" },
        family: { offset: 20, size: 2, kind: "unsigned" },
        kind: { offset: 22, size: 1, kind: "unsigned" },
        is_new: { offset: 23, size: 1, kind: "unsigned" },
        fd: { offset: 24, size: 4, kind: "unsigned" },
        local_port: { offset: 28, size: 2, kind: "unsigned" },
        remote_port: { offset: 30, size: 2, kind: "unsigned" },
        local_ip: { offset: 32, size: 16, kind: "bytes" },
        remote_ip: { offset: 48, size: 16, kind: "bytes" },
        thread: { offset: 64, size: 4, kind: "unsigned" },
        comm: { offset: 68, size: 16, kind: "bytes" },
        established: { offset: 84, size: 1, kind: "unsigned" },
        transport: { offset: 85, size: 1, kind: "unsigned" },
        is_tls: { offset: 86, size: 1, kind: "unsigned" },
        padding: { offset: 87, size: 1, kind: "unsigned" },
      },
    },
    datagram_event: {
      size: 40,
      fields: {
        family: { offset: 0, size: 2, kind: "unsigned" },
        local_port: { offset: 2, size: 2, kind: "unsigned" },
        remote_port: { offset: 4, size: 2, kind: "unsigned" },
        unused: { offset: 6, size: 2, kind: "unsigned" },
        local_ip: { offset: 8, size: 16, kind: "bytes" },
        remote_ip: { offset: 24, size: 16, kind: "bytes" },
      },
    },
    message_event: {
      size: 288,
      fields: {
        time: { offset: 0, size: 8, kind: "unsigned" },
        connection: { offset: 8, size: 8, kind: "unsigned" },
        length: { offset: 16, size: 4, kind: "unsigned" },
        serial: { offset: 20, size: 2, kind: "unsigned" },
        kind: { offset: 22, size: 1, kind: "unsigned" },
        known: { offset: 23, size: 1, kind: "unsigned" },
        thread: { offset: 24, size: 4, kind: "unsigned" },
        bytes: { offset: 28, size: 256, kind: "bytes" },
      },
    },
  },
  constants: {
    by_port: { offset: 8, size: 1, kind: "unsigned" },
    calls_tcp: { offset: 9, size: 1, kind: "unsigned" },
    calls_udp: { offset: 12, size: 1, kind: "unsigned" },
    calls_unix: { offset: 13, size: 1, kind: "unsigned" },
    containers_listed: { offset: 1, size: 1, kind: "unsigned" },
    first_bytes: { offset: 4, size: 4, kind: "unsigned" },
    links: { offset: 10, size: 1, kind: "unsigned" },
    observe_all: { offset: 0, size: 1, kind: "unsigned" },
    tls: { offset: 11, size: 1, kind: "unsigned" },
  },
  programs: {
    message_call_begins: "tp_btf/sys_enter",
    message_call_ends: "tp_btf/sys_exit",
    message_program_changes: "tp_btf/sched_process_exec",
    message_segment_comes: "tp_btf/tcp_probe",
    messages_arrived: "tp_btf/sk_data_ready",
    messages_closed: "tp_btf/tcp_destroy_sock",
    messages_received: "tp_btf/skb_copy_datagram_iovec",
    messages_sent: "tp_btf/tcp_sendmsg_locked",
    messages_state: "tp_btf/inet_sock_set_state",
    messages_tls_begin: "uprobe",
    messages_tls_begin_ex: "uprobe",
    messages_tls_read: "uprobe",
    messages_tls_read_ex: "uprobe",
    messages_tls_written: "uprobe",
    messages_tls_written_ex: "uprobe",
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
      size: 232,
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
        cgroups: { offset: 72, size: 8, kind: "unsigned" },
        utime_ns: { offset: 80, size: 8, kind: "unsigned" },
        stime_ns: { offset: 88, size: 8, kind: "unsigned" },
        runtime_ns: { offset: 96, size: 8, kind: "unsigned" },
        shown_utime_ns: { offset: 104, size: 8, kind: "unsigned" },
        shown_stime_ns: { offset: 112, size: 8, kind: "unsigned" },
        children_utime_ns: { offset: 120, size: 8, kind: "unsigned" },
        children_stime_ns: { offset: 128, size: 8, kind: "unsigned" },
        minor_faults: { offset: 136, size: 8, kind: "unsigned" },
        major_faults: { offset: 144, size: 8, kind: "unsigned" },
        size_pages: { offset: 152, size: 8, kind: "unsigned" },
        resident_pages: { offset: 160, size: 8, kind: "unsigned" },
        fd_limit: { offset: 168, size: 8, kind: "unsigned" },
        "io.rchar": { offset: 176, size: 8, kind: "unsigned" },
        "io.wchar": { offset: 184, size: 8, kind: "unsigned" },
        "io.syscr": { offset: 192, size: 8, kind: "unsigned" },
        "io.syscw": { offset: 200, size: 8, kind: "unsigned" },
        "io.read_bytes": { offset: 208, size: 8, kind: "unsigned" },
        "io.write_bytes": { offset: 216, size: 8, kind: "unsigned" },
        "io.cancelled_write_bytes": { offset: 224, size: 8, kind: "unsigned" },
      },
    },
  },
  constants: {},
  programs: {
    proc_tasks: "iter/task",
  },
} as const satisfies ObjectLayout;

export const pygc = {
  object: "pygc.bpf.o",
  maps: {
    collectors: {
      type: "other",
      maxEntries: 0,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "signed" },
        },
      },
      value: {
        size: 72,
        fields: {
          open: { offset: 0, size: 8, kind: "unsigned" },
          since: { offset: 8, size: 32, kind: "array", element: 8 },
          stack: { offset: 40, size: 32, kind: "array", element: 8 },
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
    proc_pygc: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 4,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 248,
        fields: {
          count: { offset: 0, size: 8, kind: "unsigned" },
          ns: { offset: 8, size: 8, kind: "unsigned" },
          max_ns: { offset: 16, size: 8, kind: "unsigned" },
          period: { offset: 24, size: 8, kind: "unsigned" },
          reading: { offset: 32, size: 8, kind: "unsigned" },
          slots: { offset: 40, size: 192, kind: "array", element: 8 },
          comm: { offset: 232, size: 16, kind: "bytes" },
        },
      },
    },
  },
  records: {},
  constants: {},
  programs: {
    pygc_begin: "uprobe",
    pygc_end: "uprobe",
    pygc_enter: "uprobe",
    pygc_reading: "iter/task",
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
          slots: { offset: 240, size: 2880, kind: "array", element: 8 },
        },
      },
    },
    cgroup_verdicts: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 8,
        fields: {
          value: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 1,
        fields: {
          value: { offset: 0, size: 1, kind: "unsigned" },
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
    observed_containers: {
      type: "hash",
      maxEntries: 256,
      key: {
        size: 12,
        fields: {
          digits: { offset: 0, size: 12, kind: "bytes" },
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
        size: 160,
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
          shown: { offset: 152, size: 8, kind: "unsigned" },
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
        size: 112,
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
          shown: { offset: 104, size: 8, kind: "unsigned" },
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
        size: 616,
        fields: {
          name: { offset: 0, size: 96, kind: "bytes" },
          reading: { offset: 96, size: 8, kind: "unsigned" },
          wait_ns: { offset: 104, size: 8, kind: "unsigned" },
          sleep_ns: { offset: 112, size: 8, kind: "unsigned" },
          iowait_ns: { offset: 120, size: 8, kind: "unsigned" },
          block_ns: { offset: 128, size: 8, kind: "unsigned" },
          reclaim_ns: { offset: 136, size: 8, kind: "unsigned" },
          compact_ns: { offset: 144, size: 8, kind: "unsigned" },
          longsys_ns: { offset: 152, size: 8, kind: "unsigned" },
          swapin_ns: { offset: 160, size: 8, kind: "unsigned" },
          wait_slots: { offset: 168, size: 56, kind: "array", element: 8 },
          sleep_slots: { offset: 224, size: 56, kind: "array", element: 8 },
          iowait_slots: { offset: 280, size: 56, kind: "array", element: 8 },
          block_slots: { offset: 336, size: 56, kind: "array", element: 8 },
          reclaim_slots: { offset: 392, size: 56, kind: "array", element: 8 },
          compact_slots: { offset: 448, size: 56, kind: "array", element: 8 },
          longsys_slots: { offset: 504, size: 56, kind: "array", element: 8 },
          swapin_slots: { offset: 560, size: 56, kind: "array", element: 8 },
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
        size: 616,
        fields: {
          name: { offset: 0, size: 96, kind: "bytes" },
          reading: { offset: 96, size: 8, kind: "unsigned" },
          wait_ns: { offset: 104, size: 8, kind: "unsigned" },
          sleep_ns: { offset: 112, size: 8, kind: "unsigned" },
          iowait_ns: { offset: 120, size: 8, kind: "unsigned" },
          block_ns: { offset: 128, size: 8, kind: "unsigned" },
          reclaim_ns: { offset: 136, size: 8, kind: "unsigned" },
          compact_ns: { offset: 144, size: 8, kind: "unsigned" },
          longsys_ns: { offset: 152, size: 8, kind: "unsigned" },
          swapin_ns: { offset: 160, size: 8, kind: "unsigned" },
          wait_slots: { offset: 168, size: 56, kind: "array", element: 8 },
          sleep_slots: { offset: 224, size: 56, kind: "array", element: 8 },
          iowait_slots: { offset: 280, size: 56, kind: "array", element: 8 },
          block_slots: { offset: 336, size: 56, kind: "array", element: 8 },
          reclaim_slots: { offset: 392, size: 56, kind: "array", element: 8 },
          compact_slots: { offset: 448, size: 56, kind: "array", element: 8 },
          longsys_slots: { offset: 504, size: 56, kind: "array", element: 8 },
          swapin_slots: { offset: 560, size: 56, kind: "array", element: 8 },
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
        size: 80,
        fields: {
          off_cpu_ns: { offset: 0, size: 8, kind: "unsigned" },
          migrations: { offset: 8, size: 8, kind: "unsigned" },
          iowait_ns: { offset: 16, size: 8, kind: "unsigned" },
          reading: { offset: 24, size: 8, kind: "unsigned" },
          tgid: { offset: 32, size: 4, kind: "unsigned" },
          comm: { offset: 36, size: 16, kind: "bytes" },
          preemptor: { offset: 52, size: 16, kind: "bytes" },
          shown: { offset: 72, size: 8, kind: "unsigned" },
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
        size: 296,
        fields: {
          now: { offset: 0, size: 80, kind: "array", element: 8 },
          counted: { offset: 80, size: 80, kind: "array", element: 8 },
          born: { offset: 160, size: 8, kind: "unsigned" },
          ran_before: { offset: 168, size: 8, kind: "unsigned" },
          off_since: { offset: 176, size: 8, kind: "unsigned" },
          ready_since: { offset: 184, size: 8, kind: "unsigned" },
          preempted_max_ns: { offset: 192, size: 8, kind: "unsigned" },
          cpu: { offset: 200, size: 4, kind: "unsigned" },
          preemptor: { offset: 204, size: 4, kind: "unsigned" },
          preemptor_comm: { offset: 208, size: 16, kind: "bytes" },
          off: { offset: 224, size: 1, kind: "unsigned" },
          observed: { offset: 225, size: 1, kind: "unsigned" },
          kind: { offset: 226, size: 1, kind: "unsigned" },
          call: { offset: 228, size: 4, kind: "unsigned" },
          entered_ns: { offset: 232, size: 8, kind: "unsigned" },
          failed: { offset: 240, size: 8, kind: "unsigned" },
          failed_counted: { offset: 248, size: 8, kind: "unsigned" },
          stalled_since: { offset: 256, size: 8, kind: "unsigned" },
          swapping_since: { offset: 264, size: 8, kind: "unsigned" },
          on_since: { offset: 272, size: 8, kind: "unsigned" },
          utime: { offset: 280, size: 8, kind: "unsigned" },
          stime: { offset: 288, size: 8, kind: "unsigned" },
        },
      },
    },
  },
  records: {},
  constants: {
    call_failures_on: { offset: 16, size: 1, kind: "unsigned" },
    call_times_on: { offset: 17, size: 1, kind: "unsigned" },
    calls_on: { offset: 12, size: 4, kind: "unsigned" },
    containers_listed: { offset: 1, size: 1, kind: "unsigned" },
    fs_on: { offset: 20, size: 4, kind: "unsigned" },
    ioctl_on: { offset: 18, size: 1, kind: "unsigned" },
    latency_on: { offset: 6, size: 1, kind: "unsigned" },
    observe_all: { offset: 0, size: 1, kind: "unsigned" },
    preemption_on: { offset: 5, size: 1, kind: "unsigned" },
    proc_latency_on: { offset: 8, size: 1, kind: "unsigned" },
    sched_on: { offset: 3, size: 1, kind: "unsigned" },
    sli_on: { offset: 2, size: 1, kind: "unsigned" },
    switches_on: { offset: 7, size: 1, kind: "unsigned" },
    thread_cpu_on: { offset: 4, size: 1, kind: "unsigned" },
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
    task_swapin_begin: "fentry/do_swap_page",
    task_swapin_end: "fexit/do_swap_page",
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
    again_wishes: {
      type: "array",
      maxEntries: 1,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 8,
        fields: {
          count: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
    },
    delay_memories: {
      type: "other",
      maxEntries: 0,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "signed" },
        },
      },
      value: {
        size: 24,
        fields: {
          arrived: { offset: 0, size: 8, kind: "unsigned" },
          sent: { offset: 8, size: 8, kind: "unsigned" },
          sent_seq: { offset: 16, size: 4, kind: "unsigned" },
          unused: { offset: 20, size: 4, kind: "unsigned" },
        },
      },
    },
    listen_ports: {
      type: "hash",
      maxEntries: 4096,
      key: {
        size: 8,
        fields: {
          net: { offset: 0, size: 4, kind: "unsigned" },
          port: { offset: 4, size: 2, kind: "unsigned" },
          unused: { offset: 6, size: 2, kind: "unsigned" },
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
    net_drops: {
      type: "percpu_hash",
      maxEntries: 1024,
      key: {
        size: 8,
        fields: {
          reason: { offset: 0, size: 4, kind: "unsigned" },
          family: { offset: 4, size: 2, kind: "unsigned" },
          protocol: { offset: 6, size: 2, kind: "unsigned" },
        },
      },
      value: {
        size: 8,
        fields: {
          packets: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
    },
    net_runs: {
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
    owner_wishes: {
      type: "array",
      maxEntries: 1,
      key: {
        size: 4,
        fields: {
          value: { offset: 0, size: 4, kind: "unsigned" },
        },
      },
      value: {
        size: 8,
        fields: {
          count: { offset: 0, size: 8, kind: "unsigned" },
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
        size: 408,
        fields: {
          segs_in: { offset: 0, size: 4, kind: "unsigned" },
          segs_out: { offset: 4, size: 4, kind: "unsigned" },
          write_seq: { offset: 8, size: 4, kind: "unsigned" },
          looked: { offset: 12, size: 4, kind: "unsigned" },
          measured: { offset: 16, size: 4, kind: "unsigned" },
          tgid: { offset: 20, size: 4, kind: "unsigned" },
          local_port: { offset: 24, size: 2, kind: "unsigned" },
          owner: { offset: 26, size: 1, kind: "unsigned" },
          role: { offset: 27, size: 1, kind: "unsigned" },
          restless: { offset: 28, size: 1, kind: "unsigned" },
          closed: { offset: 29, size: 1, kind: "unsigned" },
          sought: { offset: 30, size: 1, kind: "unsigned" },
          state: { offset: 31, size: 1, kind: "unsigned" },
          opened: { offset: 32, size: 4, kind: "unsigned" },
          file: { offset: 40, size: 8, kind: "unsigned" },
          rx_bytes: { offset: 48, size: 8, kind: "unsigned" },
          tx_bytes: { offset: 56, size: 8, kind: "unsigned" },
          since: { offset: 64, size: 8, kind: "unsigned" },
          retrans: { offset: 72, size: 4, kind: "unsigned" },
          sk_drops: { offset: 76, size: 4, kind: "unsigned" },
          rwnd_limited: { offset: 80, size: 4, kind: "unsigned" },
          syn_srtt_us: { offset: 84, size: 4, kind: "unsigned" },
          setup_us: { offset: 88, size: 4, kind: "unsigned" },
          events: { offset: 92, size: 32, kind: "array", element: 4 },
          comm: { offset: 124, size: 16, kind: "bytes" },
          "had.srtt_us": { offset: 144, size: 8, kind: "unsigned" },
          "had.rcv_rtt_us": { offset: 152, size: 8, kind: "unsigned" },
          "had.syn_srtt_us": { offset: 160, size: 8, kind: "unsigned" },
          "had.notsent_bytes": { offset: 168, size: 8, kind: "unsigned" },
          "had.notack_bytes": { offset: 176, size: 8, kind: "unsigned" },
          "had.reordering": { offset: 184, size: 8, kind: "unsigned" },
          "had.rto_us": { offset: 192, size: 8, kind: "unsigned" },
          "had.ato_us": { offset: 200, size: 8, kind: "unsigned" },
          "had.snd_ssthresh": { offset: 208, size: 8, kind: "unsigned" },
          "had.rcv_ssthresh": { offset: 216, size: 8, kind: "unsigned" },
          "had.advmss": { offset: 224, size: 8, kind: "unsigned" },
          "had.rcv_space": { offset: 232, size: 8, kind: "unsigned" },
          "had.delivery_rate": { offset: 240, size: 8, kind: "unsigned" },
          "had.busy_time": { offset: 248, size: 8, kind: "unsigned" },
          "had.rwnd_limited": { offset: 256, size: 8, kind: "unsigned" },
          "had.sndbuf_limited": { offset: 264, size: 8, kind: "unsigned" },
          "had.pacing_rate": { offset: 272, size: 8, kind: "unsigned" },
          "had.max_pacing_rate": { offset: 280, size: 8, kind: "unsigned" },
          "had.sk_err_que_size": { offset: 288, size: 8, kind: "unsigned" },
          "had.sk_rcv_que_size": { offset: 296, size: 8, kind: "unsigned" },
          "had.sk_wri_que_size": { offset: 304, size: 8, kind: "unsigned" },
          "had.sk_backlog_size": { offset: 312, size: 8, kind: "unsigned" },
          "had.sk_omem_size": { offset: 320, size: 8, kind: "unsigned" },
          "had.sk_forward_size": { offset: 328, size: 8, kind: "unsigned" },
          "had.sk_wmem_size": { offset: 336, size: 8, kind: "unsigned" },
          "had.lost_out": { offset: 344, size: 8, kind: "unsigned" },
          "had.sacked_out": { offset: 352, size: 8, kind: "unsigned" },
          "had.sk_err": { offset: 360, size: 8, kind: "unsigned" },
          "had.sk_err_soft": { offset: 368, size: 8, kind: "unsigned" },
          "had.retrans_ppm": { offset: 376, size: 8, kind: "unsigned" },
          "had.snd_cwnd": { offset: 384, size: 8, kind: "unsigned" },
          "had.snd_wnd": { offset: 392, size: 8, kind: "unsigned" },
          "had.rcv_wnd": { offset: 400, size: 8, kind: "unsigned" },
        },
      },
    },
    sought_files: {
      type: "hash",
      maxEntries: 65536,
      key: {
        size: 8,
        fields: {
          value: { offset: 0, size: 8, kind: "unsigned" },
        },
      },
      value: {
        size: 32,
        fields: {
          socket: { offset: 0, size: 8, kind: "unsigned" },
          tgid: { offset: 8, size: 4, kind: "unsigned" },
          unused: { offset: 12, size: 4, kind: "unsigned" },
          comm: { offset: 16, size: 16, kind: "bytes" },
        },
      },
    },
    tcp_delays: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 28,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          role: { offset: 4, size: 2, kind: "unsigned" },
          family: { offset: 6, size: 2, kind: "unsigned" },
          server_port: { offset: 8, size: 4, kind: "unsigned" },
          remote_ip: { offset: 12, size: 16, kind: "bytes" },
        },
      },
      value: {
        size: 120,
        fields: {
          "sys_delay.slots": { offset: 0, size: 48, kind: "array", element: 8 },
          "sys_delay.sum": { offset: 48, size: 8, kind: "unsigned" },
          "net_delay.slots": { offset: 56, size: 48, kind: "array", element: 8 },
          "net_delay.sum": { offset: 104, size: 8, kind: "unsigned" },
          reading: { offset: 112, size: 8, kind: "unsigned" },
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
        size: 432,
        fields: {
          changes: { offset: 0, size: 8, kind: "unsigned" },
          rx_bytes: { offset: 8, size: 8, kind: "unsigned" },
          tx_bytes: { offset: 16, size: 8, kind: "unsigned" },
          segs_in: { offset: 24, size: 8, kind: "unsigned" },
          segs_out: { offset: 32, size: 8, kind: "unsigned" },
          retran_packets: { offset: 40, size: 8, kind: "unsigned" },
          sk_drops: { offset: 48, size: 8, kind: "unsigned" },
          zero_rcv_wnd_count: { offset: 56, size: 8, kind: "unsigned" },
          zero_snd_wnd_count: { offset: 64, size: 8, kind: "unsigned" },
          backlog_drops: { offset: 72, size: 8, kind: "unsigned" },
          filter_drops: { offset: 80, size: 8, kind: "unsigned" },
          tmout_count: { offset: 88, size: 8, kind: "unsigned" },
          snd_buf_limit_count: { offset: 96, size: 8, kind: "unsigned" },
          rmem_scheduls: { offset: 104, size: 8, kind: "unsigned" },
          tcp_oom: { offset: 112, size: 8, kind: "unsigned" },
          send_rsts: { offset: 120, size: 8, kind: "unsigned" },
          receive_rsts: { offset: 128, size: 8, kind: "unsigned" },
          "now.srtt_us": { offset: 136, size: 8, kind: "unsigned" },
          "now.rcv_rtt_us": { offset: 144, size: 8, kind: "unsigned" },
          "now.syn_srtt_us": { offset: 152, size: 8, kind: "unsigned" },
          "now.notsent_bytes": { offset: 160, size: 8, kind: "unsigned" },
          "now.notack_bytes": { offset: 168, size: 8, kind: "unsigned" },
          "now.reordering": { offset: 176, size: 8, kind: "unsigned" },
          "now.rto_us": { offset: 184, size: 8, kind: "unsigned" },
          "now.ato_us": { offset: 192, size: 8, kind: "unsigned" },
          "now.snd_ssthresh": { offset: 200, size: 8, kind: "unsigned" },
          "now.rcv_ssthresh": { offset: 208, size: 8, kind: "unsigned" },
          "now.advmss": { offset: 216, size: 8, kind: "unsigned" },
          "now.rcv_space": { offset: 224, size: 8, kind: "unsigned" },
          "now.delivery_rate": { offset: 232, size: 8, kind: "unsigned" },
          "now.busy_time": { offset: 240, size: 8, kind: "unsigned" },
          "now.rwnd_limited": { offset: 248, size: 8, kind: "unsigned" },
          "now.sndbuf_limited": { offset: 256, size: 8, kind: "unsigned" },
          "now.pacing_rate": { offset: 264, size: 8, kind: "unsigned" },
          "now.max_pacing_rate": { offset: 272, size: 8, kind: "unsigned" },
          "now.sk_err_que_size": { offset: 280, size: 8, kind: "unsigned" },
          "now.sk_rcv_que_size": { offset: 288, size: 8, kind: "unsigned" },
          "now.sk_wri_que_size": { offset: 296, size: 8, kind: "unsigned" },
          "now.sk_backlog_size": { offset: 304, size: 8, kind: "unsigned" },
          "now.sk_omem_size": { offset: 312, size: 8, kind: "unsigned" },
          "now.sk_forward_size": { offset: 320, size: 8, kind: "unsigned" },
          "now.sk_wmem_size": { offset: 328, size: 8, kind: "unsigned" },
          "now.lost_out": { offset: 336, size: 8, kind: "unsigned" },
          "now.sacked_out": { offset: 344, size: 8, kind: "unsigned" },
          "now.sk_err": { offset: 352, size: 8, kind: "unsigned" },
          "now.sk_err_soft": { offset: 360, size: 8, kind: "unsigned" },
          "now.retrans_ppm": { offset: 368, size: 8, kind: "unsigned" },
          "now.snd_cwnd": { offset: 376, size: 8, kind: "unsigned" },
          "now.snd_wnd": { offset: 384, size: 8, kind: "unsigned" },
          "now.rcv_wnd": { offset: 392, size: 8, kind: "unsigned" },
          reading: { offset: 400, size: 8, kind: "unsigned" },
          looked: { offset: 408, size: 4, kind: "unsigned" },
          full: { offset: 412, size: 4, kind: "unsigned" },
          late: { offset: 416, size: 4, kind: "unsigned" },
          merged: { offset: 420, size: 4, kind: "unsigned" },
          fell: { offset: 424, size: 4, kind: "unsigned" },
          falling: { offset: 428, size: 4, kind: "unsigned" },
        },
      },
    },
    tcp_metric: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 60,
        fields: {
          "link.tgid": { offset: 0, size: 4, kind: "unsigned" },
          "link.role": { offset: 4, size: 2, kind: "unsigned" },
          "link.family": { offset: 6, size: 2, kind: "unsigned" },
          "link.client_port": { offset: 8, size: 2, kind: "unsigned" },
          "link.server_port": { offset: 10, size: 2, kind: "unsigned" },
          "link.client_ip": { offset: 12, size: 16, kind: "bytes" },
          "link.server_ip": { offset: 28, size: 16, kind: "bytes" },
          comm: { offset: 44, size: 16, kind: "bytes" },
        },
      },
      value: {
        size: 1288,
        fields: {
          "link.changes": { offset: 0, size: 8, kind: "unsigned" },
          "link.rx_bytes": { offset: 8, size: 8, kind: "unsigned" },
          "link.tx_bytes": { offset: 16, size: 8, kind: "unsigned" },
          "link.segs_in": { offset: 24, size: 8, kind: "unsigned" },
          "link.segs_out": { offset: 32, size: 8, kind: "unsigned" },
          "link.retran_packets": { offset: 40, size: 8, kind: "unsigned" },
          "link.sk_drops": { offset: 48, size: 8, kind: "unsigned" },
          "link.zero_rcv_wnd_count": { offset: 56, size: 8, kind: "unsigned" },
          "link.zero_snd_wnd_count": { offset: 64, size: 8, kind: "unsigned" },
          "link.backlog_drops": { offset: 72, size: 8, kind: "unsigned" },
          "link.filter_drops": { offset: 80, size: 8, kind: "unsigned" },
          "link.tmout_count": { offset: 88, size: 8, kind: "unsigned" },
          "link.snd_buf_limit_count": { offset: 96, size: 8, kind: "unsigned" },
          "link.rmem_scheduls": { offset: 104, size: 8, kind: "unsigned" },
          "link.tcp_oom": { offset: 112, size: 8, kind: "unsigned" },
          "link.send_rsts": { offset: 120, size: 8, kind: "unsigned" },
          "link.receive_rsts": { offset: 128, size: 8, kind: "unsigned" },
          "link.now.srtt_us": { offset: 136, size: 8, kind: "unsigned" },
          "link.now.rcv_rtt_us": { offset: 144, size: 8, kind: "unsigned" },
          "link.now.syn_srtt_us": { offset: 152, size: 8, kind: "unsigned" },
          "link.now.notsent_bytes": { offset: 160, size: 8, kind: "unsigned" },
          "link.now.notack_bytes": { offset: 168, size: 8, kind: "unsigned" },
          "link.now.reordering": { offset: 176, size: 8, kind: "unsigned" },
          "link.now.rto_us": { offset: 184, size: 8, kind: "unsigned" },
          "link.now.ato_us": { offset: 192, size: 8, kind: "unsigned" },
          "link.now.snd_ssthresh": { offset: 200, size: 8, kind: "unsigned" },
          "link.now.rcv_ssthresh": { offset: 208, size: 8, kind: "unsigned" },
          "link.now.advmss": { offset: 216, size: 8, kind: "unsigned" },
          "link.now.rcv_space": { offset: 224, size: 8, kind: "unsigned" },
          "link.now.delivery_rate": { offset: 232, size: 8, kind: "unsigned" },
          "link.now.busy_time": { offset: 240, size: 8, kind: "unsigned" },
          "link.now.rwnd_limited": { offset: 248, size: 8, kind: "unsigned" },
          "link.now.sndbuf_limited": { offset: 256, size: 8, kind: "unsigned" },
          "link.now.pacing_rate": { offset: 264, size: 8, kind: "unsigned" },
          "link.now.max_pacing_rate": { offset: 272, size: 8, kind: "unsigned" },
          "link.now.sk_err_que_size": { offset: 280, size: 8, kind: "unsigned" },
          "link.now.sk_rcv_que_size": { offset: 288, size: 8, kind: "unsigned" },
          "link.now.sk_wri_que_size": { offset: 296, size: 8, kind: "unsigned" },
          "link.now.sk_backlog_size": { offset: 304, size: 8, kind: "unsigned" },
          "link.now.sk_omem_size": { offset: 312, size: 8, kind: "unsigned" },
          "link.now.sk_forward_size": { offset: 320, size: 8, kind: "unsigned" },
          "link.now.sk_wmem_size": { offset: 328, size: 8, kind: "unsigned" },
          "link.now.lost_out": { offset: 336, size: 8, kind: "unsigned" },
          "link.now.sacked_out": { offset: 344, size: 8, kind: "unsigned" },
          "link.now.sk_err": { offset: 352, size: 8, kind: "unsigned" },
          "link.now.sk_err_soft": { offset: 360, size: 8, kind: "unsigned" },
          "link.now.retrans_ppm": { offset: 368, size: 8, kind: "unsigned" },
          "link.now.snd_cwnd": { offset: 376, size: 8, kind: "unsigned" },
          "link.now.snd_wnd": { offset: 384, size: 8, kind: "unsigned" },
          "link.now.rcv_wnd": { offset: 392, size: 8, kind: "unsigned" },
          "link.reading": { offset: 400, size: 8, kind: "unsigned" },
          "link.looked": { offset: 408, size: 4, kind: "unsigned" },
          "link.full": { offset: 412, size: 4, kind: "unsigned" },
          "link.late": { offset: 416, size: 4, kind: "unsigned" },
          "link.merged": { offset: 420, size: 4, kind: "unsigned" },
          "link.fell": { offset: 424, size: 4, kind: "unsigned" },
          "link.falling": { offset: 428, size: 4, kind: "unsigned" },
          "srtt.slots": { offset: 432, size: 48, kind: "array", element: 8 },
          "srtt.sum": { offset: 480, size: 8, kind: "unsigned" },
          "rcv_rtt.slots": { offset: 488, size: 48, kind: "array", element: 8 },
          "rcv_rtt.sum": { offset: 536, size: 8, kind: "unsigned" },
          "syn_srtt.slots": { offset: 544, size: 48, kind: "array", element: 8 },
          "syn_srtt.sum": { offset: 592, size: 8, kind: "unsigned" },
          "snd_cwnd.slots": { offset: 600, size: 48, kind: "array", element: 8 },
          "snd_cwnd.sum": { offset: 648, size: 8, kind: "unsigned" },
          "notsent_bytes.slots": { offset: 656, size: 48, kind: "array", element: 8 },
          "notsent_bytes.sum": { offset: 704, size: 8, kind: "unsigned" },
          "notack_bytes.slots": { offset: 712, size: 48, kind: "array", element: 8 },
          "notack_bytes.sum": { offset: 760, size: 8, kind: "unsigned" },
          "reordering.slots": { offset: 768, size: 48, kind: "array", element: 8 },
          "reordering.sum": { offset: 816, size: 8, kind: "unsigned" },
          "snd_wnd.slots": { offset: 824, size: 48, kind: "array", element: 8 },
          "snd_wnd.sum": { offset: 872, size: 8, kind: "unsigned" },
          "rcv_wnd.slots": { offset: 880, size: 48, kind: "array", element: 8 },
          "rcv_wnd.sum": { offset: 928, size: 8, kind: "unsigned" },
          "avl_snd_wnd.slots": { offset: 936, size: 48, kind: "array", element: 8 },
          "avl_snd_wnd.sum": { offset: 984, size: 8, kind: "unsigned" },
          "rto.slots": { offset: 992, size: 48, kind: "array", element: 8 },
          "rto.sum": { offset: 1040, size: 8, kind: "unsigned" },
          "ato.slots": { offset: 1048, size: 48, kind: "array", element: 8 },
          "ato.sum": { offset: 1096, size: 8, kind: "unsigned" },
          "sk_rcvbuf.slots": { offset: 1104, size: 72, kind: "array", element: 8 },
          "sk_rcvbuf.sum": { offset: 1176, size: 8, kind: "unsigned" },
          "sk_sndbuf.slots": { offset: 1184, size: 72, kind: "array", element: 8 },
          "sk_sndbuf.sum": { offset: 1256, size: 8, kind: "unsigned" },
          zero_rx_ppm: { offset: 1264, size: 8, kind: "unsigned" },
          zero_tx_ppm: { offset: 1272, size: 8, kind: "unsigned" },
          reading: { offset: 1280, size: 8, kind: "unsigned" },
        },
      },
    },
    tcp_resets: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 32,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          reason: { offset: 4, size: 4, kind: "unsigned" },
          direction: { offset: 8, size: 2, kind: "unsigned" },
          state: { offset: 10, size: 2, kind: "unsigned" },
          family: { offset: 12, size: 2, kind: "unsigned" },
          server_port: { offset: 14, size: 2, kind: "unsigned" },
          peer_ip: { offset: 16, size: 16, kind: "bytes" },
        },
      },
      value: {
        size: 16,
        fields: {
          resets: { offset: 0, size: 8, kind: "unsigned" },
          reading: { offset: 8, size: 8, kind: "unsigned" },
        },
      },
    },
    tcp_service: {
      type: "hash",
      maxEntries: 16384,
      key: {
        size: 28,
        fields: {
          tgid: { offset: 0, size: 4, kind: "unsigned" },
          role: { offset: 4, size: 2, kind: "unsigned" },
          family: { offset: 6, size: 2, kind: "unsigned" },
          server_port: { offset: 8, size: 2, kind: "unsigned" },
          unused: { offset: 10, size: 2, kind: "unsigned" },
          server_ip: { offset: 12, size: 16, kind: "bytes" },
        },
      },
      value: {
        size: 328,
        fields: {
          opened: { offset: 0, size: 8, kind: "unsigned" },
          closed: { offset: 8, size: 8, kind: "unsigned" },
          failed: { offset: 16, size: 8, kind: "unsigned" },
          segs_out: { offset: 24, size: 8, kind: "unsigned" },
          retrans: { offset: 32, size: 8, kind: "unsigned" },
          resets_sent: { offset: 40, size: 8, kind: "unsigned" },
          resets_received: { offset: 48, size: 8, kind: "unsigned" },
          rwnd_limited: { offset: 56, size: 8, kind: "unsigned" },
          setup_slots: { offset: 64, size: 104, kind: "array", element: 8 },
          setup_us: { offset: 168, size: 8, kind: "unsigned" },
          life_slots: { offset: 176, size: 104, kind: "array", element: 8 },
          life_ms: { offset: 280, size: 8, kind: "unsigned" },
          window_us: { offset: 288, size: 8, kind: "unsigned" },
          open: { offset: 296, size: 8, kind: "unsigned" },
          reading: { offset: 304, size: 8, kind: "unsigned" },
          comm: { offset: 312, size: 16, kind: "bytes" },
        },
      },
    },
  },
  records: {
    net_record: {
      size: 8,
      fields: {
        pid: { offset: 0, size: 4, kind: "unsigned" },
        inum: { offset: 4, size: 4, kind: "unsigned" },
      },
    },
  },
  constants: {
    keep_client_port: { offset: 0, size: 1, kind: "unsigned" },
    want_drops: { offset: 5, size: 1, kind: "unsigned" },
    want_link: { offset: 1, size: 1, kind: "unsigned" },
    want_metric: { offset: 2, size: 1, kind: "unsigned" },
    want_resets: { offset: 4, size: 1, kind: "unsigned" },
    want_service: { offset: 3, size: 1, kind: "unsigned" },
  },
  programs: {
    net_drop: "tp_btf/kfree_skb",
    net_drop_old: "tp_btf/kfree_skb",
    net_namespaces: "iter/task",
    tcp_again: "iter/bpf_sk_storage_map",
    tcp_delay_read: "tp_btf/sock_recv_length",
    tcp_delay_read_inet: "fexit/inet_recvmsg",
    tcp_delay_read_inet6: "fexit/inet6_recvmsg",
    tcp_delay_segment: "tp_btf/tcp_probe",
    tcp_delay_sent: "tp_btf/sock_send_length",
    tcp_delay_sent_inet: "fexit/inet_sendmsg",
    tcp_delay_sent_inet6: "fexit/inet6_sendmsg",
    tcp_error: "tp_btf/inet_sk_error_report",
    tcp_found: "iter/tcp",
    tcp_limit: "tp_btf/sock_exceed_buf_limit",
    tcp_living: "iter/bpf_sk_storage_map",
    tcp_owners: "iter/task",
    tcp_owners_old: "iter/task_file",
    tcp_reset_received: "tp_btf/tcp_receive_reset",
    tcp_reset_sent: "tp_btf/tcp_send_reset",
    tcp_reset_sent_old: "tp_btf/tcp_send_reset",
    tcp_state: "tp_btf/inet_sock_set_state",
    tcp_state_missed: "tp_btf/inet_sock_set_state",
  },
} as const satisfies ObjectLayout;
