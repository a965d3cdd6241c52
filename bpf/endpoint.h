/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the endpoint probe knows: keys and values of its maps, and what it remembers of each socket. */
#pragma once

#include "probe.h"
#include <bpf/bpf_endian.h>

enum { IPPROTO_TCP = 6, IPPROTO_UDP = 17, SOCK_BIND_LOCKS = 4 | 8, COMM_BYTES = 16 };
enum { ROLE_SERVER = 0, ROLE_CLIENT = 1 };
enum { KIND_BIND = 0, KIND_UDP = 1 };

const volatile bool want_peers = false;	    /* endpoint_tcp */
const volatile bool want_udp_peers = false; /* endpoint_udp */

u32 reading = 1;

enum { MOST_ROWS = 16384 };

struct listener_key {
	u32 tgid;
	u16 port;
	u16 unused;
};

struct listener_val {
	u64 listendrop;
	u64 accept_overflow;
	u64 syn_overflow;
	u64 passive_open;
	u64 passive_open_failed;
	u64 retran_synacks;
	u32 accept_queue;
	u32 accept_limit;
	u32 syn_queue;
	u32 unused;
	u64 reading;
};

SPARSE_TABLE(listeners, struct listener_key, struct listener_val, MOST_ROWS);

struct connector_key {
	u32 tgid;
	u32 family;
	u8 local_ip[16];
};

struct connector_val {
	u64 active_open;
	u64 active_open_failed;
	u64 reading;
};

SPARSE_TABLE(connectors, struct connector_key, struct connector_val, MOST_ROWS);

struct tcp_peer_key {
	u32 tgid;
	u16 role;
	u16 family;
	u16 server_port;
	u16 unused;
	u8 client_ip[16];
	u8 server_ip[16];
	char comm[COMM_BYTES];
};

struct tcp_peer_val {
	u64 passive_open;
	u64 passive_open_failed;
	u64 listendrop;
	u64 accept_overflow;
	u64 syn_overflow;
	u64 retran_synacks;
	u64 retran_syn;
	u64 active_open;
	u64 active_open_failed;
	u64 syn_sent;
	u64 synack_sent;
	u64 req_drops;
	u64 syn_drop;
	u64 latency_slots[8];
	u64 latency_ns;
	u64 reading;
};

SPARSE_TABLE(tcp_peers, struct tcp_peer_key, struct tcp_peer_val, MOST_ROWS);

struct udp_port_key {
	u32 tgid;
	u16 family;
	u16 port; /* 0 in the rows of bind and udp, which are by address */
	u32 kind;
	u8 local_ip[16];
};

struct udp_port_val {
	u64 drops;
	u64 sent_bytes;
	u64 received_bytes;
	u64 error;
	u64 queue_bytes;
	u64 reading;
};

/* Two of a kind: of an address, as the original has it, and of a port. */
SPARSE_TABLE(udp_addresses, struct udp_port_key, struct udp_port_val, MOST_ROWS);
SPARSE_TABLE(udp_ports, struct udp_port_key, struct udp_port_val, MOST_ROWS);

struct udp_peer_key {
	u32 tgid;
	u16 family;
	u16 local_port;
	u16 remote_port;
	u16 unused;
	u8 local_ip[16];
	u8 remote_ip[16];
};

struct udp_peer_val {
	u64 drops;
	u64 sent_bytes;
	u64 received_bytes;
	u64 reading;
};

SPARSE_TABLE(udp_peers, struct udp_peer_key, struct udp_peer_val, MOST_ROWS);

struct endpoint_memory {
	u64 since; /* ns: of the SYN */
	u32 tgid;
	u32 drops; /* counted so far */
	u32 error;
	u16 port;
	u8 owned;
	u8 asked;
	char comm[COMM_BYTES];
	u8 state; /* the last that was counted */
};

INHERITED_SOCKET_STORAGE(endpoint_memories, struct endpoint_memory);

static const struct listener_val no_listener;
static const struct connector_val no_connector;
static const struct tcp_peer_val no_peer;
static const struct udp_port_val no_port;
static const struct udp_peer_val no_udp_peer;

static __always_inline struct endpoint_memory *memory_of(void *sk)
{
	return bpf_sk_storage_get(&endpoint_memories, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline void copy_ip(u8 *to, u32 family, const u32 *v4, const struct in6_addr *v6)
{
	if (family == AF_INET)
		bpf_probe_read_kernel(to, 4, v4);
	else
		bpf_probe_read_kernel(to, 16, v6);
}

static __always_inline void own(struct endpoint_memory *memory)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	memory->tgid = bpf_get_current_pid_tgid() >> 32;
	memory->owned = true;
	BPF_CORE_READ_STR_INTO(&memory->comm, task, group_leader, comm);
}

static __always_inline void fill_local(u8 *ip, struct sock_common *skc, u32 family)
{
	copy_ip(ip, family, &skc->skc_rcv_saddr, &skc->skc_v6_rcv_saddr);
}

static __always_inline void fill_remote(u8 *ip, struct sock_common *skc, u32 family)
{
	copy_ip(ip, family, &skc->skc_daddr, &skc->skc_v6_daddr);
}

/* Of any sock_common, also one that is known only by its address. */
static __always_inline void fill_peer(struct tcp_peer_key *key, struct sock_common *skc,
				      const struct endpoint_memory *memory, u32 role)
{
	bool server = role == ROLE_SERVER;

	key->tgid = memory->tgid;
	key->role = role;
	key->family = BPF_CORE_READ(skc, skc_family);
	key->server_port = server ? memory->port : bpf_ntohs(BPF_CORE_READ(skc, skc_dport));
	fill_local(server ? key->server_ip : key->client_ip, skc, key->family);
	fill_remote(server ? key->client_ip : key->server_ip, skc, key->family);
	__builtin_memcpy(key->comm, memory->comm, COMM_BYTES);
}

static __noinline struct tcp_peer_val *peer_of_key(const struct tcp_peer_key *key)
{
	struct tcp_peer_val *val = row(&tcp_peers, key, &no_peer);

	if (val)
		val->reading = reading;
	return val;
}

static __noinline struct tcp_peer_val *peer_row(struct sock_common *skc,
						const struct endpoint_memory *memory, u32 role)
{
	struct tcp_peer_key key = {};

	fill_peer(&key, skc, memory, role);
	return peer_of_key(&key);
}
