/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which system calls read and which write, by their numbers on each processor, and how they name the bytes. */
#pragma once

#include "syscalls.h"

/* How a call names the bytes. */
enum call_form {
	FORM_NONE,
	FORM_BUFFER,  /* buffer, length */
	FORM_VECTOR,  /* iovec, count */
	FORM_TO_FROM, /* buffer, length, flags, address, its length */
	FORM_MESSAGE, /* msghdr, flags */
	FORM_MANY,    /* mmsghdr, count, flags */
};

/* The calls that read, and those that write. */
#if defined(__TARGET_ARCH_x86)

static __always_inline u8 receives(u64 number)
{
	switch (number) {
	case 0: /* read */
		return FORM_BUFFER;
	case 19: /* readv */
		return FORM_VECTOR;
	case 45: /* recvfrom */
		return FORM_TO_FROM;
	case 47: /* recvmsg */
		return FORM_MESSAGE;
	case 299: /* recvmmsg */
		return FORM_MANY;
	}
	return FORM_NONE;
}

static __always_inline u8 sends(u64 number)
{
	switch (number) {
	case 1: /* write */
		return FORM_BUFFER;
	case 20: /* writev */
		return FORM_VECTOR;
	case 44: /* sendto */
		return FORM_TO_FROM;
	case 46: /* sendmsg */
		return FORM_MESSAGE;
	case 307: /* sendmmsg */
		return FORM_MANY;
	}
	return FORM_NONE;
}

/* Calls after which a socket has said nothing yet: its descriptor. */
static __always_inline u64 connected_fd(u64 number, struct pt_regs *regs, long result)
{
	switch (number) {
	case 42: /* connect */
		return first_argument(regs);
	case 43:  /* accept */
	case 288: /* accept4 */
		return result;
	}
	return -1;
}

#elif defined(__TARGET_ARCH_arm64)

static __always_inline u8 receives(u64 number)
{
	switch (number) {
	case 63: /* read */
		return FORM_BUFFER;
	case 65: /* readv */
		return FORM_VECTOR;
	case 207: /* recvfrom */
		return FORM_TO_FROM;
	case 212: /* recvmsg */
		return FORM_MESSAGE;
	case 243: /* recvmmsg */
		return FORM_MANY;
	}
	return FORM_NONE;
}

static __always_inline u8 sends(u64 number)
{
	switch (number) {
	case 64: /* write */
		return FORM_BUFFER;
	case 66: /* writev */
		return FORM_VECTOR;
	case 206: /* sendto */
		return FORM_TO_FROM;
	case 211: /* sendmsg */
		return FORM_MESSAGE;
	case 269: /* sendmmsg */
		return FORM_MANY;
	}
	return FORM_NONE;
}

static __always_inline u64 connected_fd(u64 number, struct pt_regs *regs, long result)
{
	switch (number) {
	case 203: /* connect */
		return first_argument(regs);
	case 202: /* accept */
	case 242: /* accept4 */
		return result;
	}
	return -1;
}

#endif
