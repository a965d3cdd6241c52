/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Test object: call number n of the test's getppid is the value n of a histogram. */
#include "probe.h"

#define SLOTS 12
#define FOURS 7

struct value_key {
	u32 odd;
};
struct value_val {
	u64 slots[SLOTS];
	u64 fours[FOURS];
	u64 sum;
};

const volatile u32 watch_tgid = 0;

TABLE(spread, struct value_key, struct value_val, 4);

static u64 calls;

/* getppid is system call 110 on x86-64. */
SEC("tp_btf/sys_enter")
int BPF_PROG(histogram_call, struct pt_regs *regs, long id)
{
	static const struct value_val zero;
	struct value_key key = {};
	struct value_val *val;
	u64 value;
	u32 slot;

	if (id != 110 || bpf_get_current_pid_tgid() >> 32 != watch_tgid)
		return 0;
	value = __sync_fetch_and_add(&calls, 1);
	key.odd = value & 1;
	val = row(&spread, &key, &zero);
	if (!val)
		return 0;
	slot = log2_slot(value, SLOTS);
	if (slot < SLOTS)
		val->slots[slot]++;
	slot = log4_slot(value, FOURS);
	if (slot < FOURS)
		val->fours[slot]++;
	val->sum += value;
	return 0;
}
