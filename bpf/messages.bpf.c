/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* First bytes of what observed processes receive and send on TCP connections, for the agent's parsers.
 *
 * A received piece is seen when it is copied to its reader, a sent one when it is given to the kernel. Sequence numbers
 * tell what has been seen before (a peek, a send that is tried again). The agent decides by the first pieces of a
 * connection whether it is of interest; from then on one that is not costs one look-up a piece.
 * Memory: ring 4 MB; 104 B and the kernel's overhead for each TCP socket with traffic; 24 B x 16384 + 9 B x 8192.
 */
#include "probe.h"
#include "messages.h"
#include "messages_connection.h"
#include "messages_arrival.h"
#include "messages_scratch.h"

static __always_inline void send_numbered(struct scratch *scratch, u64 connection, u16 serial)
{
	u32 known = scratch->event.known;

	scratch->event.connection = connection;
	scratch->event.serial = serial;
	scratch->event.thread = bpf_get_current_pid_tgid();

	if (known > MAX_BYTES)
		return;
	barrier_var(known);
	known &= 2 * MAX_BYTES - 1; /* changes nothing, but the verifier has to see it */
	send_event(&message_ring, &scratch->event,
		   __builtin_offsetof(struct message_event, bytes) + known);
}

static __always_inline void send_message(struct scratch *scratch, struct message_memory *memory)
{
	send_numbered(scratch, memory->connection, ++memory->serial);
}

/* Copies from the sender's memory: the bytes that were copied. */
static __always_inline u32 copy_user(struct scratch *to, u32 at, const void *from, u64 length)
{
	u32 bytes = length < first_bytes - at ? length : first_bytes - at;

	if (at >= MAX_BYTES || bytes > MAX_BYTES || bytes == 0)
		return 0;
	barrier_var(bytes);
	barrier_var(at);
	bytes &= 2 * MAX_BYTES - 1; /* as above */
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
	struct tcp_skb_cb *segment;
	struct bpf_dynptr ptr;
	struct tcp_sock *tp;
	u32 start, seen, offset, known;

	if (!to || !sk || len <= 0 || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	memory = bpf_sk_storage_get(&message_memories, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!memory) {
		count_table_full();
		return 0;
	}
	if (!bpf_rdonly_cast)
		return 0;
	tp = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct tcp_sock));
	segment = bpf_rdonly_cast(skb->cb, bpf_core_type_id_kernel(struct tcp_skb_cb));
	start = tp->copied_seq;
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
	offset = start + seen - segment->seq;
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
		const struct iovec *segment;
		u64 length;
		u32 copied;

		if (i >= segments || at >= first_bytes || !bpf_rdonly_cast)
			break;
		segment = bpf_rdonly_cast(iov + i, bpf_core_type_id_kernel(struct iovec));
		length = segment->iov_len - skip;
		copied = copy_user(to, at, segment->iov_base + skip, length);
		at += copied;
		if (copied != length) /* all that there is room for, or memory that is not there */
			break;
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
	if (!memory)
		count_table_full();
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

#include "messages_calls.h"
