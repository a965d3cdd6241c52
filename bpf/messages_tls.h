/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is said under TLS: uprobes on OpenSSL's SSL_read and SSL_write see it in plain. Which connection it belongs to is
 * known from the socket that is read or written within such a call; the encrypted pieces are then left out.
 * Included by messages.bpf.c. Memory: 40 B for each thread that calls them; 48 B x 16384, 304 B x 1024.
 */
#pragma once

#include "registers.h"

const volatile bool tls = false; /* set before load */

struct tls_key {
	u64 ssl; /* OpenSSL's object */
	u64 tgid;
};

struct tls_session {
	u64 connection;
	u64 changes;
	u8 verdict;
	u8 unused;
	u16 serial;
	u32 more_unused;
};

RECENT(tls_sessions, struct tls_key, struct tls_session, 16384);

/* What was read before the socket was: the handshake's last read may bring the first request too. */
RECENT(tls_early, struct tls_key, struct message_event, 1024);

/* The call of OpenSSL that a thread is in. */
struct tls_call {
	u64 ssl; /* 0: in none */
	u64 buffer;
	u64 length_at; /* where the length is put, of SSL_read_ex and SSL_write_ex */
	u64 time;
	u64 arrived; /* ns: when the first data that it read came; 0: none was read */
};

TASK_STORAGE(tls_calls, struct tls_call);

static __always_inline void send_early(u64 connection, u16 *serial, const struct tls_key *key)
{
	struct message_event *early = bpf_map_lookup_elem(&tls_early, key);

	if (!early)
		return;
	early->connection = connection;
	early->serial = ++*serial;
	send_event(&message_ring, early, sizeof(*early));
	bpf_map_delete_elem(&tls_early, key);
}

/* Whether the socket's bytes are encrypted; a call of OpenSSL tells whose they are. */
static __noinline bool is_encrypted(struct message_memory *memory, struct sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tls_call *call = bpf_task_storage_get(&tls_calls, task, NULL, 0);
	struct tls_session *known, session = {};
	struct tls_key key = {};

	if (!memory)
		return false;
	if (!call || !call->ssl)
		return memory->encrypted;
	if (!memory->encrypted && !is_wanted(memory, sk))
		return true;
	key.ssl = call->ssl;
	key.tgid = bpf_get_current_pid_tgid() >> 32;
	known = bpf_map_lookup_elem(&tls_sessions, &key);
	if (known && known->connection == memory->connection)
		return true;
	if (memory->encrypted)
		memory->whole = 0; /* it was forgotten */
	memory->encrypted = 1;
	memory->ssl = call->ssl;
	session.connection = memory->connection;
	memory->told = introduce(memory, sk, CONNECTION_OPENED, ~0U, 0);
	if (!memory->told)
		return true;
	send_early(memory->connection, &session.serial, &key);
	bpf_map_update_elem(&tls_sessions, &key, &session, BPF_ANY);
	return true;
}

static __always_inline void note_tls_arrival(u64 time)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tls_call *call = bpf_task_storage_get(&tls_calls, task, NULL, 0);

	if (call && call->ssl && !call->arrived)
		call->arrived = time;
}

/* The object may be another connection's from now on. */
static __always_inline void end_session(struct message_memory *memory)
{
	struct tls_key key = {.ssl = memory->ssl};

	if (!memory->ssl)
		return;
	key.tgid = bpf_get_current_pid_tgid() >> 32;
	bpf_map_delete_elem(&tls_sessions, &key);
	memory->ssl = 0;
}

static __noinline struct tls_call *begin_call(u64 ssl)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tls_call *call;

	if (!is_observed(task))
		return NULL;
	call = bpf_task_storage_get(&tls_calls, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!call)
		return NULL;
	call->ssl = ssl;
	call->buffer = 0;
	call->length_at = 0;
	call->arrived = 0;
	call->time = bpf_ktime_get_ns();
	return call;
}

SEC("uprobe")
int messages_tls_begin(struct pt_regs___call *regs)
{
	struct tls_call *call = begin_call(ARGUMENT_1(regs));

	if (call)
		call->buffer = ARGUMENT_2(regs);
	return 0;
}

SEC("uprobe")
int messages_tls_begin_ex(struct pt_regs___call *regs)
{
	struct tls_call *call = begin_call(ARGUMENT_1(regs));

	if (!call)
		return 0;
	call->buffer = ARGUMENT_2(regs);
	call->length_at = ARGUMENT_4(regs);
	return 0;
}

/* Whether the agent wants what is said in the session. */
static __always_inline bool is_session_wanted(struct tls_session *session,
					      const struct tls_key *key)
{
	u64 *changes = only_value(&verdict_changes);
	u8 *said;

	if (session->verdict == VERDICT_UNWANTED || !changes)
		return false;
	if (session->changes == *changes)
		return true;
	session->changes = *changes;
	said = bpf_map_lookup_elem(&verdicts, &session->connection);
	if (!said)
		return true;
	if (*said == VERDICT_FORGOTTEN) {
		/* It is announced again when its socket is used the next time. */
		bpf_map_delete_elem(&verdicts, &session->connection);
		bpf_map_delete_elem(&tls_sessions, key);
		return false;
	}
	session->verdict = *said;
	return *said != VERDICT_UNWANTED;
}

static __noinline void end_call(s64 length, u8 kind)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tls_call *call = bpf_task_storage_get(&tls_calls, task, NULL, 0);
	struct scratch *to = only_value(&scratches);
	struct tls_session *session;
	struct tls_key key = {};
	u32 bytes;

	if (!call || !to || !call->ssl)
		return;
	key.ssl = call->ssl;
	key.tgid = bpf_get_current_pid_tgid() >> 32;
	call->ssl = 0;
	if (length <= 0)
		return;
	session = bpf_map_lookup_elem(&tls_sessions, &key);
	if (session && !is_session_wanted(session, &key))
		return;
	to->event.time = kind == MESSAGE_RECEIVED && call->arrived ? call->arrived : call->time;
	to->event.kind = kind;
	to->event.length = length;
	bytes = copy_user(to, 0, (void *)call->buffer, length);
	to->event.known = bytes;
	to->event.thread = bpf_get_current_pid_tgid();
	if (session)
		send_numbered(to, session->connection, ++session->serial);
	else
		bpf_map_update_elem(&tls_early, &key, &to->event, BPF_NOEXIST);
}

static __always_inline void end_call_ex(u32 result, u8 kind)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tls_call *call = bpf_task_storage_get(&tls_calls, task, NULL, 0);
	u64 length = 0;

	if (call && result == 1)
		bpf_probe_read_user(&length, sizeof(length), (void *)call->length_at);
	end_call(length, kind);
}

SEC("uprobe")
int messages_tls_read(struct pt_regs___call *regs)
{
	end_call((s32)RESULT(regs), MESSAGE_RECEIVED);
	return 0;
}

SEC("uprobe")
int messages_tls_read_ex(struct pt_regs___call *regs)
{
	end_call_ex(RESULT(regs), MESSAGE_RECEIVED);
	return 0;
}

SEC("uprobe")
int messages_tls_written(struct pt_regs___call *regs)
{
	end_call((s32)RESULT(regs), MESSAGE_SENT);
	return 0;
}

SEC("uprobe")
int messages_tls_written_ex(struct pt_regs___call *regs)
{
	end_call_ex(RESULT(regs), MESSAGE_SENT);
	return 0;
}
