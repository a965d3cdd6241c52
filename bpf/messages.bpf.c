/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* First bytes of what observed processes receive and send on TCP connections, for the agent's parsers.
 *
 * A received piece is seen when it is copied to its reader, a sent one when it is given to the kernel. Sequence numbers
 * tell what has been seen before (a peek, a send that is tried again). The agent decides by the first pieces of a
 * connection whether it is of interest; from then on one that is not costs one look-up a piece.
 * Memory: ring 4 MB; 104 B and the kernel's overhead for each TCP socket with traffic; 24 B x 16384 + 9 B x 8192.
 */
#include "probe.h"
#include "observe.h"
#include <bpf/bpf_endian.h>

enum { MAX_BYTES = 256 };

const volatile u32 first_bytes = 128; /* set before load; less than MAX_BYTES */
const volatile bool by_port = false;  /* whether only connections of listed ports are of interest */
const volatile bool calls_tcp = false; /* TCP is read in system calls; see message_calls.h */
const volatile bool links = false; /* whether it is told who connects and who leaves, for proxies */

enum message_kind {
	MESSAGE_RECEIVED = 0,
	MESSAGE_SENT = 1,
	CONNECTION_OPENED = 2,
	CONNECTION_CLOSED = 3,
	CONNECTION_CONNECTS =
		4,	     /* its process opens it; where to is known, from where not always */
	CONNECTION_LEFT = 5, /* its process, which opened it, has closed it */
	DATAGRAM_RECEIVED = 8,
	DATAGRAM_SENT = 9,
};

enum transport {
	TRANSPORT_TCP = 0,
	TRANSPORT_UDP = 1,
	TRANSPORT_UNIX = 2,
	TRANSPORT_NONE = 3,
};

struct message_event {
	u64 time; /* ns: when it arrived or was sent */
	u64 connection;
	u32 length;
	u16 serial; /* of the connection's pieces: a gap tells of what found no room */
	u8 kind;
	u8 known; /* bytes that follow */
	u32 thread;
	u8 bytes[MAX_BYTES];
};

struct connection_event {
	u64 time;
	u64 connection;
	u32 tgid;
	u16 family;
	u8 kind;
	u8 is_new; /* nothing was said on it before */
	u32 fd;	   /* ~0: not found */
	u16 local_port;
	u16 remote_port;
	u8 local_ip[16];
	u8 remote_ip[16];
	u32 thread; /* 0: of no process, as when a connection ends by itself */
	char comm[TASK_COMM_LEN];
	u8 established; /* of one that ends: it had come about */
	u8 transport;
	u8 is_tls; /* its pieces are in plain all the same, and numbered anew */
	u8 padding;
};

RECORD(message_event);
RECORD(connection_event);

RING(message_ring, 4194304);

STATE(observed_ports, u16, u8, 1024);

/* What the agent says of a connection. It is taken over into the socket's memory. */
RECENT(verdicts, u64, u8, 16384);

/* Grows whenever a verdict is given, so that those who are of interest need to look only then. */
VALUE(verdict_changes, u64);

enum verdict {
	VERDICT_NONE = 0,
	VERDICT_WANTED = 1,
	VERDICT_UNWANTED = 2,
	VERDICT_OBSERVED = 3,  /* its process is of interest; the agent has not said anything yet */
	VERDICT_FORGOTTEN = 4, /* the agent does not know of it any more */
};

enum { MAX_ARRIVALS = 4, LAST_ARRIVAL = MAX_ARRIVALS - 1 };

struct message_memory {
	u64 connection;
	u64 changes;		      /* of verdicts that were seen */
	u64 arrived[MAX_ARRIVALS];    /* ns: when data came that was not read yet ... */
	u32 arrived_to[MAX_ARRIVALS]; /* ... and where it ends */
	u32 rx_next;		      /* behind what was seen */
	u32 tx_next;
	u8 verdict;
	u8 told;   /* the agent knows of it */
	u8 lost;   /* it should, but the ring was full */
	u8 is_new; /* of a Unix socket: nothing was said before */
	u8 rx_known;
	u8 tx_known;
	u8 arrival_count; /* of what was not read yet */
	u16 serial;
	u8 connects; /* its process opens it, and the agent knows */
	u8 left;     /* and has closed it */
	u8 established;
	u8 encrypted; /* what it says is seen in OpenSSL */
	u8 whole;     /* the agent was told of all from its start */
	u64 ssl;
};

SOCKET_STORAGE(message_memories, struct message_memory);

/* For system calls: TCP sockets by their address, others by the number of their inode: these are not told to end. */
RECENT(call_memories, u64, struct message_memory, 16384);

struct scratch {
	struct message_event event;
	u8 slack[2 *
		 MAX_BYTES]; /* so that for the verifier any copy fits at each place of the bytes */
};

CPU_VALUE(scratches, struct scratch);

/* Connections so far, by CPU: with the CPU's number in the low bits each has a number of its own. */
CPU_VALUE(serials, u64);

enum { CPU_BITS = 12, IPPROTO_TCP = 6, MAX_FDS = 1024, MAX_SEGMENTS = 8 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct tcp_skb_cb {
	u32 seq;
	u32 end_seq;
};

struct tcp_sock___messages {
	u64 tcp_mstamp; /* us: when a packet came or went last */
};

struct iovec {
	void *iov_base;
	u64 iov_len;
};

struct iov_iter {
	u8 iter_type;
	u64 iov_offset;
	u64 count;
	const struct iovec *__iov;
	void *ubuf;
	unsigned long nr_segs;
};

struct msghdr {
	struct iov_iter msg_iter;
};

enum iter_type {
	ITER_UBUF = 0,
	ITER_IOVEC = 1,
};

#pragma clang attribute pop

struct bpf_dynptr {
	u64 opaque[2];
} __attribute__((aligned(8)));

/* Since 6.4. Weak, so that older kernels refuse the hook that they lack, and not the whole object without a word. */
extern int bpf_dynptr_from_skb(struct sk_buff *skb, u64 flags,
			       struct bpf_dynptr *ptr) __ksym __weak;

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

static __always_inline void send_numbered(struct scratch *scratch, u64 connection, u16 serial)
{
	u32 known = scratch->event.known;

	scratch->event.connection = connection;
	scratch->event.serial = serial;
	scratch->event.thread = bpf_get_current_pid_tgid();

	if (known > MAX_BYTES)
		return;
	barrier_var(known);
	known &= 2 * MAX_BYTES - 1; /* as above */
	send_event(&message_ring, &scratch->event,
		   __builtin_offsetof(struct message_event, bytes) + known);
}

static __always_inline void send_message(struct scratch *scratch, struct message_memory *memory)
{
	send_numbered(scratch, memory->connection, ++memory->serial);
}

/* Forgets when data came that was read since. */
static __always_inline void forget_arrivals(struct message_memory *memory, u32 read_up_to)
{
	for (u32 i = 0; i < MAX_ARRIVALS; i++) {
		if (!memory->arrival_count || (s32)(memory->arrived_to[0] - read_up_to) > 0)
			return;
		memory->arrival_count--;
		for (u32 j = 1; j < MAX_ARRIVALS; j++) {
			memory->arrived[j - 1] = memory->arrived[j];
			memory->arrived_to[j - 1] = memory->arrived_to[j];
		}
	}
}

/* When the data from `start` came: as was noted, or for a connection's first data the last packet's time. */
static __always_inline u64 arrival(struct message_memory *memory, struct tcp_sock *tp, u32 start)
{
	struct tcp_sock___messages *more = (void *)tp;

	forget_arrivals(memory, start);
	if (memory->arrival_count)
		return memory->arrived[0];
	return BPF_CORE_READ(more, tcp_mstamp) * 1000;
}

/* Copies from the sender's memory: the bytes that were copied. */
static __always_inline u32 copy_user(struct scratch *to, u32 at, const void *from, u64 length)
{
	u32 bytes = length < first_bytes - at ? length : first_bytes - at;

	if (at >= MAX_BYTES || bytes > MAX_BYTES || bytes == 0)
		return 0;
	barrier_var(bytes);
	barrier_var(at);
	bytes &= 2 * MAX_BYTES - 1; /* changes nothing, but the verifier has to see it */
	if (bpf_probe_read_user(to->event.bytes + (at & (MAX_BYTES - 1)), bytes, from))
		return 0;
	return bytes;
}

#include "messages_tls.h"

SEC("tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(messages_received, struct sk_buff *skb, int len)
{
	struct message_memory *memory;
	struct scratch *to = only_value(&scratches);
	struct sock *sk = skb->sk;
	struct bpf_dynptr ptr;
	struct tcp_sock *tp;
	u32 start, seen, offset, known;

	if (!to || !sk || len <= 0 || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	memory = bpf_sk_storage_get(&message_memories, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!memory)
		return 0;
	tp = (void *)sk; /* of an skb it is not one that a helper would take */
	start = BPF_CORE_READ(tp, copied_seq);
	if (tls && is_encrypted(memory, sk)) {
		note_tls_arrival(arrival(memory, tp, start));
		return 0;
	}
	if (!is_wanted(memory, sk) || !tell(memory, sk, TRANSPORT_TCP, ~0U, 0))
		return 0;
	seen = memory->rx_known && (s32)(memory->rx_next - start) > 0 ? memory->rx_next - start : 0;
	if (seen >= len)
		return 0;
	if (memory->rx_known && (s32)(start - memory->rx_next) > 0)
		memory->serial++; /* it was read in a way that is not seen */
	memory->rx_known = 1;
	memory->rx_next = start + len;
	offset = start + seen - BPF_CORE_READ((struct tcp_skb_cb *)skb->cb, seq);
	known = len - seen;
	to->event.length = known;
	to->event.time = arrival(memory, tp, start + seen);
	to->event.kind = MESSAGE_RECEIVED;
	known = known < first_bytes ? known : first_bytes;
	if (known >= MAX_BYTES)
		known = MAX_BYTES - 1;
	if (!bpf_dynptr_from_skb || bpf_dynptr_from_skb(skb, 0, &ptr) ||
	    bpf_dynptr_read(to->event.bytes, known, &ptr, offset, 0))
		known = 0;
	to->event.known = known;
	send_message(to, memory);
	return 0;
}

static __always_inline u32 copy_iter(struct scratch *to, const struct iov_iter *iter)
{
	u8 type = iter->iter_type;
	u64 skip = iter->iov_offset;
	unsigned long segments;
	const struct iovec *iov;
	u32 at = 0;

	if (type == bpf_core_enum_value(enum iter_type, ITER_UBUF))
		return copy_user(to, 0, iter->ubuf + skip, iter->count);
	if (type != bpf_core_enum_value(enum iter_type, ITER_IOVEC))
		return 0; /* pages of a file, or the kernel's own memory */
	iov = iter->__iov;
	segments = iter->nr_segs;
	for (u32 i = 0; i < MAX_SEGMENTS; i++) {
		struct iovec segment = {};
		u32 copied;

		if (i >= segments || at >= first_bytes)
			break;
		bpf_probe_read_kernel(&segment, sizeof(segment), iov + i);
		copied = copy_user(to, at, segment.iov_base + skip, segment.iov_len - skip);
		if (copied != segment.iov_len - skip)
			return at +
			       copied; /* all that there is room for, or memory that is not there */
		at += copied;
		skip = 0;
	}
	return at;
}

SEC("tp_btf/tcp_sendmsg_locked")
int BPF_PROG(messages_sent, struct sock *sk, struct msghdr *msg)
{
	struct message_memory *memory;
	struct scratch *to = only_value(&scratches);
	struct tcp_sock *tp;
	u32 start, end, known;
	bool again;

	memory = bpf_sk_storage_get(&message_memories, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!to || !memory || (tls && is_encrypted(memory, sk)))
		return 0;
	if (!is_wanted(memory, sk) || !tell(memory, sk, TRANSPORT_TCP, ~0U, 0))
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	start = tp->write_seq;
	end = start + (u32)msg->msg_iter.count;
	/* The same call goes on, or a call that found no room is tried again. */
	if (memory->tx_known && (s32)(end - memory->tx_next) <= 0)
		return 0;
	again = memory->tx_known && (s32)(memory->tx_next - start) > 0;
	known = again ? 0 : copy_iter(to, &msg->msg_iter);
	if (memory->tx_known && (s32)(start - memory->tx_next) > 0)
		memory->serial++;
	to->event.length = again ? end - memory->tx_next : end - start;
	memory->tx_known = 1;
	memory->tx_next = end;
	to->event.time = bpf_ktime_get_ns();
	to->event.kind = MESSAGE_SENT;
	to->event.known = known;
	send_message(to, memory);
	return 0;
}

/* Data up to `end` has come: what waits in the socket's queue waits for its process. */
static __always_inline void note_arrival(struct message_memory *memory, u32 read_up_to, u32 end)
{
	u32 last;

	forget_arrivals(memory, read_up_to);
	last = memory->arrival_count - 1;
	barrier_var(last);
	if (memory->arrival_count && (s32)(end - memory->arrived_to[last & LAST_ARRIVAL]) <= 0)
		return;
	/* Where there is no room, what comes now counts as if it had come with what came last. */
	if (memory->arrival_count < MAX_ARRIVALS) {
		last++;
		memory->arrival_count++;
		memory->arrived[last & LAST_ARRIVAL] = bpf_ktime_get_ns();
	}
	barrier_var(last);
	memory->arrived_to[last & LAST_ARRIVAL] = end;
}

SEC("tp_btf/sk_data_ready")
int BPF_PROG(messages_arrived, struct sock *sk)
{
	struct message_memory *memory = bpf_sk_storage_get(&message_memories, sk, NULL, 0);
	struct tcp_sock *tp;

	if (!memory || memory->verdict == VERDICT_UNWANTED)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp)
		note_arrival(memory, tp->copied_seq, tp->rcv_nxt);
	return 0;
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

/* A process opens a connection, or closes one that it opened: both happen in the process itself. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(messages_state, struct sock *sk, int oldstate, int newstate)
{
	struct message_memory *memory;

	if ((!links && !tls) || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (newstate == TCP_SYN_SENT) {
		if (!links)
			return 0;
		memory = memory_of(sk, true);
		if (memory && is_wanted(memory, sk) && !memory->connects)
			memory->connects = introduce(memory, sk, CONNECTION_CONNECTS, ~0U, 0);
		return 0;
	}
	memory = memory_of(sk, false);
	if (!memory || memory->verdict == VERDICT_UNWANTED)
		return 0;
	if (tls && (newstate == TCP_FIN_WAIT1 || newstate == TCP_LAST_ACK))
		end_session(memory);
	if (!memory->connects)
		return 0;
	if (newstate == TCP_ESTABLISHED)
		memory->established = 1;
	if (newstate == TCP_FIN_WAIT1 || newstate == TCP_LAST_ACK) {
		memory->left = 1;
		end_connection(memory, CONNECTION_LEFT, bpf_get_current_pid_tgid());
	}
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(messages_closed, struct sock *sk)
{
	struct message_memory *memory = memory_of(sk, false);
	u64 key = (u64)sk;
	u32 thread = 0;

	if (!memory)
		return 0;
	if (tls)
		end_session(memory);
	if (memory->verdict != VERDICT_UNWANTED && (memory->told || memory->connects)) {
		/* One that was refused or reset has no state to leave: it is destroyed when its process closes it. */
		if (memory->connects && !memory->left)
			thread = bpf_get_current_pid_tgid();
		end_connection(memory, CONNECTION_CLOSED, thread);
	}
	if (calls_tcp) /* another socket may come to stand there */
		bpf_map_delete_elem(&call_memories, &key);
	return 0;
}

#include "message_calls.h"
