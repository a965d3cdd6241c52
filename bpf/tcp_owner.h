/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Whose socket is it: who connected or listened tells it in his own system call; for the others the process is sought that
 * has the socket's file open. A reading notes the files that it seeks; then the tables of open files of all processes
 * are gone through, a word a file, and the sockets are looked at again.
 *
 * Memory: sought_files 80 B for each socket that is sought at the time, and 320 KiB of marks.
 */
#pragma once

#include "owners.h"
#include "tcp_read.h"

struct sought_val {
	u64 socket; /* of the file */
	u32 tgid;   /* 0: nobody yet */
	u32 unused;
	char comm[COMM_BYTES];
};

/* By the address of the struct file. */
SPARSE_TABLE(sought_files, u64, struct sought_val, 65536);

enum {
	SOUGHT_MARKS = 16384,
	HELD_MARKS = 262144,
	FILES_AT_ONCE = 16,
	MOST_FILES = 1 << 20,
	TIMES_SOUGHT = 2,
	CHECK_READINGS = 6,
};

u32 sought_marks[SOUGHT_MARKS]; /* by hash of the file: the reading that seeks it */
u8 held_marks[HELD_MARKS]; /* by hash of file and process: the reading that saw them together */
u32 checked = 0;	   /* the last reading in which owners had to be still the same */

/* The sum differs each time, so two that share a mark do not do so for ever. */
static __always_inline u32 held_slot(u64 file, u32 tgid)
{
	return hash(file + ((u64)tgid << 20) + checked, HELD_MARKS);
}

static __always_inline void own(struct sock_memory *memory, u8 owner)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	memory->tgid = bpf_get_current_pid_tgid() >> 32;
	memory->owner = owner;
	/* The process's name, not the thread's. */
	BPF_CORE_READ_STR_INTO(&memory->comm, task, group_leader, comm);
}

/* The listener stands for an owner that is not found. */
static __always_inline void fail_to_find(struct sock_memory *memory)
{
	memory->file = 0;
	if (++memory->sought >= TIMES_SOUGHT)
		memory->owner = OWNER_KEPT;
}

static __always_inline void stop_seeking(struct sock_memory *memory)
{
	u64 file = memory->file;

	if (!file)
		return;
	bpf_map_delete_elem(&sought_files, &file);
	memory->file = 0;
}

static __always_inline void seek(struct sock_memory *memory, u64 file, u64 socket)
{
	struct sought_val sought = {.socket = socket};

	if (bpf_map_update_elem(&sought_files, &file, &sought, BPF_ANY)) {
		fail_to_find(memory); /* there are more than fit */
		return;
	}
	memory->file = file;
	sought_marks[hash(file, SOUGHT_MARKS)] = reading;
	wish_for_owner();
	wish_again();
}

/* As a number: the verifier lets nobody reckon with a pointer that it knows. 0: the socket has none. */
static __always_inline u64 file_of(struct sock *sk)
{
	return (u64)BPF_CORE_READ(sk, sk_socket, file);
}

/* Whether the owner is known, or nobody is: then its listener stands for it. If not, it is sought. */
static __always_inline bool is_owned(struct sock_memory *memory, struct sock *sk)
{
	u64 file;

	if (memory->owner == OWNER_SEEN && memory->file)
		return true;
	if (!sk->sk_socket) /* not accepted yet, or an orphan */
		return memory->owner >= OWNER_KEPT;
	file = file_of(sk);
	if (memory->owner == OWNER_SEEN) {
		memory->file = file;
		return true;
	}
	if (memory->owner == OWNER_KEPT)
		return true;
	if (file)
		seek(memory, file, (u64)BPF_CORE_READ(sk, sk_socket));
	else
		fail_to_find(memory); /* no process can have it */
	return false;
}

/* After the search. Not found in one search may be on its way from accept() to the table of files. */
static __always_inline bool is_found(struct sock_memory *memory, u8 owner)
{
	u64 file = memory->file;
	struct sought_val *sought;

	sought = file ? bpf_map_lookup_elem(&sought_files, &file) : NULL;
	if (!sought)
		return false;
	if (sought->tgid) {
		memory->tgid = sought->tgid;
		memory->owner = owner;
		memory->restless = true; /* its row is another one */
		memory->measured = 0;
		__builtin_memcpy(memory->comm, sought->comm, COMM_BYTES);
	} else {
		fail_to_find(memory);
	}
	bpf_map_delete_elem(&sought_files, &file);
	return memory->owner == owner;
}

/* Handed over, as to a forked child: the owner does not have it any more, and is not sought among the closed. */
static __always_inline void check_owner(struct sock_memory *memory, struct sock *sk)
{
	struct rows rows;

	if (memory->owner != OWNER_SEEN || !memory->file)
		return;
	if (held_marks[held_slot(memory->file, memory->tgid)] == (u8)checked || !sk->sk_socket)
		return;
	rows = rows_of(&sk->__sk_common, memory);
	if (rows.link)
		rows.link->fell = reading; /* it is to be measured without this one */
	memory->owner = OWNER_INHERITED;
	memory->file = 0;
	memory->sought = 0;
}

/* A process has the file open. */
static __always_inline void note_holder(u64 file, struct task_struct *task)
{
	struct sought_val *sought;
	void *data = NULL;

	if (checked == reading)
		held_marks[held_slot(file, task->tgid)] = checked;
	if (sought_marks[hash(file, SOUGHT_MARKS)] != reading)
		return;
	sought = bpf_map_lookup_elem(&sought_files, &file);
	if (!sought)
		return;
	bpf_probe_read_kernel(&data, sizeof(data), &((struct file *)file)->private_data);
	if ((u64)data != sought->socket)
		return;
	sought->tgid = task->tgid;
	bpf_probe_read_kernel_str(sought->comm, COMM_BYTES, task->comm);
}

static __always_inline void begin_search(void)
{
	if (!checked || reading - checked >= CHECK_READINGS)
		checked = reading;
}

struct file_table {
	struct task_struct *task;
	u64 files; /* address of the first */
};

static long note_files(u32 portion, struct file_table *table)
{
	u64 files[FILES_AT_ONCE];
	u64 from = table->files + (u64)portion * sizeof(files);

	if (bpf_probe_read_kernel(files, sizeof(files), (void *)from))
		return 1;
	for (u32 i = 0; i < FILES_AT_ONCE; i++)
		if (files[i])
			note_holder(files[i], table->task);
	return 0;
}

/* Tables have a multiple of 16 entries. Threads share that of their process. */
SEC("iter/task")
int tcp_owners(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct file_table table = {};
	u32 count;

	begin_search();
	if (!task || task->tgid != task->pid || !task->files)
		return 0;
	table.task = task;
	table.files = (u64)task->files->fdt->fd;
	count = task->files->fdt->max_fds;
	if (count > MOST_FILES)
		count = MOST_FILES;
	bpf_loop(count / FILES_AT_ONCE, note_files, &table, 0);
	return 0;
}

/* Kernels before 5.17 (commit e6f2dd0f8067) have no bpf_loop(). Costs 0.6 us a file instead of some nanoseconds. */
SEC("iter/task_file")
int tcp_owners_old(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	u64 file = 0;

	begin_search();
	bpf_probe_read_kernel(&file, sizeof(file), &ctx->file);
	if (task && file && task->tgid == task->pid)
		note_holder(file, task);
	return 0;
}
