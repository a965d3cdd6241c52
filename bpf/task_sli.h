/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What containers and the host wait for: CPUs, sleep, devices, memory. Off unless wanted: two rows a switch. */
#pragma once

#include "task_thread.h"
#include "sli.h"

const volatile bool sli_on = false; /* set before load */

/* In the order of the fields of struct sli_val. */
enum sli_cause {
	SLI_WAIT,
	SLI_SLEEP,
	SLI_IOWAIT,
	SLI_BLOCK,
	SLI_RECLAIM,
	SLI_COMPACT,
	SLI_LONGSYS,
	SLI_SWAPIN,
};

struct sli_val {
	char name[CONTAINER_NAME_LEN];
	u64 reading;
	u64 wait_ns;
	u64 sleep_ns;
	u64 iowait_ns;
	u64 block_ns;
	u64 reclaim_ns;
	u64 compact_ns;
	u64 longsys_ns;
	u64 swapin_ns;
	u64 wait_slots[SLI_SLOTS];
	u64 sleep_slots[SLI_SLOTS];
	u64 iowait_slots[SLI_SLOTS];
	u64 block_slots[SLI_SLOTS];
	u64 reclaim_slots[SLI_SLOTS];
	u64 compact_slots[SLI_SLOTS];
	u64 longsys_slots[SLI_SLOTS];
	u64 swapin_slots[SLI_SLOTS];
};

/* By cgroup, that of the host excluded. 624 B x 2048. */
SPARSE_TABLE(sli_containers, struct sli_key, struct sli_val, 2048);

/* 616 B x possible CPUs. */
CPU_VALUE(sli_node, struct sli_val);

static __always_inline struct sli_val *sli_container(struct task_struct *task)
{
	static const struct sli_val zero;
	struct sli_key key = {};

	return sli_row(&sli_containers, &key, &zero, task);
}

static __always_inline void add_cause(struct sli_val *val, enum sli_cause cause, u64 ns)
{
	if (val)
		add_sli(&val->wait_ns + cause, val->wait_slots + cause * SLI_SLOTS, ns);
}

static __always_inline void note_sli(struct task_struct *task, enum sli_cause cause, u64 ns)
{
	add_cause(only_value(&sli_node), cause, ns);
	add_cause(sli_container(task), cause, ns);
}

static __always_inline void add_sli_switch(struct sli_val *val, u8 off, u64 wait, u64 rest)
{
	if (!val)
		return;
	val->reading = reading;
	add_cause(val, SLI_WAIT, wait);
	if (off == OFF_SLEEP)
		add_cause(val, SLI_SLEEP, rest);
	else if (off == OFF_IOWAIT)
		add_cause(val, SLI_IOWAIT, rest);
	else if (off == OFF_BLOCKED)
		add_cause(val, SLI_BLOCK, rest);
}

/* A thread has a CPU again: what it waited for before it was ready, and then for the CPU. */
static __always_inline void note_sli_switch(struct task_struct *task, u8 off, u64 wait, u64 total)
{
	u64 rest = total > wait ? total - wait : 0;

	add_sli_switch(only_value(&sli_node), off, wait, rest);
	add_sli_switch(sli_container(task), off, wait, rest);
}

static __always_inline void note_on_cpu(struct task_struct *task, struct thread *thread, u64 now)
{
	thread->on_since = now;
	thread->utime = task->utime;
	thread->stime = task->stime;
}

/* Every tick of its stay on the CPU found the thread in the kernel, and there was one. Kernel threads always are. */
static __always_inline void note_long_system(struct task_struct *task, struct thread *thread,
					     u64 now)
{
	if (!thread->on_since || task->utime != thread->utime || task->stime == thread->stime ||
	    task->flags & PF_KTHREAD)
		return;
	note_sli(task, SLI_LONGSYS, now - thread->on_since);
}

static __always_inline void begin_stall(void)
{
	struct thread *thread = thread_of(bpf_get_current_task_btf(), 0);

	if (thread)
		thread->stalled_since = bpf_ktime_get_ns();
}

static __always_inline u64 end_stall(void)
{
	struct thread *thread = thread_of(bpf_get_current_task_btf(), 0);
	u64 since = thread ? thread->stalled_since : 0;

	if (!since)
		return 0;
	thread->stalled_since = 0;
	return bpf_ktime_get_ns() - since;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int BPF_PROG(task_reclaim_begin)
{
	begin_stall();
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(task_reclaim_end)
{
	note_sli(bpf_get_current_task_btf(), SLI_RECLAIM, end_stall());
	return 0;
}

SEC("tp_btf/mm_compaction_begin")
int BPF_PROG(task_compact_begin)
{
	begin_stall();
	return 0;
}

SEC("tp_btf/mm_compaction_end")
int BPF_PROG(task_compact_end)
{
	note_sli(bpf_get_current_task_btf(), SLI_COMPACT, end_stall());
	return 0;
}

/* No tracepoint tells when a page is back: only kernels that take fentry programs have these. */
SEC("fentry/do_swap_page")
int BPF_PROG(task_swapin_begin)
{
	struct thread *thread = thread_of(bpf_get_current_task_btf(), 0);

	if (thread)
		thread->swapping_since = bpf_ktime_get_ns();
	return 0;
}

SEC("fexit/do_swap_page")
int BPF_PROG(task_swapin_end)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread *thread = thread_of(task, 0);
	u64 ns;

	if (!thread || !thread->swapping_since)
		return 0;
	ns = bpf_ktime_get_ns() - thread->swapping_since;
	thread->swapping_since = 0;
	note_sli(task, SLI_SWAPIN, ns);
	return 0;
}
