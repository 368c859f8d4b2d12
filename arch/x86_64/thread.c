/* SPDX-License-Identifier: MIT */
#include "arch/arch.h"

/* What arch_thread_switch() pops (switch.S), lowest address first. */
struct switch_frame {
	uint64_t r15, r14, r13, r12, rbx, rbp;
	uint64_t rip;
	uint64_t unused[2];
};
/* The top is aligned to 16, and so is the stack behind the return to thread_first. */
_Static_assert(offsetof(struct switch_frame, unused) % 16 == 8 &&
		       sizeof(struct switch_frame) % 16 == 8,
	       "the stack of a first call is aligned");

extern const uint8_t thread_first[];

void *arch_thread_prepare(void *stack, size_t bytes, void (*fn)(void *arg), void *arg)
{
	void *top = (uint8_t *)stack + bytes;
	struct switch_frame *f = (struct switch_frame *)top - 1;

	*f = (struct switch_frame){
		.rbx = (uint64_t)fn,
		.r12 = (uint64_t)arg,
		.rip = (uint64_t)thread_first,
	};
	return f;
}

void arch_thread_release(void *sp)
{
	(void)sp;
}
