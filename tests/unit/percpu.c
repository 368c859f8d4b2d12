/* SPDX-License-Identifier: MIT */
#include "kern/percpu.h"

#include "lib/string.h"
#include "tests/test.h"

enum {
	AT_FIRST = 4711,
};

static PER_CPU(unsigned, counter) = AT_FIRST;
static PER_CPU(uint8_t, letter) = 'a';

TEST(percpu_variables_begin_as_they_were_defined)
{
	CHECK_EQ(this_cpu(counter), AT_FIRST);
	CHECK_EQ(this_cpu(letter), 'a');
}

TEST(document_001_the_template_is_no_cpus_area)
{
	uint64_t before = 0, after = 0;
	err_t readable = arch_probe_read64((vaddr_t)&counter, &before); /* not in the kernel */

	CHECK(this_cpu_ptr(counter) != &counter);
	CHECK_EQ((uintptr_t)this_cpu_ptr(counter), arch_percpu_bias() + (uintptr_t)&counter);
	this_cpu(counter)++;
	CHECK_EQ(this_cpu(counter), AT_FIRST + 1);
	CHECK_EQ(*this_cpu_ptr(counter), AT_FIRST + 1);
	CHECK_EQ(arch_probe_read64((vaddr_t)&counter, &after), readable);
	CHECK_EQ(after, before);
	this_cpu(counter)--;
}

TEST(percpu_areas_are_apart)
{
	unsigned me = arch_cpu_id();

	CHECK(percpu_is_prepared(me));
	CHECK_EQ((uintptr_t)per_cpu_ptr(counter, me), (uintptr_t)this_cpu_ptr(counter));
	for (unsigned cpu = 0; cpu < ARCH_MAX_CPUS; cpu++) {
		if (cpu == me || !percpu_is_prepared(cpu))
			continue;
		CHECK_EQ(*per_cpu_ptr(counter, cpu), AT_FIRST);
		CHECK(per_cpu_ptr(counter, cpu) != this_cpu_ptr(counter));
	}
	CHECK(!percpu_is_prepared(ARCH_MAX_CPUS));
}
