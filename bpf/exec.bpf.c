/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Programs that processes start: every successful execve, by the program's name and its container.
 *
 * Memory: 136 B x 1024.
 */
#include "probe.h"
#include "kernel_task.h"

/* Room for the name of any runtime's cgroup: cri-containerd-ID.scope has 85 characters. */
enum { CONTAINER_ID_LEN = 64, CGROUP_NAME_LEN = 96, CGROUP_LEVELS = 4 };

const volatile bool by_parent = false; /* set before load */

struct exec_key {
	char comm[TASK_COMM_LEN];
	char parent[TASK_COMM_LEN];
	char cgroup[CGROUP_NAME_LEN];
};

struct exec_val {
	u64 starts;
};

/* A program's name can be anything: the one that was started longest ago goes when it is full. */
RECENT(execs, struct exec_key, struct exec_val, 1024);

/* Of a cgroup whose name has room for a container's id, the process's own or one above: a container may have cgroups of
 * its own. The many names of sessions would each make a row.
 */
static __always_inline void read_container(struct exec_key *key, struct task_struct *task)
{
	struct kernfs_node *node = container_node(task);

	for (int i = 0; i < CGROUP_LEVELS && node; i++) {
		const char *name = BPF_CORE_READ(node, name);
		long size = bpf_probe_read_kernel_str(key->cgroup, sizeof(key->cgroup), name);

		if (size > CONTAINER_ID_LEN)
			return;
		node = parent_node(node);
	}
	__builtin_memset(key->cgroup, 0, sizeof(key->cgroup));
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec_start, struct task_struct *task)
{
	static const struct exec_val zero;
	struct exec_key key = {};
	struct exec_val *val;

	bpf_get_current_comm(key.comm, sizeof(key.comm)); /* the new program's already */
	if (by_parent)
		BPF_CORE_READ_STR_INTO(&key.parent, task, real_parent, comm);
	read_container(&key, task);
	val = row(&execs, &key, &zero);
	if (val)
		__sync_fetch_and_add(&val->starts, 1);
	return 0;
}
