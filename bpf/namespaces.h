/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Lists the network namespaces that processes live in, each once, for src/sys/net_namespaces.ts.
 *
 * Memory: 12 B x 4096.
 */
#pragma once

#include "probe.h"

struct net_record {
	u32 pid;
	u32 inum;
};

RECORD(net_record);

/* Namespace -> the run of the iterator that saw it last. */
RECENT(net_runs, u32, u64, 4096);

/* The first thing of each reading; the probe's own. */
static void begin_reading(void);

SEC("iter/task")
int net_namespaces(struct bpf_iter__task *ctx)
{
	u64 run = ctx->meta->session_id;
	struct task_struct *task = ctx->task;
	struct net_record record = {};
	struct nsproxy *nsproxy;
	u64 *seen;

	if (ctx->meta->seq_num == 0)
		begin_reading();
	if (!task || task->pid != task->tgid)
		return 0;
	nsproxy = task->nsproxy;
	if (!nsproxy) /* it is ending */
		return 0;
	record.pid = task->tgid;
	record.inum = nsproxy->net_ns->ns.inum;
	seen = bpf_map_lookup_elem(&net_runs, &record.inum);
	if (seen && *seen == run)
		return 0;
	bpf_map_update_elem(&net_runs, &record.inum, &run, BPF_ANY);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}
