/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* TCP connections, added up per link: process, role, client, server, server port; and per service.
 *
 * Nothing runs per packet. The agent runs the iterators on its interval; they add what each living socket gained since
 * the last time. inet_sock_set_state sees a closing socket and adds its last word. Both go through count(), with the
 * socket's own memory of what was counted, so nothing is counted twice and a short connection is not missed. Resets,
 * drops and errors are counted in the socket's memory when they happen.
 *
 * Memory, allocated as rows come, for each of imdb.max_records_num rows: tcp_link 450 B or tcp_metric 1.6 KB,
 * tcp_service 550 B, tcp_resets 60 B; 170 B of storage for each socket; listen_ports 64 KiB, net_drops 16 KiB a CPU.
 */
#include "namespaces.h"
#include "owners.h"
#include "tcp_delay.h"
#include "tcp_link.h"
#include "tcp_trouble.h"

/* Ports that were listened on: tells the role of sockets that are older than the agent. */
MAP(listen_ports, ARRAY, 0, u32, u8, 65536);

static __always_inline u8 role_by_port(u16 local_port)
{
	u32 port = local_port;
	u8 *listened = bpf_map_lookup_elem(&listen_ports, &port);

	return listened && *listened ? ROLE_SERVER : ROLE_CLIENT;
}

static __always_inline void note_listener(u32 port)
{
	u8 one = 1;

	bpf_map_update_elem(&listen_ports, &port, &one, BPF_ANY);
}

/* A file of the task is the socket: it owns it, or may inherit it. */
static __always_inline void find_owner(struct sock_memory *memory, struct task_struct *task,
				       bool listens)
{
	if (memory->owner == OWNER_SEEN) {
		if (memory->tgid == (u32)task->tgid) {
			memory->seen = reading;
			return;
		}
		memory->heir = task->tgid;
		memory->heir_seen = reading;
		bpf_probe_read_kernel_str(memory->heir_comm, COMM_BYTES, task->comm);
		return;
	}
	if (listens && memory->owner == OWNER_INHERITED)
		return; /* the process that called listen() */
	memory->tgid = task->tgid;
	memory->owner = listens ? OWNER_INHERITED : OWNER_SEEN;
	memory->seen = reading;
	bpf_probe_read_kernel_str(memory->comm, COMM_BYTES, task->comm);
}

static void begin_reading(void)
{
	reading++;
	find_hz();
	hold_others();
}

/* When there are new sockets, and now and then for those that change hands: whose socket is it. */
SEC("iter/task_file")
int tcp_owners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct sock *sk = socket_of(ctx);
	struct sock_memory *memory;

	if (!task || !sk || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	memory = memory_of(sk);
	if (memory)
		find_owner(memory, task, sk->__sk_common.skc_state == TCP_LISTEN);
	return 0;
}

/* Whether somebody has accepted the socket. Without a file (io_uring) its listener stands for the owner. */
static __always_inline bool is_owned(struct sock_memory *memory, struct sock *sk)
{
	if (memory->owner == OWNER_SEEN) {
		if (memory->seen == reading || memory->heir_seen != reading)
			return true;
		memory->tgid = memory->heir; /* handed over, as to a forked child */
		memory->seen = reading;
		__builtin_memcpy(memory->comm, memory->heir_comm, COMM_BYTES);
		return true;
	}
	if (!sk->sk_socket)
		return false;
	if (memory->seen && memory->seen != reading)
		return true;
	if (!memory->seen)
		wish_for_owner();
	memory->seen = reading;
	return false;
}

/* In each reading: what living sockets gained. Listening sockets come first, which tells the ports. */
SEC("iter/tcp")
int tcp_living(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct sock_memory *memory;
	struct tcp_sock *tp;

	if (!skc)
		return 0;
	if (skc->skc_state == TCP_LISTEN) {
		note_listener(skc->skc_num);
		return 0;
	}
	if (skc->skc_state == TCP_SYN_SENT || skc->skc_state == TCP_TIME_WAIT ||
	    skc->skc_state == TCP_NEW_SYN_RECV)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp)
		return 0;
	memory = memory_of(tp);
	if (!memory || !is_owned(memory, &tp->inet_conn.icsk_inet.sk))
		return 0;
	memory->local_port = skc->skc_num;
	if (memory->role == ROLE_UNKNOWN)
		memory->role = role_by_port(memory->local_port);
	count(tp, memory, true, true);
	return 0;
}

static __always_inline void own(struct sock_memory *memory, u8 owner)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	memory->tgid = bpf_get_current_pid_tgid() >> 32;
	memory->owner = owner;
	/* The process's name, not the thread's. */
	BPF_CORE_READ_STR_INTO(&memory->comm, task, group_leader, comm);
}

/* A state is left or entered in the process's own system call, but for ESTABLISHED and CLOSE. */
static __always_inline void remember(struct sock_memory *memory, int state, u32 local_port)
{
	static const struct sock_memory nothing;

	switch (state) {
	case TCP_SYN_SENT: /* connect(); a socket may be used again, and then counts from zero */
		*memory = nothing;
		memory->role = ROLE_CLIENT;
		memory->since = bpf_ktime_get_ns();
		own(memory, OWNER_SEEN);
		break;
	case TCP_LISTEN:
		*memory = nothing;
		own(memory, OWNER_INHERITED);
		note_listener(local_port);
		break;
	case TCP_FIN_WAIT1: /* close() or shutdown() */
	case TCP_LAST_ACK:
		if (memory->owner != OWNER_SEEN)
			own(memory, OWNER_SEEN);
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
	memory->opened = 1;
}

static __always_inline void close_link(struct sock_memory *memory, struct tcp_sock *tp,
				       int oldstate)
{
	struct sock_common *skc = &tp->inet_conn.icsk_inet.sk.__sk_common;

	if (memory->role == ROLE_UNKNOWN)
		memory->role = role_by_port(memory->local_port);
	if (oldstate != TCP_SYN_SENT)
		count(tp, memory, false, true);
	if (want_service)
		add_end(skc, memory, oldstate == TCP_SYN_SENT || oldstate == TCP_SYN_RECV);
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
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	if (newstate == TCP_ESTABLISHED)
		open_link(memory, tp, oldstate == TCP_SYN_RECV);
	if (oldstate == TCP_SYN_RECV)
		wish_for_owner(); /* somebody will accept it */
	if (newstate == TCP_CLOSE && oldstate != TCP_LISTEN && oldstate != TCP_CLOSE)
		close_link(memory, tp, oldstate);
	return 0;
}
