/* SPDX-License-Identifier: MIT */
/* Tests of lib/log.c: levels, prefix, cut lines and the limit on the rate. */
#include "lib/log.h"

#include "lib/string.h"
#include "tests/capture.h"
#include "tests/test.h"

#ifndef KEEL_TESTS /* in the kernel the clock and the level are in use */

static uint64_t time_us;

static uint64_t fake_clock(void)
{
	return time_us;
}

static char quiet[LOG_LINE_BYTES];
static size_t quiet_bytes;

static void quiet_write(struct print_sink *sink, const char *bytes, size_t n)
{
	(void)sink;
	quiet_bytes = n < sizeof(quiet) ? n : sizeof(quiet);
	memcpy(quiet, bytes, quiet_bytes);
}

static struct print_sink quiet_sink = { quiet_write };

static void begin(void)
{
	time_us = 1002003;
	quiet_bytes = 0;
	log_set_clock(fake_clock);
	log_set_quiet_sink(&quiet_sink);
	capture_begin();
}

static void end(void)
{
	(void)capture_end();
	log_set_clock(NULL);
	log_set_quiet_sink(NULL);
	log_set_level(LOG_LEVEL_DEFAULT);
}

TEST(log_line_has_time_and_subsystem)
{
	begin();
	log_err("disk", "request %u failed", 7);
	end();
	CHECK_STR(capture_text(), "keel: [    1.002003] disk: request 7 failed\n");
	CHECK_EQ(quiet_bytes, 0);
}

TEST(log_level_decides_what_is_shown)
{
	begin();
	log_set_level(LOG_WARNING);
	CHECK_EQ(log_level(), LOG_WARNING);
	log_err("a", "shown");
	log_warning("b", "quiet");
	end();
	CHECK_STR(capture_text(), "keel: [    1.002003] a: shown\n");
	CHECK(quiet_bytes == strlen("keel: [    1.002003] b: quiet\n") &&
	      memcmp(quiet, "keel: [    1.002003] b: quiet\n", quiet_bytes) == 0);
	begin();
	log_debug("c", "not by default");
	log_set_level(LOG_LEVELS);
	log_debug("d", "all");
	log_set_level(0);
	log_at(LOG_EMERG, "e", "none");
	end();
	CHECK_STR(capture_text(), "keel: [    1.002003] d: all\n");
}

TEST(log_line_that_is_too_long_is_cut)
{
	static char text[2 * LOG_LINE_BYTES];
	size_t n;

	memset(text, 'x', sizeof(text) - 1);
	begin();
	log_info("s", "%s", text);
	log_info(text, "y");
	end();
	n = strlen(capture_text());
	CHECK_EQ(n, 2 * (LOG_LINE_BYTES - 1));
	CHECK_EQ(capture_text()[LOG_LINE_BYTES - 2], '\n');
	CHECK_EQ(capture_text()[n - 1], '\n');
}

static unsigned lines(void)
{
	unsigned n = 0;

	for (const char *p = capture_text(); *p != '\0'; p++)
		n += *p == '\n';
	return n;
}

static void say(void)
{
	log_limited(LOG_WARNING, "flood", "again");
}

TEST(log_limit_lets_a_burst_pass_and_counts_the_rest)
{
	begin();
	for (unsigned i = 0; i < 100; i++)
		say();
	end();
	CHECK_EQ(lines(), LOG_BURST);
	begin();
	time_us += UINT64_C(1000) * LOG_INTERVAL_MS;
	say();
	end();
	CHECK_EQ(lines(), 2);
	CHECK(memcmp(capture_text() + strlen("keel: [    6.002003] flood: "),
		     "90 messages like the next were not printed\n", 43) == 0);
}
#endif
