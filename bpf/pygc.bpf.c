/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How long collections of CPython's garbage collector take, from its marks gc__start and gc__done. Only interpreters with
 * these marks, or with a name for gc_collect_main, are seen.
 *
 * Memory: 80 B for each thread that collected; 320 B x 4096, allocated as rows come.
 */
#include "probe.h"
#include "kernel_task.h"
#include "duration.h"
#include "registers.h"

/* DEPTH: a collection runs finalizers, and these may run another interpreter of the process, which collects too. */
enum { DEPTH = 4, FRAME_BYTES = 1024 };

/* Number of the current period, which ends with a reading. */
u64 reading = 1;

struct collector {
	u64 open;
	u64 since[DEPTH]; /* 0: does not count */
	u64 stack[DEPTH]; /* pointer to it: a call within has a lower one */
};

/* Of a thread; gone with it, so that a collection that never ends is no other thread's. */
TASK_STORAGE(collectors, struct collector);

struct proc_pygc_key {
	u32 tgid;
};

struct proc_pygc_val {
	u64 count;
	u64 ns;
	u64 max_ns; /* of the period */
	u64 period;
	u64 reading;
	u64 slots[DURATION_SLOTS];
	char comm[TASK_COMM_LEN];
};

SPARSE_TABLE(proc_pygc, struct proc_pygc_key, struct proc_pygc_val, 4096);

/* Drops collections whose frames were left without an end, by a jump out of them; and the first of two beginnings of the
 * same one: a file that two overlays show is hooked twice.
 */
static __always_inline void drop_below(struct collector *collector, u64 stack)
{
	for (int i = 0; i < DEPTH; i++) {
		u64 last = collector->open - 1;

		if (last >= DEPTH || collector->stack[last] > stack)
			return;
		collector->open = last;
	}
}

static __always_inline int begin(struct pt_regs___call *regs, bool inner_counts)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct collector *collector;
	u64 stack = STACK_POINTER(regs);
	u64 open;

	collector = bpf_task_storage_get(&collectors, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!collector) {
		count_table_full();
		return 0;
	}
	drop_below(collector, stack);
	open = collector->open;
	if (open >= DEPTH) {
		count_table_full();
		return 0;
	}
	collector->since[open] = !open || inner_counts ? bpf_ktime_get_ns() : 0;
	collector->stack[open] = stack;
	collector->open = open + 1;
	return 0;
}

SEC("uprobe")
int pygc_begin(struct pt_regs___call *regs)
{
	return begin(regs, true);
}

/* Of the function, which from 3.13 on is also called within a collection of the same interpreter, and then returns. */
SEC("uprobe")
int pygc_enter(struct pt_regs___call *regs)
{
	return begin(regs, false);
}

static __always_inline void note_collection(u64 ns)
{
	static const struct proc_pygc_val zero;
	struct proc_pygc_key key = {.tgid = bpf_get_current_pid_tgid() >> 32};
	struct proc_pygc_val *val = row(&proc_pygc, &key, &zero);
	u32 slot = duration_slot(ns);

	if (!val)
		return;
	if (val->period != reading)
		val->max_ns = 0;
	val->period = val->reading = reading;
	raise_max(&val->max_ns, ns);
	__sync_fetch_and_add(&val->count, 1);
	__sync_fetch_and_add(&val->ns, ns);
	if (slot < DURATION_SLOTS)
		__sync_fetch_and_add(&val->slots[slot], 1);
	bpf_get_current_comm(val->comm, sizeof(val->comm));
}

SEC("uprobe")
int pygc_end(struct pt_regs___call *regs)
{
	u64 now = bpf_ktime_get_ns(), stack = STACK_POINTER(regs);
	struct task_struct *task = bpf_get_current_task_btf();
	struct collector *collector;
	u64 last;

	collector = bpf_task_storage_get(&collectors, task, NULL, 0);
	if (!collector)
		return 0;
	/* Both are in the same frame, at nearly the same height; one within another is much lower. */
	drop_below(collector, stack - FRAME_BYTES);
	last = collector->open - 1;
	/* Of one that began unseen. */
	if (last >= DEPTH || collector->stack[last] > stack + FRAME_BYTES)
		return 0;
	collector->open = last;
	if (collector->since[last])
		note_collection(now - collector->since[last]);
	return 0;
}

static long end_period(void *unused, void *key, struct proc_pygc_val *val, void *context)
{
	if (val->period != reading)
		val->max_ns = 0;
	return 0;
}

/* The agent's reading: what lives is kept, and the period ends. */
SEC("iter/task")
int pygc_reading(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct proc_pygc_key key = {};
	struct proc_pygc_val *val;

	if (!task) {
		bpf_for_each_map_elem(&proc_pygc, end_period, NULL, 0);
		reading++;
		return 0;
	}
	key.tgid = task->tgid;
	val = bpf_map_lookup_elem(&proc_pygc, &key);
	if (val)
		val->reading = reading;
	return 0;
}
