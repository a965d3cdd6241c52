/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* When data came that its process has not read yet. */
#pragma once

#include "messages.h"

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
