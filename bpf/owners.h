/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Walking all files of all processes is dear: programs say when they met a socket whose owner is not known. */
#pragma once

#include "probe.h"

struct wish_val {
	u64 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct wish_val);
} owner_wishes SEC(".maps");

static __always_inline void wish_for_owner(void)
{
	u32 first = 0;
	struct wish_val *wish = bpf_map_lookup_elem(&owner_wishes, &first);

	if (wish)
		wish->count = 1;
}
