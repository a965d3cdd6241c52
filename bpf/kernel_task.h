/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Kernel types of the task and block probes that no other probe reads; see kernel.h. */
#pragma once

#include "kernel.h"

enum {
	TASK_INTERRUPTIBLE = 1,
	TASK_UNINTERRUPTIBLE = 2,
};

enum { TASK_COMM_LEN = 16 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	const char *name;
	u64 id;
	struct kernfs_node *__parent;
};

/* kernfs_node.parent became __parent in 6.15 (commit 633488947ef6). */
struct kernfs_node___before_6_15 {
	struct kernfs_node *parent;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	struct cgroup_subsys_state *subsys[16];
	struct cgroup *dfl_cgrp;
};

enum cgroup_subsys_id___any { cpuacct_cgrp_id___any = 2, memory_cgrp_id___any = 4 };

struct atomic_value {
	int counter;
};

struct signal_struct___task {
	struct atomic_value live;
};

struct super_block {
	unsigned long s_magic;
	u32 s_dev;
};

/* Empty where the kernel has no CONFIG_SCHED_INFO. */
struct sched_info {
	unsigned long pcount;
	unsigned long long run_delay;
};

struct sched_entity___task {
	u64 sum_exec_runtime;
	u64 nr_migrations;
};

struct task_struct___task {
	unsigned int in_iowait : 1;
	unsigned long nvcsw;
	unsigned long nivcsw;
	struct sched_info sched_info;
	struct sched_entity___task se;
	struct css_set *cgroups;
	struct signal_struct___task *signal;
};

#pragma clang attribute pop

static __always_inline struct task_struct___task *more_of(struct task_struct *task)
{
	return (struct task_struct___task *)task;
}

/* The cgroup that accounts for a controller: of its own hierarchy (v1) or the one of all (v2). */
static __always_inline struct kernfs_node *cgroup_node(struct task_struct *task, int controller)
{
	struct css_set *set = BPF_CORE_READ(more_of(task), cgroups);
	struct cgroup_subsys_state *state = NULL;
	struct cgroup *cgroup;

	bpf_core_read(&state, sizeof(state), &set->subsys[controller]);
	cgroup = BPF_CORE_READ(state, cgroup);
	return BPF_CORE_READ(cgroup, kn);
}

/* task_state() of kernel_compat.h for a task that the program was given: without a helper's call. */
static __always_inline long state_of(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return task_state(task);
}

/* Fills the name of a cgroup, which is the last part of its path. */
static __always_inline void read_cgroup_name(char *to, u32 size, struct kernfs_node *node)
{
	const char *name = BPF_CORE_READ(node, name);

	bpf_probe_read_kernel_str(to, size, name);
}

static __always_inline struct kernfs_node *parent_node(struct kernfs_node *node)
{
	struct kernfs_node___before_6_15 *old = (void *)node;

	if (bpf_core_field_exists(old->parent))
		return BPF_CORE_READ(old, parent);
	return BPF_CORE_READ(node, __parent);
}

enum { ROOT_CGROUP_ID = 1 };

/* The cgroup that a container is: of the CPU accounting of version 1, or of version 2 where that is not in use. */
static __always_inline struct kernfs_node *container_node(struct task_struct *task)
{
	struct kernfs_node *node = NULL;

	if (bpf_core_enum_value_exists(enum cgroup_subsys_id___any, cpuacct_cgrp_id___any))
		node = cgroup_node(task, bpf_core_enum_value(enum cgroup_subsys_id___any,
							     cpuacct_cgrp_id___any));
	if (node && BPF_CORE_READ(node, id) != ROOT_CGROUP_ID)
		return node;
	return BPF_CORE_READ(more_of(task), cgroups, dfl_cgrp, kn);
}

static __always_inline int memory_controller(void)
{
	return bpf_core_enum_value(enum cgroup_subsys_id___any, memory_cgrp_id___any);
}
