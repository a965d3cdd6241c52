/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Test object: a plain tracepoint, which needs tracefs to be found, and BTF for the field that it reads. */
#include "probe.h"

struct count_val {
	u64 calls;
};

TABLE(exits, u32, struct count_val, 1);

SEC("tracepoint/sched/sched_process_exit")
int count_exit(void *ctx)
{
	static const struct count_val zero;
	struct task_struct *task = (void *)bpf_get_current_task();
	struct count_val *val;
	u32 key = 0;

	if (BPF_CORE_READ(task, tgid) == 0)
		return 0;
	val = row(&exits, &key, &zero);
	if (val)
		val->calls++;
	return 0;
}
