/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Processes as the scheduler, the system calls and memory management see them.
 *
 * Each hook has one program, whatever tables are on. What a thread does is added up in its own storage by itself; the
 * agent's iterator carries it into rows of processes, and so does the thread's end.
 *
 * Memory: 328 B of storage for each thread, 3 KiB more for those whose system calls are observed; with what the kernel
 * needs beside, 780 B and 4.9 KB of 50,000 threads; tables: at their definitions, allocated as rows come.
 */
#include "probe.h"
#include "kernel_task.h"
#include "duration.h"
#include "observe.h"
#include "task_thread.h"
#include "task_sched.h"
#include "task_calls.h"

static __always_inline bool has_ended(struct task_struct *task)
{
	return BPF_CORE_READ(more_of(task), signal, live.counter) == 0;
}

static __always_inline void note_living(struct task_struct *task)
{
	u32 tgid = task->tgid;
	u8 yes = 1;

	if (task->pid == task->tgid && !has_ended(task))
		bpf_map_update_elem(&living, &tgid, &yes, BPF_ANY);
}

/* The agent's reading: every thread, into the row of its process. */
SEC("iter/task")
int task_reading(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct thread *thread;

	if (!task) {
		keep_sched_rows();
		keep_call_rows();
		reading++;
		return 0;
	}
	thread = thread_of(task, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread)
		return 0;
	note_living(task);
	if (sli_on)
		keep_sli(&sli_containers, task);
	thread->observed = is_observed(task);
	harvest_sched(task, thread, true);
	harvest_calls(task, thread);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(task_fork, struct task_struct *parent, struct task_struct *child)
{
	struct thread *thread = thread_of(child, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (thread) {
		thread->observed = is_observed(child);
		thread->born = bpf_ktime_get_ns();
	}
	thread = thread_of(parent, 0);
	if (thread)
		thread->now[child->tgid == child->pid ? FORKS : THREADS]++;
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(task_exec, struct task_struct *task, int old_pid)
{
	struct thread *thread = thread_of(task, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!thread)
		return 0;
	thread->observed = is_observed(task);
	thread->now[EXECS]++;
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(task_exit, struct task_struct *task)
{
	struct thread *thread = thread_of(task, 0);
	u32 tgid = task->tgid;

	if (thread) {
		harvest_sched(task, thread, false);
		harvest_calls(task, thread);
	}
	if (has_ended(task)) { /* another process may get the number */
		bpf_map_delete_elem(&observed, &tgid);
		bpf_map_delete_elem(&living, &tgid);
	}
	return 0;
}
