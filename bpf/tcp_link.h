/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Takes what a socket gained since it was counted last, and carries it to the rows of its connection and service. */
#pragma once

#include "tcp.h"

const volatile bool keep_client_port = false; /* set before load */
const volatile bool want_link = true;
const volatile bool want_metric = false;
const volatile bool want_service = true;

/* Jiffies a second; 0: not known yet. Not from the kernel's configuration, which many hosts do not have. */
u32 hz = 0;

/* Number of the current reading; the first iterator of a reading raises it. */
u32 reading = 1;

enum { MOST_ROWS = 16384 };

SPARSE_TABLE(tcp_link, struct tcp_link_key, struct tcp_link_val, MOST_ROWS);
SPARSE_TABLE(tcp_metric, struct tcp_metric_key, struct tcp_metric_val, MOST_ROWS);
SPARSE_TABLE(tcp_service, struct tcp_service_key, struct tcp_service_val, MOST_ROWS);

INHERITED_SOCKET_STORAGE(sock_memories, struct sock_memory);

enum { IPPROTO_TCP = 6 };

static __always_inline struct sock_memory *memory_of(void *sk)
{
	return bpf_sk_storage_get(&sock_memories, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static const struct tcp_link_val no_link;
static const struct tcp_metric_val no_metric;
static const struct tcp_service_val no_service;

enum { SOCK_DONE = 1 }; /* bit of skc_flags: the peer's FIN was received */

struct sock_common___flags {
	unsigned long skc_flags;
} __attribute__((preserve_access_index));

/* The kernel's bytes_received counts the peer's FIN as a byte. */
static __always_inline u64 received(struct tcp_sock *tp)
{
	struct sock_common___flags *skc = (void *)tp;
	u64 bytes = tp->bytes_received;
	bool fin = BPF_CORE_READ(skc, skc_flags) >> SOCK_DONE & 1;

	return fin && bytes ? bytes - 1 : bytes;
}

/* The row of key, or else the row of all that did not fit, which hold_others() has made. */
static __always_inline void *row_or_other(void *table, const void *key, const void *other,
					  const void *zero)
{
	void *val = find_or_make(table, key, zero);

	if (!val)
		val = bpf_map_lookup_elem(table, other);
	if (!val)
		count_table_full();
	return val;
}

/* A row of its own for each role, so that what does not fit has one. */
static __noinline void hold_others(void)
{
	struct tcp_metric_key key = {};
	struct tcp_service_key service = {};

	for (u32 role = 0; role < 2; role++) {
		key.link.role = role;
		service.role = role;
		if (want_link)
			bpf_map_update_elem(&tcp_link, &key.link, &no_link, BPF_NOEXIST);
		if (want_metric)
			bpf_map_update_elem(&tcp_metric, &key, &no_metric, BPF_NOEXIST);
		if (want_service)
			bpf_map_update_elem(&tcp_service, &service, &no_service, BPF_NOEXIST);
	}
}

static __always_inline void fill_addresses(struct tcp_link_key *key, struct sock_common *skc,
					   bool server)
{
	u8 *local = server ? key->server_ip : key->client_ip;
	u8 *remote = server ? key->client_ip : key->server_ip;

	if (key->family == AF_INET) {
		*(u32 *)local = skc->skc_rcv_saddr;
		*(u32 *)remote = skc->skc_daddr;
	} else {
		bpf_core_read(local, 16, &skc->skc_v6_rcv_saddr);
		bpf_core_read(remote, 16, &skc->skc_v6_daddr);
	}
}

static __always_inline void fill_key(struct tcp_link_key *key, struct sock_common *skc,
				     const struct sock_memory *memory)
{
	u16 local = memory->local_port;
	u16 remote = bpf_ntohs(skc->skc_dport);
	bool server = memory->role == ROLE_SERVER;

	key->tgid = memory->tgid;
	key->role = memory->role - ROLE_SERVER; /* exported as 0 server, 1 client */
	key->family = skc->skc_family;
	key->server_port = server ? local : remote;
	if (keep_client_port)
		key->client_port = server ? remote : local;
	fill_addresses(key, skc, server);
}

static __always_inline u64 distance(u64 a, u64 b)
{
	return a > b ? a - b : b - a;
}

/* Jiffies begin at 2^32 - 300 s, so one look tells their rate, but not around 300 s after the start of the kernel. */
static __noinline void find_hz(void)
{
	static const u32 RATES[] = {100, 250, 300, 1000};
	u64 ms = bpf_ktime_get_ns() / 1000000;
	u64 jiffies = bpf_jiffies64();
	u64 nearest = ~0ULL;

	if (hz || distance(ms, 300000) < 10000)
		return;
	for (u32 i = 0; i < 4; i++) {
		u64 expected = (1ULL << 32) - 300 * RATES[i] + ms * RATES[i] / 1000;
		u64 off = distance(expected, jiffies) * 1000 / RATES[i];

		if (off < nearest) {
			nearest = off;
			hz = RATES[i];
		}
	}
}

/* A division costs as much as all the rest; only 300 a second needs one. */
static __always_inline u64 jiffies_to_us(u64 jiffies)
{
	if (hz == 250)
		return jiffies * 4000;
	if (hz == 1000)
		return jiffies * 1000;
	return hz ? jiffies * 1000000 / hz : 0;
}

/* Time in one of the kernel's three sending states (1 busy, 2 peer's window, 3 own buffer), in jiffies. */
static __always_inline u64 chrono(struct tcp_sock *tp, u32 state)
{
	u64 time = tp->chrono_stat[state - 1];

	if (BPF_CORE_READ_BITFIELD(tp, chrono_type) == state)
		time += (u32)((u32)bpf_jiffies64() - tp->chrono_start);
	return time;
}

/* Bytes a second, as tcp_info has it. */
static __always_inline u64 delivery_rate(struct tcp_sock *tp)
{
	u32 interval = tp->rate_interval_us;

	if (!interval || !tp->rate_delivered)
		return 0;
	return (u64)tp->rate_delivered * tp->mss_cache * 1000000 / interval;
}

static __always_inline void take_queues(struct tcp_gauges *now, struct sock *sk)
{
	int wmem = sk->sk_wmem_alloc.refs.counter;
	int forward = sk->sk_forward_alloc;

	now->sk_err_que_size = sk->sk_error_queue.qlen;
	now->sk_rcv_que_size = sk->sk_receive_queue.qlen;
	now->sk_wri_que_size = sk->sk_write_queue.qlen;
	now->sk_backlog_size = sk->sk_backlog.len;
	now->sk_omem_size = sk->sk_omem_alloc.counter;
	now->sk_forward_size = forward > 0 ? forward : 0;
	now->sk_wmem_size = wmem > 0 ? wmem - 1 : 0; /* the first is the socket's own reference */
	now->sk_err = sk->sk_err;
	now->sk_err_soft = sk->sk_err_soft;
	now->pacing_rate = sk->sk_pacing_rate;
	now->max_pacing_rate = sk->sk_max_pacing_rate;
}

static __noinline void take_gauges(struct tcp_gauges *now, struct tcp_sock *tp)
{
	struct inet_connection_sock *icsk = &tp->inet_conn;
	u32 notsent = tp->write_seq - tp->snd_nxt;
	u32 busy = chrono(tp, 1), window = chrono(tp, 2), buffer = chrono(tp, 3);

	now->srtt_us = tp->srtt_us >> 3; /* the kernel keeps 8 times the value */
	now->rcv_rtt_us = tp->rcv_rtt_est.rtt_us >> 3;
	now->notsent_bytes = (s32)notsent > 0 ? notsent : 0;
	now->notack_bytes = tp->snd_nxt - tp->snd_una;
	now->reordering = tp->reordering;
	now->rto_us = jiffies_to_us(icsk->icsk_rto);
	now->ato_us = jiffies_to_us(BPF_CORE_READ_BITFIELD(icsk, icsk_ack.ato));
	now->snd_ssthresh = tp->snd_ssthresh;
	now->rcv_ssthresh = tp->rcv_ssthresh;
	now->advmss = tp->advmss;
	now->rcv_space = tp->rcvq_space.space;
	now->delivery_rate = delivery_rate(tp);
	now->busy_time = busy + window + buffer;
	now->rwnd_limited = window;
	now->sndbuf_limited = buffer;
	now->lost_out = tp->lost_out;
	now->sacked_out = tp->sacked_out;
	now->retrans_ppm = tp->total_retrans && tp->segs_out
				   ? (u64)tp->total_retrans * 1000000 / tp->segs_out
				   : 0;
	now->snd_cwnd = tp->snd_cwnd;
	now->snd_wnd = tp->snd_wnd;
	now->rcv_wnd = tp->rcv_wnd;
	take_queues(now, &icsk->icsk_inet.sk);
}

/* What is left of the window that was last told to the peer. */
static __always_inline u32 receive_window(struct tcp_sock *tp)
{
	s32 window = tp->rcv_wup + tp->rcv_wnd - tp->rcv_nxt;

	return window > 0 ? window : 0;
}

/* Comparisons without branches: the verifier would follow each way of each of them. */
static __always_inline u64 differ(u64 a, u64 b)
{
	u64 x = a ^ b;
	u64 y = -x;

	barrier_var(y);
	return (x | y) >> 63;
}

static __always_inline u64 below(u64 a, u64 b)
{
	u64 borrow = a - b;

	barrier_var(borrow);
	return ((~a & b) | ((~a | b) & borrow)) >> 63;
}

/* Which measurements of its row may be this socket's: a bit for each. */
static __always_inline u64 shown_of(const struct tcp_link_val *val,
				    const struct sock_memory *memory)
{
	const u64 *held = (const u64 *)&val->now;
	const u64 *had = (const u64 *)&memory->had;
	u64 shown = 0;

	if (!memory->measured)
		return 0;
#pragma unroll
	for (u32 i = 0; i < GAUGES; i++) {
		shown |= (differ(had[i], held[i]) ^ 1) << i;
		barrier_var(shown);
	}
	return shown;
}

/* Of several connections of a row the largest, or smallest. Not 0: one of those in `shown` came down. */
static __always_inline u64 merge(struct tcp_link_val *val, const struct sock_memory *memory,
				 u64 shown)
{
	u64 *held = (u64 *)&val->now;
	const u64 *had = (const u64 *)&memory->had;
	u64 fell = 0;

#pragma unroll
	for (u32 i = 0; i < GAUGES; i++) {
		u64 beats = i < FIRST_SMALLEST ? below(held[i], had[i]) : below(had[i], held[i]);
		u64 best = held[i] + ((had[i] - held[i]) & -beats);

		held[i] = best;
		fell |= shown >> i & differ(had[i], best);
		barrier_var(fell); /* or clang puts off the sum, and what it needs, to the end */
	}
	return fell;
}

static __always_inline void note_change(struct tcp_link_val *val)
{
	__sync_fetch_and_add(&val->changes, 1);
}

/* The first of a row's sockets. Most rows of one socket that did not change show the same as before. */
static __always_inline void begin_merge(struct tcp_link_val *val, const struct sock_memory *memory)
{
	const u64 *held = (const u64 *)&val->now;
	const u64 *had = (const u64 *)&memory->had;
	u64 other = !val->merged;

	for (u32 i = 0; i < GAUGES; i++)
		other |= held[i] ^ had[i];
	val->merged = reading;
	if (!other)
		return;
	val->now = memory->had;
	note_change(val);
}

/* The socket's measurements, as they were taken last, for a row that takes those of all. */
static __noinline void merge_full(struct tcp_link_val *val, const struct sock_memory *memory)
{
	if (val->merged != reading) {
		begin_merge(val, memory);
		return;
	}
	merge(val, memory, 0);
	note_change(val);
}

/* What a socket gained since it was counted last; negative for what another CPU counted ahead of us. */
struct gain {
	s64 rx_bytes;
	s64 tx_bytes;
	s32 segs_in;
	s32 segs_out;
	s32 retrans;
	s32 sk_drops;
	s32 rwnd_limited;
	u32 opened;
	u32 events[EVENTS];
};

static __noinline struct tcp_link_val *link_row(const struct tcp_link_key *key)
{
	struct tcp_link_key other = {.role = key->role};

	return row_or_other(&tcp_link, key, &other, &no_link);
}

static __noinline struct tcp_metric_val *metric_row(const struct tcp_link_key *link,
						    const struct sock_memory *memory)
{
	struct tcp_metric_key key = {.link = *link};
	struct tcp_metric_key other = {};

	__builtin_memcpy(key.comm, memory->comm, COMM_BYTES);
	other.link.role = link->role;
	return row_or_other(&tcp_metric, &key, &other, &no_metric);
}

static __noinline struct tcp_service_val *service_row(const struct tcp_link_key *link,
						      const struct sock_memory *memory)
{
	struct tcp_service_key key = {};
	struct tcp_service_key other = {};
	struct tcp_service_val *val;

	key.tgid = link->tgid;
	key.role = link->role;
	key.family = link->family;
	key.server_port = link->server_port;
	__builtin_memcpy(key.server_ip, link->server_ip, 16);
	val = find_or_make(&tcp_service, &key, &no_service);
	if (val) {
		if (val->reading != reading)
			__builtin_memcpy(val->comm, memory->comm, COMM_BYTES);
		return val;
	}
	other.role = key.role;
	val = bpf_map_lookup_elem(&tcp_service, &other);
	if (!val)
		count_table_full();
	return val;
}

static __always_inline u32 slot_of(u64 value, const u64 *bounds, u32 count)
{
	u32 slot = 0;

	for (u32 i = 0; i < count; i++)
		slot += value > bounds[i];
	return slot;
}

static const u64 WINDOW_BOUNDS[] = {1000, 10000, 100000, 1000000, 10000000};
static const u64 TIME_BOUNDS[] = {50, 100, 200, 500, 1000};
static const u64 TIMER_BOUNDS[] = {1000, 10000, 20000, 40000, 80000};
static const u64 BUFFER_BOUNDS[] = {131072,  262144,  524288,  1048576,
				    2097152, 4194304, 8388608, 16777216};

static __always_inline void observe6(struct buckets6 *buckets, u64 value, const u64 *bounds)
{
	u32 slot = slot_of(value, bounds, 5);

	if (slot < 6)
		__sync_fetch_and_add(&buckets->slots[slot], 1);
	__sync_fetch_and_add(&buckets->sum, value);
}

static __always_inline void observe9(struct buckets9 *buckets, u64 value)
{
	u32 slot = slot_of(value, BUFFER_BOUNDS, 8);

	if (slot < 9)
		__sync_fetch_and_add(&buckets->slots[slot], 1);
	__sync_fetch_and_add(&buckets->sum, value);
}

static __noinline void observe(struct tcp_metric_val *val, const struct tcp_gauges *now,
			       struct tcp_sock *tp)
{
	struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	u32 available = tp->snd_una + tp->snd_wnd - tp->snd_nxt;

	observe6(&val->srtt, now->srtt_us, TIME_BOUNDS);
	observe6(&val->rcv_rtt, now->rcv_rtt_us, TIME_BOUNDS);
	observe6(&val->snd_cwnd, now->snd_cwnd, WINDOW_BOUNDS);
	observe6(&val->notsent_bytes, now->notsent_bytes, WINDOW_BOUNDS);
	observe6(&val->notack_bytes, now->notack_bytes, WINDOW_BOUNDS);
	observe6(&val->reordering, now->reordering, WINDOW_BOUNDS);
	observe6(&val->snd_wnd, now->snd_wnd, WINDOW_BOUNDS);
	observe6(&val->rcv_wnd, now->rcv_wnd, WINDOW_BOUNDS);
	observe6(&val->avl_snd_wnd, (s32)available > 0 ? available : 0, WINDOW_BOUNDS);
	observe6(&val->rto, now->rto_us / 1000, TIMER_BOUNDS);
	observe6(&val->ato, now->ato_us / 1000, TIMER_BOUNDS);
	observe9(&val->sk_rcvbuf, sk->sk_rcvbuf);
	observe9(&val->sk_sndbuf, sk->sk_sndbuf);
}

/* An atomic operation costs more than looking whether it is needed. */
static __always_inline void add(u64 *to, s64 gained)
{
	if (gained)
		__sync_fetch_and_add(to, gained);
}

static __always_inline void add_gain(struct tcp_link_val *val, const struct gain *gain)
{
	u64 *events = &val->backlog_drops;

	add(&val->rx_bytes, gain->rx_bytes);
	add(&val->tx_bytes, gain->tx_bytes);
	add(&val->segs_in, gain->segs_in);
	add(&val->segs_out, gain->segs_out);
	add(&val->retran_packets, gain->retrans);
	add(&val->sk_drops, gain->sk_drops);
	for (u32 i = 0; i < EVENTS; i++)
		add(&events[i], gain->events[i]);
}

static __always_inline void add_ratios(struct tcp_metric_val *metric)
{
	struct tcp_link_val *link = &metric->link;

	if (link->rx_bytes)
		metric->zero_rx_ppm = link->zero_rcv_wnd_count * 1000000 / link->rx_bytes;
	if (link->tx_bytes)
		metric->zero_tx_ppm = link->zero_snd_wnd_count * 1000000 / link->tx_bytes;
}

/* Takes the socket's measurements into its row. Whether the row has to take those of all its sockets: what it shows may
 * be what this one had before. */
static __noinline u64 measure(struct tcp_link_val *val, struct tcp_metric_val *metric,
			      struct tcp_sock *tp, struct sock_memory *memory)
{
	bool full = val->full == reading || !val->merged;
	u64 shown = full ? 0 : shown_of(val, memory);
	u64 fell = 0;

	take_gauges(&memory->had, tp);
	memory->had.syn_srtt_us = memory->syn_srtt_us;
	memory->measured = reading;
	if (full)
		merge_full(val, memory);
	else
		fell = merge(val, memory, shown);
	if (!receive_window(tp))
		__sync_fetch_and_add(&val->zero_rcv_wnd_count, 1);
	if (!memory->had.snd_wnd)
		__sync_fetch_and_add(&val->zero_snd_wnd_count, 1);
	if (metric)
		observe(metric, &memory->had, tp);
	return fell;
}

static __always_inline void observe_time(u64 *slots, u64 *sum, u64 value)
{
	u32 slot = log4_slot(value, TIME_SLOTS);

	if (slot < TIME_SLOTS)
		__sync_fetch_and_add(&slots[slot], 1);
	__sync_fetch_and_add(sum, value);
}

/* How a connection stands when it is added to its service. */
enum standing { LIVES, ENDS, FAILS, ENDED };

static __always_inline void add_end(struct tcp_service_val *val, const struct sock_memory *memory)
{
	u64 life;

	__sync_fetch_and_add(&val->closed, 1);
	if (!memory->since)
		return;
	life = (bpf_ktime_get_ns() - memory->since) / 1000000;
	observe_time(val->life_slots, &val->life_ms, life);
}

static __noinline void add_service(const struct tcp_link_key *link,
				   const struct sock_memory *memory, const struct gain *gain,
				   enum standing standing)
{
	struct tcp_service_val *val = service_row(link, memory);

	if (!val)
		return;
	if (val->reading != reading)
		val->open = standing == LIVES;
	else if (standing == LIVES)
		val->open++;
	val->reading = reading;
	add(&val->segs_out, gain->segs_out);
	add(&val->retrans, gain->retrans);
	if (gain->rwnd_limited) {
		__sync_fetch_and_add(&val->rwnd_limited, gain->rwnd_limited);
		val->window_us = jiffies_to_us(val->rwnd_limited);
	}
	add(&val->resets_sent, gain->events[EVENT_RESET_SENT]);
	add(&val->resets_received, gain->events[EVENT_RESET_RECEIVED]);
	if (gain->opened) {
		__sync_fetch_and_add(&val->opened, 1);
		if (memory->setup_us)
			observe_time(val->setup_slots, &val->setup_us, memory->setup_us);
	}
	if (standing == ENDS)
		add_end(val, memory);
	else if (standing == FAILS)
		__sync_fetch_and_add(&val->failed, 1);
}

/* Puts the new total in its place and gives what it has gained. Two CPUs may do so at once: all gains together are right. */
#define GAINED(memory, field, total)                                                               \
	((memory)->field == (total) ? 0                                                            \
				    : (total) - __sync_lock_test_and_set(&(memory)->field, total))

static __always_inline void take_gain(struct gain *gain, struct tcp_sock *tp,
				      struct sock_memory *memory)
{
	struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	u64 rx_bytes = received(tp);
	u64 tx_bytes = tp->bytes_sent -
		       tp->bytes_retrans; /* not bytes_acked, which counts SYN and FIN too */
	u32 segs_in = tp->segs_in;
	u32 segs_out = tp->segs_out;
	u32 retrans = tp->total_retrans;
	u32 sk_drops = sk->sk_drops.counter;
	u32 window = chrono(tp, 2);

	gain->rx_bytes = GAINED(memory, rx_bytes, rx_bytes);
	gain->tx_bytes = GAINED(memory, tx_bytes, tx_bytes);
	gain->segs_in = GAINED(memory, segs_in, segs_in); /* these wrap after 2^32 */
	gain->segs_out = GAINED(memory, segs_out, segs_out);
	gain->retrans = GAINED(memory, retrans, retrans);
	gain->sk_drops = GAINED(memory, sk_drops, sk_drops);
	gain->rwnd_limited = GAINED(memory, rwnd_limited, window);
	if (memory->opened)
		gain->opened = __sync_lock_test_and_set(&memory->opened, 0);
#pragma unroll
	for (u32 i = 0; i < EVENTS; i++)
		if (memory->events[i])
			gain->events[i] = __sync_lock_test_and_set(&memory->events[i], 0);
}

/* What a connection's rows are found by, and they; no link although one is wanted: it was counted as lost. */
struct rows {
	struct tcp_link_key key;
	struct tcp_link_val *link;
	struct tcp_metric_val *metric;
};

static __always_inline struct rows rows_of(struct sock_common *skc,
					   const struct sock_memory *memory)
{
	struct rows rows = {};

	fill_key(&rows.key, skc, memory);
	if (want_metric) {
		rows.metric = metric_row(&rows.key, memory);
		if (rows.metric) {
			rows.metric->reading = reading;
			rows.link = &rows.metric->link;
		}
	} else if (want_link) {
		rows.link = link_row(&rows.key);
	}
	return rows;
}

static __always_inline bool are_lost(const struct rows *rows)
{
	return !rows->link && (want_link || want_metric);
}

/* Adds to the connection's rows what it gained. */
static __always_inline void gather(struct tcp_sock *tp, struct sock_memory *memory,
				   const struct rows *rows, struct gain *gain)
{
	take_gain(gain, tp, memory);
	if (rows->link)
		add_gain(rows->link, gain);
	if (rows->metric && gain->opened && memory->syn_srtt_us)
		observe6(&rows->metric->syn_srtt, memory->syn_srtt_us, TIME_BOUNDS);
}

static __always_inline void take_last(struct tcp_sock *tp, struct sock_memory *memory,
				      const struct rows *rows, struct gain *gain, bool measured)
{
	gather(tp, memory, rows, gain);
	if (rows->link) {
		rows->link->reading = reading;
		if (!measured)
			measure(rows->link, rows->metric, tp, memory);
		rows->link->fell = reading; /* the next reading shows those that are left */
		note_change(rows->link);
	}
	if (rows->metric)
		add_ratios(rows->metric);
}

/* The last word of a socket that closes, and of one that was closed before: A connection that no
 * reading saw is measured now. What has no room for now stays in the socket's memory. */
static __noinline void count_last(struct tcp_sock *tp, struct sock_memory *memory,
				  enum standing standing)
{
	struct sock_common *skc = &tp->inet_conn.icsk_inet.sk.__sk_common;
	struct rows rows = rows_of(skc, memory);
	struct gain gain = {};

	memory->closed = true;
	if (!are_lost(&rows))
		take_last(tp, memory, &rows, &gain, standing == ENDED || memory->measured);
	if (want_service)
		add_service(&rows.key, memory, &gain, standing);
}

/* It never opened, so there is nothing else to count. */
static __noinline void count_refused(struct sock_common *skc, const struct sock_memory *memory)
{
	struct tcp_link_key key = {};
	struct gain nothing = {};

	fill_key(&key, skc, memory);
	add_service(&key, memory, &nothing, FAILS);
}
