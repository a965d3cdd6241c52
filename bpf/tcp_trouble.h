/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What happens rarely and is bad: resets, drops, time-outs, memory limits. Nothing here runs for a good packet. */
#pragma once

#include "tcp_link.h"

enum { ETIMEDOUT = 110, SK_MEM_SEND = 0, ETH_P_IP = 0x0800, ETH_P_IPV6 = 0x86dd };
enum { RESET_SENT = 0, RESET_RECEIVED = 1 };
enum { NO_HEADER = 0xffff };

#define NO_REASON 0xffffffff /* none is given: src/probes/tcp.ts knows the number */

const volatile bool want_resets = true;
const volatile bool want_drops = true;

/* family 0: all that did not fit. */
struct tcp_reset_key {
	u32 tgid;
	u32 reason; /* enum sk_rst_reason, or NO_REASON */
	u16 direction;
	u16 state; /* of our socket; 0: there is none */
	u16 family;
	u16 server_port;
	u8 peer_ip[16];
};

struct tcp_reset_val {
	u64 resets;
	u64 reading; /* during which the last one came */
};

SPARSE_TABLE(tcp_resets, struct tcp_reset_key, struct tcp_reset_val, MOST_ROWS);

struct net_drop_key {
	u32 reason; /* enum skb_drop_reason */
	u16 family;
	u16 protocol; /* of IP */
};

struct net_drop_val {
	u64 packets;
};

TABLE(net_drops, struct net_drop_key, struct net_drop_val, 1024);

static __always_inline struct sock_memory *known_memory(struct tcp_sock *tp)
{
	return bpf_sk_storage_get(&sock_memories, tp, NULL, 0);
}

static __always_inline void note_event(struct sock *sk, u32 event)
{
	struct sock_memory *memory;
	struct tcp_sock *tp;

	if (!sk || sk->sk_protocol != IPPROTO_TCP)
		return;
	tp = bpf_skc_to_tcp_sock(sk); /* NULL for what is no full socket */
	if (!tp)
		return;
	memory = known_memory(tp);
	if (!memory || event >= EVENTS)
		return;
	__sync_fetch_and_add(&memory->events[event], 1);
	memory->restless = true;
	if (sk->__sk_common.skc_state == TCP_CLOSE) /* it was counted for the last time */
		count_last(tp, memory, ENDED);
}

static __always_inline void add_reset(const struct tcp_reset_key *key)
{
	static const struct tcp_reset_val zero;
	struct tcp_reset_key other = {};
	struct tcp_reset_val *val;

	other.direction = key->direction;
	val = bpf_map_lookup_elem(&tcp_resets, key);
	if (!val)
		bpf_map_update_elem(&tcp_resets, &other, &zero, BPF_NOEXIST);
	val = row_or_other(&tcp_resets, key, &other, &zero);
	if (!val)
		return;
	__sync_fetch_and_add(&val->resets, 1);
	val->reading = reading;
}

/* A reset of one of our sockets. */
static __noinline void reset_of_socket(struct tcp_sock *tp, u32 direction, u32 reason)
{
	struct sock_common *skc = &tp->inet_conn.icsk_inet.sk.__sk_common;
	struct sock_memory *memory = known_memory(tp);
	struct tcp_reset_key key = {};
	bool server = memory && memory->role == ROLE_SERVER;

	key.direction = direction;
	key.reason = reason;
	key.tgid = memory ? memory->tgid : 0;
	key.state = skc->skc_state;
	key.family = skc->skc_family;
	key.server_port = server ? memory->local_port : bpf_ntohs(skc->skc_dport);
	if (key.family == AF_INET)
		*(u32 *)key.peer_ip = skc->skc_daddr;
	else
		bpf_core_read(key.peer_ip, 16, &skc->skc_v6_daddr);
	add_reset(&key);
}

/* The answer to a packet that belongs to no connection: a closed port, or one that is over. */
static __noinline void reset_of_packet(struct sk_buff *skb, u32 reason)
{
	struct tcp_reset_key key = {};
	u16 network = BPF_CORE_READ(skb, network_header);
	u16 transport = BPF_CORE_READ(skb, transport_header);
	unsigned char *head = BPF_CORE_READ(skb, head);
	u16 protocol = bpf_ntohs(BPF_CORE_READ(skb, protocol));
	u16 port = 0;

	if (network == NO_HEADER || transport == NO_HEADER)
		return;
	key.reason = reason;
	if (protocol == ETH_P_IP) {
		key.family = AF_INET;
		bpf_probe_read_kernel(key.peer_ip, 4, head + network + 12);
	} else {
		key.family = AF_INET6;
		bpf_probe_read_kernel(key.peer_ip, 16, head + network + 8);
	}
	bpf_probe_read_kernel(&port, 2, head + transport + 2);
	key.server_port = bpf_ntohs(port);
	add_reset(&key);
}

static __always_inline void reset_sent(struct sock *sk, struct sk_buff *skb, u32 reason)
{
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;

	if (tp && tp->inet_conn.icsk_inet.sk.__sk_common.skc_state != TCP_LISTEN) {
		note_event(sk, EVENT_RESET_SENT);
		if (want_resets)
			reset_of_socket(tp, RESET_SENT, reason);
	} else if (want_resets && skb) {
		reset_of_packet(skb, reason);
	}
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(tcp_reset_sent, struct sock *sk, struct sk_buff *skb, enum sk_rst_reason reason)
{
	if (sk &&
	    bpf_core_enum_value_exists(enum sk_rst_reason, SK_RST_REASON_TCP_ABORT_ON_MEMORY) &&
	    reason == bpf_core_enum_value(enum sk_rst_reason, SK_RST_REASON_TCP_ABORT_ON_MEMORY))
		note_event(sk, EVENT_OUT_OF_MEMORY);
	reset_sent(sk, skb, reason);
	return 0;
}

/* Kernels before 6.10 (commit 22a32557758a) give no reason. */
SEC("tp_btf/tcp_send_reset")
int BPF_PROG(tcp_reset_sent_old, struct sock *sk, struct sk_buff *skb)
{
	reset_sent(sk, skb, NO_REASON);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(tcp_reset_received, struct sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	note_event(sk, EVENT_RESET_RECEIVED);
	if (tp && want_resets)
		reset_of_socket(tp, RESET_RECEIVED, NO_REASON);
	return 0;
}

SEC("tp_btf/sock_exceed_buf_limit")
int BPF_PROG(tcp_limit, struct sock *sk, void *proto, long allocated, int kind)
{
	note_event(sk, kind == SK_MEM_SEND ? EVENT_SEND_LIMIT : EVENT_RECEIVE_LIMIT);
	return 0;
}

SEC("tp_btf/inet_sk_error_report")
int BPF_PROG(tcp_error, struct sock *sk)
{
	if (sk->sk_err == ETIMEDOUT)
		note_event(sk, EVENT_TIMEOUT);
	return 0;
}

static __always_inline void drop(struct sk_buff *skb, u32 reason)
{
	static const struct net_drop_val zero;
	struct net_drop_key key = {.reason = reason};
	u16 network = BPF_CORE_READ(skb, network_header);
	unsigned char *header = BPF_CORE_READ(skb, head) + network;
	u16 protocol = bpf_ntohs(BPF_CORE_READ(skb, protocol));
	struct net_drop_val *val;

	if (network != NO_HEADER && protocol == ETH_P_IP) {
		key.family = AF_INET;
		bpf_probe_read_kernel(&key.protocol, 1, header + 9);
	} else if (network != NO_HEADER && protocol == ETH_P_IPV6) {
		key.family = AF_INET6;
		bpf_probe_read_kernel(&key.protocol, 1, header + 6);
	}
	val = row(&net_drops, &key, &zero);
	if (val)
		val->packets++;
}

static __always_inline u32 event_of(u32 reason)
{
	if (reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_SOCKET_BACKLOG))
		return EVENT_BACKLOG_DROP;
	if (reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_SOCKET_FILTER))
		return EVENT_FILTER_DROP;
	return EVENTS;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(net_drop, struct sk_buff *skb, void *location, enum skb_drop_reason reason,
	     struct sock *rx_sk)
{
	u32 event = event_of(reason);

	if (want_drops)
		drop(skb, reason);
	if (rx_sk && event < EVENTS)
		note_event(rx_sk, event);
	return 0;
}

/* Kernels before 6.11 (commit c53795d48ee8) do not say which socket was to receive the packet. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(net_drop_old, struct sk_buff *skb, void *location, enum skb_drop_reason reason)
{
	if (want_drops)
		drop(skb, reason);
	return 0;
}
