/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Numbers of the system calls that are timed, and where the kernel keeps their arguments. */
#pragma once

#include "kernel.h"

/* Calls with a time of their own, in the order of the fields of struct proc_calls_val. */
enum {
	CALL_MOUNT,
	CALL_UMOUNT,
	CALL_READ,
	CALL_WRITE,
	CALL_FSYNC,
	CALL_SENDMSG,
	CALL_RECVMSG,
	CALL_SCHED_YIELD,
	CALL_FUTEX,
	CALL_EPOLL_WAIT,
	CALL_EPOLL_PWAIT,
	CALL_FORK,
	CALL_VFORK,
	CALL_CLONE,
	CALL_IOCTL,
	CALLS,
	NO_CALL = CALLS,
};

/* What a call does to a file. */
enum { FS_READ, FS_WRITE, FS_OPEN, FS_FLUSH, FS_OPS, NO_FS = FS_OPS };

/* Sixteen times the operation, and the call. */
#define KIND(operation, call) ((operation) << 4 | (call))
enum { NO_KIND = KIND(NO_FS, NO_CALL), MAX_CALL_NUMBER = 512 };

#if defined(__TARGET_ARCH_x86)

enum { MACHINE = 62 }; /* EM_X86_64 */

struct thread_info___x86 {
	u32 status;
} __attribute__((preserve_access_index));

struct task_struct___x86 {
	struct thread_info___x86 thread_info;
} __attribute__((preserve_access_index));

enum { TS_COMPAT = 2 };

/* A call of a 32-bit program, which has other numbers. */
static __always_inline bool is_foreign_call(struct task_struct *task)
{
	return ((struct task_struct___x86 *)task)->thread_info.status & TS_COMPAT;
}

struct pt_regs {
	unsigned long di;
	unsigned long si;
	unsigned long dx;
	unsigned long r10;
	unsigned long r8;
	unsigned long orig_ax;
} __attribute__((preserve_access_index));

static __always_inline u64 first_argument(struct pt_regs *regs)
{
	return regs->di;
}

static __always_inline u64 second_argument(struct pt_regs *regs)
{
	return regs->si;
}

static __always_inline u64 third_argument(struct pt_regs *regs)
{
	return regs->dx;
}

static __always_inline u64 fourth_argument(struct pt_regs *regs)
{
	return regs->r10;
}

static __always_inline u64 fifth_argument(struct pt_regs *regs)
{
	return regs->r8;
}

/* Also when the call ends. */
static __always_inline u64 call_number(struct pt_regs *regs)
{
	return regs->orig_ax;
}

static __always_inline u8 kind_of_call(u32 number)
{
	switch (number) {
	case 0: /* read */
		return KIND(FS_READ, CALL_READ);
	case 1: /* write */
		return KIND(FS_WRITE, CALL_WRITE);
	case 16: /* ioctl */
		return KIND(NO_FS, CALL_IOCTL);
	case 17:  /* pread64 */
	case 19:  /* readv */
	case 295: /* preadv */
	case 327: /* preadv2 */
		return KIND(FS_READ, NO_CALL);
	case 18:  /* pwrite64 */
	case 20:  /* writev */
	case 296: /* pwritev */
	case 328: /* pwritev2 */
		return KIND(FS_WRITE, NO_CALL);
	case 2:	  /* open */
	case 85:  /* creat */
	case 257: /* openat */
	case 437: /* openat2 */
		return KIND(FS_OPEN, NO_CALL);
	case 24: /* sched_yield */
		return KIND(NO_FS, CALL_SCHED_YIELD);
	case 46: /* sendmsg */
		return KIND(NO_FS, CALL_SENDMSG);
	case 47: /* recvmsg */
		return KIND(NO_FS, CALL_RECVMSG);
	case 56:  /* clone */
	case 435: /* clone3 */
		return KIND(NO_FS, CALL_CLONE);
	case 57: /* fork */
		return KIND(NO_FS, CALL_FORK);
	case 58: /* vfork */
		return KIND(NO_FS, CALL_VFORK);
	case 74: /* fsync */
		return KIND(FS_FLUSH, CALL_FSYNC);
	case 75: /* fdatasync */
		return KIND(FS_FLUSH, NO_CALL);
	case 165: /* mount */
		return KIND(NO_FS, CALL_MOUNT);
	case 166: /* umount2 */
		return KIND(NO_FS, CALL_UMOUNT);
	case 202: /* futex */
		return KIND(NO_FS, CALL_FUTEX);
	case 232: /* epoll_wait */
		return KIND(NO_FS, CALL_EPOLL_WAIT);
	case 281: /* epoll_pwait */
	case 441: /* epoll_pwait2 */
		return KIND(NO_FS, CALL_EPOLL_PWAIT);
	}
	return NO_KIND;
}

#elif defined(__TARGET_ARCH_arm64)

enum { MACHINE = 183 }; /* EM_AARCH64 */

struct thread_info___arm64 {
	unsigned long flags;
} __attribute__((preserve_access_index));

struct task_struct___arm64 {
	struct thread_info___arm64 thread_info;
} __attribute__((preserve_access_index));

enum { TIF_32BIT = 22 };

static __always_inline bool is_foreign_call(struct task_struct *task)
{
	return ((struct task_struct___arm64 *)task)->thread_info.flags >> TIF_32BIT & 1;
}

struct pt_regs {
	u64 regs[31];
	u64 orig_x0;
	s32 syscallno;
} __attribute__((preserve_access_index));

static __always_inline u64 first_argument(struct pt_regs *regs)
{
	return regs->orig_x0;
}

static __always_inline u64 second_argument(struct pt_regs *regs)
{
	return regs->regs[1];
}

static __always_inline u64 third_argument(struct pt_regs *regs)
{
	return regs->regs[2];
}

static __always_inline u64 fourth_argument(struct pt_regs *regs)
{
	return regs->regs[3];
}

static __always_inline u64 fifth_argument(struct pt_regs *regs)
{
	return regs->regs[4];
}

/* Also when the call ends. */
static __always_inline u64 call_number(struct pt_regs *regs)
{
	return regs->syscallno;
}

static __always_inline u8 kind_of_call(u32 number)
{
	switch (number) {
	case 22:  /* epoll_pwait */
	case 441: /* epoll_pwait2 */
		return KIND(NO_FS, CALL_EPOLL_PWAIT);
	case 29: /* ioctl */
		return KIND(NO_FS, CALL_IOCTL);
	case 39: /* umount2 */
		return KIND(NO_FS, CALL_UMOUNT);
	case 40: /* mount */
		return KIND(NO_FS, CALL_MOUNT);
	case 56:  /* openat */
	case 437: /* openat2 */
		return KIND(FS_OPEN, NO_CALL);
	case 63: /* read */
		return KIND(FS_READ, CALL_READ);
	case 64: /* write */
		return KIND(FS_WRITE, CALL_WRITE);
	case 65:  /* readv */
	case 67:  /* pread64 */
	case 69:  /* preadv */
	case 286: /* preadv2 */
		return KIND(FS_READ, NO_CALL);
	case 66:  /* writev */
	case 68:  /* pwrite64 */
	case 70:  /* pwritev */
	case 287: /* pwritev2 */
		return KIND(FS_WRITE, NO_CALL);
	case 82: /* fsync */
		return KIND(FS_FLUSH, CALL_FSYNC);
	case 83: /* fdatasync */
		return KIND(FS_FLUSH, NO_CALL);
	case 98: /* futex */
		return KIND(NO_FS, CALL_FUTEX);
	case 124: /* sched_yield */
		return KIND(NO_FS, CALL_SCHED_YIELD);
	case 211: /* sendmsg */
		return KIND(NO_FS, CALL_SENDMSG);
	case 212: /* recvmsg */
		return KIND(NO_FS, CALL_RECVMSG);
	case 220: /* clone */
	case 435: /* clone3 */
		return KIND(NO_FS, CALL_CLONE);
	}
	return NO_KIND;
}

#endif
