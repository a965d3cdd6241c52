/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Test object: one of each kind of table, iterator and ring, fed by the test's own getppid calls. */
#include "probe.h"
#include <bpf/bpf_endian.h>

struct call_key {
	u32 tgid;
	u32 slot;
};
struct call_val {
	u64 calls;
	u64 bytes;
	u32 last;
	s32 balance;
	u8 small;
	char tag[7];
};
struct count_val {
	u64 calls;
};
struct call_event {
	u64 seq;
	u32 tgid;
	u32 size;
};
struct task_record {
	u32 pid;
	u32 tgid;
	char comm[16];
};
struct tcp_record {
	u32 state;
	u16 port;
	u16 family;
	u32 peer_port;
	u32 local[4];
	u32 peer[4];
};

RECORD(call_event);
RECORD(task_record);
RECORD(tcp_record);

const volatile u32 watch_tgid = 0;
const volatile u64 slots = 1; /* rows of the hash */
const volatile s32 step = 1;
const volatile u64 big = 0;
const volatile char tag[7] = "unset";
const volatile u32 send_records = 0;
const volatile u32 burst = 1;
const volatile u32 discard_every = 0;
const volatile u32 spin = 0;	   /* time between reserve and submit */
const volatile u32 text_bytes = 0; /* records of 1 to this many bytes instead */

TABLE(per_cpu_calls, struct call_key, struct call_val, 16384);
SHARED_TABLE(shared_calls, struct call_key, struct call_val, 64);
TABLE(tiny, u32, struct count_val, 7);
RING(events, 65536);

MAP(seen, ARRAY, 0, u32, struct call_val, 3);

static u64 calls;

static __always_inline void count(struct call_val *val)
{
	val->calls++;
	val->bytes += big;
	val->last = 7;
	val->balance += step;
	val->small = 3;
	for (u32 i = 0; i < sizeof(tag); i++)
		val->tag[i] = tag[i];
}

static int nothing(u32 index, void *unused)
{
	return 0;
}

static int one_event(u32 index, void *unused)
{
	struct call_event *event;
	u64 number = __sync_fetch_and_add(&calls, 1);

	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		count_ring_drop();
		return 0;
	}
	event->seq = number;
	event->tgid = watch_tgid;
	event->size = sizeof(*event);
	if (spin)
		bpf_loop(spin, nothing, NULL, 0);
	if (discard_every && number % discard_every == 0)
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
	else
		bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

/* Record number n has n % text_bytes + 1 bytes, each with the value n % 256. */
static void send_text(void)
{
	u64 number = __sync_fetch_and_add(&calls, 1);
	u64 size = number % text_bytes + 1;
	u8 text[64];

	__builtin_memset(text, number, sizeof(text));
	if (size <= sizeof(text))
		send_event(&events, text, size);
}

/* getppid is system call 110 on x86-64. */
SEC("tp_btf/sys_enter")
int BPF_PROG(sample_call, struct pt_regs *regs, long id)
{
	static const struct call_val zero;
	static const struct count_val none;
	struct call_key key = {};
	struct call_val *val;
	struct count_val *small;
	u32 slot;

	if (id != 110 || bpf_get_current_pid_tgid() >> 32 != watch_tgid)
		return 0;
	if (text_bytes) {
		send_text();
		return 0;
	}
	if (send_records) {
		bpf_loop(burst, one_event, NULL, 0);
		return 0;
	}
	slot = __sync_fetch_and_add(&calls, 1) % slots;
	key.tgid = watch_tgid;
	key.slot = slot;
	val = row(&per_cpu_calls, &key, &zero);
	if (val)
		count(val);
	key.slot = 0;
	val = row(&shared_calls, &key, &zero);
	if (val)
		count(val);
	small = row(&tiny, &slot, &none);
	if (small)
		small->calls++;
	slot = 1;
	val = bpf_map_lookup_elem(&seen, &slot);
	if (val)
		count(val);
	return 0;
}

SEC("iter/task")
int sample_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_record record = {};

	if (!task)
		return 0;
	record.pid = task->pid;
	record.tgid = task->tgid;
	bpf_probe_read_kernel_str(record.comm, sizeof(record.comm), task->comm);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

SEC("iter/tcp")
int sample_sockets(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct tcp_record record = {};

	if (!sk)
		return 0;
	record.state = sk->skc_state;
	record.port = sk->skc_num;
	record.family = sk->skc_family;
	record.peer_port = bpf_ntohs(sk->skc_dport);
	if (record.family == AF_INET) {
		record.local[0] = sk->skc_rcv_saddr;
		record.peer[0] = sk->skc_daddr;
	} else {
		bpf_core_read(record.local, 16, &sk->skc_v6_rcv_saddr);
		bpf_core_read(record.peer, 16, &sk->skc_v6_daddr);
	}
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

/* Writes nothing: is only drained. */
SEC("iter/task")
int sample_silent(struct bpf_iter__task *ctx)
{
	static const struct count_val none;
	u32 slot = 1000;
	struct count_val *small;

	if (!ctx->task)
		return 0;
	small = row(&tiny, &slot, &none);
	if (small)
		small->calls++;
	return 0;
}

/* A kind of map that the kernel does not read in batches. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, u64);
} without_batches SEC(".maps");
