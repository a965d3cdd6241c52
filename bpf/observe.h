/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which processes the dear tables are about: those whose id, name or container is listed. User space fills the lists, and
 * says there whether somebody named them or they are listed by default.
 */
#pragma once

#include "kernel_task.h"
#include "probe.h"

const volatile bool observe_all = false; /* set before load */
const volatile bool containers_listed = false;

enum { OBSERVED = 1, NAMED }; /* what the lists hold */

STATE(observed, u32, u8, 8192); /* tgid */

struct name {
	char comm[TASK_COMM_LEN];
};

STATE(observed_names, struct name, u8, 256);

enum { ID_DIGITS = 12, MAX_CGROUP_NAME = 112, CGROUP_LEVELS = 4 };

/* As containers are shown: the first digits of their id. */
struct container_id {
	char digits[ID_DIGITS];
};

STATE(observed_containers, struct container_id, u8, 256);

/* Whether a cgroup is or is in such a container, by the cgroup's id, which is never given again. */
RECENT(cgroup_verdicts, u64, u8, 4096);

/* 0. The verifier must not know: before 6.7 it takes a callback to run but once (commit ab5cfac139ab), and deletes what
 * only a later run comes to.
 */
volatile u32 no_digits;

struct cgroup_name {
	char text[128];
	u32 digits; /* that stand before the next character */
	u8 listed;
};

static long scan_digit(u64 index, struct cgroup_name *name)
{
	char c = name->text[index & 127];
	struct container_id key;
	u8 *listed;

	if (!c)
		return 1;
	name->digits = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ? name->digits + 1 : 0;
	if (name->digits < ID_DIGITS)
		return 0;
	for (int i = 0; i < ID_DIGITS; i++)
		key.digits[i] = name->text[(index - (ID_DIGITS - 1) + i) & 127];
	listed = bpf_map_lookup_elem(&observed_containers, &key);
	name->listed = listed ? *listed : 0;
	return 1;
}

/* Whether a cgroup is named as a listed container's is: ID, docker-ID.scope, cri-containerd-ID.scope ... */
static __noinline u8 is_listed_name(struct kernfs_node *node)
{
	struct cgroup_name name = {.digits = no_digits};

	read_cgroup_name(name.text, MAX_CGROUP_NAME, node);
	bpf_loop(MAX_CGROUP_NAME, scan_digit, &name, 0);
	return name.listed;
}

/* A container may have cgroups of its own below the one that bears its name. Global, so that it is verified once. */
__noinline int is_listed_container(u64 address)
{
	struct kernfs_node *node = (void *)address;
	u64 id = BPF_CORE_READ(node, id);
	u8 *known = bpf_map_lookup_elem(&cgroup_verdicts, &id);
	u8 verdict = 0;

	if (known)
		return *known;
	for (int i = 0; i < CGROUP_LEVELS && node && !verdict; i++) {
		verdict = is_listed_name(node);
		node = parent_node(node);
	}
	bpf_map_update_elem(&cgroup_verdicts, &id, &verdict, BPF_ANY);
	return verdict;
}

/* 0, OBSERVED or NAMED. Costs up to three look-ups: asked when a thread comes or changes, and remembered. */
static __always_inline u8 is_observed(struct task_struct *task)
{
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct name name = {};
	u8 *listed;

	if (bpf_map_lookup_elem(&observed, &tgid))
		return NAMED;
	bpf_core_read_str(name.comm, sizeof(name.comm), &task->group_leader->comm);
	listed = bpf_map_lookup_elem(&observed_names, &name);
	if (listed)
		return *listed;
	if (containers_listed && is_listed_container((u64)container_node(task)))
		return NAMED;
	return observe_all ? OBSERVED : 0;
}

/* Whether a row of a process is shown; src/sys/top_feed.ts has the same. */
enum { SHOWN_BY_USE, SHOWN_ALWAYS, SHOWN_NEVER };

static __always_inline u8 shown_as(struct task_struct *task, u8 verdict)
{
	if (verdict == NAMED)
		return SHOWN_ALWAYS;
	return BPF_CORE_READ(task, flags) & PF_KTHREAD ? SHOWN_NEVER : SHOWN_BY_USE;
}
