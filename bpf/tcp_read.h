/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A reading of living sockets. Most have not changed since the last one: then nothing of them is read but their counts of
 * segments, and the measurements of their row stay.
 */
#pragma once

#include "owners.h"
#include "tcp_link.h"

/* Somebody is to look at the sockets a second time in this reading, and at rows that became full meanwhile. */
VALUE(again_wishes, struct wish_val);

u32 late =
	0; /* the last reading in which there is a row to be taken from all its sockets, some of which were passed */

/* What a row shows of sockets that left it in some other way. */
enum { FULL_READINGS = 12 };
/* So long is a row taken from all its sockets after what it shows came down: of those in use it does so all the time, and
 * going through the sockets a second time is dearer. */
enum { FALLING_READINGS = 12 };

static __always_inline void wish_again(void)
{
	struct wish_val *wish = only_value(&again_wishes);

	if (wish)
		wish->count = 1;
}

/* Measurements may change without a segment while data, a window or an error is waited for. */
static __always_inline bool is_restless(struct tcp_sock *tp)
{
	struct sock *sk = &tp->inet_conn.icsk_inet.sk;

	return tp->snd_una != tp->write_seq || tp->rcv_nxt != tp->copied_seq || !tp->snd_wnd ||
	       !receive_window(tp) || BPF_CORE_READ_BITFIELD(tp, chrono_type) ||
	       sk->sk_backlog.len || sk->sk_err || sk->sk_err_soft;
}

static __always_inline bool has_changed(struct tcp_sock *tp, const struct sock_memory *memory)
{
	return memory->restless || memory->opened || tp->segs_in != memory->segs_in ||
	       tp->segs_out != memory->segs_out || tp->write_seq != memory->write_seq;
}

/* The iterator holds no reference: the socket may have ended, and another one may stand where it was. */
static __always_inline bool is_still_there(struct tcp_sock *tp, struct sock_memory *memory)
{
	return bpf_sk_storage_get(&sock_memories, tp, NULL, 0) == memory &&
	       (s32)(tp->segs_in - memory->segs_in) >= 0;
}

static __always_inline void begin_row(struct tcp_link_val *link)
{
	link->reading = reading;
	if (link->looked == reading)
		return;
	link->looked = reading;
	if (want_metric || !link->merged || link->fell + 1 >= reading || link->falling >= reading ||
	    link->full + FULL_READINGS <= reading)
		link->full = reading;
}

static __always_inline void take_late(struct tcp_link_val *link)
{
	link->fell = reading;
	link->full = reading;
	link->late = reading;
	link->falling = reading + FALLING_READINGS;
	late = reading;
	wish_again();
}

static __always_inline void count_change(struct tcp_sock *tp, struct sock_memory *memory,
					 const struct rows *rows, struct gain *gain)
{
	memory->write_seq = tp->write_seq;
	memory->restless = is_restless(tp);
	gather(tp, memory, rows, gain);
	if (!rows->link)
		return;
	if (measure(rows->link, rows->metric, tp, memory))
		take_late(rows->link);
	note_change(rows->link);
}

/* A living socket, once in each reading. */
static __noinline void look(struct sock *sk, struct sock_memory *memory)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct gain gain = {};
	struct rows rows;

	if (!tp)
		return;
	rows = rows_of(&sk->__sk_common, memory);
	if (are_lost(&rows))
		return;
	memory->looked = reading;
	if (rows.link)
		begin_row(rows.link);
	if (rows.metric || has_changed(tp, memory)) {
		if (!is_still_there(tp, memory))
			return;
		count_change(tp, memory, &rows, &gain);
	} else if (rows.link && rows.link->full == reading) {
		merge_full(rows.link, memory);
	}
	if (rows.metric)
		add_ratios(rows.metric);
	if (want_service)
		add_service(&rows.key, memory, &gain, LIVES);
}

/* The second time in a reading. */
static __noinline void look_again(struct sock *sk, struct sock_memory *memory)
{
	struct rows rows = rows_of(&sk->__sk_common, memory);

	if (rows.link && rows.link->late == reading && memory->measured)
		merge_full(rows.link, memory);
}
