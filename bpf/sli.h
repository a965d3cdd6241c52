/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What containers wait for: buckets and rows that the task and io probes share. Included behind the definition of
 * `reading`.
 */
#pragma once

#include "kernel_task.h"
#include "probe.h"

enum { SLI_SLOTS = 7, CONTAINER_NAME_LEN = 96 };

struct sli_key {
	u64 cgroup;
};

/* What every row begins with. */
struct sli_head {
	char name[CONTAINER_NAME_LEN];
	u64 reading;
};

/* The row of the task's container, named when it is made; NULL: it is in none, or there is no room. Sets the key. */
static __always_inline void *sli_row(void *table, struct sli_key *key, const void *zero,
				     struct task_struct *task)
{
	struct kernfs_node *node = container_node(task);
	struct sli_head *val;

	key->cgroup = BPF_CORE_READ(node, id);
	if (key->cgroup == ROOT_CGROUP_ID)
		return NULL;
	val = row(table, key, zero);
	if (val && !val->name[0])
		read_cgroup_name(val->name, sizeof(val->name), node);
	return val;
}

/* The container lives, though nothing may have happened in it. */
static __always_inline void keep_sli(void *table, struct task_struct *task)
{
	struct sli_key key = {.cgroup = BPF_CORE_READ(container_node(task), id)};
	struct sli_head *val = bpf_map_lookup_elem(table, &key);

	if (val)
		val->reading = reading;
}

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
