/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Handshakes that end early, and SYN-ACKs, for endpoint_tcp. Nothing but the kernel's own functions tells of requests: these
 * programs run where the kernel takes fentry or kprobes. A SYN that found no neighbour is told by the drop's reason
 * everywhere.
 */
#pragma once

#include "endpoint.h"
#include "registers.h"

/* Listeners, and requests that are under way, by address: the verifier lets neither a kprobe ask a socket for its memory
 * nor anybody a request for its listener's. */
RECENT(listening, u64, struct endpoint_memory, 4096);
RECENT(requests, u64, struct tcp_peer_key, 4096);

static __always_inline void note_listening(struct sock_common *skc,
					   const struct endpoint_memory *memory)
{
	u64 address = (u64)(long)skc;

	barrier_var(address);
	bpf_map_update_elem(&listening, &address, memory, BPF_ANY);
}

static __always_inline void begin_request(u64 listener, u64 address)
{
	const struct endpoint_memory *memory = bpf_map_lookup_elem(&listening, &listener);
	struct request_sock *req = (void *)address;
	struct tcp_peer_key key = {};
	struct tcp_peer_val *peer;

	if (!want_peers || !memory)
		return;
	fill_peer(&key, &req->__req_common, memory, ROLE_SERVER);
	bpf_map_update_elem(&requests, &address, &key, BPF_ANY);
	peer = peer_of_key(&key);
	if (peer)
		__sync_fetch_and_add(&peer->synack_sent, 1);
}

/* The end of a request: it became a connection, or was dropped. Those of SYN cookies have no listener. */
static __always_inline void end_request(u64 address)
{
	const struct tcp_peer_key *key = bpf_map_lookup_elem(&requests, &address);
	struct request_sock *req = (void *)address;
	struct tcp_peer_val *peer;
	bool counts;

	if (!key)
		return;
	counts = BPF_CORE_READ(req, __req_common.skc_listener) && !BPF_CORE_READ(req, sk);
	peer = counts ? peer_of_key(key) : NULL;
	if (peer)
		__sync_fetch_and_add(&peer->req_drops, 1);
	bpf_map_delete_elem(&requests, &address);
}

SEC("fentry/tcp_make_synack")
int BPF_PROG(endpoint_synack, struct sock *sk, void *dst, struct request_sock *req)
{
	begin_request(ctx[0], ctx[2]);
	return 0;
}

SEC("fentry/tcp_v4_reqsk_destructor")
int BPF_PROG(endpoint_request_end, struct request_sock *req)
{
	end_request(ctx[0]);
	return 0;
}

SEC("fentry/tcp_v6_reqsk_destructor")
int BPF_PROG(endpoint_request_end6, struct request_sock *req)
{
	end_request(ctx[0]);
	return 0;
}

/* For kernels without fentry. */
SEC("kprobe/tcp_make_synack")
int endpoint_synack_kprobe(struct pt_regs___call *regs)
{
	begin_request(ARGUMENT_1(regs), ARGUMENT_3(regs));
	return 0;
}

SEC("kprobe/tcp_v4_reqsk_destructor")
int endpoint_request_end_kprobe(struct pt_regs___call *regs)
{
	end_request(ARGUMENT_1(regs));
	return 0;
}

SEC("kprobe/tcp_v6_reqsk_destructor")
int endpoint_request_end6_kprobe(struct pt_regs___call *regs)
{
	end_request(ARGUMENT_1(regs));
	return 0;
}

static __always_inline bool has_no_neighbour(u32 reason)
{
	return reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NEIGH_FAILED) ||
	       reason ==
		       bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NEIGH_QUEUEFULL) ||
	       reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NEIGH_DEAD);
}

/* Sockets whose SYN is on its way, by address: the verifier does not let a packet's socket be asked for its memory. */
RECENT(syn_senders, u64, struct tcp_peer_key, 4096);

static __noinline void note_syn(struct sock_common *skc, const struct endpoint_memory *memory,
				bool sent)
{
	struct tcp_peer_key key = {};
	u64 sk = (u64)(long)skc;

	barrier_var(sk);
	if (!sent) {
		bpf_map_delete_elem(&syn_senders, &sk);
		return;
	}
	fill_peer(&key, skc, memory, ROLE_CLIENT);
	bpf_map_update_elem(&syn_senders, &sk, &key, BPF_ANY);
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(endpoint_syn_drop, struct sk_buff *skb, void *location, enum skb_drop_reason reason)
{
	const struct tcp_peer_key *key;
	struct tcp_peer_val *peer;
	u64 sk;

	if (!want_peers || !has_no_neighbour(reason))
		return 0;
	sk = (u64)BPF_CORE_READ(skb, sk);
	key = bpf_map_lookup_elem(&syn_senders, &sk);
	peer = key ? peer_of_key(key) : NULL;
	if (peer)
		__sync_fetch_and_add(&peer->syn_drop, 1);
	return 0;
}
