/* SPDX-License-Identifier: MIT */
/* Tests of kern/ports.c, on ports that no device of a PC has. */
#include "kern/ports.h"

#include "tests/test.h"

enum {
	FIRST = 0xa000,
};

static unsigned claims(void)
{
	struct port_claim c;
	unsigned n = 0;

	while (ports_claim_at(n, &c))
		n++;
	return n;
}

TEST(ports_are_claimed_once)
{
	static struct port_claim a, b, c;
	unsigned before = claims();

	CHECK_EQ(ports_claim(&a, FIRST, 8, "a"), OK);
	CHECK_EQ(ports_claim(&b, FIRST, 1, "b"), ERR_IN_USE);
	CHECK_EQ(ports_claim(&b, FIRST + 7, 1, "b"), ERR_IN_USE);
	CHECK_EQ(ports_claim(&b, FIRST - 1, 2, "b"), ERR_IN_USE);
	CHECK_EQ(ports_claim(&b, FIRST - 1, 100, "b"), ERR_IN_USE);
	CHECK_EQ(ports_claim(&b, FIRST + 8, 8, "b"), OK);
	CHECK_EQ(ports_claim(&c, FIRST - 1, 1, "c"), OK);
	CHECK_EQ(claims(), before + 3);
	ports_release(&a);
	CHECK_EQ(ports_claim(&a, FIRST, 8, "again"), OK);
	ports_release(&a);
	ports_release(&b);
	ports_release(&c);
	CHECK_EQ(claims(), before);
}

TEST(ports_claims_at_the_ends_of_the_range)
{
	static struct port_claim a;

	CHECK_EQ(ports_claim(&a, FIRST, 0, "none"), ERR_BAD_RANGE);
	CHECK_EQ(ports_claim(&a, 0xffff, 2, "beyond"), ERR_BAD_RANGE);
	CHECK_EQ(ports_claim(&a, 0, 65537, "beyond"), ERR_BAD_RANGE);
	CHECK_EQ(ports_claim(&a, 1, UINT32_MAX, "wraps"), ERR_BAD_RANGE);
	CHECK_EQ(ports_claim(&a, 0xffff, 1, "last"), OK);
	ports_release(&a);
}

TEST(ports_are_listed_in_order_with_their_owners)
{
	static struct port_claim high, low;
	struct port_claim c, last = { .first = 0 };
	unsigned mine = 0;

	NEED(ports_claim(&high, FIRST + 16, 4, "high") == OK);
	NEED(ports_claim(&low, FIRST, 4, "low") == OK);
	for (unsigned i = 0; ports_claim_at(i, &c); i++) {
		CHECK(i == 0 || c.first >= last.first + last.count);
		mine += c.first == FIRST && c.owner[0] == 'l';
		mine += c.first == FIRST + 16 && c.owner[0] == 'h';
		last = c;
	}
	CHECK_EQ(mine, 2);
	ports_release(&high);
	ports_release(&low);
}
