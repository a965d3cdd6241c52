/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How long data waits: from its arrival to the application's read, and from the application's write to the peer's ACK.
 *
 * These programs run for each segment that is received and for each call that sends or receives. They are loaded only
 * for the table proc_flow_perf, which is off by default.
 */
#pragma once

#include "tcp_link.h"

enum { MSG_PEEK = 2 };

struct tcp_delay_key {
	u32 tgid;
	u16 role;
	u16 family;
	u32 server_port;
	u8 remote_ip[16];
};

struct tcp_delay_val {
	struct buckets6 sys_delay; /* ns */
	struct buckets6 net_delay;
	u64 reading;
};

SPARSE_TABLE(tcp_delays, struct tcp_delay_key, struct tcp_delay_val, MOST_ROWS);

static const u64 DELAY_BOUNDS[] = {1000000, 10000000, 100000000, 1000000000, 10000000000};

/* One measurement of each kind at a time. */
struct delay_memory {
	u64 arrived; /* ns: of the first data that was not read yet; 0: there is none */
	u64 sent;    /* ns: of the write that is watched; 0: none is */
	u32 sent_seq;
	u32 unused;
};

SOCKET_STORAGE(delay_memories, struct delay_memory);

struct tcp_skb_cb {
	u32 seq;
	u32 end_seq;
	u32 ack_seq;
} __attribute__((preserve_access_index));

static __noinline struct tcp_delay_val *delay_row(struct tcp_sock *tp)
{
	struct sock_common *skc = &tp->inet_conn.icsk_inet.sk.__sk_common;
	struct sock_memory *memory = bpf_sk_storage_get(&sock_memories, tp, NULL, 0);
	static const struct tcp_delay_val zero;
	struct tcp_delay_key other = {};
	struct tcp_delay_key key = {};
	struct tcp_delay_val *val;

	if (!memory || memory->role == ROLE_UNKNOWN) /* no reading has seen it yet */
		return NULL;
	key.tgid = memory->tgid;
	key.role = memory->role - ROLE_SERVER;
	key.family = skc->skc_family;
	key.server_port = memory->role == ROLE_SERVER ? skc->skc_num : bpf_ntohs(skc->skc_dport);
	if (key.family == AF_INET)
		*(u32 *)key.remote_ip = skc->skc_daddr;
	else
		bpf_core_read(key.remote_ip, 16, &skc->skc_v6_daddr);
	other.role = key.role;
	val = bpf_map_lookup_elem(&tcp_delays, &key);
	if (!val)
		bpf_map_update_elem(&tcp_delays, &other, &zero, BPF_NOEXIST);
	val = row_or_other(&tcp_delays, &key, &other, &zero);
	if (val)
		val->reading = reading;
	return val;
}

static __always_inline struct delay_memory *delay_of(struct tcp_sock *tp)
{
	return bpf_sk_storage_get(&delay_memories, tp, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __noinline void acknowledged(struct tcp_sock *tp, u64 delay)
{
	struct tcp_delay_val *val = delay_row(tp);

	if (val)
		observe6(&val->net_delay, delay, DELAY_BOUNDS);
}

SEC("tp_btf/tcp_probe")
int BPF_PROG(tcp_delay_segment, struct sock *sk, struct sk_buff *skb)
{
	struct tcp_skb_cb *cb = (void *)skb->cb;
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct delay_memory *delay;
	u64 now;

	if (!tp)
		return 0;
	delay = delay_of(tp);
	if (!delay)
		return 0;
	now = bpf_ktime_get_ns();
	if (!delay->arrived && BPF_CORE_READ(cb, end_seq) != BPF_CORE_READ(cb, seq))
		delay->arrived = now;
	if (delay->sent && (s32)(BPF_CORE_READ(cb, ack_seq) - delay->sent_seq) >= 0) {
		acknowledged(tp, now - delay->sent);
		delay->sent = 0;
	}
	return 0;
}

static __always_inline void note_sent(struct sock *sk, int ret)
{
	struct delay_memory *delay;
	struct tcp_sock *tp;

	if (ret <= 0 || sk->sk_protocol != IPPROTO_TCP)
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	delay = delay_of(tp);
	if (!delay || delay->sent)
		return;
	if (tp->snd_una == tp->write_seq) { /* acknowledged during the call, as on loopback */
		acknowledged(tp, 0);
		return;
	}
	delay->sent_seq = tp->write_seq;
	delay->sent = bpf_ktime_get_ns();
}

static __always_inline void note_read(struct sock *sk, int ret, int flags)
{
	struct delay_memory *delay;
	struct tcp_delay_val *val;
	struct tcp_sock *tp;
	u64 now, arrived;

	if (ret <= 0 || flags & MSG_PEEK || sk->sk_protocol != IPPROTO_TCP)
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	delay = delay_of(tp);
	if (!delay || !delay->arrived)
		return;
	now = bpf_ktime_get_ns();
	arrived = delay->arrived;
	delay->arrived = tp->rcv_nxt != tp->copied_seq ? now : 0;
	val = delay_row(tp);
	if (val)
		observe6(&val->sys_delay, now - arrived, DELAY_BOUNDS);
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(tcp_delay_sent, struct sock *sk, int ret)
{
	note_sent(sk, ret);
	return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(tcp_delay_read, struct sock *sk, int ret, int flags)
{
	note_read(sk, ret, flags);
	return 0;
}

/* Before 6.3 there are no such tracepoints (commit 6e6eda44b939). Not tcp_sendmsg(): what is sent under the kernel's TLS
 * does not pass it. */
SEC("fexit/inet_sendmsg")
int BPF_PROG(tcp_delay_sent_inet, struct socket *sock, void *msg, u64 size, int ret)
{
	note_sent(sock->sk, ret);
	return 0;
}

SEC("fexit/inet6_sendmsg")
int BPF_PROG(tcp_delay_sent_inet6, struct socket *sock, void *msg, u64 size, int ret)
{
	note_sent(sock->sk, ret);
	return 0;
}

SEC("fexit/inet_recvmsg")
int BPF_PROG(tcp_delay_read_inet, struct socket *sock, void *msg, u64 size, int flags, int ret)
{
	note_read(sock->sk, ret, flags);
	return 0;
}

SEC("fexit/inet6_recvmsg")
int BPF_PROG(tcp_delay_read_inet6, struct socket *sock, void *msg, u64 size, int flags, int ret)
{
	note_read(sock->sk, ret, flags);
	return 0;
}
