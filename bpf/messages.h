/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the agent is told of connections and their pieces, what it says of them, and what is remembered of a socket. */
#pragma once

#include "observe.h"

enum { MAX_BYTES = 256 };

const volatile u32 first_bytes = 128; /* set before load; less than MAX_BYTES */
const volatile bool by_port = false;  /* whether only connections of listed ports are of interest */
const volatile bool calls_tcp = false; /* TCP is read in system calls; see messages_calls.h */
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

/* The first 56 bytes are all that data touches that comes, on whichever CPU: of a socket, with the 8 bytes that the kernel
 * has before them, one cache line. The rest stays with the CPU of the process.
 */
struct message_memory {
	u64 arrived[MAX_ARRIVALS];    /* ns: when data came that was not read yet ... */
	u32 arrived_to[MAX_ARRIVALS]; /* ... and where it ends */
	u8 arrival_count;	      /* of what was not read yet */
	u8 verdict;
	u8 unused[6];
	u64 connection;
	u64 changes; /* of verdicts that were seen */
	u64 ssl;
	u32 rx_next; /* behind what was seen */
	u32 tx_next;
	u16 serial;
	u8 told;   /* the agent knows of it */
	u8 lost;   /* it should, but the ring was full */
	u8 is_new; /* of a Unix socket: nothing was said before */
	u8 rx_known;
	u8 tx_known;
	u8 connects; /* its process opens it, and the agent knows */
	u8 left;     /* and has closed it */
	u8 established;
	u8 encrypted; /* what it says is seen in OpenSSL */
	u8 whole;     /* the agent was told of all from its start */
};

SOCKET_STORAGE(message_memories, struct message_memory);

/* For system calls: TCP sockets by their address, others by the number of their inode: these are not told to end. */
RECENT(call_memories, u64, struct message_memory, 16384);

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

/* Since 6.4 and 6.2. Weak, so that older kernels refuse the hook that they lack, and not the whole object without a word.
 * What is cast is read by loads, a helper costs some 10 ns each time.
 */
extern int bpf_dynptr_from_skb(struct sk_buff *skb, u64 flags,
			       struct bpf_dynptr *ptr) __ksym __weak;
extern void *bpf_rdonly_cast(const void *address, u32 type) __ksym __weak;
