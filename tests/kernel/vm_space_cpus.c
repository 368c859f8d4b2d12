/* SPDX-License-Identifier: MIT */
/* Concurrency test of spaces on all CPUs, with real memory accesses. */
#include "tests/kernel/crew.h"
#include "tests/machine.h"
#include "tests/space_storm.h"
#include "tests/test.h"

enum {
	STEPS = 500,
};

struct member {
	struct storm_member storm; /* first member: storm_member pointers are cast to this */
	struct crew_member *crew;
};

static uint64_t next_random(struct storm_member *me)
{
	return crew_random_below(((struct member *)(void *)me)->crew, UINT64_MAX);
}

static bool store(vaddr_t va, uint64_t value)
{
	return arch_copy_to_user(va, &value, sizeof(value)).done == sizeof(value);
}

static bool load(vaddr_t va, uint64_t *value)
{
	return arch_copy_from_user(value, va, sizeof(*value)).done == sizeof(*value);
}

static void take_part(struct crew_member *crew)
{
	struct member me = { { crew->cpu, next_random, store, load }, crew };

	crew_meet();
	storm_run(&me.storm, STEPS);
}

TEST(vm_space_storm_of_all_cpus_keeps_spaces_apart)
{
	struct ledger before = machine_ledger();

	if (cpu_count() > STORM_CPUS)
		test_diag("CPUs from %u on are not used", STORM_CPUS);
	NEED(storm_begin());
	NEED(crew_run(take_part));
	STORM_END();
	CHECK_LEDGER(&before);
}
