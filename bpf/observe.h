/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which processes the dear tables are about: those whose id or whose name is listed. User space fills the lists, and says
 * there whether somebody named them or they are listed by default.
 */
#pragma once

#include "kernel_task.h"
#include "probe.h"

const volatile bool observe_all = false; /* set before load */

enum { OBSERVED = 1, NAMED }; /* what the lists hold */

STATE(observed, u32, u8, 8192); /* tgid */

struct name {
	char comm[TASK_COMM_LEN];
};

STATE(observed_names, struct name, u8, 256);

/* 0, OBSERVED or NAMED. Costs two look-ups: asked when a thread comes or changes, and remembered. */
static __always_inline u8 is_observed(struct task_struct *task)
{
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct name name = {};
	u8 *listed;

	if (bpf_map_lookup_elem(&observed, &tgid))
		return NAMED;
	bpf_core_read_str(name.comm, sizeof(name.comm), &task->group_leader->comm);
	listed = bpf_map_lookup_elem(&observed_names, &name);
	if (listed)
		return *listed;
	return observe_all ? OBSERVED : 0;
}

/* Whether a row of a process is shown; src/sys/top_feed.ts has the same. */
enum { SHOWN_BY_USE, SHOWN_ALWAYS, SHOWN_NEVER };

enum { PF_KTHREAD = 0x00200000 };

static __always_inline u8 shown_as(struct task_struct *task, u8 verdict)
{
	if (verdict == NAMED)
		return SHOWN_ALWAYS;
	return BPF_CORE_READ(task, flags) & PF_KTHREAD ? SHOWN_NEVER : SHOWN_BY_USE;
}
