/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The page cache, per disk and per process, and direct reclaim. */
#pragma once

const volatile bool page_disk_on = false; /* set before load */
const volatile bool page_process_on = false;

struct page_key {
	u32 tgid;
};

struct proc_page_val {
	u64 accessed; /* this and the next three: as enum page_count */
	u64 buffers_dirtied;
	u64 loaded;
	u64 dirtied;
	u64 reclaims;
	u64 reclaim_ns;
	u64 reclaim_max_ns; /* of the period */
	u64 period;
	u64 reading;
	char comm[TASK_COMM_LEN];
	u64 shown; /* as the enum in observe.h */
};

/* 100 B x 8192. */
RECENT(proc_page, struct page_key, struct proc_page_val, 8192);

/* Since when a thread reclaims memory. */
STATE(reclaiming, u32, u64, 4096);

static long end_proc_page_period(void *unused, void *key, struct proc_page_val *val, void *context)
{
	if (val->period != reading)
		val->reclaim_max_ns = 0;
	return 0;
}

static __always_inline struct proc_page_val *proc_page_row(void)
{
	static const struct proc_page_val zero;
	struct task_struct *task = bpf_get_current_task_btf();
	struct page_key key = {.tgid = task->tgid};
	struct proc_page_val *val = row(&proc_page, &key, &zero);

	if (!val)
		return NULL;
	if (!val->comm[0])
		val->shown = shown_as(task, is_observed(task));
	bpf_core_read_str(val->comm, sizeof(val->comm), &task->group_leader->comm);
	val->reading = reading;
	return val;
}

enum { S_IFMT = 0170000, S_IFBLK = 0060000, MINOR_BITS = 20 };

/* The disk below a file, or that the file is; its row must be there for the latter. */
static __always_inline struct disk_val *disk_of_mapping(struct address_space *mapping)
{
	struct disk_key key = {};
	struct inode___io *inode;
	u32 device;

	if (!mapping)
		return NULL;
	inode = BPF_CORE_READ(mapping, host);
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFBLK)
		return disk_row(BPF_CORE_READ(inode, i_sb, s_bdev, bd_disk));
	device = BPF_CORE_READ(inode, i_rdev);
	key.major = device >> MINOR_BITS;
	key.first_minor = device & ((1 << MINOR_BITS) - 1);
	return bpf_map_lookup_elem(&disks, &key);
}

/* In the order in which both the rows of processes and those of disks have them. */
enum page_count { ACCESSED, BUFFERS_DIRTIED, LOADED, DIRTIED };

static __always_inline void add_pages(enum page_count count, u64 pages, struct disk_val *disk)
{
	struct proc_page_val *val = page_process_on ? proc_page_row() : NULL;

	if (val)
		__sync_fetch_and_add(&val->accessed + count, pages);
	if (disk)
		__sync_fetch_and_add(&disk->accessed + count, pages);
}

SEC("tp_btf/mm_filemap_get_pages")
int BPF_PROG(io_page_access, struct address_space *mapping, unsigned long first, unsigned long last)
{
	u64 pages = last >= first ? last - first + 1 : 1;

	add_pages(ACCESSED, pages, page_disk_on ? disk_of_mapping(mapping) : NULL);
	return 0;
}

SEC("tp_btf/block_dirty_buffer")
int BPF_PROG(io_buffer_dirty, struct buffer_head *buffer)
{
	add_pages(BUFFERS_DIRTIED, 1,
		  page_disk_on ? disk_row(BPF_CORE_READ(buffer, b_bdev, bd_disk)) : NULL);
	return 0;
}

SEC("tp_btf/mm_filemap_add_to_page_cache")
int BPF_PROG(io_page_load, struct folio *folio)
{
	if (folio) /* 6.14 and later ask for this check */
		add_pages(LOADED, pages_of(folio),
			  page_disk_on ? disk_of_mapping(BPF_CORE_READ(folio, mapping)) : NULL);
	return 0;
}

SEC("tp_btf/writeback_dirty_folio")
int BPF_PROG(io_page_dirty, struct folio *folio, struct address_space *mapping)
{
	if (folio) /* as above */
		add_pages(DIRTIED, pages_of(folio), page_disk_on ? disk_of_mapping(mapping) : NULL);
	return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(io_reclaim_begin)
{
	u32 pid = bpf_get_current_pid_tgid();
	u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&reclaiming, &pid, &now, BPF_ANY);
	return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(io_reclaim_end)
{
	u32 pid = bpf_get_current_pid_tgid();
	u64 *since = bpf_map_lookup_elem(&reclaiming, &pid);
	struct proc_page_val *val;
	u64 ns;

	if (!since)
		return 0;
	ns = bpf_ktime_get_ns() - *since;
	bpf_map_delete_elem(&reclaiming, &pid);
	val = proc_page_row();
	if (!val)
		return 0;
	note_max(&val->reclaim_max_ns, ns, val->period != reading);
	val->period = reading;
	__sync_fetch_and_add(&val->reclaim_ns, ns);
	__sync_fetch_and_add(&val->reclaims, 1);
	return 0;
}
