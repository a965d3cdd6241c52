/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Endpoints of this host: who listens, who connects, and with what success; UDP sockets and what they drop.
 *
 * Iterators read living sockets, inet_sock_set_state counts connections. Only endpoint_sent and endpoint_received run
 * for each call that sends or receives (of every protocol): they are loaded for the tables bind, udp and endpoint_udp.
 *
 * Memory, allocated as rows come, for each of imdb.max_records_num rows: listeners 96 B, connectors 56 B, tcp_peers
 * 240 B, udp_addresses and udp_ports 80 B each, udp_peers 88 B; 48 B of storage for each listening, connecting or UDP socket.
 */
#include "endpoint.h"
#include "endpoint_syn.h"
#include "namespaces.h"
#include "owners.h"

static void begin_reading(void)
{
	reading++;
}

/* One wish for each socket: a kernel's own has no owner. Whether the answer is still to come. */
static __always_inline bool ask_for_owner(struct endpoint_memory *memory)
{
	if (memory->owned || memory->asked)
		return false;
	memory->asked = true;
	wish_for_owner();
	return true;
}

/* Whose are the sockets that are older than the agent, or were handed on. */
SEC("iter/task_file")
int endpoint_owners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct sock *sk = socket_of(ctx);
	struct endpoint_memory *memory;

	if (!task || !sk)
		return 0;
	if (sk->sk_protocol != IPPROTO_UDP &&
	    (sk->sk_protocol != IPPROTO_TCP || sk->__sk_common.skc_state != TCP_LISTEN))
		return 0;
	memory = memory_of(sk);
	if (!memory || memory->owned)
		return 0;
	memory->tgid = task->tgid;
	memory->owned = true;
	bpf_probe_read_kernel_str(memory->comm, COMM_BYTES, task->comm);
	return 0;
}

static __always_inline struct listener_val *listener_row(const struct endpoint_memory *memory,
							 u16 port)
{
	struct listener_key key = {.tgid = memory->tgid, .port = port};
	struct listener_val *val = row(&listeners, &key, &no_listener);

	if (val)
		val->reading = reading;
	return val;
}

/* The kernel counts a listener's drops in one number; why is told by which of its queues is full now. */
SEC("iter/tcp")
int endpoint_listeners(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct endpoint_memory *memory;
	bool accept_full, syn_full;
	struct listener_val *val;
	struct tcp_peer_val *peer;
	struct tcp_sock *tp;
	struct sock *sk;
	u8 end = 0;
	u32 drops;

	if (!skc)
		return 0;
	if (skc->skc_state != TCP_LISTEN) { /* listeners come first: this ends the reading */
		bpf_seq_write(ctx->meta->seq, &end, sizeof(end));
		return 0;
	}
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp)
		return 0;
	sk = &tp->inet_conn.icsk_inet.sk;
	memory = memory_of(tp);
	if (!memory)
		return 0;
	ask_for_owner(memory);
	memory->port = skc->skc_num;
	if (want_peers)
		note_listening(skc, memory);
	val = listener_row(memory, memory->port);
	if (!val)
		return 0;
	drops = sk->sk_drops.counter - memory->drops;
	memory->drops += drops;
	val->accept_queue = sk->sk_ack_backlog;
	val->accept_limit = sk->sk_max_ack_backlog;
	val->syn_queue = tp->inet_conn.icsk_accept_queue.qlen.counter;
	if (!drops)
		return 0;
	accept_full = val->accept_queue > val->accept_limit;
	syn_full = !accept_full && val->syn_queue >= val->accept_limit;
	__sync_fetch_and_add(&val->listendrop, drops);
	__sync_fetch_and_add(&val->accept_overflow, accept_full ? drops : 0);
	__sync_fetch_and_add(&val->syn_overflow, syn_full ? drops : 0);
	if (!want_peers)
		return 0;
	peer = peer_row(skc, memory, ROLE_SERVER); /* whose client is not known: 0.0.0.0 */
	if (!peer)
		return 0;
	__sync_fetch_and_add(&peer->listendrop, drops);
	__sync_fetch_and_add(&peer->accept_overflow, accept_full ? drops : 0);
	__sync_fetch_and_add(&peer->syn_overflow, syn_full ? drops : 0);
	return 0;
}

static __noinline struct connector_val *connector_row(struct sock_common *skc,
						      const struct endpoint_memory *memory)
{
	struct connector_key key = {.tgid = memory->tgid, .family = skc->skc_family};
	struct connector_val *val;

	fill_local(key.local_ip, skc, key.family);
	val = row(&connectors, &key, &no_connector);
	if (val)
		val->reading = reading;
	return val;
}

static const u64 LATENCY_BOUNDS[] = {3000000,	10000000,   50000000,	100000000,
				     500000000, 1000000000, 10000000000};

static __always_inline void note_latency(struct tcp_peer_val *peer, u64 nanoseconds)
{
	u32 slot = 0;

	for (u32 i = 0; i < 7; i++)
		slot += nanoseconds > LATENCY_BOUNDS[i];
	if (slot < 8)
		__sync_fetch_and_add(&peer->latency_slots[slot], 1);
	__sync_fetch_and_add(&peer->latency_ns, nanoseconds);
}

static __always_inline void count_client(struct sock_common *skc, struct endpoint_memory *memory,
					 int oldstate, int newstate)
{
	struct connector_val *val = connector_row(skc, memory);
	struct tcp_peer_val *peer = want_peers ? peer_row(skc, memory, ROLE_CLIENT) : NULL;

	if (newstate == TCP_SYN_SENT) {
		if (val)
			__sync_fetch_and_add(&val->active_open, 1);
		if (peer)
			__sync_fetch_and_add(&peer->syn_sent, 1);
	} else if (newstate == TCP_CLOSE) {
		if (val)
			__sync_fetch_and_add(&val->active_open_failed, 1);
		if (peer)
			__sync_fetch_and_add(&peer->active_open_failed, 1);
	} else if (peer) {
		__sync_fetch_and_add(&peer->active_open, 1);
		note_latency(peer, bpf_ktime_get_ns() - memory->since);
	}
}

static __always_inline void count_server(struct sock_common *skc, struct endpoint_memory *memory,
					 struct tcp_sock *tp, int newstate)
{
	struct listener_val *val = listener_row(memory, memory->port);
	bool open = newstate == TCP_ESTABLISHED;
	struct tcp_peer_val *peer;

	/* Before the next call, and without choosing an address: on 6.1 what was added otherwise was seen to be lost. */
	if (val && open)
		__sync_fetch_and_add(&val->passive_open, 1);
	else if (val)
		__sync_fetch_and_add(&val->passive_open_failed, 1);
	peer = want_peers ? peer_row(skc, memory, ROLE_SERVER) : NULL;
	if (!peer)
		return;
	__sync_fetch_and_add(open ? &peer->passive_open : &peer->passive_open_failed, 1);
	if (open) /* from the SYN-ACK on, which is what the first round trip is measured from */
		note_latency(peer, (u64)(tp->srtt_us >> 3) * 1000);
}

/* To try, to listen, and what becomes of those that tried; who succeeds to connect counts for a peer only. */
static __always_inline bool is_counted(int oldstate, int newstate)
{
	return newstate == TCP_SYN_SENT || newstate == TCP_LISTEN || oldstate == TCP_SYN_RECV ||
	       (oldstate == TCP_SYN_SENT && (want_peers || newstate == TCP_CLOSE));
}

/* `missed`: only what the first program was not run for. */
static __always_inline void count_state(struct sock *sk, int oldstate, int newstate, bool missed)
{
	/* In its own system call, so never within another program of ours. */
	const bool by_process = newstate == TCP_LISTEN || newstate == TCP_SYN_SENT;
	struct endpoint_memory *memory;
	struct sock_common *skc;
	struct tcp_sock *tp;

	if (sk->sk_protocol != IPPROTO_TCP || !is_counted(oldstate, newstate) ||
	    (missed && by_process))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	skc = &tp->inet_conn.icsk_inet.sk.__sk_common;
	memory = memory_of(tp);
	if (!memory || (missed && memory->state == newstate))
		return;
	memory->state = newstate;
	if (skc->skc_num)
		memory->port = skc->skc_num;
	if (by_process) {
		own(memory);
		memory->since = want_peers ? bpf_ktime_get_ns() : 0;
	}
	if (want_peers && newstate == TCP_LISTEN)
		note_listening(skc, memory);
	if (newstate == TCP_SYN_SENT || oldstate == TCP_SYN_SENT) {
		count_client(skc, memory, oldstate, newstate);
		if (want_peers)
			note_syn(skc, memory, newstate == TCP_SYN_SENT);
	} else if (oldstate == TCP_SYN_RECV) {
		count_server(skc, memory, tp, newstate);
	}
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(endpoint_state, struct sock *sk, int oldstate, int newstate)
{
	count_state(sk, oldstate, newstate, false);
	return 0;
}

/* The kernel runs no program inside itself: an interrupt in endpoint_state would go by unseen. This one comes after it. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(endpoint_state_missed, struct sock *sk, int oldstate, int newstate)
{
	count_state(sk, oldstate, newstate, true);
	return 0;
}

SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(endpoint_synack_again, struct sock *sk, struct request_sock *req)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct endpoint_memory *memory;
	struct listener_val *val;
	struct tcp_peer_val *peer;

	if (!tp)
		return 0;
	memory = memory_of(tp);
	if (!memory)
		return 0;
	memory->port = sk->__sk_common.skc_num;
	val = listener_row(memory, memory->port);
	if (val)
		__sync_fetch_and_add(&val->retran_synacks, 1);
	peer = want_peers ? peer_row(&req->__req_common, memory, ROLE_SERVER) : NULL;
	if (peer)
		__sync_fetch_and_add(&peer->retran_synacks, 1);
	return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(endpoint_syn_again, struct sock *sk)
{
	struct endpoint_memory *memory;
	struct tcp_peer_val *peer;
	struct tcp_sock *tp;

	if (!want_peers || sk->__sk_common.skc_state != TCP_SYN_SENT)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	memory = memory_of(tp);
	if (!memory)
		return 0;
	peer = peer_row(&tp->inet_conn.icsk_inet.sk.__sk_common, memory, ROLE_CLIENT);
	if (peer)
		__sync_fetch_and_add(&peer->retran_syn, 1);
	return 0;
}

/* Since 6.18 (commit 51132b99f01c) UDP's drops are counted on each NUMA node. */
struct numa_drop_counters___two {
	atomic_t drops0;
	atomic_t drops1;
} __attribute__((preserve_access_index));

struct udp_sock___drops {
	struct numa_drop_counters___two drop_counters;
} __attribute__((preserve_access_index));

static __always_inline u32 udp_drops(struct udp_sock *up)
{
	struct udp_sock___drops *new = (void *)up;
	u32 drops = BPF_CORE_READ(up, inet.sk.sk_drops.counter);

	if (bpf_core_field_exists(new->drop_counters)) {
		drops += BPF_CORE_READ(new, drop_counters.drops0.counter);
		drops += BPF_CORE_READ(new, drop_counters.drops1.counter);
	}
	return drops;
}

/* By bind() to an address or a port, not by connect() or by the first datagram that was sent. */
static __always_inline bool is_bound(struct sock *sk)
{
	return BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & SOCK_BIND_LOCKS;
}

/* The row of the socket's address, or with `port` of its port. */
static __noinline struct udp_port_val *udp_row(void *table, struct sock *sk, u32 tgid, bool port)
{
	struct sock_common *skc = &sk->__sk_common;
	struct udp_port_key key = {.tgid = tgid, .family = skc->skc_family};

	key.kind = is_bound(sk) ? KIND_BIND : KIND_UDP;
	if (port)
		key.port = skc->skc_num;
	fill_local(key.local_ip, skc, key.family);
	return row(table, &key, &no_port);
}

static __noinline struct udp_peer_val *udp_peer_row(struct sock *sk, u32 tgid)
{
	struct sock_common *skc = &sk->__sk_common;
	struct udp_peer_key key = {.tgid = tgid, .family = skc->skc_family};

	key.local_port = skc->skc_num;
	key.remote_port = bpf_ntohs(skc->skc_dport);
	fill_local(key.local_ip, skc, key.family);
	fill_remote(key.remote_ip, skc, key.family);
	return row(&udp_peers, &key, &no_udp_peer);
}

static __always_inline void read_udp(struct udp_port_val *val, u32 drops, u32 error, u32 queue)
{
	bool first;

	if (!val)
		return;
	first = val->reading != reading;
	__sync_fetch_and_add(&val->drops, drops);
	if (first || error)
		val->error = error;
	if (first || queue > val->queue_bytes)
		val->queue_bytes = queue;
	val->reading = reading;
}

SEC("iter/udp")
int endpoint_udp_living(struct bpf_iter__udp *ctx)
{
	struct udp_sock *up = ctx->udp_sk;
	struct endpoint_memory *memory;
	struct udp_peer_val *peer;
	struct sock *sk;
	u32 drops, queue;

	if (!up)
		return 0;
	memory = memory_of(up);
	if (!memory)
		return 0;
	if (ask_for_owner(memory))
		return 0; /* the next reading counts its drops, for its owner */
	sk = &up->inet.sk;
	drops = udp_drops(up) - memory->drops;
	memory->drops += drops;
	queue = BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter);
	read_udp(udp_row(&udp_addresses, sk, memory->tgid, false), drops, memory->error, queue);
	if (is_bound(sk))
		read_udp(udp_row(&udp_ports, sk, memory->tgid, true), drops, memory->error, queue);
	peer = want_udp_peers ? udp_peer_row(sk, memory->tgid) : NULL;
	if (peer) {
		__sync_fetch_and_add(&peer->drops, drops);
		peer->reading = reading;
	}
	return 0;
}

SEC("tp_btf/udp_fail_queue_rcv_skb")
int BPF_PROG(endpoint_udp_error, int rc, struct sock *sk)
{
	struct endpoint_memory *memory = memory_of(sk);

	if (memory)
		memory->error = -rc;
	return 0;
}

/* Straight to the row: nothing tells of the end of a UDP socket. */
static __always_inline void count_call(struct sock *sk, int ret, bool sent)
{
	struct endpoint_memory *memory;
	struct udp_peer_val *peer;
	struct udp_port_val *val;

	if (ret <= 0 || sk->sk_protocol != IPPROTO_UDP)
		return;
	memory = memory_of(sk);
	if (!memory)
		return;
	if (!memory->owned)
		own(memory);
	val = udp_row(&udp_addresses, sk, memory->tgid, false);
	if (val) {
		__sync_fetch_and_add(sent ? &val->sent_bytes : &val->received_bytes, ret);
		val->reading = reading;
	}
	peer = want_udp_peers ? udp_peer_row(sk, memory->tgid) : NULL;
	if (peer) {
		__sync_fetch_and_add(sent ? &peer->sent_bytes : &peer->received_bytes, ret);
		peer->reading = reading;
	}
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(endpoint_sent, struct sock *sk, int ret)
{
	count_call(sk, ret, true);
	return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(endpoint_received, struct sock *sk, int ret)
{
	count_call(sk, ret, false);
	return 0;
}

/* Better where the kernel takes fexit: they do not run for the calls of other protocols. A call of an IPv6 socket with an
 * IPv4 address goes through both functions. */
static __always_inline void count_inet_call(struct sock *sk, int ret, bool sent)
{
	if (sk->__sk_common.skc_family == AF_INET)
		count_call(sk, ret, sent);
}

SEC("fexit/udp_sendmsg")
int BPF_PROG(endpoint_sent_udp, struct sock *sk, void *msg, u64 size, int ret)
{
	count_inet_call(sk, ret, true);
	return 0;
}

SEC("fexit/udpv6_sendmsg")
int BPF_PROG(endpoint_sent_udp6, struct sock *sk, void *msg, u64 size, int ret)
{
	count_call(sk, ret, true);
	return 0;
}

/* The arguments changed in 5.19 (commit ec095263a965), the result is not one of them. */
SEC("fexit/udp_recvmsg")
int BPF_PROG(endpoint_received_udp, struct sock *sk)
{
	u64 ret = 0;

	bpf_get_func_ret(ctx, &ret);
	count_inet_call(sk, ret, false);
	return 0;
}

SEC("fexit/udpv6_recvmsg")
int BPF_PROG(endpoint_received_udp6, struct sock *sk)
{
	u64 ret = 0;

	bpf_get_func_ret(ctx, &ret);
	count_call(sk, ret, false);
	return 0;
}

/* The tracepoints of a call's length came in 6.3 (commit 6e6eda44b939); before, the same numbers are what the protocol's
 * own function returns. */
SEC("fexit/inet_sendmsg")
int BPF_PROG(endpoint_sent_inet, struct socket *sock, void *msg, u64 size, int ret)
{
	count_call(sock->sk, ret, true);
	return 0;
}

SEC("fexit/inet6_sendmsg")
int BPF_PROG(endpoint_sent_inet6, struct socket *sock, void *msg, u64 size, int ret)
{
	count_call(sock->sk, ret, true);
	return 0;
}

SEC("fexit/inet_recvmsg")
int BPF_PROG(endpoint_received_inet, struct socket *sock, void *msg, u64 size, int flags, int ret)
{
	count_call(sock->sk, ret, false);
	return 0;
}

SEC("fexit/inet6_recvmsg")
int BPF_PROG(endpoint_received_inet6, struct socket *sock, void *msg, u64 size, int flags, int ret)
{
	count_call(sock->sk, ret, false);
	return 0;
}
