/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Test object: one good program among programs that kernels refuse, each in its own way. */
#include "probe.h"

struct count_val {
	u64 calls;
};

struct task_struct___future {
	u64 no_such_field;
} __attribute__((preserve_access_index));

const volatile u32 watch_tgid = 0;

TABLE(good_calls, u32, struct count_val, 1);

SEC("tp_btf/sys_enter")
int BPF_PROG(good, void *regs, long id)
{
	static const struct count_val zero;
	struct count_val *val;
	u32 key = 0;

	if (id != 110 || bpf_get_current_pid_tgid() >> 32 != watch_tgid) /* 110: getppid */
		return 0;
	val = row(&good_calls, &key, &zero);
	if (val)
		val->calls++;
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(unchecked_lookup, void *regs, long id)
{
	u32 key = 0;
	struct count_val *val = bpf_map_lookup_elem(&good_calls, &key);

	val->calls++;
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(missing_field, void *regs, long id)
{
	struct task_struct___future *task = (void *)bpf_get_current_task_btf();
	u32 key = 0;
	struct count_val *val = bpf_map_lookup_elem(&good_calls, &key);

	if (val)
		val->calls += task->no_such_field;
	return 0;
}

SEC("tp_btf/no_such_tracepoint")
int BPF_PROG(missing_hook, void *regs)
{
	return 0;
}

SEC("tracepoint/sched/no_such_event")
int missing_tracepoint(void *ctx)
{
	return 0;
}

/* A log of megabytes, the reason at its very end. */
SEC("tp_btf/sys_enter")
int BPF_PROG(long_log, void *regs, long id)
{
	u64 sum = 0;
	u32 key = 0;
	struct count_val *val;

#pragma clang loop unroll(disable)
	for (u32 i = 0; i < 20000; i++)
		sum += bpf_get_smp_processor_id();
	key = sum;
	val = bpf_map_lookup_elem(&good_calls, &key);
	val->calls = sum;
	return 0;
}
