/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* TCP connections, added up per link: process, role, client, server, server port.
 *
 * Nothing runs per packet. The agent runs the iterators on its interval; they add what each living socket gained since
 * the last time. inet_sock_set_state sees a closing socket and adds its last word. Both go through count(), with the
 * socket's own memory of what was counted, so nothing is counted twice and a short connection is not missed.
 *
 * Memory: tcp_link 112 B x 16384 rows, allocated as rows come; 40 B of storage for each socket; listen_ports 64 KiB.
 */
#include "probe.h"
#include <bpf/bpf_endian.h>

enum { ROLE_UNKNOWN = 0, ROLE_SERVER = 1, ROLE_CLIENT = 2 };

/* How sure we are of the owner: a socket that was not accepted yet carries its listener's. */
enum { OWNER_NONE = 0, OWNER_INHERITED = 1, OWNER_SEEN = 2 };

struct tcp_link_key {
	u32 tgid;
	u16 role;
	u16 family;
	u16 client_port;
	u16 server_port;
	u8 client_ip[16];
	u8 server_ip[16];
};

struct tcp_link_val {
	u64 rx_bytes;
	u64 tx_bytes;
	u64 segs_in;
	u64 segs_out;
	u32 srtt_us;
	u32 rcv_rtt_us;
	u64 reading; /* number of the reading that found the link alive; grows */
};

/* What is remembered of a socket: what was counted so far, and who owns it. */
struct sock_memory {
	u64 rx_bytes;
	u64 tx_bytes;
	u32 segs_in;
	u32 segs_out;
	u32 tgid;
	u8 owner;
	u8 role;
	u16 local_port; /* the kernel clears its own before the last state */
};

const volatile bool keep_client_port = false; /* set before load */

/* Number of the current reading; the first iterator of a reading raises it. */
u64 reading = 1;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tcp_link_key);
	__type(value, struct tcp_link_val);
} tcp_link SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags,
	       BPF_F_NO_PREALLOC | BPF_F_CLONE); /* an accepted socket starts with its listener's */
	__type(key, int);
	__type(value, struct sock_memory);
} sock_memories SEC(".maps");

/* Ports that were listened on: tells the role of sockets that are older than the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, u8);
} listen_ports SEC(".maps");

enum { IPPROTO_TCP = 6 };

enum { SOCK_DONE = 1 }; /* bit of skc_flags: the peer's FIN was received */

struct sock_common___flags {
	unsigned long skc_flags;
} __attribute__((preserve_access_index));

/* The kernel's bytes_received counts the peer's FIN as a byte. */
static __always_inline u64 received(struct tcp_sock *tp)
{
	struct sock_common___flags *skc = (void *)tp;
	u64 bytes = BPF_CORE_READ(tp, bytes_received);
	bool fin = BPF_CORE_READ(skc, skc_flags) >> SOCK_DONE & 1;

	return fin && bytes ? bytes - 1 : bytes;
}

static __always_inline struct sock_memory *memory_of(void *sk)
{
	return bpf_sk_storage_get(&sock_memories, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline u8 role_by_port(u16 local_port)
{
	u32 port = local_port;
	u8 *listened = bpf_map_lookup_elem(&listen_ports, &port);

	return listened && *listened ? ROLE_SERVER : ROLE_CLIENT;
}

static __always_inline void fill_addresses(struct tcp_link_key *key, struct sock_common *skc,
					   bool server)
{
	u8 *local = server ? key->server_ip : key->client_ip;
	u8 *remote = server ? key->client_ip : key->server_ip;

	if (key->family == AF_INET) {
		BPF_CORE_READ_INTO((u32 *)local, skc, skc_rcv_saddr);
		BPF_CORE_READ_INTO((u32 *)remote, skc, skc_daddr);
	} else {
		bpf_core_read(local, 16, &skc->skc_v6_rcv_saddr);
		bpf_core_read(remote, 16, &skc->skc_v6_daddr);
	}
}

static __always_inline void fill_key(struct tcp_link_key *key, struct sock_common *skc,
				     const struct sock_memory *memory)
{
	u16 local = memory->local_port;
	u16 remote = bpf_ntohs(BPF_CORE_READ(skc, skc_dport));
	bool server = memory->role == ROLE_SERVER;

	key->tgid = memory->tgid;
	key->role = memory->role - ROLE_SERVER; /* exported as 0 server, 1 client */
	key->family = BPF_CORE_READ(skc, skc_family);
	key->server_port = server ? local : remote;
	if (keep_client_port)
		key->client_port = server ? remote : local;
	fill_addresses(key, skc, server);
}

/* Of several sockets of a link, the slowest in a reading. */
static __always_inline void note_rtt(struct tcp_link_val *val, struct tcp_sock *tp)
{
	u32 srtt = BPF_CORE_READ(tp, srtt_us) >> 3; /* the kernel keeps 8 times the value */
	u32 rcv_rtt = BPF_CORE_READ(tp, rcv_rtt_est.rtt_us) >> 3;
	bool first = val->reading != reading;

	if (first || srtt > val->srtt_us)
		val->srtt_us = srtt;
	if (first || rcv_rtt > val->rcv_rtt_us)
		val->rcv_rtt_us = rcv_rtt;
	val->reading = reading;
}

/* Adds what the socket gained since it was counted last. Two CPUs may count two sockets of one link: hence atomics. */
static __always_inline void count(struct tcp_sock *tp, struct sock_common *skc,
				  struct sock_memory *memory)
{
	static const struct tcp_link_val zero;
	struct tcp_link_key key = {};
	u64 rx_bytes = received(tp);
	/* Not bytes_acked, which counts SYN and FIN too. */
	u64 tx_bytes = BPF_CORE_READ(tp, bytes_sent) - BPF_CORE_READ(tp, bytes_retrans);
	u32 segs_in = BPF_CORE_READ(tp, segs_in);
	u32 segs_out = BPF_CORE_READ(tp, segs_out);
	struct tcp_link_val *val;

	fill_key(&key, skc, memory);
	val = row(&tcp_link, &key, &zero);
	if (!val) /* full: row() counted it; the socket's memory stays, so nothing is lost if there is room later */
		return;
	__sync_fetch_and_add(&val->rx_bytes, rx_bytes - memory->rx_bytes);
	__sync_fetch_and_add(&val->tx_bytes, tx_bytes - memory->tx_bytes);
	__sync_fetch_and_add(&val->segs_in,
			     (u32)(segs_in - memory->segs_in)); /* wraps after 2^32 */
	__sync_fetch_and_add(&val->segs_out, (u32)(segs_out - memory->segs_out));
	note_rtt(val, tp);
	memory->rx_bytes = rx_bytes;
	memory->tx_bytes = tx_bytes;
	memory->segs_in = segs_in;
	memory->segs_out = segs_out;
}

/* First of a reading: whose socket is it. */
SEC("iter/task_file")
int tcp_owners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct sock_memory *memory;
	struct socket *sock;

	if (ctx->meta->seq_num == 0)
		reading++;
	if (!task || !file || task->tgid != task->pid)
		return 0;
	sock = bpf_sock_from_file(file);
	if (!sock || !sock->sk || sock->sk->sk_protocol != IPPROTO_TCP)
		return 0;
	memory = memory_of(sock->sk);
	if (!memory || memory->owner == OWNER_SEEN)
		return 0;
	memory->tgid = task->tgid;
	memory->owner =
		sock->sk->__sk_common.skc_state == TCP_LISTEN ? OWNER_INHERITED : OWNER_SEEN;
	return 0;
}

/* Second: what living sockets gained. Listening sockets come first, which tells the ports. */
SEC("iter/tcp")
int tcp_living(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct sock_memory *memory;
	struct tcp_sock *tp;
	u32 port;
	u8 one = 1;

	if (!skc)
		return 0;
	if (skc->skc_state == TCP_LISTEN) {
		port = skc->skc_num;
		bpf_map_update_elem(&listen_ports, &port, &one, BPF_ANY);
		return 0;
	}
	if (skc->skc_state == TCP_SYN_SENT || skc->skc_state == TCP_TIME_WAIT ||
	    skc->skc_state == TCP_NEW_SYN_RECV)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp)
		return 0;
	memory = memory_of(tp);
	if (!memory || memory->owner != OWNER_SEEN)
		return 0; /* nobody has accepted it yet */
	memory->local_port = skc->skc_num;
	if (memory->role == ROLE_UNKNOWN)
		memory->role = role_by_port(memory->local_port);
	count(tp, skc, memory);
	return 0;
}

static __always_inline void own(struct sock_memory *memory, u8 owner)
{
	memory->tgid = bpf_get_current_pid_tgid() >> 32;
	memory->owner = owner;
}

/* A state is left or entered in the process's own system call, but for ESTABLISHED and CLOSE. */
static __always_inline void remember(struct sock_memory *memory, int state, u32 local_port)
{
	static const struct sock_memory nothing;
	u8 one = 1;

	switch (state) {
	case TCP_SYN_SENT: /* connect(); a socket may be used again, and then counts from zero */
		*memory = nothing;
		memory->role = ROLE_CLIENT;
		own(memory, OWNER_SEEN);
		break;
	case TCP_LISTEN:
		own(memory, OWNER_INHERITED);
		bpf_map_update_elem(&listen_ports, &local_port, &one, BPF_ANY);
		break;
	case TCP_FIN_WAIT1: /* close() or shutdown() */
	case TCP_LAST_ACK:
		if (memory->owner != OWNER_SEEN)
			own(memory, OWNER_SEEN);
		break;
	}
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state, struct sock *sk, int oldstate, int newstate)
{
	struct sock_memory *memory;
	struct tcp_sock *tp;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	memory = memory_of(sk);
	if (!memory)
		return 0;
	remember(memory, newstate, sk->__sk_common.skc_num);
	if (sk->__sk_common.skc_num)
		memory->local_port = sk->__sk_common.skc_num;
	if (oldstate == TCP_SYN_RECV && newstate == TCP_ESTABLISHED)
		memory->role = ROLE_SERVER;
	if (newstate != TCP_CLOSE || oldstate == TCP_LISTEN || oldstate == TCP_SYN_SENT ||
	    oldstate == TCP_CLOSE)
		return 0;
	if (memory->role == ROLE_UNKNOWN)
		memory->role = role_by_port(memory->local_port);
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp)
		count(tp, &tp->inet_conn.icsk_inet.sk.__sk_common, memory);
	return 0;
}
