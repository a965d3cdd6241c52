/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Durations as histograms: 1.024 us, 2.048 us ... 4.3 s, and what is longer. */
#pragma once

#include "probe.h"

enum { DURATION_SLOTS = 24 };

/* log2_slot() of units of 1,024 ns, a bound included. */
static __always_inline u32 duration_slot(u64 ns)
{
	u64 rest = ns ? (ns - 1) >> 10 : 0;

	return log2_slot(rest + 1, DURATION_SLOTS);
}

/* For rows that only this CPU writes. */
static __always_inline void add_duration(u64 *sum, u64 *slots, u64 ns)
{
	u32 slot = duration_slot(ns);

	*sum += ns;
	if (slot < DURATION_SLOTS)
		slots[slot]++;
}

/* Raises *max to value; of two CPUs that come at once, the larger one stays unless six others come between. */
static __always_inline void raise_max(u64 *max, u64 value)
{
	for (int i = 0; i < 6; i++) {
		u64 seen = *(volatile u64 *)max;

		if (value <= seen || __sync_val_compare_and_swap(max, seen, value) == seen)
			return;
	}
}

/* A row's maximum starts anew with each period. */
static __always_inline void note_max(u64 *max, u64 value, bool first)
{
	if (first)
		*max = value;
	else
		raise_max(max, value);
}
