/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Time on and off CPUs. Exact without schedstats: each thread's times between its switches. */
#pragma once

#include "observe.h"
#include "task_thread.h"
#include "task_sli.h"

const volatile bool sched_on = true; /* set before load: proc_cpu, proc_sched */
const volatile bool thread_cpu_on = false;
const volatile bool preemption_on = false;
const volatile bool latency_on = true;
const volatile bool switches_on = false; /* some table needs more than the kernel's own totals */
const volatile bool proc_latency_on = false;

struct proc_key {
	u32 tgid;
};

/* The first fields as in the enum of task_thread.h. */
struct proc_sched_val {
	u64 offcpu_ns;
	u64 iowait_ns;
	u64 wait_ns;
	u64 waits;
	u64 preempted;
	u64 voluntary;
	u64 migrations;
	u64 forks;
	u64 threads;
	u64 execs;
	u64 reading;
	char comm[TASK_COMM_LEN];
	u64 shown; /* as the enum in observe.h */
};

/* 120 B x 16384. */
SPARSE_TABLE(proc_sched, struct proc_key, struct proc_sched_val, 16384);

struct thread_key {
	u32 pid;
};

struct thread_cpu_val {
	u64 off_cpu_ns; /* longest of the period */
	u64 migrations;
	u64 iowait_ns;
	u64 reading;
	u32 tgid;
	char comm[TASK_COMM_LEN];
	char preemptor[TASK_COMM_LEN];
	u64 shown; /* as the enum in observe.h */
};

/* 76 B x 8192. */
SPARSE_TABLE(thread_cpu, struct thread_key, struct thread_cpu_val, 8192);

struct preemption_key {
	u32 tgid;
	u32 by;
	char by_comm[TASK_COMM_LEN];
};

struct preemption_val {
	u64 count;
	u64 ns;
	u64 reading;
};

/* 48 B x 4096. */
RECENT(preemptions, struct preemption_key, struct preemption_val, 4096);

struct latency_val {
	u64 wait_ns;
	u64 wait_slots[DURATION_SLOTS];
	u64 off_ns;
	u64 off_slots[DURATION_SLOTS];
	u64 reading;
};

/* Of the whole host. 408 B x possible CPUs. */
CPU_VALUE(sched_latency, struct latency_val);

/* Of observed processes. 412 B x 1024 x possible CPUs. */
TABLE(proc_latency, struct proc_key, struct latency_val, 1024);

static __always_inline void add_latency(struct latency_val *val, u64 wait, u64 off)
{
	if (wait)
		add_duration(&val->wait_ns, val->wait_slots, wait);
	if (off)
		add_duration(&val->off_ns, val->off_slots, off);
}

static __always_inline void note_latency(u32 tgid, bool observed, u64 wait, u64 off)
{
	static const struct latency_val zero;
	struct proc_key key = {.tgid = tgid};
	struct latency_val *val;

	if (latency_on) {
		val = only_value(&sched_latency);
		if (val) {
			add_latency(val, wait, off);
			val->reading = reading;
		}
	}
	if (!proc_latency_on || !observed)
		return;
	val = row(&proc_latency, &key, &zero);
	if (val) {
		add_latency(val, wait, off);
		val->reading = reading;
	}
}

static __always_inline void note_preemption(struct thread *thread, u32 tgid, u64 ns)
{
	static const struct preemption_val zero;
	struct preemption_key key = {.tgid = tgid, .by = thread->preemptor};
	struct preemption_val *val;

	__builtin_memcpy(key.by_comm, thread->preemptor_comm, TASK_COMM_LEN);
	val = row(&preemptions, &key, &zero);
	if (!val)
		return;
	__sync_fetch_and_add(&val->count, 1);
	__sync_fetch_and_add(&val->ns, ns);
	val->reading = reading;
}

static __always_inline u8 why_off(bool preempted, long state, struct task_struct *task)
{
	if (preempted)
		return OFF_PREEMPTED;
	if (BPF_CORE_READ_BITFIELD(more_of(task), in_iowait))
		return OFF_IOWAIT;
	return state & TASK_UNINTERRUPTIBLE ? OFF_BLOCKED : OFF_SLEEP;
}

/* Whether the kernel adds up itself what the default tables show: then a switch is of interest only for I/O. */
static __always_inline bool kernel_counts(struct task_struct *task)
{
	return !switches_on && bpf_core_field_exists(more_of(task)->sched_info.run_delay);
}

/* A thread that waits for I/O says so until it is back from its wait: others cost a test of one bit. */
static __always_inline void note_iowait(struct task_struct *prev, struct task_struct *next,
					bool preempted)
{
	struct thread *thread;

	if (!preempted && BPF_CORE_READ_BITFIELD(more_of(prev), in_iowait)) {
		thread = thread_of(prev, 0);
		if (thread)
			thread->off_since = bpf_ktime_get_ns();
	}
	if (BPF_CORE_READ_BITFIELD(more_of(next), in_iowait)) {
		thread = thread_of(next, 0);
		if (thread && thread->off_since)
			thread->now[IOWAIT_NS] += bpf_ktime_get_ns() - thread->off_since;
		if (thread)
			thread->off_since = 0;
	}
}

static __always_inline void leaves(struct task_struct *task, struct task_struct *next, bool forced,
				   u64 now)
{
	struct thread *thread = thread_of(task, 0);
	long state = state_of(task);
	bool preempted = forced || state == 0;

	if (!thread)
		return;
	if (sli_on)
		note_long_system(task, thread, now);
	thread->off_since = now;
	thread->ready_since = preempted ? now : 0;
	thread->off = why_off(preempted, state, task);
	thread->now[preempted ? PREEMPTED : VOLUNTARY]++;
	thread->cpu = bpf_get_smp_processor_id();
	if (!preempted || !thread->observed || !(thread_cpu_on || preemption_on))
		return;
	thread->preemptor = next->tgid;
	bpf_core_read_str(thread->preemptor_comm, TASK_COMM_LEN, &next->comm);
}

static __always_inline void enters(struct task_struct *task, u64 now)
{
	struct thread *thread = thread_of(task, 0);
	u64 wait = 0, off = 0;

	if (!thread)
		return;
	if (thread->ready_since) {
		wait = now - thread->ready_since;
		thread->ready_since = 0;
		thread->now[WAIT_NS] += wait;
		thread->now[WAITS]++;
	}
	if (thread->off_since) {
		off = now - thread->off_since;
		thread->now[OFFCPU_NS] += off;
		if (thread->off == OFF_IOWAIT)
			thread->now[IOWAIT_NS] += off;
		if (thread->cpu != bpf_get_smp_processor_id())
			thread->now[MIGRATIONS]++;
	}
	note_latency(task->tgid, thread->observed, wait, off);
	if (sli_on) {
		note_sli_switch(task, thread->off, wait, off);
		note_on_cpu(task, thread, now);
	}
	if (!thread->observed || thread->off != OFF_PREEMPTED || !thread->off_since)
		return;
	if (preemption_on)
		note_preemption(thread, task->tgid, off);
	if (thread_cpu_on)
		raise_max(&thread->preempted_max_ns, off);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(task_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	u64 now;

	if (kernel_counts(prev)) {
		note_iowait(prev, next, preempt);
		return 0;
	}
	now = bpf_ktime_get_ns();
	if (prev->pid)
		leaves(prev, next, preempt, now);
	if (next->pid)
		enters(next, now);
	return 0;
}

static __always_inline void becomes_ready(struct task_struct *task)
{
	struct thread *thread;

	if (kernel_counts(task))
		return;
	thread = thread_of(task, 0);
	if (thread)
		thread->ready_since = bpf_ktime_get_ns();
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(task_wakeup, struct task_struct *task)
{
	becomes_ready(task);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(task_wakeup_new, struct task_struct *task)
{
	becomes_ready(task);
	return 0;
}

static __always_inline void harvest_thread(struct task_struct *task, struct thread *thread,
					   u64 migrations, u64 iowait_ns)
{
	static const struct thread_cpu_val zero;
	struct thread_key key = {.pid = task->pid};
	struct thread_cpu_val *val = row(&thread_cpu, &key, &zero);
	u64 max = __sync_lock_test_and_set(&thread->preempted_max_ns, 0);

	if (!val)
		return;
	add_to(&val->migrations, migrations);
	add_to(&val->iowait_ns, iowait_ns);
	if (max && (val->reading != reading || max > val->off_cpu_ns))
		__builtin_memcpy(val->preemptor, thread->preemptor_comm, TASK_COMM_LEN);
	note_max(&val->off_cpu_ns, max, val->reading != reading);
	val->tgid = task->tgid;
	val->shown = shown_as(task, thread->observed);
	bpf_core_read_str(val->comm, TASK_COMM_LEN, &task->comm);
	val->reading = reading;
}

/* What the kernel has added up for a thread since it came, or since we first saw it. */
static __always_inline void copy_totals(struct task_struct *task, struct thread *thread)
{
	u64 ran = BPF_CORE_READ(more_of(task), se.sum_exec_runtime);
	u64 now = bpf_ktime_get_ns();
	u64 off = now - thread->born, on = ran - thread->ran_before;

	thread->now[WAIT_NS] = BPF_CORE_READ(more_of(task), sched_info.run_delay);
	thread->now[WAITS] = BPF_CORE_READ(more_of(task), sched_info.pcount);
	thread->now[PREEMPTED] = BPF_CORE_READ(more_of(task), nivcsw);
	thread->now[VOLUNTARY] = BPF_CORE_READ(more_of(task), nvcsw);
	thread->now[MIGRATIONS] = BPF_CORE_READ(more_of(task), se.nr_migrations);
	if (thread->born) {
		thread->now[OFFCPU_NS] = off > on ? off - on : 0;
		return;
	}
	thread->born = now;
	thread->ran_before = ran;
	for (int i = WAIT_NS; i <= MIGRATIONS; i++)
		thread->counted[i] = thread->now[i];
}

static __always_inline struct proc_sched_val *name_row(struct proc_sched_val *val,
						       struct task_struct *task, u8 observed)
{
	bpf_core_read_str(val->comm, TASK_COMM_LEN, &task->group_leader->comm);
	val->shown = shown_as(task, observed);
	return val;
}

/* The row of its process. One that comes and goes between two readings has one only if it is observed: thousands of
 * short ones would push out all others, and so are one row, that of process 0.
 */
static __always_inline struct proc_sched_val *sched_row(struct task_struct *task, u8 observed,
							bool living)
{
	static const struct proc_sched_val zero, others = {.comm = "other", .shown = SHOWN_NEVER};
	struct proc_key key = {.tgid = task->tgid};
	struct proc_sched_val *val = living || observed ? row(&proc_sched, &key, &zero)
							: bpf_map_lookup_elem(&proc_sched, &key);

	if (val)
		return name_row(val, task, observed);
	key.tgid = 0;
	return row(&proc_sched, &key, &others);
}

static __always_inline void harvest_sched(struct task_struct *task, struct thread *thread,
					  bool living)
{
	struct proc_sched_val *val = sched_on ? sched_row(task, thread->observed, living) : NULL;
	u64 gained, migrations = 0, iowait_ns = 0;

	if (sched_on && !val)
		return;
	if (kernel_counts(task))
		copy_totals(task, thread);
	for (int i = 0; i < TOTALS; i++) {
		gained = take_new(&thread->now[i], &thread->counted[i]);
		if (i == MIGRATIONS)
			migrations = gained;
		if (i == IOWAIT_NS)
			iowait_ns = gained;
		if (val)
			add_to((u64 *)val + i, gained);
	}
	if (val)
		val->reading = reading;
	if (thread_cpu_on && thread->observed)
		harvest_thread(task, thread, migrations, iowait_ns);
}

KEEP_LIVING(proc_latency, struct latency_val)
KEEP_LIVING(preemptions, struct preemption_val)

static __always_inline void keep_sched_rows(void)
{
	if (proc_latency_on)
		bpf_for_each_map_elem(&proc_latency, keep_proc_latency, NULL, 0);
	if (preemption_on)
		bpf_for_each_map_elem(&preemptions, keep_preemptions, NULL, 0);
}
