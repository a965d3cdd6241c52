/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Processes as /proc/PID/{stat,io,limits,fd} tell them, one record each, read from the task structure.
 *
 * Runs only when the agent reads it, and keeps nothing: no memory in the kernel. CPU time is handed over as it is
 * counted; the agent splits it as the kernel does for /proc, see src/sys/cpu_split.ts.
 */
#include "probe.h"

struct proc_record {
	u32 tgid;
	u32 ppid;
	u32 pgid;
	u32 flags;
	s32 priority;
	s32 nice;
	u32 threads;
	u32 cpu;
	u32 fds;
	/* Set for what the agent has to take from /proc. */
	u8 lacks_threads;
	u8 lacks_fds;
	u8 lacks_io;
	u8 padding;
	char comm[16];
	u64 start_ns;	 /* since boot */
	u64 start_stack; /* changes with exec */
	u64 cgroups;	 /* which set of them: another after a move */
	u64 utime_ns;	 /* as counted by ticks, ended threads included */
	u64 stime_ns;
	u64 runtime_ns;	    /* as measured */
	u64 shown_utime_ns; /* as somebody read it last */
	u64 shown_stime_ns;
	u64 children_utime_ns;
	u64 children_stime_ns;
	u64 minor_faults;
	u64 major_faults;
	u64 size_pages;
	u64 resident_pages;
	u64 fd_limit;
	struct task_io_accounting io;
};

RECORD(proc_record);

/* Beyond these the agent asks /proc: the verifier walks every turn of a loop. */
enum { MAX_THREADS = 512, MAX_FD_WORDS = 512 };

static __always_inline void add_io(struct task_io_accounting *sum,
				   const struct task_io_accounting *more)
{
	sum->rchar += more->rchar;
	sum->wchar += more->wchar;
	sum->syscr += more->syscr;
	sum->syscw += more->syscw;
	sum->read_bytes += more->read_bytes;
	sum->write_bytes += more->write_bytes;
	sum->cancelled_write_bytes += more->cancelled_write_bytes;
}

/* A thread that the verifier does not know as one: each field is copied by a helper, at some 20 ns. */
static __always_inline void add_thread(struct proc_record *record, struct task_struct *thread)
{
	struct task_io_accounting io = {};

	record->utime_ns += BPF_CORE_READ(thread, utime);
	record->stime_ns += BPF_CORE_READ(thread, stime);
	record->runtime_ns += BPF_CORE_READ(thread, se.sum_exec_runtime);
	record->minor_faults += BPF_CORE_READ(thread, min_flt);
	record->major_faults += BPF_CORE_READ(thread, maj_flt);
	bpf_core_read(&io, sizeof(io), &thread->ioac);
	add_io(&record->io, &io);
}

/* Kernels may be built without either half. */
static __always_inline bool has_io(struct task_struct *task)
{
	return bpf_core_field_exists(task->ioac.rchar) &&
	       bpf_core_field_exists(task->ioac.read_bytes);
}

/* The first thread, whose fields can be read as they stand. */
static __always_inline void add_leader(struct proc_record *record, struct task_struct *leader)
{
	record->utime_ns += leader->utime;
	record->stime_ns += leader->stime;
	record->runtime_ns += leader->se.sum_exec_runtime;
	record->minor_faults += leader->min_flt;
	record->major_faults += leader->maj_flt;
	if (has_io(leader))
		add_io(&record->io, &leader->ioac);
}

static __always_inline void add_others(struct proc_record *record, struct task_struct *leader,
				       struct signal_struct *signal)
{
	u64 head = (u64)&signal->thread_head;
	u64 first = (u64)&leader->thread_node;
	struct list_head *node = signal->thread_head.next;
	struct task_struct *thread;
	int i;

	for (i = 0; i < MAX_THREADS; i++) {
		if ((u64)node == head || !node)
			return;
		thread = (void *)node - bpf_core_field_offset(struct task_struct, thread_node);
		if ((u64)node != first)
			add_thread(record, thread);
		node = BPF_CORE_READ(thread, thread_node.next);
	}
	record->lacks_threads = 1;
}

static __always_inline u32 bits(u64 word)
{
	word -= word >> 1 & 0x5555555555555555;
	word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return word * 0x0101010101010101 >> 56;
}

static __always_inline void count_fds(struct proc_record *record, struct files_struct *files)
{
	unsigned long *words, word;
	u32 i, count;

	if (!files) /* a zombie, or a kernel thread */
		return;
	count = files->fdt->max_fds / 64;
	words = files->fdt->open_fds;
	if (count > MAX_FD_WORDS)
		record->lacks_fds = 1;
	for (i = 0; i < MAX_FD_WORDS; i++) {
		if (i >= count)
			return;
		if (bpf_probe_read_kernel(&word, sizeof(word), words + i))
			return;
		record->fds += bits(word);
	}
}

static __always_inline void fill_memory(struct proc_record *record, struct mm_struct *mm)
{
	if (!mm || record->flags & PF_KTHREAD) /* which may have borrowed one */
		return;
	record->start_stack = mm->start_stack;
	record->size_pages = mm->total_vm;
	record->resident_pages = resident_pages(mm);
}

/* Whatever threads share; ended threads left their part here. */
static __always_inline void fill_shared(struct proc_record *record, struct signal_struct *signal)
{
	record->threads = signal->nr_threads;
	record->pgid = BPF_CORE_READ(signal->pids[PIDTYPE_PGID], numbers[0].nr);
	record->utime_ns = signal->utime;
	record->stime_ns = signal->stime;
	record->runtime_ns = signal->sum_sched_runtime;
	if (bpf_core_field_exists(signal->prev_cputime)) {
		record->shown_utime_ns = signal->prev_cputime.utime;
		record->shown_stime_ns = signal->prev_cputime.stime;
	}
	record->children_utime_ns = signal->cutime;
	record->children_stime_ns = signal->cstime;
	record->minor_faults = signal->min_flt;
	record->major_faults = signal->maj_flt;
	record->fd_limit = signal->rlim[RLIMIT_NOFILE].rlim_cur;
	if (bpf_core_field_exists(signal->ioac.rchar) &&
	    bpf_core_field_exists(signal->ioac.read_bytes))
		add_io(&record->io, &signal->ioac);
}

SEC("iter/task")
int proc_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct proc_record record = {};

	if (!task || task->pid != task->tgid)
		return 0;
	record.tgid = task->tgid;
	record.ppid = task->real_parent->tgid;
	record.flags = task->flags;
	record.priority = task->prio - 100;
	record.nice = task->static_prio - 120;
	record.cpu = task_cpu(task);
	record.start_ns = task->start_boottime;
	bpf_core_read(&record.comm, sizeof(record.comm), &task->comm);
	if (bpf_core_field_exists(task->cgroups))
		record.cgroups = (u64)task->cgroups;
	record.lacks_io = !has_io(task);
	fill_shared(&record, task->signal);
	add_leader(&record, task);
	if (record.threads > 1)
		add_others(&record, task, task->signal);
	fill_memory(&record, task->mm);
	count_fds(&record, task->files);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}
