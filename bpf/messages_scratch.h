/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where a piece is put together: a CPU's own memory, because the stack of 512 B is short. Debian's 6.1 counts each frame
 * of a call as a multiple of 32 B, so that with a piece on the stack it refused the programs that read system calls.
 */
#pragma once

#include "messages.h"

/* As user space lays it out; addresses are numbers, because a map holds no pointers. */
struct user_message {
	u64 name;
	u32 name_bytes;
	u64 segments;
	u64 segment_count;
	u64 control;
	u64 control_bytes;
	u32 flags;
};

struct user_message_slot {
	struct user_message message;
	u32 length;
};

/* What a call is about, in the caller's memory. */
struct piece {
	u64 sock;
	u64 from;     /* bytes, or segments */
	u64 length;   /* of the bytes */
	u64 segments; /* 0: there is only one piece of memory */
	u64 name;
	u64 control;
	u64 control_bytes;
	u64 arrived; /* 0: it is not known */
	u8 kind;
	u8 unused[7];
};

struct scratch {
	struct message_event event;
	u8 slack[2 *
		 MAX_BYTES]; /* so that for the verifier any copy fits at each place of the bytes */
	/* Of system calls. */
	struct piece piece;
	struct user_message_slot slot;
	struct connection_event named;
};

CPU_VALUE(scratches, struct scratch);
