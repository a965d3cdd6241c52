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

static __always_inline u64 jiffies_to_us(u64 jiffies)
{
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

/* A measurement of a row: of its connections the largest, or the smallest; the first of a reading stands for itself. */
static __always_inline void largest(u64 *held, u64 value, bool first)
{
	if (first || value > *held)
		*held = value;
}

static __always_inline void smallest(u64 *held, u64 value, bool first)
{
	if (first || value < *held)
		*held = value;
}

static __always_inline void take_queues(struct tcp_gauges *held, struct sock *sk, bool first)
{
	int wmem = sk->sk_wmem_alloc.refs.counter;
	int forward = sk->sk_forward_alloc;

	largest(&held->sk_err_que_size, sk->sk_error_queue.qlen, first);
	largest(&held->sk_rcv_que_size, sk->sk_receive_queue.qlen, first);
	largest(&held->sk_wri_que_size, sk->sk_write_queue.qlen, first);
	largest(&held->sk_backlog_size, sk->sk_backlog.len, first);
	largest(&held->sk_omem_size, sk->sk_omem_alloc.counter, first);
	largest(&held->sk_forward_size, forward > 0 ? forward : 0, first);
	/* The first is the socket's own reference. */
	largest(&held->sk_wmem_size, wmem > 0 ? wmem - 1 : 0, first);
	largest(&held->sk_err, sk->sk_err, first);
	largest(&held->sk_err_soft, sk->sk_err_soft, first);
	largest(&held->pacing_rate, sk->sk_pacing_rate, first);
	largest(&held->max_pacing_rate, sk->sk_max_pacing_rate, first);
}

static __always_inline u32 notsent_bytes(struct tcp_sock *tp)
{
	s32 notsent = tp->write_seq - tp->snd_nxt;

	return notsent > 0 ? notsent : 0;
}

static __always_inline u64 ato_us(struct inet_connection_sock *icsk)
{
	return jiffies_to_us(BPF_CORE_READ_BITFIELD(icsk, icsk_ack.ato));
}

static __always_inline void take_times(struct tcp_gauges *held, struct tcp_sock *tp, bool first)
{
	struct inet_connection_sock *icsk = &tp->inet_conn;
	u32 window = chrono(tp, 2), buffer = chrono(tp, 3);

	largest(&held->srtt_us, tp->srtt_us >> 3, first); /* the kernel keeps 8 times the value */
	largest(&held->rcv_rtt_us, tp->rcv_rtt_est.rtt_us >> 3, first);
	largest(&held->rto_us, jiffies_to_us(icsk->icsk_rto), first);
	largest(&held->ato_us, ato_us(icsk), first);
	largest(&held->busy_time, chrono(tp, 1) + window + buffer, first);
	largest(&held->rwnd_limited, window, first);
	largest(&held->sndbuf_limited, buffer, first);
}

static __always_inline void take_windows(struct tcp_gauges *held, struct tcp_sock *tp, bool first)
{
	u64 ppm = tp->segs_out ? (u64)tp->total_retrans * 1000000 / tp->segs_out : 0;

	largest(&held->notsent_bytes, notsent_bytes(tp), first);
	largest(&held->notack_bytes, tp->snd_nxt - tp->snd_una, first);
	largest(&held->reordering, tp->reordering, first);
	largest(&held->snd_ssthresh, tp->snd_ssthresh, first);
	largest(&held->rcv_ssthresh, tp->rcv_ssthresh, first);
	largest(&held->advmss, tp->advmss, first);
	largest(&held->rcv_space, tp->rcvq_space.space, first);
	largest(&held->delivery_rate, delivery_rate(tp), first);
	largest(&held->lost_out, tp->lost_out, first);
	largest(&held->sacked_out, tp->sacked_out, first);
	largest(&held->retrans_ppm, ppm, first);
	smallest(&held->snd_cwnd, tp->snd_cwnd, first);
	smallest(&held->snd_wnd, tp->snd_wnd, first);
	smallest(&held->rcv_wnd, tp->rcv_wnd, first);
}

/* What is left of the window that was last told to the peer. */
static __always_inline u32 receive_window(struct tcp_sock *tp)
{
	s32 window = tp->rcv_wup + tp->rcv_wnd - tp->rcv_nxt;

	return window > 0 ? window : 0;
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

static __noinline struct tcp_link_val *link_row(struct sock_common *skc,
						const struct sock_memory *memory)
{
	struct tcp_link_key key = {};
	struct tcp_link_key other = {};

	fill_key(&key, skc, memory);
	other.role = key.role;
	return row_or_other(&tcp_link, &key, &other, &no_link);
}

static __noinline struct tcp_metric_val *metric_row(struct sock_common *skc,
						    const struct sock_memory *memory)
{
	struct tcp_metric_key key = {};
	struct tcp_metric_key other = {};

	fill_key(&key.link, skc, memory);
	__builtin_memcpy(key.comm, memory->comm, COMM_BYTES);
	other.link.role = key.link.role;
	return row_or_other(&tcp_metric, &key, &other, &no_metric);
}

static __noinline struct tcp_service_val *service_row(struct sock_common *skc,
						      const struct sock_memory *memory)
{
	struct tcp_service_key key = {};
	struct tcp_service_key other = {};
	struct tcp_link_key link = {};

	fill_key(&link, skc, memory);
	key.tgid = link.tgid;
	key.role = link.role;
	key.family = link.family;
	key.server_port = link.server_port;
	__builtin_memcpy(key.server_ip, link.server_ip, 16);
	other.role = key.role;
	return row_or_other(&tcp_service, &key, &other, &no_service);
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

static __noinline void observe(struct tcp_metric_val *val, struct tcp_sock *tp)
{
	struct inet_connection_sock *icsk = &tp->inet_conn;
	struct sock *sk = &icsk->icsk_inet.sk;
	u32 available = tp->snd_una + tp->snd_wnd - tp->snd_nxt;

	observe6(&val->srtt, tp->srtt_us >> 3, TIME_BOUNDS);
	observe6(&val->rcv_rtt, tp->rcv_rtt_est.rtt_us >> 3, TIME_BOUNDS);
	observe6(&val->snd_cwnd, tp->snd_cwnd, WINDOW_BOUNDS);
	observe6(&val->notsent_bytes, notsent_bytes(tp), WINDOW_BOUNDS);
	observe6(&val->notack_bytes, tp->snd_nxt - tp->snd_una, WINDOW_BOUNDS);
	observe6(&val->reordering, tp->reordering, WINDOW_BOUNDS);
	observe6(&val->snd_wnd, tp->snd_wnd, WINDOW_BOUNDS);
	observe6(&val->rcv_wnd, tp->rcv_wnd, WINDOW_BOUNDS);
	observe6(&val->avl_snd_wnd, (s32)available > 0 ? available : 0, WINDOW_BOUNDS);
	observe6(&val->rto, jiffies_to_us(icsk->icsk_rto) / 1000, TIMER_BOUNDS);
	observe6(&val->ato, ato_us(icsk) / 1000, TIMER_BOUNDS);
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

static __noinline void update_gauges(struct tcp_link_val *val, struct tcp_metric_val *metric,
				     struct tcp_sock *tp, struct sock_memory *memory)
{
	bool first = val->merged != reading;

	memory->measured = reading;
	val->merged = reading;
	take_times(&val->now, tp, first);
	take_windows(&val->now, tp, first);
	take_queues(&val->now, &tp->inet_conn.icsk_inet.sk, first);
	largest(&val->now.syn_srtt_us, memory->syn_srtt_us, first);
	if (!receive_window(tp))
		__sync_fetch_and_add(&val->zero_rcv_wnd_count, 1);
	if (!tp->snd_wnd)
		__sync_fetch_and_add(&val->zero_snd_wnd_count, 1);
	if (metric)
		observe(metric, tp);
}

static __noinline void add_service(struct sock_common *skc, struct sock_memory *memory,
				   const struct gain *gain, bool living)
{
	struct tcp_service_val *val = service_row(skc, memory);
	bool first;

	if (!val)
		return;
	first = val->reading != reading;
	add(&val->segs_out, gain->segs_out);
	add(&val->retrans, gain->retrans);
	add(&val->rwnd_limited, gain->rwnd_limited);
	add(&val->resets_sent, gain->events[EVENT_RESET_SENT]);
	add(&val->resets_received, gain->events[EVENT_RESET_RECEIVED]);
	if (gain->opened) {
		__sync_fetch_and_add(&val->opened, 1);
		if (memory->setup_us) {
			__sync_fetch_and_add(
				&val->setup_slots[log2_slot(memory->setup_us, TIME_SLOTS) %
						  TIME_SLOTS],
				1);
			__sync_fetch_and_add(&val->setup_us, memory->setup_us);
		}
	}
	if (first)
		val->open = living;
	else if (living)
		val->open++;
	val->reading = reading;
}

static __noinline void add_end(struct sock_common *skc, const struct sock_memory *memory,
			       bool failed)
{
	struct tcp_service_val *val = service_row(skc, memory);
	u64 life;

	if (!val)
		return;
	if (val->reading != reading)
		val->open = 0;
	val->reading = reading;
	if (failed) {
		__sync_fetch_and_add(&val->failed, 1);
		return;
	}
	__sync_fetch_and_add(&val->closed, 1);
	if (!memory->since)
		return;
	life = (bpf_ktime_get_ns() - memory->since) / 1000000;
	__sync_fetch_and_add(&val->life_slots[log2_slot(life, TIME_SLOTS) % TIME_SLOTS], 1);
	__sync_fetch_and_add(&val->life_ms, life);
}

/* Puts the new total in its place and gives what it has gained. Two CPUs may do so at once: all gains together are right. */
#define GAINED(memory, field, total) ((total) - __sync_lock_test_and_set(&(memory)->field, total))

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
	gain->opened = __sync_lock_test_and_set(&memory->opened, 0);
#pragma unroll
	for (u32 i = 0; i < EVENTS; i++)
		gain->events[i] = __sync_lock_test_and_set(&memory->events[i], 0);
}

/* The rows of a connection; no link although one is wanted: it was counted as lost. */
struct rows {
	struct tcp_link_val *link;
	struct tcp_metric_val *metric;
};

static __always_inline struct rows rows_of(struct sock_common *skc,
					   const struct sock_memory *memory)
{
	struct rows rows = {};

	if (want_metric) {
		rows.metric = metric_row(skc, memory);
		if (rows.metric) {
			rows.metric->reading = reading;
			rows.link = &rows.metric->link;
		}
	} else if (want_link) {
		rows.link = link_row(skc, memory);
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
	if (rows->link) {
		add_gain(rows->link, gain);
		rows->link->changed = reading;
	}
	if (rows->metric && gain->opened && memory->syn_srtt_us)
		observe6(&rows->metric->syn_srtt, memory->syn_srtt_us, TIME_BOUNDS);
}

/* The last word of a socket that closes, and of one that was closed before: `measure` is constant. A connection that no
 * reading saw is measured now. */
static __noinline void count_last(struct tcp_sock *tp, struct sock_memory *memory, bool measure)
{
	struct sock_common *skc = &tp->inet_conn.icsk_inet.sk.__sk_common;
	struct rows rows = rows_of(skc, memory);
	struct gain gain = {};

	memory->closed = true;
	if (are_lost(&rows))
		return; /* for now: the socket's memory stays as it was */
	gather(tp, memory, &rows, &gain);
	if (rows.link) {
		rows.link->reading = reading;
		if (measure && !memory->measured)
			update_gauges(rows.link, rows.metric, tp, memory);
	}
	if (rows.metric)
		add_ratios(rows.metric);
	if (want_service)
		add_service(skc, memory, &gain, false);
}
