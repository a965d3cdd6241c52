/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Block devices: how long requests take and where, what processes read and write, and the page cache above.
 *
 * Memory: at the maps' definitions, allocated as rows come.
 */
#include "probe.h"
#include "kernel_block.h"
#include "duration.h"
#include "in_flight.h"
#include "observe.h"

/* Number of the current period, which ends with a reading. */
u64 reading = 1;

#include "io_disk.h"
#include "io_sli.h"
#include "io_process.h"
#include "io_page.h"

static __always_inline void keep_rows(struct task_struct *task)
{
	struct proc_io_key io_key = {.tgid = task->tgid};
	struct page_key page_key = {.tgid = task->tgid};
	struct thread_io_key thread_key = {.pid = task->pid};
	struct proc_io_val *io_val = bpf_map_lookup_elem(&proc_io, &io_key);
	struct thread_io_val *thread_val = bpf_map_lookup_elem(&thread_io, &thread_key);
	struct proc_page_val *page_val = bpf_map_lookup_elem(&proc_page, &page_key);

	if (io_val)
		io_val->reading = reading;
	if (thread_val)
		thread_val->reading = reading;
	if (page_val)
		page_val->reading = reading;
	if (task->pid != task->tgid) /* what follows is asked once a process */
		return;
	if (io_val)
		io_val->shown = shown_as(task, is_observed(task));
	if (page_val)
		page_val->shown = shown_as(task, is_observed(task));
}

/* The agent's reading: rows of what lives are kept, and the period ends. */
SEC("iter/task")
int io_reading(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task) {
		if (process_on || page_process_on)
			keep_rows(task);
		if (sli_on)
			keep_sli(&sli_io_containers, task);
		return 0;
	}
	bpf_for_each_map_elem(&disks, end_disk_period, NULL, 0);
	bpf_for_each_map_elem(&proc_io, end_proc_io_period, NULL, 0);
	bpf_for_each_map_elem(&proc_page, end_proc_page_period, NULL, 0);
	reading++;
	return 0;
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(io_issue, struct request *rq)
{
	note_issue(rq);
	return 0;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(io_complete, struct request *rq, int error, unsigned int bytes)
{
	u64 now = bpf_ktime_get_ns();
	u8 status = error;

	if (disk_on)
		complete_request(rq, status, bytes, now);
	if (process_on)
		complete_bios(rq, status, bytes, now);
	return 0;
}

SEC("tp_btf/block_bio_queue")
int BPF_PROG(io_queue, struct bio *bio)
{
	if (count_on)
		count_bytes(bio);
	if (process_on)
		queue_bio(bio);
	return 0;
}

static __always_inline struct disk_val *disk_of_command(struct scsi_cmnd *command)
{
	return disk_row(BPF_CORE_READ(command, device, request_queue, disk));
}

SEC("tp_btf/scsi_dispatch_cmd_timeout")
int BPF_PROG(io_scsi_timeout, struct scsi_cmnd *command)
{
	struct disk_val *val = disk_of_command(command);

	if (val)
		__sync_fetch_and_add(&val->scsi_timeouts, 1);
	return 0;
}

SEC("tp_btf/scsi_dispatch_cmd_error")
int BPF_PROG(io_scsi_error, struct scsi_cmnd *command, int result)
{
	struct disk_val *val = disk_of_command(command);

	if (val)
		__sync_fetch_and_add(&val->scsi_errors, 1);
	return 0;
}

/* Of devices without requests: device mapper, md. */
SEC("tp_btf/block_bio_complete")
int BPF_PROG(io_bio_complete, struct request_queue *queue, struct bio *bio)
{
	complete_bio(bio, 0, bpf_ktime_get_ns());
	return 0;
}
