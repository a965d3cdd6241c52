/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the tcp probe knows of a connection: keys and values of its maps, and what it remembers of each socket. */
#pragma once

#include "probe.h"
#include <bpf/bpf_endian.h>

enum { ROLE_UNKNOWN = 0, ROLE_SERVER = 1, ROLE_CLIENT = 2 };

/* How sure we are of the owner: a socket that was not accepted yet carries its listener's, and one that nobody has among
 * his files keeps it. */
enum { OWNER_NONE = 0, OWNER_INHERITED = 1, OWNER_KEPT = 2, OWNER_SEEN = 3 };

/* What happens rarely, and is counted in the socket's memory until the socket is counted itself. */
enum {
	EVENT_BACKLOG_DROP,
	EVENT_FILTER_DROP,
	EVENT_TIMEOUT,
	EVENT_SEND_LIMIT,
	EVENT_RECEIVE_LIMIT,
	EVENT_OUT_OF_MEMORY,
	EVENT_RESET_SENT,
	EVENT_RESET_RECEIVED,
	EVENTS,
};

#define COMM_BYTES 16

/* family 0 stands for all that did not fit: then tgid, addresses and ports are 0. */
struct tcp_link_key {
	u32 tgid;
	u16 role;
	u16 family;
	u16 client_port;
	u16 server_port;
	u8 client_ip[16];
	u8 server_ip[16];
};

/* Of several connections of a row the largest in a reading; the windows are the smallest. */
struct tcp_gauges {
	u64 srtt_us;
	u64 rcv_rtt_us;
	u64 syn_srtt_us;
	u64 notsent_bytes;
	u64 notack_bytes;
	u64 reordering;
	u64 rto_us;
	u64 ato_us;
	u64 snd_ssthresh;
	u64 rcv_ssthresh;
	u64 advmss;
	u64 rcv_space;
	u64 delivery_rate;
	u64 busy_time;
	u64 rwnd_limited;
	u64 sndbuf_limited;
	u64 pacing_rate;
	u64 max_pacing_rate;
	u64 sk_err_que_size;
	u64 sk_rcv_que_size;
	u64 sk_wri_que_size;
	u64 sk_backlog_size;
	u64 sk_omem_size;
	u64 sk_forward_size;
	u64 sk_wmem_size;
	u64 lost_out;
	u64 sacked_out;
	u64 sk_err;
	u64 sk_err_soft;
	u64 retrans_ppm;
	/* From here on the smallest. */
	u64 snd_cwnd;
	u64 snd_wnd;
	u64 rcv_wnd;
};

#define GAUGES (sizeof(struct tcp_gauges) / sizeof(u64))
#define FIRST_SMALLEST (__builtin_offsetof(struct tcp_gauges, snd_cwnd) / sizeof(u64))

struct tcp_link_val {
	/* Grows after each change of what is exported. First, as a reader copies it first: then it is never newer than what
	 * it tells of. */
	u64 changes;
	u64 rx_bytes;
	u64 tx_bytes;
	u64 segs_in;
	u64 segs_out;
	u64 retran_packets;
	u64 sk_drops;
	u64 zero_rcv_wnd_count;
	u64 zero_snd_wnd_count;
	u64 backlog_drops; /* from here on in the order of EVENT_* */
	u64 filter_drops;
	u64 tmout_count;
	u64 snd_buf_limit_count;
	u64 rmem_scheduls;
	u64 tcp_oom;
	u64 send_rsts;
	u64 receive_rsts;
	struct tcp_gauges now;
	u64 reading; /* number of the reading that found the link alive; grows */
	u32 looked;  /* the last reading that began with its connections, */
	u32 full;    /* that takes `now` from all of them, changed or not, */
	u32 late;    /* that does so the second time it goes through them, */
	u32 merged;  /* that began `now` anew, */
	u32 fell;    /* and in which what `now` shows may have come down */
	u32 falling; /* until this one `now` is taken from all of them, as it came down before */
};

struct tcp_metric_key {
	struct tcp_link_key link;
	char comm[COMM_BYTES];
};

struct buckets6 {
	u64 slots[6];
	u64 sum;
};

struct buckets9 {
	u64 slots[9];
	u64 sum;
};

/* Each connection is one value in each reading, and one more at its end if no reading saw it. */
struct tcp_metric_val {
	struct tcp_link_val link;
	struct buckets6 srtt;
	struct buckets6 rcv_rtt;
	struct buckets6 syn_srtt; /* one value a connection */
	struct buckets6 snd_cwnd;
	struct buckets6 notsent_bytes;
	struct buckets6 notack_bytes;
	struct buckets6 reordering;
	struct buckets6 snd_wnd;
	struct buckets6 rcv_wnd;
	struct buckets6 avl_snd_wnd;
	struct buckets6 rto;
	struct buckets6 ato;
	struct buckets9 sk_rcvbuf;
	struct buckets9 sk_sndbuf;
	u64 zero_rx_ppm;
	u64 zero_tx_ppm;
	u64 reading;
};

/* Connections of a service, whatever their clients. */
struct tcp_service_key {
	u32 tgid;
	u16 role;
	u16 family;
	u16 server_port;
	u16 unused;
	u8 server_ip[16];
};

#define TIME_SLOTS 13

struct tcp_service_val {
	u64 opened;
	u64 closed;
	u64 failed;
	u64 segs_out;
	u64 retrans;
	u64 resets_sent;
	u64 resets_received;
	u64 rwnd_limited;	     /* jiffies, of closed connections and up to the last reading */
	u64 setup_slots[TIME_SLOTS]; /* us */
	u64 setup_us;
	u64 life_slots[TIME_SLOTS]; /* ms */
	u64 life_ms;
	u64 window_us; /* rwnd_limited in this unit, once the length of a jiffy is known */
	u64 open;      /* of the last reading */
	u64 reading;
	char comm[COMM_BYTES]; /* of its process; empty in the row of all that did not fit */
};

/* What is remembered of a socket: what was counted so far, and who owns it. A reading that finds nothing changed looks
 * at the first part only. */
struct sock_memory {
	u32 segs_in;
	u32 segs_out;
	u32 write_seq;
	u32 looked;   /* the last reading that counted it */
	u32 measured; /* the last that took its gauges for its row; 0: none did */
	u32 tgid;
	u16 local_port; /* the kernel clears its own before the last state */
	u8 owner;
	u8 role;
	u8 restless; /* its measurements may change without a segment */
	u8 closed;
	u8 sought;  /* how often nobody was found */
	u8 state;   /* the last that was remembered */
	u32 opened; /* not yet counted */
	u64 file;   /* where the owner's files have it; 0: not known */
	u64 rx_bytes;
	u64 tx_bytes;
	u64 since; /* ns: of its SYN, then of being established; 0: not known */
	u32 retrans;
	u32 sk_drops;
	u32 rwnd_limited;
	u32 syn_srtt_us;
	u32 setup_us; /* not yet counted */
	u32 events[EVENTS];
	char comm[COMM_BYTES];
	struct tcp_gauges had; /* when it was measured */
};
