/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/backtrace.h"

#include "arch/x86_64/trap.h"
#include "kern/percpu.h"
#include "lib/print.h"
#include "lib/symbols.h"

enum {
	WORD = sizeof(uint64_t),
	FRAME_BYTES_MAX = 16384, /* functions use at most 1 KiB; a trap frame is small too */
	STEPS_MAX = 4096,
};

extern const uint8_t text_start[], text_end[];
extern const uint8_t trap_text_start[], trap_text_end[];

static PER_CPU(struct backtrace, last);
static PER_CPU(bool, last_is_news); /* not printed yet */

static bool is_text(vaddr_t va)
{
	return va >= (vaddr_t)text_start && va < (vaddr_t)text_end;
}

/* trap.S, whose frames lead to the interrupted code. */
static bool is_trap_entry(vaddr_t va)
{
	return va >= (vaddr_t)trap_text_start && va < (vaddr_t)trap_text_end;
}

static void add(struct backtrace *b, vaddr_t at)
{
	if (b->count > 0 && b->at[b->count - 1] == at) {
		b->times[b->count - 1]++;
	} else if (b->count < BACKTRACE_MAX) {
		b->at[b->count] = at;
		b->times[b->count++] = 1;
	} else {
		b->end = BACKTRACE_CUT;
	}
}

/* Whether the chain may go from one frame pointer to the next; `leap`: to another stack. */
static bool may_follow(vaddr_t from, vaddr_t to, bool leap)
{
	return to % WORD == 0 && to >= DIRECT_BASE &&
	       (leap || (to > from && to - from <= FRAME_BYTES_MAX));
}

/* Whether at[i] is the code that an exception interrupted: the entry before it is trap.S. */
static bool follows_trap_entry(const struct backtrace *b, unsigned i)
{
	return i >= 1 && i < b->count && is_trap_entry(b->at[i - 1]);
}

/* Whether code that stopped at ip runs without a frame of its function: compiled code as the symbol
 * table has it, assembly at its first instruction, and a wild call. */
static bool is_frameless(vaddr_t ip)
{
	struct symbol s;

	return !is_text(ip) || symbols_frameless(ip) || (symbols_find(ip, &s) && s.offset == 0);
}

/* The caller of code that stopped at ip without a frame: the return address is at the stack
 * pointer, or above the frame pointer if that has just been pushed. */
static void add_frameless_caller(struct backtrace *b, vaddr_t ip, vaddr_t frame, vaddr_t stack)
{
	uint64_t back;

	if (!is_frameless(ip) || arch_probe_read64(stack, &back) != OK)
		return;
	if (back == frame && arch_probe_read64(stack + WORD, &back) != OK)
		return;
	if (is_text(back))
		add(b, back);
}

/* The same for code at ip that the exception interrupted whose pair (trap.S) is at `pair`; `frame`
 * is the interrupted code's frame pointer. */
static void add_interrupted_caller(struct backtrace *b, vaddr_t ip, vaddr_t frame, vaddr_t pair)
{
	uint64_t stack;

	if (arch_probe_read64(pair + 2 * WORD + offsetof(struct trap_frame, rsp), &stack) == OK)
		add_frameless_caller(b, ip, frame, stack);
}

/* From the frame at `frame` on; `stack` is an address on the same stack, below it. */
static void follow(struct backtrace *b, vaddr_t frame, vaddr_t stack)
{
	vaddr_t from = stack;
	bool leap = false;

	for (unsigned i = 0; frame != 0 && b->end == BACKTRACE_WHOLE; i++) {
		uint64_t next, back;

		if (!may_follow(from, frame, leap) || arch_probe_read64(frame, &next) != OK ||
		    arch_probe_read64(frame + WORD, &back) != OK) {
			b->end = BACKTRACE_DAMAGED;
			return;
		}
		if (is_text(back))
			add(b, back);
		else if (next != 0) /* the first function of all was called by boot.S */
			b->end = BACKTRACE_DAMAGED;
		if (i == STEPS_MAX)
			b->end = BACKTRACE_CUT;
		leap = follows_trap_entry(b, b->count - 1);
		if (leap)
			add_interrupted_caller(b, back, next, frame);
		from = frame;
		frame = next;
	}
}

void backtrace_of(struct backtrace *b, vaddr_t ip, vaddr_t frame, vaddr_t stack)
{
	*b = (struct backtrace){ .exact = true };
	add(b, ip);
	add_frameless_caller(b, ip, frame, stack);
	/* a frame may begin at the stack pointer itself */
	follow(b, frame, stack - WORD);
}

void backtrace_here(struct backtrace *b)
{
	vaddr_t frame = (vaddr_t)__builtin_frame_address(0);

	*b = (struct backtrace){ .exact = false };
	follow(b, frame, frame - WORD);
}

void backtrace_print(const struct backtrace *b)
{
	static const char *const ends[] = {
		[BACKTRACE_WHOLE] = "",
		[BACKTRACE_CUT] = "keel:   ... and more\n",
		[BACKTRACE_DAMAGED] = "keel:   (the chain of frames is damaged from here on)\n",
	};
	char name[SYMBOL_TEXT_BYTES];

	print("keel: backtrace:\n");
	for (unsigned i = 0; i < b->count; i++) {
		if ((i == 0 && b->exact) || follows_trap_entry(b, i))
			symbols_format(b->at[i], name, sizeof(name));
		else
			symbols_format_return(b->at[i], name, sizeof(name));
		print("keel:   %016lx %s", b->at[i], name);
		if (b->times[i] > 1)
			print(" (%u times)", b->times[i]);
		print("\n");
	}
	print("%s", ends[b->end]);
}

void backtrace_remember(const struct backtrace *b)
{
	*this_cpu_ptr(last) = *b;
	this_cpu(last_is_news) = true;
}

void backtrace_print_panic(void)
{
	if (!this_cpu(last_is_news))
		backtrace_here(this_cpu_ptr(last));
	this_cpu(last_is_news) = false;
	backtrace_print(this_cpu_ptr(last));
}

err_t arch_backtrace_print(void)
{
	struct backtrace here;

	if (this_cpu(last).count != 0) {
		backtrace_print(this_cpu_ptr(last));
	} else {
		backtrace_here(&here);
		backtrace_print(&here);
	}
	return OK;
}
