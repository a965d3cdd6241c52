/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Reads, writes, opens and flushes of files by file system: system calls, told apart by the magic of the file's super
 * block. Work that no system call waits for (mapped files, write-back) is not here.
 */
#pragma once

enum { FS_EXT4, FS_OVERLAY, FS_TMPFS, FS_XFS, FS_BTRFS, FILE_SYSTEMS };

struct fs_key {
	u32 tgid;
	u32 fs;
};

struct fs_val {
	u64 read_max_ns; /* of the period; these four in the order of the enum of syscalls.h */
	u64 write_max_ns;
	u64 open_max_ns;
	u64 flush_max_ns;
	u64 read_ns;
	u64 write_ns;
	u64 open_ns;
	u64 flush_ns;
	u64 read_slots[DURATION_SLOTS];
	u64 write_slots[DURATION_SLOTS];
	u64 open_slots[DURATION_SLOTS];
	u64 flush_slots[DURATION_SLOTS];
	u64 period;
	u64 reading;
	char comm[TASK_COMM_LEN];
};

/* 876 B x 4096. */
SPARSE_TABLE(proc_fs, struct fs_key, struct fs_val, 4096);

static __always_inline u32 fs_of_magic(u64 magic)
{
	switch (magic) {
	case 0xEF53: /* ext2 to ext4 */
		return FS_EXT4;
	case 0x794c7630:
		return FS_OVERLAY;
	case 0x01021994:
		return FS_TMPFS;
	case 0x58465342:
		return FS_XFS;
	case 0x9123683E:
		return FS_BTRFS;
	}
	return FILE_SYSTEMS;
}

/* FILE_SYSTEMS for what is not a regular file of one of them. */
static __always_inline u32 fs_of_fd(struct task_struct *task, u32 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **slot = BPF_CORE_READ(table, fd);
	struct file *file = NULL;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return FILE_SYSTEMS;
	bpf_probe_read_kernel(&file, sizeof(file), slot + fd);
	return fs_of_magic(BPF_CORE_READ(file, f_inode, i_sb, s_magic));
}

static __always_inline void add_fs_time(u64 *max, u64 *sum, u64 *slots, u64 ns)
{
	u32 slot = duration_slot(ns);

	raise_max(max, ns);
	__sync_fetch_and_add(sum, ns);
	if (slot < DURATION_SLOTS)
		__sync_fetch_and_add(&slots[slot], 1);
}

static __always_inline void add_fs_call(struct fs_val *val, u32 operation, u64 ns)
{
	switch (operation) {
	case FS_READ:
		return add_fs_time(&val->read_max_ns, &val->read_ns, val->read_slots, ns);
	case FS_WRITE:
		return add_fs_time(&val->write_max_ns, &val->write_ns, val->write_slots, ns);
	case FS_OPEN:
		return add_fs_time(&val->open_max_ns, &val->open_ns, val->open_slots, ns);
	case FS_FLUSH:
		return add_fs_time(&val->flush_max_ns, &val->flush_ns, val->flush_slots, ns);
	}
}

static __always_inline void note_fs(struct task_struct *task, u32 operation, struct pt_regs *regs,
				    long result, u64 ns)
{
	static const struct fs_val zero;
	struct fs_key key = {.tgid = task->tgid};
	struct fs_val *val;

	if (operation == FS_OPEN && result < 0)
		return;
	key.fs = fs_of_fd(task, operation == FS_OPEN ? result : first_argument(regs));
	if (key.fs == FILE_SYSTEMS || !(fs_on >> key.fs & 1))
		return;
	val = row(&proc_fs, &key, &zero);
	if (!val)
		return;
	if (val->period != reading) {
		val->period = reading;
		__builtin_memset(val, 0, 4 * sizeof(u64));
		bpf_core_read_str(val->comm, TASK_COMM_LEN, &task->group_leader->comm);
	}
	add_fs_call(val, operation, ns);
	val->reading = reading;
}

/* Lives on with its process; a period without calls has no longest one. */
static long keep_proc_fs(void *unused, u32 *tgid, struct fs_val *val, void *context)
{
	if (!bpf_map_lookup_elem(&living, tgid))
		return 0;
	val->reading = reading;
	if (val->period != reading)
		__builtin_memset(val, 0, 4 * sizeof(u64));
	return 0;
}
