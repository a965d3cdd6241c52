/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What containers wait for: buckets and rows that the task and io probes share. */
#pragma once

#include "kernel_task.h"
#include "probe.h"

enum { SLI_SLOTS = 7, CONTAINER_NAME_LEN = 96 };

struct sli_key {
	u64 cgroup;
};

/* Up to 1, 5, 10, 100, 500, 1000 ms, and above. */
static __always_inline u32 sli_slot(u64 ns)
{
	const u64 ms = 1000000;

	if (ns <= 10 * ms)
		return ns <= ms ? 0 : ns <= 5 * ms ? 1 : 2;
	if (ns <= 500 * ms)
		return ns <= 100 * ms ? 3 : 4;
	return ns <= 1000 * ms ? 5 : 6;
}

static __always_inline void add_sli(u64 *sum, u64 *slots, u64 ns)
{
	u32 slot = sli_slot(ns);

	if (!ns)
		return;
	__sync_fetch_and_add(sum, ns);
	if (slot < SLI_SLOTS)
		__sync_fetch_and_add(&slots[slot], 1);
}
