/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Signals that a process sent to another: kill, tkill, tgkill, sigqueue. Those of the kernel itself are not here.
 *
 * Memory: 72 B x 4096.
 */
#include "probe.h"
#include "kernel_task.h"

struct kill_key {
	u32 killer;
	u32 killed;
	u32 signal;
	char comm[TASK_COMM_LEN];
};

struct kill_val {
	u64 signals;
	u64 last_ns;
};

/* The least recent pair goes when it is full: a row is of interest while it is new. */
RECENT(kills, struct kill_key, struct kill_val, 4096);

struct kernel_siginfo {
	int si_code;
} __attribute__((preserve_access_index));

enum { SEND_SIG_NOINFO = 0, SEND_SIG_PRIV = 1 };

static __always_inline bool is_of_process(struct kernel_siginfo *info)
{
	if ((u64)info == SEND_SIG_NOINFO)
		return true;
	return (u64)info != SEND_SIG_PRIV && BPF_CORE_READ(info, si_code) <= 0;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(kill_generate, int signal, struct kernel_siginfo *info, struct task_struct *task)
{
	static const struct kill_val zero;
	struct kill_key key = {.signal = signal, .killed = BPF_CORE_READ(task, tgid)};
	struct kill_val *val;

	if (!is_of_process(info))
		return 0;
	key.killer = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(key.comm, sizeof(key.comm));
	val = row(&kills, &key, &zero);
	if (!val)
		return 0;
	__sync_fetch_and_add(&val->signals, 1);
	val->last_ns = bpf_ktime_get_ns();
	return 0;
}
