/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How long bios of containers and of the host take: by the cgroup of the process that queued them. */
#pragma once

#include "sli.h"

const volatile bool sli_on = false; /* set before load */

struct sli_io_val {
	u64 ns;
	u64 slots[SLI_SLOTS];
	u64 reading;
	char name[CONTAINER_NAME_LEN];
};

/* By cgroup, that of the host excluded. 176 B x 2048. */
SPARSE_TABLE(sli_io_containers, struct sli_key, struct sli_io_val, 2048);

/* 168 B x possible CPUs. */
CPU_VALUE(sli_io_node, struct sli_io_val);

/* The cgroup's id, 0 for the host's; its row is made, for later its name may be gone. */
static __always_inline u64 queueing_cgroup(struct task_struct *task)
{
	static const struct sli_io_val zero;
	struct kernfs_node *node = container_node(task);
	struct sli_key key = {.cgroup = BPF_CORE_READ(node, id)};
	struct sli_io_val *val;

	if (key.cgroup == ROOT_CGROUP_ID)
		return 0;
	val = row(&sli_io_containers, &key, &zero);
	if (!val)
		return 0;
	if (!val->name[0])
		read_cgroup_name(val->name, sizeof(val->name), node);
	val->reading = reading;
	return key.cgroup;
}

static __always_inline void note_sli_bio(u64 cgroup, u64 ns)
{
	struct sli_key key = {.cgroup = cgroup};
	struct sli_io_val *val = only_value(&sli_io_node);

	if (val) {
		add_sli(&val->ns, val->slots, ns);
		val->reading = reading;
	}
	val = bpf_map_lookup_elem(&sli_io_containers, &key);
	if (val) {
		add_sli(&val->ns, val->slots, ns);
		val->reading = reading;
	}
}

static __always_inline void keep_sli_io(struct task_struct *task)
{
	struct sli_key key = {.cgroup = BPF_CORE_READ(container_node(task), id)};
	struct sli_io_val *val = bpf_map_lookup_elem(&sli_io_containers, &key);

	if (val)
		val->reading = reading;
}
