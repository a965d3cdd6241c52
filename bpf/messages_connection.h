/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Whether a connection is of interest, and how the agent is told of it and of its end. */
#pragma once

#include <bpf/bpf_endian.h>
#include "messages.h"

static __always_inline bool is_listed_port(struct sock *sk)
{
	u16 local = BPF_CORE_READ(sk, __sk_common.skc_num);
	u16 remote = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));

	return bpf_map_lookup_elem(&observed_ports, &local) ||
	       bpf_map_lookup_elem(&observed_ports, &remote);
}

static __noinline u64 new_connection(void)
{
	u64 *serial = only_value(&serials);

	if (!serial)
		return 0;
	*serial += 1;
	return *serial << CPU_BITS | (bpf_get_smp_processor_id() & ((1 << CPU_BITS) - 1));
}

/* Decides about a socket when its first piece comes. */
static __always_inline void look(struct message_memory *memory, struct sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (!is_observed(task) || (by_port && !is_listed_port(sk))) {
		memory->verdict = VERDICT_UNWANTED;
		return;
	}
	memory->verdict = VERDICT_OBSERVED;
	memory->connection = new_connection();
}

/* Whether pieces of this connection go to the agent. */
static __always_inline bool is_wanted(struct message_memory *memory, struct sock *sk)
{
	u64 *changes = only_value(&verdict_changes);
	u8 *said;

	if (memory->verdict == VERDICT_NONE)
		look(memory, sk);
	if (memory->verdict == VERDICT_UNWANTED || !changes)
		return false;
	if (memory->verdict == VERDICT_WANTED && memory->changes == *changes)
		return true;
	memory->changes = *changes;
	said = bpf_map_lookup_elem(&verdicts, &memory->connection);
	if (!said)
		return true;
	memory->verdict = *said;
	if (*said == VERDICT_FORGOTTEN) {
		memory->verdict = VERDICT_OBSERVED;
		memory->told = 0;
		memory->serial = 0;
		bpf_map_delete_elem(&verdicts, &memory->connection);
	}
	return memory->verdict != VERDICT_UNWANTED;
}

struct fd_search {
	struct file **fds;
	void *socket;
	u32 found;
};

static long compare_fd(u32 fd, struct fd_search *search)
{
	struct file *file = NULL;

	bpf_probe_read_kernel(&file, sizeof(file), search->fds + fd);
	if (!file || BPF_CORE_READ(file, private_data) != search->socket)
		return 0;
	search->found = fd;
	return 1;
}

/* The first of the process' descriptors that is this socket. */
static __noinline u32 find_fd(struct sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct fd_search search = {.found = ~0U};
	u32 most = BPF_CORE_READ(table, max_fds);

	search.fds = BPF_CORE_READ(table, fd);
	search.socket = BPF_CORE_READ(sk, sk_socket);
	if (search.socket)
		bpf_loop(most < MAX_FDS ? most : MAX_FDS, compare_fd, &search, 0);
	return search.found;
}

static __noinline void fill_peers(struct connection_event *event, struct sock *sk)
{
	struct sock_common *skc = &sk->__sk_common;

	event->family = BPF_CORE_READ(skc, skc_family);
	if (event->family == AF_UNIX)
		return;
	event->local_port = BPF_CORE_READ(skc, skc_num);
	event->remote_port = bpf_ntohs(BPF_CORE_READ(skc, skc_dport));
	if (event->family == AF_INET) {
		bpf_core_read(event->local_ip, 4, &skc->skc_rcv_saddr);
		bpf_core_read(event->remote_ip, 4, &skc->skc_daddr);
	} else {
		bpf_core_read(event->local_ip, 16, &skc->skc_v6_rcv_saddr);
		bpf_core_read(event->remote_ip, 16, &skc->skc_v6_daddr);
	}
}

/* Whether neither side's process has said anything before: a SYN counts as one byte that was acknowledged. */
static __always_inline bool is_new(struct sock *sk, u32 being_read)
{
	struct tcp_sock *tp = (void *)sk;
	u32 waiting = BPF_CORE_READ(tp, rcv_nxt) - BPF_CORE_READ(tp, copied_seq);
	u32 unsent = BPF_CORE_READ(tp, write_seq) - BPF_CORE_READ(tp, snd_una);

	return BPF_CORE_READ(tp, bytes_received) <= waiting + being_read &&
	       BPF_CORE_READ(tp, bytes_acked) + unsent <= 1;
}

/* A descriptor that is not known is ~0; `being_read` is what the process has read in the present call. */
static __noinline bool introduce(struct message_memory *memory, struct sock *sk, u16 what, u32 fd,
				 u32 being_read)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct connection_event event = {};
	u8 kind = what, transport = what >> 8;

	if (!memory)
		return false;
	event.time = bpf_ktime_get_ns();
	event.connection = memory->connection;
	event.kind = kind;
	event.transport = transport;
	event.is_tls = memory->encrypted;
	if (!memory->encrypted)
		memory->whole =
			kind == CONNECTION_CONNECTS || memory->is_new ||
			(!memory->lost && transport == TRANSPORT_TCP && is_new(sk, being_read));
	event.is_new = memory->whole;
	memory->is_new = 0;
	event.tgid = BPF_CORE_READ(task, tgid);
	event.thread = BPF_CORE_READ(task, pid);
	event.fd = fd != ~0U || kind != CONNECTION_OPENED ? fd : find_fd(sk);
	bpf_core_read_str(event.comm, sizeof(event.comm), &task->group_leader->comm);
	fill_peers(&event, sk);
	return send_event(&message_ring, &event, sizeof(event));
}

/* False: the agent does not know of the connection, so that its pieces would be of no use. */
static __always_inline bool tell(struct message_memory *memory, struct sock *sk, u8 transport,
				 u32 fd, u32 being_read)
{
	if (!memory->told) {
		memory->told =
			introduce(memory, sk, CONNECTION_OPENED | transport << 8, fd, being_read);
		memory->lost = !memory->told;
	}
	return memory->told;
}

/* Of a TCP socket. */
static __always_inline struct message_memory *memory_of(struct sock *sk, bool make)
{
	static const struct message_memory zero;
	u64 key = (u64)sk;

	if (!calls_tcp)
		return bpf_sk_storage_get(&message_memories, sk, NULL,
					  make ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
	return make ? find_or_make(&call_memories, &key, &zero)
		    : bpf_map_lookup_elem(&call_memories, &key);
}

static __noinline void end_connection(struct message_memory *memory, u8 kind, u32 thread)
{
	struct connection_event event = {};

	if (!memory)
		return;
	event.time = bpf_ktime_get_ns();
	event.connection = memory->connection;
	event.kind = kind;
	event.established = memory->established;
	event.thread = thread;
	send_event(&message_ring, &event, sizeof(event));
}
