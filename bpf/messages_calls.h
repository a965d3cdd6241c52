/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The same pieces from system calls: TCP where the kernel does not show them better, UDP, and Unix sockets.
 *
 * What is received stands in the caller's memory when its call ends, and so does what it said to a Unix socket; what is
 * sent on TCP and UDP is read when the call begins, so that it comes before its answer. For a process that is not
 * observed a call that reads or writes costs one look-up, any other a comparison.
 * Memory: 8 B and the kernel's overhead for each thread that reads or writes; 112 B x 16384.
 */
#pragma once

#include "messages_arrival.h"
#include "messages_connection.h"
#include "messages_forms.h"
#include "messages_scratch.h"
#include "syscalls.h"

/* Set before load. */
const volatile bool calls_udp = false;
const volatile bool calls_unix = false;

struct call_watch {
	u8 asked;
	u8 observed;
	u8 unused[6];
};

TASK_STORAGE(call_watches, struct call_watch);

enum { IPPROTO_UDP = 17, SOCK_STREAM = 1, MAX_DATAGRAMS = 64, MSG_PEEK = 2 };

struct user_address {
	u16 family;
	u16 port;
	u32 flow_or_ip;
	u8 ip[16];
};

struct control {
	u64 bytes;
	u32 level;
	u32 type;
	u8 data[24];
};

enum { SOL_IPV4 = 0, SOL_IPV6 = 41, IP_PKTINFO = 8, IPV6_PKTINFO = 50 };

/* Behind the bytes of a datagram, at the next multiple of 8. */
struct datagram_event {
	u16 family;
	u16 local_port;
	u16 remote_port;
	u16 unused;
	u8 local_ip[16];
	u8 remote_ip[16];
};

RECORD(datagram_event);

static __always_inline bool is_watched(struct task_struct *task)
{
	struct call_watch *watch =
		bpf_task_storage_get(&call_watches, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!watch) /* there is no memory for it: asked each time */
		return is_observed(task);
	if (!watch->asked) {
		watch->asked = 1;
		watch->observed = is_observed(task);
	}
	return watch->observed;
}

/* A process is another one with another program. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(message_program_changes, struct task_struct *task)
{
	struct call_watch *watch = bpf_task_storage_get(&call_watches, task, NULL, 0);

	if (watch)
		watch->asked = 0;
	return 0;
}

/* The socket behind a descriptor; NULL: it is something else. */
static __always_inline struct sock *socket_of(struct task_struct *task, u64 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **fds = BPF_CORE_READ(table, fd);
	struct file *file = NULL;
	struct socket *socket;
	struct sock *sk;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), fds + fd);
	if (!file)
		return NULL;
	/* What it points to may be anything; only a socket points to a sock that points back. */
	socket = BPF_CORE_READ(file, private_data);
	if (!socket)
		return NULL;
	sk = BPF_CORE_READ(socket, sk);
	return sk && BPF_CORE_READ(sk, sk_socket) == socket ? sk : NULL;
}

/* Whether pieces of such sockets are read here. */
static __always_inline u8 transport_of(struct sock *sk)
{
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	u16 protocol = BPF_CORE_READ(sk, sk_protocol);

	if (family == AF_UNIX)
		return calls_unix && BPF_CORE_READ(sk, sk_type) == SOCK_STREAM ? TRANSPORT_UNIX
									       : TRANSPORT_NONE;
	if (family != AF_INET && family != AF_INET6)
		return TRANSPORT_NONE;
	if (protocol == IPPROTO_TCP)
		return calls_tcp ? TRANSPORT_TCP : TRANSPORT_NONE;
	return calls_udp && protocol == IPPROTO_UDP ? TRANSPORT_UDP : TRANSPORT_NONE;
}

static __always_inline u64 call_key(struct sock *sk, u8 transport)
{
	struct socket_alloc *socket = (void *)BPF_CORE_READ(sk, sk_socket);

	return transport == TRANSPORT_TCP ? (u64)sk : BPF_CORE_READ(socket, vfs_inode.i_ino);
}

static __always_inline struct message_memory *call_memory(struct sock *sk, u8 transport)
{
	static const struct message_memory zero;
	u64 key = call_key(sk, transport);

	return find_or_make(&call_memories, &key, &zero);
}

/* Copies the first bytes of what the caller's memory holds. */
static __always_inline u32 copy_piece(struct scratch *to)
{
	struct piece *piece = &to->piece;
	const struct iovec *segments = (void *)piece->from;
	u64 left = piece->length;
	u32 at = 0;

	if (piece->segments == 0)
		return copy_user(to, 0, (void *)piece->from, left);
	for (u32 i = 0; i < MAX_SEGMENTS; i++) {
		struct iovec segment = {};
		u32 copied;

		if (i >= piece->segments || at >= first_bytes || left == 0)
			break;
		bpf_probe_read_user(&segment, sizeof(segment), segments + i);
		if (segment.iov_len > left)
			segment.iov_len = left;
		copied = copy_user(to, at, segment.iov_base, segment.iov_len);
		at += copied;
		left -= copied;
		if (copied != segment.iov_len)
			break;
	}
	return at;
}

/* Bytes of all segments; no more than MAX_SEGMENTS are looked at. */
static __always_inline u64 segment_bytes(const struct piece *piece)
{
	const struct iovec *segments = (void *)piece->from;
	u64 bytes = 0;

	for (u32 i = 0; i < MAX_SEGMENTS; i++) {
		struct iovec segment = {};

		if (i >= piece->segments)
			break;
		bpf_probe_read_user(&segment, sizeof(segment), segments + i);
		bytes += segment.iov_len;
	}
	return bytes;
}

static __always_inline void use_message(struct piece *piece, const struct user_message *message)
{
	piece->from = message->segments;
	piece->segments = message->segment_count;
	piece->name = message->name;
	piece->control = message->control;
	piece->control_bytes = message->control_bytes;
}

/* Where one call is about one piece. */
static __always_inline void read_arguments(struct scratch *to, u8 form, struct pt_regs *regs)
{
	struct piece *piece = &to->piece;
	struct user_message *message = &to->slot.message;
	u64 third = third_argument(regs), fifth = fifth_argument(regs);

	/* One instruction must not read now a register and now a message, as clang would have it. */
	barrier_var(third);
	barrier_var(fifth);
	piece->from = second_argument(regs);
	if (form == FORM_VECTOR) {
		piece->segments = third;
	} else if (form == FORM_TO_FROM) {
		piece->name = fifth;
	} else if (form == FORM_MESSAGE) {
		bpf_probe_read_user(message, sizeof(*message), (void *)piece->from);
		use_message(piece, message);
	}
}

static __always_inline void read_address(struct datagram_event *peers, u64 at)
{
	struct user_address address = {};
	const void *name = (void *)at;

	if (!name || bpf_probe_read_user(&address, sizeof(address), name))
		bpf_probe_read_user(&address, 16, name); /* one of IPv4 at the end of a page */
	if (address.family != AF_INET && address.family != AF_INET6)
		return;
	peers->remote_port = bpf_ntohs(address.port);
	if (address.family == AF_INET)
		__builtin_memcpy(peers->remote_ip, &address.flow_or_ip, 4);
	else
		__builtin_memcpy(peers->remote_ip, address.ip, 16);
}

/* A socket that is bound to no address is told, or tells, which one of the host it was. */
static __always_inline void read_local_address(struct datagram_event *peers, struct piece *piece)
{
	u64 at = 0;

	for (u32 i = 0; i < 4; i++) {
		struct control control = {};

		if (at + 28 > piece->control_bytes || at > 4096 ||
		    bpf_probe_read_user(&control, 28, (void *)piece->control + at))
			return;
		if (control.level == SOL_IPV4 && control.type == IP_PKTINFO) {
			__builtin_memcpy(peers->local_ip, control.data + 4, 4);
			return;
		}
		if (control.level == SOL_IPV6 && control.type == IPV6_PKTINFO) {
			bpf_probe_read_user(peers->local_ip, 16, (void *)piece->control + at + 16);
			return;
		}
		if (control.bytes < 16)
			return;
		at += (control.bytes + 7) & ~7ULL;
	}
}

static __always_inline bool is_zero(const u8 *ip)
{
	const u64 *halves = (const u64 *)ip;

	return halves[0] == 0 && halves[1] == 0;
}

static __noinline void send_datagram(struct scratch *to, struct message_memory *memory)
{
	struct connection_event *named = &to->named;
	struct piece *piece = &to->piece;
	struct datagram_event *peers;
	u32 known = to->event.known;

	if (!memory || known >= MAX_BYTES)
		return;
	barrier_var(known);
	known = (known + 7) & (2 * MAX_BYTES - 8);
	peers = (void *)(to->event.bytes + known);
	__builtin_memset(named, 0, sizeof(*named));
	fill_peers(named, (void *)piece->sock);
	peers->family = named->family;
	peers->local_port = named->local_port;
	peers->remote_port = named->remote_port;
	peers->unused = 0;
	__builtin_memcpy(peers->local_ip, named->local_ip, 16);
	__builtin_memcpy(peers->remote_ip, named->remote_ip, 16);
	read_address(peers, piece->name);
	if (piece->control && is_zero(named->local_ip))
		read_local_address(peers, piece);
	to->event.connection = memory->connection;
	to->event.serial = ++memory->serial;
	to->event.thread = bpf_get_current_pid_tgid();
	send_event(&message_ring, &to->event,
		   __builtin_offsetof(struct message_event, bytes) + known + sizeof(*peers));
}

/* What a TCP socket has read up to now ends with this piece. */
static __always_inline bool take_received(struct piece *piece, struct message_memory *memory)
{
	struct tcp_sock *tp = (void *)piece->sock;
	u32 end = BPF_CORE_READ(tp, copied_seq);
	u32 start = end - piece->length;

	if (memory->rx_known && (s32)(end - memory->rx_next) <= 0)
		return false;
	/* A FIN that is read with the last data counts as a byte. */
	if (memory->rx_known && start - memory->rx_next > 1)
		memory->serial++;
	memory->rx_known = 1;
	memory->rx_next = end;
	piece->arrived = arrival(memory, tp, start);
	return true;
}

/* As with tcp_sendmsg_locked: a call that found no room is tried again. */
static __always_inline bool take_sent(struct piece *piece, struct message_memory *memory)
{
	struct tcp_sock *tp = (void *)piece->sock;
	u32 start = BPF_CORE_READ(tp, write_seq);
	u32 end = start + (u32)piece->length;

	if (memory->tx_known && (s32)(end - memory->tx_next) <= 0)
		return false;
	if (memory->tx_known && (s32)(start - memory->tx_next) > 0)
		memory->serial++;
	if (memory->tx_known && (s32)(memory->tx_next - start) > 0) {
		piece->length = end - memory->tx_next;
		piece->from = 0; /* only its first bytes would be of interest */
	}
	memory->tx_known = 1;
	memory->tx_next = end;
	return true;
}

/* What is remembered of the descriptor's socket; NULL: its pieces are not of interest. */
static __always_inline struct message_memory *
begin_piece(struct piece *piece, struct task_struct *task, u64 fd, u8 *transport)
{
	struct message_memory *memory;
	struct sock *sk = socket_of(task, fd);

	if (!sk)
		return NULL;
	*transport = transport_of(sk);
	if (*transport == TRANSPORT_NONE)
		return NULL;
	memory = call_memory(sk, *transport);
	if (!memory) {
		count_table_full();
		return NULL;
	}
	piece->sock = (u64)sk;
	if (!is_wanted(memory, sk) ||
	    !tell(memory, sk, *transport, fd, piece->kind == MESSAGE_RECEIVED ? piece->length : 0))
		return NULL;
	return memory;
}

static __noinline void send_piece(struct scratch *to, struct message_memory *memory, u8 transport)
{
	struct piece *piece = &to->piece;

	to->event.time = piece->arrived ? piece->arrived : bpf_ktime_get_ns();
	to->event.length = piece->length;
	to->event.kind = piece->kind;
	to->event.known = copy_piece(to);
	if (!memory)
		return;
	if (transport == TRANSPORT_UDP) {
		to->event.kind += DATAGRAM_RECEIVED - MESSAGE_RECEIVED;
		send_datagram(to, memory);
		return;
	}
	send_message(to, memory);
}

struct datagrams {
	struct scratch *to;
	struct message_memory *memory;
	const struct user_message_slot *slots;
	bool received;
};

static long send_slot(u32 i, struct datagrams *all)
{
	struct scratch *to = all->to;
	struct user_message_slot *slot;
	struct piece *piece;

	if (!to)
		return 1;
	slot = &to->slot;
	piece = &to->piece;
	if (bpf_probe_read_user(slot, sizeof(*slot), all->slots + i))
		return 1;
	use_message(piece, &slot->message);
	piece->length = all->received ? slot->length : segment_bytes(piece);
	send_piece(to, all->memory, TRANSPORT_UDP);
	return 0;
}

/* Only UDP has calls of many messages. */
static __always_inline void send_many(struct scratch *to, struct message_memory *memory,
				      struct pt_regs *regs, u64 count, bool received)
{
	struct datagrams all = {.to = to,
				.memory = memory,
				.slots = (void *)second_argument(regs),
				.received = received};

	bpf_loop(count < MAX_DATAGRAMS ? count : MAX_DATAGRAMS, send_slot, &all, 0);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(message_call_begins, struct pt_regs *regs, long number)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *to = only_value(&scratches);
	struct message_memory *memory;
	struct piece *piece;
	u8 form = sends(number), transport;

	if (form == FORM_NONE || !to || !is_watched(task) || is_foreign_call(task))
		return 0;
	piece = &to->piece;
	*piece = (struct piece){.kind = MESSAGE_SENT};
	memory = begin_piece(piece, task, first_argument(regs), &transport);
	if (!memory || transport == TRANSPORT_UNIX)
		return 0;
	if (form == FORM_MANY) {
		if (transport == TRANSPORT_UDP)
			send_many(to, memory, regs, third_argument(regs), false);
		return 0;
	}
	read_arguments(to, form, regs);
	piece->length = form == FORM_BUFFER || form == FORM_TO_FROM ? third_argument(regs)
								    : segment_bytes(piece);
	if (piece->length == 0 || (transport == TRANSPORT_TCP && !take_sent(piece, memory)))
		return 0;
	send_piece(to, memory, transport);
	return 0;
}

/* Comes before its data is in the queue. */
SEC("tp_btf/tcp_probe")
int BPF_PROG(message_segment_comes, struct sock *sk, struct sk_buff *skb)
{
	struct tcp_skb_cb *segment = (struct tcp_skb_cb *)skb->cb;
	u64 key = (u64)sk;
	struct message_memory *memory = bpf_map_lookup_elem(&call_memories, &key);
	u32 end;

	if (!memory || memory->verdict == VERDICT_UNWANTED)
		return 0;
	end = BPF_CORE_READ(segment, end_seq);
	if (end != BPF_CORE_READ(segment, seq))
		note_arrival(memory, BPF_CORE_READ((struct tcp_sock *)sk, copied_seq), end);
	return 0;
}

/* A Unix socket does not tell whether anything was said on it before: but now it was made. */
static __always_inline void note_connected(struct task_struct *task, u64 fd)
{
	struct message_memory *memory;
	struct sock *sk = socket_of(task, fd);

	if (!sk || transport_of(sk) != TRANSPORT_UNIX)
		return;
	memory = call_memory(sk, TRANSPORT_UNIX);
	if (memory)
		memory->is_new = 1;
}

static __always_inline bool is_peek(u8 form, struct pt_regs *regs)
{
	if (form == FORM_TO_FROM)
		return fourth_argument(regs) & MSG_PEEK;
	return form == FORM_MESSAGE && third_argument(regs) & MSG_PEEK;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(message_call_ends, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *to = only_value(&scratches);
	struct message_memory *memory;
	struct piece *piece;
	u64 number = call_number(regs), connected = connected_fd(number, regs, result);
	u8 form = receives(number), kind = MESSAGE_RECEIVED, transport;

	if (form == FORM_NONE && calls_unix) {
		form = sends(number);
		kind = MESSAGE_SENT;
	}
	if (form == FORM_NONE && (!calls_unix || connected == -1))
		return 0;
	if (!to || !is_watched(task) || is_foreign_call(task))
		return 0;
	if (form == FORM_NONE) {
		note_connected(task, connected);
		return 0;
	}
	if (result <= 0 || is_peek(form, regs))
		return 0;
	piece = &to->piece;
	*piece = (struct piece){.kind = kind, .length = result};
	memory = begin_piece(piece, task, first_argument(regs), &transport);
	if (!memory || (kind == MESSAGE_SENT && transport != TRANSPORT_UNIX))
		return 0;
	if (form == FORM_MANY) {
		if (transport == TRANSPORT_UDP)
			send_many(to, memory, regs, result, true);
		return 0;
	}
	read_arguments(to, form, regs);
	if (transport == TRANSPORT_TCP && !take_received(piece, memory))
		return 0;
	send_piece(to, memory, transport);
	return 0;
}
