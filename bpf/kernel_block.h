/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Kernel types of block devices and page cache, and what kernels differ in. */
#pragma once

#include "kernel_task.h"

enum { DISK_NAME_LEN = 32 };

enum {
	REQ_OP_MASK = 0xff,
	REQ_OP_READ = 0,
	REQ_OP_WRITE = 1,
	REQ_OP_FLUSH = 2,
	REQ_OP_ZONE_APPEND = 7,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct gendisk {
	int major;
	int first_minor;
	char disk_name[DISK_NAME_LEN];
};

struct block_device {
	struct gendisk *bd_disk;
};

struct request_queue {
	struct gendisk *disk;
};

struct bvec_iter {
	unsigned int bi_size;
};

struct bio {
	struct bio *bi_next;
	struct block_device *bi_bdev;
	u32 bi_opf;
	struct bvec_iter bi_iter;
};

struct request {
	struct request_queue *q;
	u32 cmd_flags;
	unsigned int __data_len;
	struct bio *bio;
	u64 start_time_ns;
};

struct scsi_device {
	struct request_queue *request_queue;
};

struct scsi_cmnd {
	struct scsi_device *device;
};

struct buffer_head {
	struct block_device *b_bdev;
};

struct super_block___io {
	struct block_device *s_bdev;
};

struct inode___io {
	u16 i_mode;
	u32 i_rdev;
	struct super_block___io *i_sb;
};

struct address_space {
	struct inode___io *host;
};

struct folio {
	struct address_space *mapping;
	unsigned int _nr_pages;
};

/* The number of pages had another name before 6.15 (commit 4996fc547f5b). */
struct folio___before_6_15 {
	unsigned int _folio_nr_pages;
};

/* The disk stood in the request before 5.17 (commit f3fa33acca9f). */
struct request___before_5_17 {
	struct gendisk *rq_disk;
};

enum pageflags___any { PG_head___any = 6 };

#pragma clang attribute pop

static __always_inline struct gendisk *disk_of(struct request *rq)
{
	struct request___before_5_17 *old = (void *)rq;

	if (bpf_core_field_exists(old->rq_disk))
		return BPF_CORE_READ(old, rq_disk);
	return BPF_CORE_READ(rq, q, disk);
}

static __always_inline u64 pages_of(struct folio *folio)
{
	struct folio___before_6_15 *old = (void *)folio;
	unsigned long flags = 0;
	u64 pages = 1;

	bpf_probe_read_kernel(&flags, sizeof(flags),
			      folio); /* first, whatever its type is called */
	if (!(flags >> bpf_core_enum_value(enum pageflags___any, PG_head___any) & 1))
		return 1;
	if (bpf_core_field_exists(folio->_nr_pages))
		pages = BPF_CORE_READ(folio, _nr_pages);
	else if (bpf_core_field_exists(old->_folio_nr_pages))
		pages = BPF_CORE_READ(old, _folio_nr_pages);
	return pages;
}
