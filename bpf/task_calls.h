/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* System calls of observed processes: how long they take and which fail. For others the cost is one look-up. */
#pragma once

#include "duration.h"
#include "kernel_task.h"
#include "syscalls.h"
#include "task_thread.h"

/* Set before load. */
const volatile u32 calls_on = 0; /* a bit for each call that is timed */
const volatile bool call_failures_on = false;
const volatile bool call_times_on = false; /* histograms, not only the longest */
const volatile bool ioctl_on = false;
const volatile u32 fs_on = 0; /* a bit for each file system */

/* Of a thread, what was not carried into rows yet. */
struct call_times {
	u64 sum[CALLS];
	u64 max[CALLS];
	u64 slots[CALLS * DURATION_SLOTS];
};

TASK_STORAGE(call_storage, struct call_times);

/* The longest call of the period, in the order of the enum of syscalls.h. */
struct proc_calls_val {
	u64 mount_ns;
	u64 umount_ns;
	u64 read_ns;
	u64 write_ns;
	u64 fsync_ns;
	u64 sendmsg_ns;
	u64 recvmsg_ns;
	u64 sched_yield_ns;
	u64 futex_ns;
	u64 epoll_wait_ns;
	u64 epoll_pwait_ns;
	u64 fork_ns;
	u64 vfork_ns;
	u64 clone_ns;
	u64 ioctl_ns;
	u64 failed;
	u64 reading;
	char comm[TASK_COMM_LEN];
	u64 shown; /* as the enum in observe.h */
};

/* 164 B x 8192. */
SPARSE_TABLE(proc_calls, u32, struct proc_calls_val, 8192);

struct call_key {
	u32 tgid;
	u32 call;
};

struct call_val {
	u64 ns;
	u64 slots[DURATION_SLOTS];
	u64 reading;
};

/* 216 B x 16384. */
SPARSE_TABLE(proc_call_times, struct call_key, struct call_val, 16384);

struct call_error_key {
	u32 tgid;
	u16 number;
	u16 error;
	u32 machine;
};

struct call_error_val {
	u64 count;
	u64 reading;
};

/* 28 B x 16384. */
SPARSE_TABLE(proc_call_errors, struct call_error_key, struct call_error_val, 16384);

struct ioctl_key {
	u32 tgid;
	u32 fd;
	u32 size;
	u8 dir;
	u8 type;
	u8 nr;
	u8 unused;
};

struct ioctl_val {
	u64 max_ns; /* of the period */
	u64 size;
	u64 reading;
	u64 period;
};

/* 48 B x 4096. */
RECENT(proc_ioctl, struct ioctl_key, struct ioctl_val, 4096);

#include "task_fs.h"

SEC("tp_btf/sys_enter")
int BPF_PROG(task_sys_enter, struct pt_regs *regs, long number)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread *thread = thread_of(task, 0);
	u8 kind;

	if (!thread || !thread->observed)
		return 0;
	thread->entered_ns = 0;
	thread->call = number;
	if (is_foreign_call(task)) {
		thread->call = MAX_CALL_NUMBER;
		return 0;
	}
	kind = kind_of_call(number);
	if (kind == NO_KIND)
		return 0;
	if (calls_on >> (kind & 15) & 1 || (fs_on && kind >> 4 != NO_FS)) {
		thread->kind = kind;
		thread->entered_ns = bpf_ktime_get_ns();
	}
	return 0;
}

static __always_inline void note_failure(struct thread *thread, u32 tgid, u32 error)
{
	static const struct call_error_val zero;
	struct call_error_key key = {
		.tgid = tgid, .number = thread->call, .error = error, .machine = MACHINE};
	struct call_error_val *val;

	thread->failed++;
	val = row(&proc_call_errors, &key, &zero);
	if (!val)
		return;
	__sync_fetch_and_add(&val->count, 1);
	val->reading = reading;
}

static __always_inline void note_ioctl(u32 tgid, struct pt_regs *regs, u64 ns)
{
	static const struct ioctl_val zero;
	u32 command = second_argument(regs);
	struct ioctl_key key = {
		.tgid = tgid,
		.fd = first_argument(regs),
		.size = command >> 16 & 0x3fff,
		.dir = command >> 30,
		.type = command >> 8 & 0xff,
		.nr = command & 0xff,
	};
	struct ioctl_val *val = row(&proc_ioctl, &key, &zero);

	if (!val)
		return;
	val->size = key.size;
	note_max(&val->max_ns, ns, val->period != reading);
	val->period = reading;
	val->reading = reading;
}

static __always_inline void note_time(struct task_struct *task, u64 call, u64 ns)
{
	struct call_times *times =
		bpf_task_storage_get(&call_storage, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	u64 slot = call * DURATION_SLOTS + duration_slot(ns);

	/* Two indexes at a time, or a check on the lower half of one, are beyond the verifier of 6.1. */
	barrier_var(call);
	barrier_var(slot);
	if (!times || call >= CALLS || slot >= CALLS * DURATION_SLOTS)
		return;
	/* Atomic, for a reading takes away what is there. */
	if (call_times_on) {
		__sync_fetch_and_add(&times->slots[slot], 1);
		__sync_fetch_and_add(&times->sum[call], ns);
	}
	if (ns > times->max[call])
		times->max[call] = ns;
}

enum { MAX_ERRNO = 511 }; /* above are the kernel's own, such as "start the call again" */

SEC("tp_btf/sys_exit")
int BPF_PROG(task_sys_exit, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread *thread = thread_of(task, 0);
	u32 call;
	u64 ns;

	if (!thread || !thread->observed)
		return 0;
	if (call_failures_on && result < 0 && result >= -MAX_ERRNO &&
	    thread->call < MAX_CALL_NUMBER)
		note_failure(thread, task->tgid, -result);
	thread->call = MAX_CALL_NUMBER;
	if (!thread->entered_ns)
		return 0;
	ns = bpf_ktime_get_ns() - thread->entered_ns;
	thread->entered_ns = 0;
	call = thread->kind & 15;
	if (calls_on >> call & 1)
		note_time(task, call, ns);
	if (ioctl_on && call == CALL_IOCTL)
		note_ioctl(task->tgid, regs, ns);
	if (fs_on && thread->kind >> 4 != NO_FS)
		note_fs(task, thread->kind >> 4, regs, result, ns);
	return 0;
}

static __always_inline void harvest_times(u32 tgid, u32 call, struct call_times *times)
{
	static const struct call_val zero;
	struct call_key key = {.tgid = tgid, .call = call};
	struct call_val *val;

	if (!times->sum[call])
		return;
	val = row(&proc_call_times, &key, &zero);
	if (!val)
		return;
	add_to(&val->ns, __sync_lock_test_and_set(&times->sum[call], 0));
	for (int i = 0; i < DURATION_SLOTS; i++)
		if (times->slots[call * DURATION_SLOTS + i])
			add_to(&val->slots[i],
			       __sync_lock_test_and_set(&times->slots[call * DURATION_SLOTS + i],
							0));
	val->reading = reading;
}

static __always_inline void begin_period(struct proc_calls_val *val, struct task_struct *task,
					 u8 observed)
{
	if (val->reading == reading)
		return;
	val->shown = shown_as(task, observed);
	__builtin_memset(val, 0, CALLS * sizeof(u64));
	bpf_core_read_str(val->comm, TASK_COMM_LEN, &task->group_leader->comm);
	val->reading = reading;
}

/* Carries a thread's calls into rows: at each reading, and at its end. */
static __always_inline void harvest_calls(struct task_struct *task, struct thread *thread)
{
	static const struct proc_calls_val zero;
	struct proc_calls_val *val;
	struct call_times *times;
	u32 tgid = task->tgid;

	if (!thread->observed || !(calls_on || call_failures_on))
		return;
	val = row(&proc_calls, &tgid, &zero);
	if (!val)
		return;
	begin_period(val, task, thread->observed);
	add_to(&val->failed, take_new(&thread->failed, &thread->failed_counted));
	times = bpf_task_storage_get(&call_storage, task, NULL, 0);
	if (!times)
		return;
	for (int i = 0; i < CALLS; i++) {
		raise_max((u64 *)val + i, __sync_lock_test_and_set(&times->max[i], 0));
		if (call_times_on)
			harvest_times(tgid, i, times);
	}
}

KEEP_LIVING(proc_call_times, struct call_val)
KEEP_LIVING(proc_call_errors, struct call_error_val)

/* A row without calls has no longest one, and goes if that lasts. */
static long end_ioctl_period(void *unused, void *key, struct ioctl_val *val, void *context)
{
	if (val->period != reading)
		val->max_ns = 0;
	return 0;
}

static __always_inline void keep_call_rows(void)
{
	if (call_times_on)
		bpf_for_each_map_elem(&proc_call_times, keep_proc_call_times, NULL, 0);
	if (call_failures_on)
		bpf_for_each_map_elem(&proc_call_errors, keep_proc_call_errors, NULL, 0);
	if (ioctl_on)
		bpf_for_each_map_elem(&proc_ioctl, end_ioctl_period, NULL, 0);
	if (fs_on)
		bpf_for_each_map_elem(&proc_fs, keep_proc_fs, NULL, 0);
}
