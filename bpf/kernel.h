/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Only the kernel types and fields that the probes read. CO-RE finds the offsets at load time, so a struct here lists
 * what is used, in any order; a field that a kernel may lack is asked for with bpf_core_field_exists.
 */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;
typedef _Bool bool;

/* What libbpf's own headers expect. */
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s8 __s8;
typedef s16 __s16;
typedef s32 __s32;
typedef s64 __s64;
typedef u16 __be16;
typedef u32 __be32;
typedef u32 __wsum;

#define true 1
#define false 0
#define NULL ((void *)0)

/* Of the stable user API (linux/bpf.h), which needs more headers than clang -target bpf finds. */
enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LRU_PERCPU_HASH = 10,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_DEVMAP_HASH = 25,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_EXIST = 2,
};

enum {
	BPF_F_NO_PREALLOC = 1,
	BPF_F_CLONE = 1 << 9,
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1,
	BPF_RB_NO_WAKEUP = 1,
};

enum {
	AF_UNIX = 1,
	AF_INET = 2,
	AF_INET6 = 10,
};

enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_FIN_WAIT1 = 4,
	TCP_FIN_WAIT2 = 5,
	TCP_TIME_WAIT = 6,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LAST_ACK = 9,
	TCP_LISTEN = 10,
	TCP_CLOSING = 11,
	TCP_NEW_SYN_RECV = 12,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next;
};

struct upid {
	int nr;
};

struct pid {
	struct upid numbers[1];
};

enum { PIDTYPE_PGID = 2 };

enum { PF_KTHREAD = 0x00200000 };

struct prev_cputime {
	u64 utime;
	u64 stime;
};

struct sched_entity {
	u64 sum_exec_runtime;
};

/* Whole and in the kernel's order: it is read at once. */
struct task_io_accounting {
	u64 rchar;
	u64 wchar;
	u64 syscr;
	u64 syscw;
	u64 read_bytes;
	u64 write_bytes;
	u64 cancelled_write_bytes;
};

enum { RLIMIT_NOFILE = 7 };

struct rlimit {
	unsigned long rlim_cur;
};

/* What threads of a process share, and what those that ended left. */
struct signal_struct {
	int nr_threads;
	struct list_head thread_head;
	struct pid *pids[4];
	u64 utime;
	u64 stime;
	u64 cutime;
	u64 cstime;
	struct prev_cputime prev_cputime;
	unsigned long min_flt;
	unsigned long maj_flt;
	struct task_io_accounting ioac;
	unsigned long long sum_sched_runtime;
	struct rlimit rlim[16];
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
	unsigned long *open_fds;
};

struct files_struct {
	struct fdtable *fdt;
};

typedef struct {
	s64 counter;
} atomic_long_t;

struct percpu_counter {
	s64 count;
};

enum { MM_FILEPAGES = 0, MM_ANONPAGES = 1, MM_SHMEMPAGES = 3 };

struct mm_struct {
	unsigned long total_vm;
	unsigned long start_stack;
	struct percpu_counter rss_stat[4];
};

struct thread_info {
	u32 cpu;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

struct nsproxy {
	struct net *net_ns;
};

struct css_set;

struct task_struct {
	struct thread_info thread_info;
	unsigned int __state;
	int pid;
	int tgid;
	unsigned int flags;
	int prio;
	int static_prio;
	int exit_code;
	u64 utime;
	u64 stime;
	u64 start_time;
	u64 start_boottime;
	unsigned long min_flt;
	unsigned long maj_flt;
	char comm[16];
	struct sched_entity se;
	struct task_io_accounting ioac;
	struct list_head thread_node;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct signal_struct *signal;
	struct files_struct *files;
	struct mm_struct *mm;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
};

struct super_block;

struct inode {
	unsigned long i_ino;
	u16 i_mode;
	struct super_block *i_sb;
};

struct file {
	struct inode *f_inode;
	void *private_data;
	const void *f_op;
};

struct in6_addr {
	union {
		u8 u6_addr8[16];
		u32 u6_addr32[4];
	} in6_u;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	u16 skc_num;
	u16 skc_family;
	volatile u8 skc_state;
	possible_net_t skc_net;
	struct sock *skc_listener; /* of a request: rsk_listener */
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct socket {
	s16 type;
	struct file *file;
	struct sock *sk;
};

struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	atomic_t refs;
} refcount_t;

struct sk_buff_head {
	u32 qlen;
};

struct sk_buff {
	struct sock *sk;
	unsigned char *head;
	unsigned char *data;
	char cb[48];
	__be16 protocol;
	u16 network_header;
	u16 transport_header;
};

/* Values differ from kernel to kernel: ask for them with bpf_core_enum_value(). */
enum skb_drop_reason {
	SKB_DROP_REASON_NEIGH_FAILED = 48,
	SKB_DROP_REASON_NEIGH_QUEUEFULL = 49,
	SKB_DROP_REASON_NEIGH_DEAD = 50,
	SKB_DROP_REASON_SOCKET_FILTER = 5,
	SKB_DROP_REASON_SOCKET_BACKLOG = 29,
};

enum sk_rst_reason {
	SK_RST_REASON_TCP_ABORT_ON_MEMORY = 13,
};

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	struct sk_buff_head sk_error_queue;
	struct sk_buff_head sk_receive_queue;
	struct sk_buff_head sk_write_queue;
	struct {
		int len;
		atomic_t rmem_alloc;
	} sk_backlog;
	atomic_t sk_drops;
	atomic_t sk_omem_alloc;
	refcount_t sk_wmem_alloc;
	int sk_forward_alloc;
	int sk_err_soft;
	unsigned long sk_pacing_rate;
	unsigned long sk_max_pacing_rate;
	u8 sk_userlocks;
	u32 sk_ack_backlog;
	u32 sk_max_ack_backlog;
	int sk_rcvbuf;
	int sk_sndbuf;
	int sk_wmem_queued;
	int sk_err;
	u16 sk_protocol;
	u16 sk_type;
};

struct inet_sock {
	struct sock sk;
	__be32 inet_saddr;
	__be16 inet_sport;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	u32 icsk_rto;
	u8 icsk_ca_state;
	u8 icsk_retransmits;
	struct {
		atomic_t qlen;
	} icsk_accept_queue;
	struct {
		u8 ato;
	} icsk_ack;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u64 bytes_received;
	u64 bytes_acked;
	u64 bytes_sent;
	u64 bytes_retrans;
	u32 segs_in;
	u32 segs_out;
	u32 data_segs_in;
	u32 data_segs_out;
	u32 total_retrans;
	u32 srtt_us; /* 8 times the smoothed round trip */
	u32 mdev_us;
	u32 snd_cwnd;
	u32 lost;
	u32 packets_out;
	u32 write_seq;
	u32 snd_nxt;
	u32 snd_una;
	u32 snd_wnd;
	u32 rcv_wnd;
	u32 rcv_nxt;
	u32 rcv_wup;
	u32 copied_seq;
	u32 reordering;
	u32 snd_ssthresh;
	u32 rcv_ssthresh;
	u16 advmss;
	u32 mss_cache;
	u32 lost_out;
	u32 sacked_out;
	u32 rate_delivered;
	u32 rate_interval_us;
	u32 chrono_stat[3];
	u32 chrono_start;
	u8 chrono_type;
	struct {
		u32 space;
	} rcvq_space;
	struct {
		u32 rtt_us; /* 8 times */
	} rcv_rtt_est;
};

struct udp_sock {
	struct inet_sock inet;
};

struct request_sock {
	struct sock_common __req_common;
	struct sock *sk; /* the connection that it became */
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id;
	u64 seq_num;
};

/* Contexts of the iterators; a pointer is NULL after the last element. */
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
	u32 uid;
};

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
	u32 uid;
	int bucket;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
};

#pragma clang attribute pop
