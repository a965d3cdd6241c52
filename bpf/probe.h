/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What every probe's kernel side shares: tables, private state, rows, rings, and the count of what did not fit. */
#pragma once

#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "kernel_compat.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Rows and records that did not fit; the agent reads it of every object. Memory: 16 B x possible CPUs. */
struct loss_val {
	u64 table_full;
	u64 ring_drop;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct loss_val);
} losses SEC(".maps");

/* What is exported: one row per key, a copy per CPU, so that adding needs no atomics. */
#define TABLE(name, key_type, value_type, entries)                                                 \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PERCPU_HASH);                                            \
		__uint(max_entries, entries);                                                      \
		__type(key, key_type);                                                             \
		__type(value, value_type);                                                         \
	} name SEC(".maps")

/* The same with one copy: for values that are set, not added up. */
#define SHARED_TABLE(name, key_type, value_type, entries)                                          \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(max_entries, entries);                                                      \
		__type(key, key_type);                                                             \
		__type(value, value_type);                                                         \
	} name SEC(".maps")

/* Private to the programs: not exported. */
#define STATE(name, key_type, value_type, entries) SHARED_TABLE(name, key_type, value_type, entries)

/* Events for the agent's mapped reader; bytes is a power of two and a multiple of the page size. */
#define RING(name, bytes)                                                                          \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                \
		__uint(max_entries, bytes);                                                        \
	} name SEC(".maps")

/* Brings `struct name`, which is written to a ring or an iterator, into the object's type information. */
#define RECORD(name) const struct name *const volatile record_##name

static __always_inline struct loss_val *loss(void)
{
	u32 first = 0;

	return bpf_map_lookup_elem(&losses, &first);
}

/* The row of key, made from zero if it is new; NULL, and counted, when the table is full. */
static __always_inline void *row(void *table, const void *key, const void *zero)
{
	void *val = bpf_map_lookup_elem(table, key);
	struct loss_val *lost;

	if (val)
		return val;
	bpf_map_update_elem(table, key, zero, BPF_NOEXIST); /* another CPU may have been first */
	val = bpf_map_lookup_elem(table, key);
	if (!val) {
		lost = loss();
		if (lost)
			lost->table_full++;
	}
	return val;
}

/* Slot of a value in an array of `slots` buckets with the bounds 1, 2, 4, 8 ... (included); the last has no bound. The
 * agent's log2Bounds() has the same. Write the result as an index only after the verifier saw it: slot < slots.
 */
static __always_inline u32 log2_slot(u64 value, u32 slots)
{
	u64 rest = value ? value - 1 : 0;
	u32 slot = 0;

	for (int shift = 32; shift > 0; shift >>= 1) {
		if (rest >> shift) {
			rest >>= shift;
			slot += shift;
		}
	}
	slot += rest ? 1 : 0;
	return slot < slots ? slot : slots - 1;
}

/* Sends an event to a ring and counts it when there is no room. The agent polls, so nobody is woken. */
static __always_inline void send_event(void *ring, void *event, u64 size)
{
	struct loss_val *lost;

	if (bpf_ringbuf_output(ring, event, size, BPF_RB_NO_WAKEUP) == 0)
		return;
	lost = loss();
	if (lost)
		lost->ring_drop++;
}
