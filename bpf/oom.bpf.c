/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Processes killed for want of memory: who, in which cgroup, how large; and how many in each cgroup.
 *
 * Memory: 152 B x 1024 + 88 B x 4096.
 */
#include "probe.h"
#include "kernel_compat.h"
#include "kernel_task.h"

enum { CGROUP_NAME_LEN = 64 };

struct victim_key {
	u32 tgid;
	u32 unused;
	u64 cgroup;
};

struct victim_val {
	u64 kills;
	u64 anon_pages;
	u64 file_pages;
	u64 shmem_pages;
	u64 vm_pages;
	u64 last_ns;
	char comm[TASK_COMM_LEN];
	char cgroup_name[CGROUP_NAME_LEN];
};

SHARED_TABLE(victims, struct victim_key, struct victim_val, 1024);

struct cgroup_key {
	u64 cgroup;
};

struct cgroup_val {
	u64 ooms;
	char name[CGROUP_NAME_LEN];
};

SHARED_TABLE(cgroups, struct cgroup_key, struct cgroup_val, 4096);

static __always_inline void note_size(struct victim_val *val, struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct mm_struct___before_6_2 *old = (void *)mm; /* rss_stat: see resident_pages() */

	val->vm_pages = BPF_CORE_READ(mm, total_vm);
	if (bpf_core_field_exists(old->rss_stat.count)) {
		val->file_pages =
			not_negative(BPF_CORE_READ(old, rss_stat.count[MM_FILEPAGES].counter));
		val->anon_pages =
			not_negative(BPF_CORE_READ(old, rss_stat.count[MM_ANONPAGES].counter));
		val->shmem_pages =
			not_negative(BPF_CORE_READ(old, rss_stat.count[MM_SHMEMPAGES].counter));
	} else {
		val->file_pages = not_negative(BPF_CORE_READ(mm, rss_stat[MM_FILEPAGES].count));
		val->anon_pages = not_negative(BPF_CORE_READ(mm, rss_stat[MM_ANONPAGES].count));
		val->shmem_pages = not_negative(BPF_CORE_READ(mm, rss_stat[MM_SHMEMPAGES].count));
	}
}

static __always_inline void count_cgroup(u64 id, struct kernfs_node *node)
{
	static const struct cgroup_val zero;
	struct cgroup_key key = {.cgroup = id};
	struct cgroup_val *val = row(&cgroups, &key, &zero);

	if (!val)
		return;
	__sync_fetch_and_add(&val->ooms, 1);
	read_cgroup_name(val->name, sizeof(val->name), node);
}

/* The argument was the victim's thread id before 6.8 (commit 72ba14deb40a): then this program is refused. */
SEC("tp_btf/mark_victim")
int BPF_PROG(oom_victim, struct task_struct *task)
{
	static const struct victim_val zero;
	struct kernfs_node *node = cgroup_node(task, memory_controller());
	struct victim_key key = {.tgid = task->tgid, .cgroup = BPF_CORE_READ(node, id)};
	struct victim_val *val;

	count_cgroup(key.cgroup, node);
	val = row(&victims, &key, &zero);
	if (!val)
		return 0;
	__sync_fetch_and_add(&val->kills, 1);
	note_size(val, task);
	bpf_core_read_str(val->comm, sizeof(val->comm), &task->comm);
	read_cgroup_name(val->cgroup_name, sizeof(val->cgroup_name), node);
	val->last_ns = bpf_ktime_get_ns();
	return 0;
}

struct trace_event_raw_mark_victim {
	u32 uid;
} __attribute__((preserve_access_index));

/* For those kernels: who it was, but neither cgroup nor size. */
SEC("tp_btf/mark_victim")
int oom_victim_pid(u64 *ctx)
{
	static const struct victim_val zero;
	struct trace_event_raw_mark_victim *event = NULL;
	struct victim_key key = {};
	struct victim_val *val;

	if (bpf_core_field_exists(event->uid))
		return 0;
	key.tgid = ctx[0];
	val = row(&victims, &key, &zero);
	if (!val)
		return 0;
	__sync_fetch_and_add(&val->kills, 1);
	val->last_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(oom_cgroup_gone, struct cgroup *cgroup)
{
	struct cgroup_key key = {.cgroup = BPF_CORE_READ(cgroup, kn, id)};

	bpf_map_delete_elem(&cgroups, &key);
	return 0;
}
