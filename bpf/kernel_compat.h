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

/* A thread's CPU moved from task_struct.cpu into thread_info in 5.16 (commit bcf9033e5449). */
struct task_struct___before_5_16 {
	unsigned int cpu;
} __attribute__((preserve_access_index));

static __always_inline u32 task_cpu(struct task_struct *task)
{
	struct task_struct___before_5_16 *old = (void *)task;

	if (bpf_core_field_exists(old->cpu))
		return BPF_CORE_READ(old, cpu);
	return BPF_CORE_READ(task, thread_info.cpu);
}

/* Resident pages became per-CPU counters in 6.2 (commit f1a7941243c1); readers take the shared part only. */
struct mm_rss_stat {
	atomic_long_t count[4];
} __attribute__((preserve_access_index));

struct mm_struct___before_6_2 {
	struct mm_rss_stat rss_stat;
} __attribute__((preserve_access_index));

static __always_inline u64 not_negative(s64 pages)
{
	return pages > 0 ? pages : 0;
}

/* Each index is written out: with a variable one clang would step by the size of our struct, not the kernel's. */
static __always_inline u64 resident_pages(struct mm_struct *mm)
{
	struct mm_struct___before_6_2 *old = (void *)mm;

	if (bpf_core_field_exists(old->rss_stat.count))
		return not_negative(BPF_CORE_READ(old, rss_stat.count[MM_FILEPAGES].counter)) +
		       not_negative(BPF_CORE_READ(old, rss_stat.count[MM_ANONPAGES].counter)) +
		       not_negative(BPF_CORE_READ(old, rss_stat.count[MM_SHMEMPAGES].counter));
	return not_negative(mm->rss_stat[MM_FILEPAGES].count) +
	       not_negative(mm->rss_stat[MM_ANONPAGES].count) +
	       not_negative(mm->rss_stat[MM_SHMEMPAGES].count);
}
