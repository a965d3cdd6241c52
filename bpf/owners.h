/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Walking all files of all processes is dear: programs say when they met a socket whose owner is not known. */
#pragma once

#include "probe.h"

struct wish_val {
	u64 count;
};

VALUE(owner_wishes, struct wish_val);

/* The socket that a file of a process stands for, asked once a process; NULL for other files. */
static __always_inline struct sock *socket_of(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *sock;

	if (!task || !file || task->tgid != task->pid)
		return NULL;
	sock = bpf_sock_from_file(file);
	return sock ? sock->sk : NULL;
}

static __always_inline void wish_for_owner(void)
{
	struct wish_val *wish = only_value(&owner_wishes);

	if (wish)
		wish->count = 1;
}
