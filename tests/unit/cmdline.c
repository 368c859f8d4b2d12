/* SPDX-License-Identifier: MIT */
/* Tests of boot/cmdline.c; ignored options are detected by the number of warnings. */
#include "boot/cmdline.h"

#include "lib/string.h"
#include "tests/test.h"

static struct cmdline got;

/* Parse without output; returns the number of warnings. */
static unsigned warnings_of(const char *text)
{
	struct print_sink *before = print_sink_now();
	unsigned count = warn_count();

	memset(&got, 0xa5, sizeof(got));
	print_set_sink(NULL);
	cmdline_parse(text, &got);
	print_set_sink(before);
	return warn_count() - count;
}

/* ---- words ---- */

TEST(cmdline_nothing_gives_the_defaults)
{
	static const char *const texts[] = { "", " ", "   \t\n  " };

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
		CHECK_EQ(warnings_of(texts[i]), 0);
		CHECK_EQ(got.mem_limit, UINT64_MAX);
		CHECK_EQ(got.panic_seconds, 0);
		CHECK_EQ(got.log_level, 7);
		CHECK(!got.has_ktest);
		CHECK_STR(got.ktest, "");
		CHECK_EQ(got.seed, 1);
		CHECK_STR(got.monitor, "");
		CHECK_EQ(got.memmap_count, 0);
	}
}

TEST(cmdline_every_option_is_known)
{
	CHECK_EQ(warnings_of("no5lvl mem=1G memmap=1M@16M ktest=zone* monitor=help,mem+all panic=5 "
			     "maxcpus=1 nosmp seed=7"),
		 0);
	CHECK_EQ(got.mem_limit, GIB(1));
	CHECK_EQ(got.memmap_count, 1);
	CHECK(got.has_ktest);
	CHECK_STR(got.ktest, "zone*");
	CHECK_STR(got.monitor, "help,mem+all");
	CHECK_EQ(got.panic_seconds, 5);
	CHECK_EQ(got.seed, 7);
}

TEST(cmdline_unknown_options_are_warned_about)
{
	CHECK_EQ(warnings_of("quiet"), 1);
	CHECK_EQ(warnings_of("quiet splash=1 mem=2G root=/dev/sda1"), 3);
	CHECK_EQ(got.mem_limit, GIB(2));
	CHECK_EQ(warnings_of("="), 1);
	CHECK_EQ(warnings_of("=1G"), 1);
	CHECK_EQ(warnings_of("Mem=1G"), 1);
	CHECK_EQ(warnings_of("memm=1G"), 1);
	CHECK_EQ(warnings_of("me=1G"), 1);
	CHECK_EQ(got.mem_limit, UINT64_MAX);
}

TEST(cmdline_blanks_of_every_kind_separate_words)
{
	CHECK_EQ(warnings_of("  mem=1G\tpanic=3\nktest=a \t\n "), 0);
	CHECK_EQ(got.mem_limit, GIB(1));
	CHECK_EQ(got.panic_seconds, 3);
	CHECK_STR(got.ktest, "a");
}

TEST(cmdline_quoted_values_may_contain_blanks)
{
	CHECK_EQ(warnings_of("ktest=\"a b\" panic=1"), 0);
	CHECK_STR(got.ktest, "a b");
	CHECK_EQ(got.panic_seconds, 1);
	CHECK_EQ(warnings_of("\"ktest=a b\""), 0);
	CHECK_STR(got.ktest, "a b");
	CHECK_EQ(warnings_of("kt\"est=a\" panic=1"), 0);
	CHECK_STR(got.ktest, "a");
	CHECK_EQ(got.panic_seconds, 1);
	CHECK_EQ(warnings_of("ktest=\"a panic=1"), 0); /* never closed */
	CHECK_STR(got.ktest, "a panic=1");
	CHECK_EQ(got.panic_seconds, 0);
	CHECK_EQ(warnings_of("\"\""), 1); /* an empty word */
}

TEST(cmdline_the_value_begins_at_the_first_equals_sign)
{
	CHECK_EQ(warnings_of("ktest=a=b"), 0);
	CHECK_STR(got.ktest, "a=b");
}

TEST(cmdline_the_last_one_of_an_option_wins)
{
	CHECK_EQ(warnings_of("mem=1G mem=2G ktest=a ktest=b"), 0);
	CHECK_EQ(got.mem_limit, GIB(2));
	CHECK_STR(got.ktest, "b");
}

/* A truncated number would be a wrong value. */
TEST(cmdline_words_that_are_too_long_are_ignored)
{
	static char text[2 * CMDLINE_TEXT_BYTES + 64];
	size_t n = print_to(text, sizeof(text), "ktest=");

	while (n < CMDLINE_TEXT_BYTES - 1)
		text[n++] = 'a';
	print_to(text + n, sizeof(text) - n, " panic=1");
	CHECK_EQ(warnings_of(text), 0);
	CHECK_EQ(strlen(got.ktest), CMDLINE_TEXT_BYTES - 1 - 6);
	CHECK_EQ(got.panic_seconds, 1);
	text[n++] = 'a';
	print_to(text + n, sizeof(text) - n, " panic=1");
	CHECK_EQ(warnings_of(text), 1);
	CHECK(!got.has_ktest);
	CHECK_EQ(got.panic_seconds, 1);
}

/* ---- values ---- */

TEST(cmdline_mem_takes_sizes)
{
	CHECK_EQ(warnings_of("mem=0x1000"), 0);
	CHECK_EQ(got.mem_limit, 0x1000);
	CHECK_EQ(warnings_of("mem=123456k"), 0);
	CHECK_EQ(got.mem_limit, KIB(123456));
	CHECK_EQ(warnings_of("mem=3T"), 0);
	CHECK_EQ(got.mem_limit, TIB(3));
	CHECK_EQ(warnings_of("mem=18446744073709551615"), 0);
	CHECK_EQ(got.mem_limit, UINT64_MAX);
}

TEST(cmdline_invalid_values_are_warned_about)
{
	static const char *const texts[] = {
		"mem",
		"mem=",
		"mem=0",
		"mem=x",
		"mem=1Gx",
		"mem=-1",
		"mem=1G1",
		"mem=18446744073709551616",
		"mem=99999999T",
		"loglevel=9",
		"loglevel=",
		"loglevel=x",
		"panic=",
		"panic=4294967296",
		"panic=soon",
		"panic=1 2=",
		"memmap",
		"memmap=",
		"memmap=1M",
		"memmap=1M@",
		"memmap=@1M",
		"memmap=0@1M",
		"memmap=1M!1M",
		"memmap=1M@1M,",
		"memmap=1M@1M;1M@2M",
		"memmap=1M@1M 1M@2M",
		"memmap=1M@0xffffffffffffffff",
		"memmap=16777216T@1M",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++)
		if (warnings_of(texts[i]) != 1)
			test_fail(__FILE__, __LINE__, "no warning about %s", texts[i]);
	CHECK_EQ(warnings_of("mem=1G mem=senseless"), 1);
	CHECK_EQ(got.mem_limit, GIB(1));
}

TEST(cmdline_panic_takes_seconds)
{
	CHECK_EQ(warnings_of("panic=4294967295"), 0);
	CHECK_EQ(got.panic_seconds, UINT32_MAX);
	CHECK_EQ(warnings_of("panic=0"), 0);
	CHECK_EQ(got.panic_seconds, 0);
}

/* ---- memmap ---- */

static void check_memmap(unsigned i, uint64_t start, uint64_t end, enum region_type type)
{
	CHECK(i < got.memmap_count);
	CHECK_EQ(got.memmap[i].start, start);
	CHECK_EQ(got.memmap[i].end, end);
	CHECK_EQ(got.memmap[i].type, type);
}

TEST(cmdline_memmap_takes_lists)
{
	CHECK_EQ(warnings_of("memmap=1M@16M,0x1000$0x2000000,64K#48M memmap=4K$0"), 0);
	NEED(got.memmap_count == 4);
	check_memmap(0, MIB(16), MIB(17), REGION_USABLE);
	check_memmap(1, 0x2000000, 0x2001000, REGION_RESERVED);
	check_memmap(2, MIB(48), MIB(48) + KIB(64), REGION_ACPI);
	check_memmap(3, 0, KIB(4), REGION_RESERVED);
}

TEST(cmdline_memmap_reaches_the_end_of_the_address_space)
{
	CHECK_EQ(warnings_of("memmap=4095$0xfffffffffffff000"), 0);
	NEED(got.memmap_count == 1);
	check_memmap(0, UINT64_MAX - 4095, UINT64_MAX, REGION_RESERVED);
	CHECK_EQ(warnings_of("memmap=4096$0xfffffffffffff000"), 1);
	CHECK_EQ(got.memmap_count, 0);
}

TEST(cmdline_a_memmap_list_is_used_completely_or_not_at_all)
{
	CHECK_EQ(warnings_of("memmap=1M@1M memmap=1M@2M,1M@3M,nonsense memmap=1M@4M"), 1);
	NEED(got.memmap_count == 2);
	check_memmap(0, MIB(1), MIB(2), REGION_USABLE);
	check_memmap(1, MIB(4), MIB(5), REGION_USABLE);
}

TEST(cmdline_more_memmaps_than_there_is_room_for_are_warned_about)
{
	static char text[32 * CMDLINE_MEMMAP_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < CMDLINE_MEMMAP_MAX; i++)
		n += print_to(text + n, sizeof(text) - n, "memmap=4K$%uM ", i);
	CHECK_EQ(warnings_of(text), 0);
	CHECK_EQ(got.memmap_count, CMDLINE_MEMMAP_MAX);
	print_to(text + n, sizeof(text) - n, "memmap=4K$1G panic=7");
	CHECK_EQ(warnings_of(text), 1);
	CHECK_EQ(got.memmap_count, CMDLINE_MEMMAP_MAX);
	check_memmap(CMDLINE_MEMMAP_MAX - 1, MIB(31), MIB(31) + KIB(4), REGION_RESERVED);
	CHECK_EQ(got.panic_seconds, 7);
}

/* ---- effect on the memory map ---- */

TEST(cmdline_mem_truncates_usable_sources_only)
{
	struct region sources[8] = { { 0, MIB(1), REGION_USABLE },
				     { MIB(1), MIB(4), REGION_USABLE },
				     { MIB(8), MIB(9), REGION_USABLE },
				     { MIB(8), MIB(9), REGION_ACPI } };
	struct boot_info bi = { .sources = sources, .source_count = 4, .source_room = 8 };

	CHECK_EQ(warnings_of("mem=2M"), 0);
	cmdline_apply_memory(&got, &bi);
	CHECK_EQ(bi.source_count, 4);
	CHECK_EQ(sources[0].end, MIB(1));
	CHECK_EQ(sources[1].start, MIB(1));
	CHECK_EQ(sources[1].end, MIB(2));
	CHECK_EQ(sources[2].end, sources[2].start); /* empty now */
	CHECK_EQ(sources[3].end, MIB(9));
}

TEST(cmdline_memmaps_become_sources)
{
	struct region sources[4] = { { 0, MIB(64), REGION_USABLE } };
	struct boot_info bi = { .sources = sources, .source_count = 1, .source_room = 4 };

	CHECK_EQ(warnings_of("memmap=1M$2M,1M#4M,16M@64M"), 0);
	cmdline_apply_memory(&got, &bi);
	NEED(bi.source_count == 4);
	CHECK_EQ(sources[0].end, MIB(64));
	CHECK_EQ(sources[1].type, REGION_RESERVED);
	CHECK_EQ(sources[1].start, MIB(2));
	CHECK_EQ(sources[2].type, REGION_ACPI);
	CHECK_EQ(sources[3].type, REGION_USABLE);
	CHECK_EQ(sources[3].end, MIB(80));
}

/* For arbitrary text: no crash, terminated strings, valid entries. */
TEST(cmdline_random_texts_are_handled)
{
	static const char letters[] = "mem=memmap=ktest=panic=0123456789abcdefxKMGT@$#,, \"\"\t=";
	static char text[600];
#ifdef KEEL_TESTS
	unsigned rounds = 500;
#else
	unsigned rounds = 20000;
#endif

	for (unsigned round = 0; round < rounds; round++) {
		size_t n = test_random_below(sizeof(text));

		text[n] = '\0';
		for (size_t i = 0; i < n; i++)
			text[i] = test_random_below(50) == 0
					  ? (char)(1 + test_random_below(255))
					  : letters[test_random_below(sizeof(letters) - 1)];
		warnings_of(text);
		NEED(got.memmap_count <= CMDLINE_MEMMAP_MAX);
		NEED(strlen(got.ktest) < CMDLINE_TEXT_BYTES);
		NEED(strlen(got.monitor) < CMDLINE_TEXT_BYTES);
		NEED(got.mem_limit != 0);
		for (unsigned i = 0; i < got.memmap_count; i++)
			NEED(got.memmap[i].start < got.memmap[i].end);
	}
}
