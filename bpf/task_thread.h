/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is remembered of a thread, and how it is carried into rows. */
#pragma once

#include "duration.h"
#include "kernel_task.h"
#include "probe.h"

/* What is added up for each thread, in the order of the fields of struct proc_sched_val. */
enum {
	OFFCPU_NS,
	IOWAIT_NS,
	WAIT_NS,
	WAITS,
	PREEMPTED,
	VOLUNTARY,
	MIGRATIONS,
	FORKS,
	THREADS,
	EXECS,
	TOTALS,
};

/* Why a thread is off its CPU. */
enum { OFF_PREEMPTED = 1, OFF_SLEEP, OFF_BLOCKED, OFF_IOWAIT };

struct thread {
	u64 now[TOTALS];     /* written by the thread's own CPU only */
	u64 counted[TOTALS]; /* of that, what went into rows */
	u64 born;	     /* when we first saw it, and what it had run by then */
	u64 ran_before;
	u64 off_since;	 /* 0: it never left a CPU while we watched */
	u64 ready_since; /* 0: it does not wait for a CPU */
	u64 preempted_max_ns;
	u32 cpu;
	u32 preemptor; /* tgid */
	char preemptor_comm[TASK_COMM_LEN];
	u8 off;
	u8 observed;
	u8 kind;	/* of the system call that is timed; see syscalls.h */
	u32 call;	/* number of the system call that it is in */
	u64 entered_ns; /* 0: it is not timed */
	u64 failed;
	u64 failed_counted;
	u64 stalled_since;  /* it searches for memory */
	u64 swapping_since; /* it brings a page back */
	u64 on_since;	    /* it has its CPU; with its times then, for long stays in the kernel */
	u64 utime;
	u64 stime;
};

TASK_STORAGE(threads, struct thread);

/* Number of the current period, which ends with a reading: a maximum holds for one. */
u64 reading = 1;

/* Processes that have not ended: tgid. */
SPARSE_TABLE(living, u32, u8, 32768);

/* Rows of living processes live on although nothing happens: their totals must not start anew. Every key of such a map
 * starts with the tgid.
 */
#define KEEP_LIVING(map, value_type)                                                               \
	static long keep_##map(void *unused, u32 *tgid, value_type *val, void *context)            \
	{                                                                                          \
		if (bpf_map_lookup_elem(&living, tgid))                                            \
			val->reading = reading;                                                    \
		return 0;                                                                          \
	}

static __always_inline struct thread *thread_of(struct task_struct *task, u64 flags)
{
	return bpf_task_storage_get(&threads, task, NULL, flags);
}

/* Takes what is new of a total, once: a reading and the thread's end may come at the same time on two CPUs. */
static __always_inline u64 take_new(u64 *now, u64 *counted)
{
	u64 before = *(volatile u64 *)counted;
	u64 present = *(volatile u64 *)now;

	if (present <= before || __sync_val_compare_and_swap(counted, before, present) != before)
		return 0;
	return present - before;
}

static __always_inline void add_to(u64 *to, u64 value)
{
	if (value)
		__sync_fetch_and_add(to, value);
}
