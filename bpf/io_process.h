/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Per process and thread: bios that it queued itself. What is written back later is the kernel's own threads'. */
#pragma once

const volatile bool process_on = true; /* set before load */
const volatile bool thread_on = false;

enum { SMALL_BYTES = 4096, MAX_BIOS = 256 };

struct proc_io_key {
	u32 tgid;
};

struct proc_io_val {
	u64 small_reads;
	u64 small_writes;
	u64 large_reads;
	u64 large_writes;
	u64 errors;
	u64 hangs;
	u64 max_ns; /* of the period */
	u64 period;
	u64 reading;
	char comm[TASK_COMM_LEN];
	u64 shown; /* as the enum in observe.h */
};

/* The one that was idle longest goes when it is full. 100 B x 8192. */
RECENT(proc_io, struct proc_io_key, struct proc_io_val, 8192);

struct thread_io_key {
	u32 pid;
};

struct thread_io_val {
	u64 read_bytes;
	u64 write_bytes;
	u64 errors;
	u64 hangs;
	u64 reading;
	u32 tgid;
	char comm[TASK_COMM_LEN];
	u64 shown; /* as the enum in observe.h */
};

/* 76 B x 8192. */
RECENT(thread_io, struct thread_io_key, struct thread_io_val, 8192);

struct queued_bio {
	u64 address;
	u64 since;
	u64 cgroup;
	u32 tgid;
	u32 pid;
	u32 bytes;
	u8 is_write;
	u8 observed;
};

/* 40 B x 16384. */
IN_FLIGHT(queued, queued_bio);

static long end_proc_io_period(void *unused, void *key, struct proc_io_val *val, void *context)
{
	if (val->period != reading)
		val->max_ns = 0;
	return 0;
}

static __always_inline struct proc_io_val *proc_io_row(u32 tgid)
{
	static const struct proc_io_val zero;
	struct proc_io_key key = {.tgid = tgid};
	struct proc_io_val *val = row(&proc_io, &key, &zero);

	if (val)
		val->reading = reading;
	return val;
}

static __always_inline struct thread_io_val *thread_io_row(u32 pid)
{
	static const struct thread_io_val zero;
	struct thread_io_key key = {.pid = pid};
	struct thread_io_val *val = row(&thread_io, &key, &zero);

	if (val)
		val->reading = reading;
	return val;
}

static __always_inline void name_thread(struct task_struct *task, u8 observed)
{
	struct thread_io_val *val = thread_io_row(task->pid);

	if (!val)
		return;
	val->tgid = task->tgid;
	val->shown = shown_as(task, observed);
	bpf_core_read_str(val->comm, sizeof(val->comm), &task->comm);
}

static __always_inline bool is_renamed(const struct proc_io_val *val, struct task_struct *task)
{
	u64 name = 0;

	if (task->pid != task->tgid)
		return false;
	bpf_core_read(&name, sizeof(name), &task->comm);
	return *(const u64 *)val->comm != name;
}

static __always_inline void name_process(struct proc_io_val *val, struct task_struct *task)
{
	val->reading = reading;
	val->shown = shown_as(task, is_observed(task));
	bpf_core_read_str(val->comm, sizeof(val->comm), &task->group_leader->comm);
}

static __always_inline void count_bio(struct proc_io_val *val, u32 bytes, bool write)
{
	bool small = bytes < SMALL_BYTES;

	if (write)
		__sync_fetch_and_add(small ? &val->small_writes : &val->large_writes, 1);
	else
		__sync_fetch_and_add(small ? &val->small_reads : &val->large_reads, 1);
}

static __always_inline void queue_bio(struct bio *bio)
{
	static const struct proc_io_val zero;
	struct task_struct *task = bpf_get_current_task_btf();
	struct proc_io_key key = {.tgid = task->tgid};
	u32 operation = bio->bi_opf & REQ_OP_MASK;
	u32 bytes = bio->bi_iter.bi_size;
	struct queued_bio *queue;
	struct proc_io_val *val;

	if (!bytes || (operation != REQ_OP_READ && !is_write(operation)))
		return;
	val = row(&proc_io, &key, &zero);
	if (!val)
		return;
	count_bio(val, bytes, is_write(operation));
	/* Once a period, and when it starts another program: what exec reads is still read in the old name. */
	if (val->reading != reading || !val->comm[0] || is_renamed(val, task))
		name_process(val, task);
	queue = begin_flight(&queued, sizeof(*queue), (u64)bio, bpf_ktime_get_ns());
	if (!queue)
		return;
	queue->tgid = task->tgid;
	queue->pid = task->pid;
	queue->bytes = bytes;
	queue->is_write = is_write(operation);
	queue->cgroup = sli_on ? queueing_cgroup(task) : 0;
	queue->observed = thread_on ? is_observed(task) : 0;
	if (queue->observed)
		name_thread(task, queue->observed);
}

static __always_inline void complete_bio_of_thread(struct queued_bio *bio, bool failed)
{
	struct thread_io_val *val = thread_io_row(bio->pid);

	if (!val)
		return;
	__sync_fetch_and_add(bio->is_write ? &val->write_bytes : &val->read_bytes, bio->bytes);
	__sync_fetch_and_add(&val->errors, failed);
}

static __always_inline void complete_bio(struct bio *bio, u8 status, u64 now)
{
	struct queued_bio *queue = find_flight(&queued, sizeof(*queue), (u64)bio);
	struct proc_io_val *val;

	if (!queue)
		return;
	val = proc_io_row(queue->tgid);
	if (val) {
		note_max(&val->max_ns, now - queue->since, val->period != reading);
		val->period = reading;
		if (status)
			__sync_fetch_and_add(&val->errors, 1);
	}
	if (sli_on)
		note_sli_bio(queue->cgroup, now - queue->since);
	if (queue->observed)
		complete_bio_of_thread(queue, status != 0);
	end_flight(queue);
}

struct bio_walk {
	struct bio *bio;
	u32 bytes;
	u8 status;
	u64 now;
};

static long next_bio(u64 index, struct bio_walk *walk)
{
	struct bio *bio = walk->bio;
	u32 size;

	if (!bio)
		return 1;
	size = BPF_CORE_READ(bio, bi_iter.bi_size);
	if (size > walk->bytes)
		return 1;
	walk->bytes -= size;
	walk->bio = BPF_CORE_READ(bio, bi_next);
	complete_bio(bio, walk->status, walk->now);
	return 0;
}

/* The bios that these bytes of a request are for. */
static __always_inline void complete_bios(struct request *rq, u8 status, unsigned int bytes,
					  u64 now)
{
	struct bio_walk walk = {.bio = rq->bio, .bytes = bytes, .status = status, .now = now};

	if (rq->bio && !rq->bio->bi_next) { /* most often */
		if (rq->bio->bi_iter.bi_size <= bytes)
			complete_bio(rq->bio, status, now);
		return;
	}
	bpf_loop(MAX_BIOS, next_bio, &walk, 0);
}

/* A thread that waited for so long that the kernel's watchdog reports it. */
SEC("tp_btf/sched_process_hang")
int BPF_PROG(io_hang, struct task_struct *task)
{
	struct proc_io_val *val = proc_io_row(task->tgid);
	struct thread_io_val *thread;
	u8 observed;

	if (val) {
		__sync_fetch_and_add(&val->hangs, 1);
		bpf_core_read_str(val->comm, sizeof(val->comm), &task->group_leader->comm);
	}
	observed = thread_on ? is_observed(task) : 0;
	if (!observed)
		return 0;
	name_thread(task, observed);
	thread = thread_io_row(task->pid);
	if (thread)
		__sync_fetch_and_add(&thread->hangs, 1);
	return 0;
}
