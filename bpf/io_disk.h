/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Per disk: how long requests take as a whole, in the driver's queue and in the device; bytes and errors. */
#pragma once

const volatile bool disk_on = true; /* set before load */
const volatile bool count_on = true;

struct disk_key {
	u32 major;
	u32 first_minor;
};

/* Each stage has the fields of struct stage in a row. */
struct disk_val {
	u64 req_max;
	u64 req_last;
	u64 req_sum;
	u64 req_jitter;
	u64 req_count;
	u64 flush_max;
	u64 flush_last;
	u64 flush_sum;
	u64 flush_jitter;
	u64 flush_count;
	u64 driver_max;
	u64 driver_last;
	u64 driver_sum;
	u64 driver_jitter;
	u64 driver_count;
	u64 device_max;
	u64 device_last;
	u64 device_sum;
	u64 device_jitter;
	u64 device_count;
	u64 req_slots[DURATION_SLOTS];
	u64 flush_slots[DURATION_SLOTS];
	u64 driver_slots[DURATION_SLOTS];
	u64 device_slots[DURATION_SLOTS];
	u64 read_bytes;
	u64 write_bytes;
	u64 errors;
	u64 last_errno;
	u64 accessed; /* this and the next three: as enum page_count of io_page.h */
	u64 buffers_dirtied;
	u64 loaded;
	u64 dirtied;
	u64 scsi_timeouts;
	u64 scsi_errors;
	u64 period;
	char name[DISK_NAME_LEN];
};

struct stage {
	u64 max; /* of the period; so is jitter: the largest difference to the one before */
	u64 last;
	u64 sum;
	u64 jitter;
	u64 count;
};

/* 1.1 KiB x 512. */
SPARSE_TABLE(disks, struct disk_key, struct disk_val, 512);

/* Requests at their devices. 16 B x 16384. */
IN_FLIGHT(issued, flight);

static __always_inline struct disk_val *named_disk(struct disk_key key, struct gendisk *disk)
{
	static const struct disk_val zero;
	struct disk_val *val = row(&disks, &key, &zero);

	if (val && !val->name[0])
		bpf_core_read_str(val->name, sizeof(val->name), &disk->disk_name);
	return val;
}

static __always_inline struct disk_val *disk_row(struct gendisk *disk)
{
	struct disk_key key = {};

	if (!disk)
		return NULL;
	key.major = BPF_CORE_READ(disk, major);
	key.first_minor = BPF_CORE_READ(disk, first_minor);
	return named_disk(key, disk);
}

/* The same for a pointer that the verifier knows: loads instead of helpers, of which a request would take twenty. */
static __always_inline struct disk_val *known_disk_row(struct gendisk *disk)
{
	struct disk_key key = {};

	if (!disk)
		return NULL;
	key.major = disk->major;
	key.first_minor = disk->first_minor;
	return named_disk(key, disk);
}

static __always_inline void clear_longest(struct disk_val *val)
{
	val->req_max = val->req_jitter = 0;
	val->flush_max = val->flush_jitter = 0;
	val->driver_max = val->driver_jitter = 0;
	val->device_max = val->device_jitter = 0;
}

static long end_disk_period(void *unused, void *key, struct disk_val *val, void *context)
{
	if (val->period != reading)
		clear_longest(val);
	return 0;
}

static __always_inline void note_stage(struct stage *stage, u64 *slots, u64 ns)
{
	u32 slot = duration_slot(ns);
	u64 last = stage->last;

	if (stage->count)
		raise_max(&stage->jitter, ns > last ? ns - last : last - ns);
	raise_max(&stage->max, ns);
	stage->last = ns;
	__sync_fetch_and_add(&stage->sum, ns);
	__sync_fetch_and_add(&stage->count, 1);
	if (slot < DURATION_SLOTS)
		__sync_fetch_and_add(&slots[slot], 1);
}

/* What the kernel's blk_status_to_errno() makes of it. */
static __always_inline u32 errno_of(u8 status)
{
	switch (status) {
	case 1:
		return 95; /* EOPNOTSUPP */
	case 2:
		return 110; /* ETIMEDOUT */
	case 3:
		return 28; /* ENOSPC */
	case 4:
		return 67; /* ENOLINK */
	case 5:
		return 121; /* EREMOTEIO */
	case 6:
		return 52; /* EBADE */
	case 7:
		return 61; /* ENODATA */
	case 8:
		return 84; /* EILSEQ */
	case 9:
		return 12; /* ENOMEM */
	case 12:
		return 11; /* EAGAIN */
	}
	return 5; /* EIO */
}

static __always_inline void note_issue(struct request *rq)
{
	begin_flight(&issued, sizeof(struct flight), (u64)rq, bpf_ktime_get_ns());
}

static __always_inline void note_stages(struct disk_val *val, struct request *rq, u64 issue,
					u64 now)
{
	u64 start = rq->start_time_ns;

	if (!start || start > issue)
		start = issue; /* statistics of the queue are off */
	if ((rq->cmd_flags & REQ_OP_MASK) == REQ_OP_FLUSH) {
		note_stage((struct stage *)&val->flush_max, val->flush_slots, now - start);
		return;
	}
	note_stage((struct stage *)&val->req_max, val->req_slots, now - start);
	note_stage((struct stage *)&val->driver_max, val->driver_slots, issue - start);
	note_stage((struct stage *)&val->device_max, val->device_slots, now - issue);
}

static __always_inline struct disk_val *disk_row_of(struct request *rq)
{
	if (bpf_core_field_exists(rq->q->disk))
		return known_disk_row(rq->q->disk);
	return disk_row(disk_of(rq));
}

/* The kernel completes a request in parts; the last part has all bytes that are left. */
static __always_inline void complete_request(struct request *rq, u8 status, unsigned int bytes,
					     u64 now)
{
	struct disk_val *val = disk_row_of(rq);
	struct flight *issue;

	if (!val)
		return;
	if (status) {
		__sync_fetch_and_add(&val->errors, 1);
		val->last_errno = errno_of(status);
	}
	if (bytes < rq->__data_len)
		return;
	issue = find_flight(&issued, sizeof(*issue), (u64)rq);
	if (!issue)
		return; /* older than we are */
	if (val->period != reading) {
		clear_longest(val);
		val->period = reading;
	}
	note_stages(val, rq, issue->since, now);
	end_flight(issue);
}

static __always_inline bool is_write(u32 operation)
{
	return operation == REQ_OP_WRITE || operation == REQ_OP_ZONE_APPEND;
}

static __always_inline void count_bytes(struct bio *bio)
{
	u32 operation = bio->bi_opf & REQ_OP_MASK;
	u32 bytes = bio->bi_iter.bi_size;
	struct disk_val *val;

	if (!bytes || (operation != REQ_OP_READ && !is_write(operation)))
		return;
	val = known_disk_row(bio->bi_bdev->bd_disk);
	if (val)
		__sync_fetch_and_add(is_write(operation) ? &val->write_bytes : &val->read_bytes,
				     bytes);
}
