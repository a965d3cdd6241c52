/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is under way, by its address: put away and found again in some nanoseconds, where a hash map takes 100 and more.
 * Each address has a set of four slots in an array. What is never told to have ended gives way to what comes later.
 */
#pragma once

#include "probe.h"

enum { WAYS = 4, SETS = 4096 };

/* What every slot begins with. */
struct flight {
	u64 address; /* 0: the slot is free */
	u64 since;   /* ns */
};

/* `slot` begins as struct flight does. Not exported: so without types. */
#define IN_FLIGHT(name, slot)                                                                      \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(max_entries, SETS);                                                         \
		__uint(key_size, sizeof(u32));                                                     \
		__uint(value_size, WAYS * sizeof(struct slot));                                    \
	} name SEC(".maps")

/* One that is younger than this was hardly forgotten. */
#define LONG_NS 30000000000ULL

/* With the low half of a pointer the verifier lets us reckon, if it is taken in one instruction. */
static __always_inline u32 low_half(u64 address)
{
	register u64 whole asm("r1") = address;
	u32 half;

	asm volatile("%0 = w1" : "=w"(half) : "r"(whole));
	return half;
}

static __always_inline void *set_of(void *table, u64 address)
{
	u32 set = hash(low_half(address), SETS);

	return bpf_map_lookup_elem(table, &set);
}

static __always_inline void *find_in(void *set, u32 slot_bytes, u64 address)
{
	if (!set)
		return NULL;
#pragma unroll
	for (u32 i = 0; i < WAYS; i++) {
		struct flight *flight = set + i * slot_bytes;

		if (flight->address == address)
			return flight;
	}
	return NULL;
}

static __always_inline void *find_flight(void *table, u32 slot_bytes, u64 address)
{
	return find_in(set_of(table, address), slot_bytes, address);
}

/* A slot for what begins now; its other members are what they were. NULL: never, which the verifier cannot know. */
static __always_inline void *begin_flight(void *table, u32 slot_bytes, u64 address, u64 now)
{
	void *set = set_of(table, address);
	struct flight *flight = find_in(set, slot_bytes, address);
	struct flight *oldest = set;

	if (!set)
		return NULL;
	if (flight) {
		flight->since = now;
		return flight;
	}
#pragma unroll
	for (u32 i = 0; i < WAYS; i++) {
		flight = set + i * slot_bytes;
		if (!flight->address &&
		    !__sync_val_compare_and_swap(&flight->address, 0, address)) {
			flight->since = now;
			return flight;
		}
		if (flight->since < oldest->since)
			oldest = flight;
	}
	if (now - oldest->since < LONG_NS)
		count_table_full();
	oldest->address = address;
	oldest->since = now;
	return oldest;
}

static __always_inline void end_flight(void *flight)
{
	((struct flight *)flight)->address = 0;
}
