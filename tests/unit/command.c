/* SPDX-License-Identifier: MIT */
/* Tests of monitor/command.c: parsing of numbers and addresses. */
#include "monitor/command.h"

#include "tests/test.h"

TEST(command_number_is_the_whole_of_a_word)
{
	static const char *const wrong[] = { "",   "k",  "-1",  "1kk",   "1k ",      "12x",
					     "0x", "08", "1.5", "0x1g1", "16777216t" };
	uint64_t value;

	CHECK(command_number("16", &value) && value == 16);
	CHECK(command_number("0x1000", &value) && value == 0x1000);
	CHECK(command_number("64k", &value) && value == KIB(64));
	CHECK(command_number("1T", &value) && value == TIB(1));
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
		if (command_number(wrong[i], &value))
			test_fail(__FILE__, __LINE__, "\"%s\" is read as %#lx", wrong[i], value);
}

TEST(command_address_is_hexadecimal_with_or_without_0x)
{
	static const char *const wrong[] = {
		"", "0x", "12g4", "fffffffffffffffff", "-1", "no_name"
	};
	vaddr_t va;

	CHECK(command_address("10000", &va) && va == 0x10000);
	CHECK(command_address("0x10000", &va) && va == 0x10000);
	CHECK(command_address("ffffffffffffffff", &va) && va == UINT64_MAX);
	CHECK(command_address("FFF0", &va) && va == 0xfff0);
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
		if (command_address(wrong[i], &va))
			test_fail(__FILE__, __LINE__, "\"%s\" is read as %#lx", wrong[i], va);
}
