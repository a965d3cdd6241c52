/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Arguments and result of the function that a kprobe or uprobe stopped at, and its stack. */
#pragma once

#include "kernel.h"

#if defined(__TARGET_ARCH_x86)
struct pt_regs___call {
	unsigned long di;
	unsigned long si;
	unsigned long dx;
	unsigned long cx;
	unsigned long ax;
	unsigned long sp;
} __attribute__((preserve_access_index));

#define ARGUMENT_1(from) BPF_CORE_READ(from, di)
#define ARGUMENT_2(from) BPF_CORE_READ(from, si)
#define ARGUMENT_3(from) BPF_CORE_READ(from, dx)
#define ARGUMENT_4(from) BPF_CORE_READ(from, cx)
#define RESULT(from) BPF_CORE_READ(from, ax)
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs___call {
	u64 regs[31];
	u64 sp;
} __attribute__((preserve_access_index));

#define ARGUMENT_1(from) BPF_CORE_READ(from, regs[0])
#define ARGUMENT_2(from) BPF_CORE_READ(from, regs[1])
#define ARGUMENT_3(from) BPF_CORE_READ(from, regs[2])
#define ARGUMENT_4(from) BPF_CORE_READ(from, regs[3])
#define RESULT(from) BPF_CORE_READ(from, regs[0])
#endif

#define STACK_POINTER(from) BPF_CORE_READ(from, sp)
