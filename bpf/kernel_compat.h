/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* One function per kernel change that a probe must know, naming the commit. No version #if. */
#pragma once

/* Task state: task_struct.state became __state in 5.14 (commit 2f064a59a11f). */
struct task_struct___before_5_14 {
	long state;
} __attribute__((preserve_access_index));

static __always_inline long task_state(struct task_struct *task)
{
	struct task_struct___before_5_14 *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state);
	return BPF_CORE_READ(old, state);
}
