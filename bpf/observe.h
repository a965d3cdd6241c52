/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which processes the dear tables are about: those whose id or whose name is listed. User space fills the lists. */
#pragma once

#include "kernel_task.h"
#include "probe.h"

const volatile bool observe_all = false; /* set before load */

STATE(observed, u32, u8, 8192); /* tgid */

struct name {
	char comm[TASK_COMM_LEN];
};

STATE(observed_names, struct name, u8, 256);

/* Costs two look-ups: asked when a thread comes or changes, and remembered. */
static __always_inline bool is_observed(struct task_struct *task)
{
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct name name = {};

	if (observe_all || bpf_map_lookup_elem(&observed, &tgid))
		return true;
	bpf_core_read_str(name.comm, sizeof(name.comm), &task->group_leader->comm);
	return bpf_map_lookup_elem(&observed_names, &name) != NULL;
}
