/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* TCP connections, added up per link: process, role, client, server, server port; and per service.
 *
 * Nothing runs per packet. The agent runs the iterators on its interval; they add what each living socket gained since
 * the last time. inet_sock_set_state sees a closing socket and adds its last word. Both go through count(), with the
 * socket's own memory of what was counted, so nothing is counted twice and a short connection is not missed. Resets,
 * drops and errors are counted in the socket's memory when they happen.
 *
 * Memory, allocated as rows come, for each of imdb.max_records_num rows: tcp_link 480 B or tcp_metric 1.6 KB,
 * tcp_service 380 B, tcp_resets 60 B; 470 B of storage for each socket; listen_ports 300 KiB, net_drops 16 KiB a CPU.
 */
#include "namespaces.h"
#include "tcp_delay.h"
#include "tcp_link.h"
#include "tcp_owner.h"
#include "tcp_read.h"
#include "tcp_trouble.h"

struct listen_port {
	u32 net; /* number of the network namespace */
	u16 port;
	u16 unused;
};

/* What was listened on: tells the role of sockets that are older than the agent. */
RECENT(listen_ports, struct listen_port, u8, 4096);

static __always_inline struct listen_port port_of(struct sock_common *skc, u16 port)
{
	struct listen_port key = {.net = BPF_CORE_READ(skc, skc_net.net, ns.inum), .port = port};

	return key;
}

static __always_inline bool is_listened_on(struct sock_common *skc, u16 port)
{
	struct listen_port key = port_of(skc, port);

	return bpf_map_lookup_elem(&listen_ports, &key) != NULL;
}

/* An accepted socket is a copy of its listener, and has its backlog; that of listen(fd, 0) is told by its port. */
static __noinline u8 role_of(struct sock *sk, u16 local)
{
	struct sock_common *skc = &sk->__sk_common;

	if (sk->sk_max_ack_backlog)
		return ROLE_SERVER;
	return is_listened_on(skc, local) && !is_listened_on(skc, bpf_ntohs(skc->skc_dport))
		       ? ROLE_SERVER
		       : ROLE_CLIENT;
}

static __always_inline void note_listener(struct sock_common *skc)
{
	struct listen_port key = port_of(skc, skc->skc_num);
	u8 one = 1;

	bpf_map_update_elem(&listen_ports, &key, &one, BPF_ANY);
}

static void begin_reading(void)
{
	reading++;
	find_hz();
	hold_others();
}

/* Sockets that are older than the agent; what opens later is seen when it does. */
SEC("iter/tcp")
int tcp_found(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct tcp_sock *tp;

	if (!skc)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp)
		return 0;
	if (skc->skc_state == TCP_LISTEN)
		note_listener(skc);
	memory_of(tp);
	return 0;
}

static __always_inline bool is_living(struct sock *sk)
{
	u8 state = sk->__sk_common.skc_state;

	return state != TCP_LISTEN && state != TCP_SYN_SENT && state != TCP_CLOSE;
}

static __always_inline void count_living(struct sock_memory *memory, struct sock *sk)
{
	struct tcp_sock *tp;

	if (memory->role == ROLE_UNKNOWN) {
		memory->local_port = sk->__sk_common.skc_num;
		memory->role = role_of(sk, memory->local_port);
	}
	look(sk, memory);
	if (!memory->closed)
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp &&
	    is_still_there(
		    tp,
		    memory)) /* it closed meanwhile, and what was counted there may have been newer */
		count_last(tp, memory, ENDED);
}

static __always_inline bool is_listener(struct sock *sk)
{
	return sk->__sk_common.skc_state == TCP_LISTEN;
}

/* In each reading: what living sockets gained. It goes through the memories of the sockets of all network namespaces,
 * which costs a sixth of iter/tcp: no lock, no reference, no empty bucket, no socket in TIME_WAIT. */
SEC("iter/bpf_sk_storage_map")
int tcp_living(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock_memory *memory = ctx->value;
	struct sock *sk = ctx->sk;

	if (!memory || !sk)
		return 0;
	if (is_listener(sk) && memory->owner == OWNER_NONE)
		is_owned(memory, sk);
	else if (is_living(sk) && is_owned(memory, sk))
		count_living(memory, sk);
	return 0;
}

/* After a search for owners, and for rows that became full. */
SEC("iter/bpf_sk_storage_map")
int tcp_again(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock_memory *memory = ctx->value;
	struct sock *sk = ctx->sk;

	if (!memory || !sk)
		return 0;
	if (memory->owner == OWNER_NONE && is_listener(sk)) {
		if (is_found(memory, OWNER_INHERITED))
			memory->file = 0; /* a connection begins with this */
		return 0;
	}
	if (memory->looked != reading) {
		if (memory->owner >= OWNER_KEPT || !is_living(sk) || !is_found(memory, OWNER_SEEN))
			return 0;
		count_living(memory, sk);
	}
	if (late == reading && is_living(sk))
		look_again(sk, memory);
	if (checked == reading)
		check_owner(memory, sk);
	return 0;
}

/* A socket may be used again, and then counts from zero; memory that is new is zero. */
static __always_inline void begin_again(struct sock_memory *memory)
{
	static const struct sock_memory nothing;

	if (memory->closed)
		*memory = nothing;
}

/* Entered in the process's own system call, so never within another program of ours. */
static __always_inline bool is_of_process(int state)
{
	return state != TCP_ESTABLISHED && state != TCP_CLOSE;
}

/* Of what is_of_process(). */
static __always_inline void remember(struct sock_memory *memory, int state, struct sock_common *skc)
{
	switch (state) {
	case TCP_SYN_SENT: /* connect() */
		begin_again(memory);
		memory->role = ROLE_CLIENT;
		memory->since = bpf_ktime_get_ns();
		own(memory, OWNER_SEEN);
		break;
	case TCP_LISTEN:
		begin_again(memory);
		own(memory, OWNER_INHERITED);
		note_listener(skc);
		break;
	case TCP_FIN_WAIT1: /* close() or shutdown() */
	case TCP_LAST_ACK:
		if (memory->owner != OWNER_SEEN) {
			stop_seeking(memory);
			own(memory, OWNER_SEEN);
		}
		break;
	}
}

/* The round trip of the handshake is the first that the kernel measures. */
static __always_inline void open_link(struct sock_memory *memory, struct tcp_sock *tp, bool server)
{
	u64 now = bpf_ktime_get_ns();

	memory->syn_srtt_us = tp->srtt_us >> 3;
	if (server)
		memory->role = ROLE_SERVER;
	/* The server's request begins with its SYN-ACK, which srtt_us is from, if it was sent once. */
	memory->setup_us = server	   ? memory->syn_srtt_us
			   : memory->since ? (now - memory->since) / 1000
					   : 0;
	memory->since = now;
	memory->sought = 0; /* the listener's, as is what follows */
	memory->file = 0;
	if (memory->owner == OWNER_KEPT)
		memory->owner = OWNER_INHERITED;
	memory->opened = 1;
}

static __always_inline void close_link(struct sock_memory *memory, struct tcp_sock *tp,
				       int oldstate)
{
	struct sock_common *skc = &tp->inet_conn.icsk_inet.sk.__sk_common;

	if (memory->owner != OWNER_SEEN)
		stop_seeking(memory);
	if (memory->role == ROLE_UNKNOWN)
		memory->role = role_of(&tp->inet_conn.icsk_inet.sk, memory->local_port);
	if (oldstate != TCP_SYN_SENT)
		count_last(tp, memory, oldstate == TCP_SYN_RECV ? FAILS : ENDS);
	else if (want_service)
		count_refused(skc, memory);
}

/* States of which nothing is to be remembered: half of those of a connection. */
static __always_inline bool is_passing(int state)
{
	return state == TCP_SYN_RECV || state == TCP_FIN_WAIT2 || state == TCP_CLOSE_WAIT ||
	       state == TCP_CLOSING || state == TCP_TIME_WAIT;
}

/* `missed`: only what the first program was not run for. */
static __always_inline void take_state(struct sock *sk, int oldstate, int newstate, bool missed)
{
	struct sock_memory *memory;
	struct tcp_sock *tp;

	if (sk->sk_protocol != IPPROTO_TCP || is_passing(newstate) ||
	    (missed && is_of_process(newstate)))
		return;
	memory = memory_of(sk);
	if (!memory || (missed && memory->state == newstate))
		return;
	remember(memory, newstate, &sk->__sk_common);
	memory->state = newstate;
	if (sk->__sk_common.skc_num)
		memory->local_port = sk->__sk_common.skc_num;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	if (newstate == TCP_ESTABLISHED)
		open_link(memory, tp, oldstate == TCP_SYN_RECV);
	if (newstate == TCP_CLOSE && oldstate != TCP_LISTEN && oldstate != TCP_CLOSE)
		close_link(memory, tp, oldstate);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state, struct sock *sk, int oldstate, int newstate)
{
	take_state(sk, oldstate, newstate, false);
	return 0;
}

/* The kernel runs no program inside itself: what an interrupt changes while a system call is in tcp_state would go by
 * unseen, and with it all of a connection that ends. This one comes after it. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state_missed, struct sock *sk, int oldstate, int newstate)
{
	take_state(sk, oldstate, newstate, true);
	return 0;
}
