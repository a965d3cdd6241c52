/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What every probe's kernel side shares: tables, private state, rows, rings, and the count of what did not fit. */
#pragma once

#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "kernel_compat.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MAP(name, kind, flags, key_type, value_type, entries)                                      \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_##kind);                                                 \
		__uint(map_flags, flags);                                                          \
		__uint(max_entries, entries);                                                      \
		__type(key, key_type);                                                             \
		__type(value, value_type);                                                         \
	} name SEC(".maps")

/* What is exported: one row per key, a copy per CPU, so that adding needs no atomics. */
#define TABLE(name, key, value, entries) MAP(name, PERCPU_HASH, 0, key, value, entries)

/* The same with one copy: for values that are set, not added up. */
#define SHARED_TABLE(name, key, value, entries) MAP(name, HASH, 0, key, value, entries)

/* The same, taking memory row by row: for many possible rows of which few are used. */
#define SPARSE_TABLE(name, key, value, entries)                                                    \
	MAP(name, HASH, BPF_F_NO_PREALLOC, key, value, entries)

/* Never full: a new row takes the place of the one that was used longest ago, or nearly: the kernel makes room for many
 * rows at a time, older ones for 128 a CPU, so that a map of fewer may lose all. Uncounted.
 */
#define RECENT(name, key, value, entries) MAP(name, LRU_HASH, 0, key, value, entries)

/* Private to the programs: not exported. */
#define STATE(name, key, value, entries) SHARED_TABLE(name, key, value, entries)

/* One value, and one value a CPU; only_value() has it. */
#define VALUE(name, value) MAP(name, ARRAY, 0, u32, value, 1)
#define CPU_VALUE(name, value) MAP(name, PERCPU_ARRAY, 0, u32, value, 1)

/* A value that a socket or a thread carries with it; gone when that is. */
#define SOCKET_STORAGE(name, value) MAP(name, SK_STORAGE, BPF_F_NO_PREALLOC, int, value, 0)
#define TASK_STORAGE(name, value) MAP(name, TASK_STORAGE, BPF_F_NO_PREALLOC, int, value, 0)

/* An accepted socket starts with its listener's value. */
#define INHERITED_SOCKET_STORAGE(name, value)                                                      \
	MAP(name, SK_STORAGE, BPF_F_NO_PREALLOC | BPF_F_CLONE, int, value, 0)

/* Events for the agent's mapped reader; bytes is a power of two and a multiple of the page size. */
#define RING(name, bytes)                                                                          \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                \
		__uint(max_entries, bytes);                                                        \
	} name SEC(".maps")

/* Brings `struct name`, which is written to a ring or an iterator, into the object's type information. */
#define RECORD(name) const struct name *const volatile record_##name

/* What a VALUE or CPU_VALUE holds; never NULL, which the verifier cannot know. */
static __always_inline void *only_value(void *map)
{
	u32 first = 0;

	return bpf_map_lookup_elem(map, &first);
}

/* Rows and records that did not fit; the agent reads it of every object. Memory: 16 B x possible CPUs. */
struct loss_val {
	u64 table_full;
	u64 ring_drop;
};

CPU_VALUE(losses, struct loss_val);

static __always_inline void count_table_full(void)
{
	struct loss_val *lost = only_value(&losses);

	if (lost)
		lost->table_full++;
}

static __always_inline void count_ring_drop(void)
{
	struct loss_val *lost = only_value(&losses);

	if (lost)
		lost->ring_drop++;
}

/* Of an address, say; `slots` is a power of two below 2^24. */
static __always_inline u32 hash(u64 value, u32 slots)
{
	return (value * 0x9e3779b97f4a7c15ULL >> 40) & (slots - 1);
}

static __always_inline void *find_or_make(void *table, const void *key, const void *zero)
{
	void *val = bpf_map_lookup_elem(table, key);

	if (val)
		return val;
	bpf_map_update_elem(table, key, zero, BPF_NOEXIST); /* another CPU may have been first */
	return bpf_map_lookup_elem(table, key);
}

/* The row of key, made from zero if it is new; NULL, and counted, when the table is full. */
static __always_inline void *row(void *table, const void *key, const void *zero)
{
	void *val = find_or_make(table, key, zero);

	if (!val)
		count_table_full();
	return val;
}

/* Slot of a value (below 2^63) in an array of `slots` buckets with the bounds 1, 2, 4, 8 ... (included); the last has no
 * bound. The agent's log2Bounds() has the same. Write the result as an index only after the verifier saw it: slot < slots.
 */
static __always_inline u32 log2_slot(u64 value, u32 slots)
{
	u64 rest = value ? value - 1 : 0;
	u64 slot = 0;

	/* Without a branch, which would double the paths that the verifier walks, six times. */
	for (int shift = 32; shift > 0; shift >>= 1) {
		u64 step = ((1ULL << shift) - 1 - rest) >> 63 << __builtin_ctz(shift);

		barrier_var(step);
		rest >>= step;
		slot += step;
	}
	slot += rest ? 1 : 0;
	return slot < slots ? slot : slots - 1;
}

/* The same with the bounds 1, 4, 16, 64 ...: half the buckets for the same range. The agent has log4Bounds(). */
static __always_inline u32 log4_slot(u64 value, u32 slots)
{
	u32 slot = (log2_slot(value, 65) + 1) / 2;

	return slot < slots ? slot : slots - 1;
}

/* Sends an event to a ring, or counts it when there is no room. The agent polls, so nobody is woken. */
static __always_inline bool send_event(void *ring, void *event, u64 size)
{
	if (bpf_ringbuf_output(ring, event, size, BPF_RB_NO_WAKEUP) == 0)
		return true;
	count_ring_drop();
	return false;
}
