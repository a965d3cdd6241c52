/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How long bios of containers and of the host take: by the cgroup of the process that queued them. */
#pragma once

#include "sli.h"

const volatile bool sli_on = false; /* set before load */

struct sli_io_val {
	char name[CONTAINER_NAME_LEN];
	u64 reading;
	u64 ns;
	u64 slots[SLI_SLOTS];
};

/* By cgroup, that of the host excluded. 176 B x 2048. */
SPARSE_TABLE(sli_io_containers, struct sli_key, struct sli_io_val, 2048);

/* 168 B x possible CPUs. */
CPU_VALUE(sli_io_node, struct sli_io_val);

/* The cgroup's id, 0 for the host's; its row is made, for later its name may be gone. */
static __always_inline u64 queueing_cgroup(struct task_struct *task)
{
	static const struct sli_io_val zero;
	struct sli_key key = {};
	struct sli_io_val *val = sli_row(&sli_io_containers, &key, &zero, task);

	if (!val)
		return 0;
	val->reading = reading;
	return key.cgroup;
}

static __always_inline void add_sli_bio(struct sli_io_val *val, u64 ns)
{
	if (!val)
		return;
	add_sli(&val->ns, val->slots, ns);
	val->reading = reading;
}

static __always_inline void note_sli_bio(u64 cgroup, u64 ns)
{
	struct sli_key key = {.cgroup = cgroup};

	add_sli_bio(only_value(&sli_io_node), ns);
	add_sli_bio(bpf_map_lookup_elem(&sli_io_containers, &key), ns);
}
