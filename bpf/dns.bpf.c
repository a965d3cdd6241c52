/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How long processes look names up: getaddrinfo and its elders in the C library, from entry to return. Other C
 * libraries and static programs are not seen.
 *
 * Memory: 256 B x 2048, 80 B x 4096.
 */
#include "probe.h"
#include "kernel_task.h"
#include "duration.h"

enum { DOMAIN_LEN = 64 };

/* Number of the current period, which ends with a reading. */
u64 reading = 1;

struct lookup {
	u64 since;
	char domain[DOMAIN_LEN];
};

/* By thread: the look-up that it is in. */
RECENT(lookups, u32, struct lookup, 4096);

struct proc_dns_key {
	u32 tgid;
};

struct proc_dns_val {
	u64 failed;
	u64 max_ns; /* of the period */
	u64 period;
	u64 reading;
	char comm[TASK_COMM_LEN];
};

RECENT(proc_dns, struct proc_dns_key, struct proc_dns_val, 2048);

struct domain_key {
	u32 tgid;
	char domain[DOMAIN_LEN];
};

struct domain_val {
	u64 count;
	u64 errors;
	u64 ns;
	u64 average_ns;
	u64 error_permille;
	u64 max_ns; /* of the period */
	u64 period;
	u64 reading;
	u64 slots[DURATION_SLOTS];
};

RECENT(domains, struct domain_key, struct domain_val, 2048);

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long di;
	unsigned long ax;
} __attribute__((preserve_access_index));

static __always_inline u64 argument(struct pt_regs *regs)
{
	return BPF_CORE_READ(regs, di);
}

static __always_inline u64 result(struct pt_regs *regs)
{
	return BPF_CORE_READ(regs, ax);
}
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	u64 regs[31];
} __attribute__((preserve_access_index));

static __always_inline u64 argument(struct pt_regs *regs)
{
	return BPF_CORE_READ(regs, regs[0]);
}

static __always_inline u64 result(struct pt_regs *regs)
{
	return BPF_CORE_READ(regs, regs[0]);
}
#endif

/* A look-up inside another (gethostbyname may be built on getaddrinfo) ends the outer one early; none does in glibc. */
SEC("uprobe")
int dns_begin(struct pt_regs *regs)
{
	struct lookup lookup = {.since = bpf_ktime_get_ns()};
	u32 pid = bpf_get_current_pid_tgid();
	void *name = (void *)argument(regs);

	if (name)
		bpf_probe_read_user_str(lookup.domain, sizeof(lookup.domain), name);
	bpf_map_update_elem(&lookups, &pid, &lookup, BPF_ANY);
	return 0;
}

static __always_inline void note_process(u32 tgid, u64 ns, bool failed)
{
	static const struct proc_dns_val zero;
	struct proc_dns_key key = {.tgid = tgid};
	struct proc_dns_val *val = row(&proc_dns, &key, &zero);

	if (!val)
		return;
	if (val->period != reading)
		val->max_ns = 0;
	val->period = val->reading = reading;
	raise_max(&val->max_ns, ns);
	__sync_fetch_and_add(&val->failed, failed);
	bpf_get_current_comm(val->comm, sizeof(val->comm));
}

static __always_inline void note_domain(const struct domain_key *key, u64 ns, bool failed)
{
	static const struct domain_val zero;
	struct domain_val *val = row(&domains, key, &zero);
	u32 slot = duration_slot(ns);

	if (!val)
		return;
	if (val->period != reading)
		val->max_ns = 0;
	val->period = val->reading = reading;
	raise_max(&val->max_ns, ns);
	__sync_fetch_and_add(&val->count, 1);
	__sync_fetch_and_add(&val->errors, failed);
	__sync_fetch_and_add(&val->ns, ns);
	if (slot < DURATION_SLOTS)
		__sync_fetch_and_add(&val->slots[slot], 1);
	val->average_ns = val->ns / val->count;
	val->error_permille = val->errors * 1000 / val->count;
}

static __always_inline void end_lookup(bool failed)
{
	u64 id = bpf_get_current_pid_tgid();
	struct domain_key key = {.tgid = id >> 32};
	struct lookup *lookup;
	u32 pid = id;
	u64 ns;

	lookup = bpf_map_lookup_elem(&lookups, &pid);
	if (!lookup)
		return;
	ns = bpf_ktime_get_ns() - lookup->since;
	__builtin_memcpy(key.domain, lookup->domain, DOMAIN_LEN);
	bpf_map_delete_elem(&lookups, &pid);
	note_process(key.tgid, ns, failed);
	note_domain(&key, ns, failed);
}

/* Of a function that gives 0 or an error. */
SEC("uprobe")
int dns_end(struct pt_regs *regs)
{
	end_lookup((u32)result(regs) != 0);
	return 0;
}

/* Of a function that gives a pointer or none. */
SEC("uprobe")
int dns_end_pointer(struct pt_regs *regs)
{
	end_lookup(result(regs) == 0);
	return 0;
}

static long end_process_period(void *unused, void *key, struct proc_dns_val *val, void *context)
{
	if (val->period != reading)
		val->max_ns = 0;
	return 0;
}

static long end_domain_period(void *unused, void *key, struct domain_val *val, void *context)
{
	if (val->period != reading)
		val->max_ns = 0;
	return 0;
}

/* The agent's reading: what lives is kept, and the period ends. */
SEC("iter/task")
int dns_reading(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct proc_dns_key key = {};
	struct proc_dns_val *val;

	if (task) {
		key.tgid = task->tgid;
		val = bpf_map_lookup_elem(&proc_dns, &key);
		if (val)
			val->reading = reading;
		return 0;
	}
	bpf_for_each_map_elem(&proc_dns, end_process_period, NULL, 0);
	bpf_for_each_map_elem(&domains, end_domain_period, NULL, 0);
	reading++;
	return 0;
}
