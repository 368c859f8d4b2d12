/* SPDX-License-Identifier: MIT */
/* Tests of drivers/tty/log.c against the whole text that was written. */
#include "drivers/tty/log.h"

#include "lib/string.h"
#include "tests/test.h"

enum {
	TEXT_BYTES = 3 * LOG_BYTES,
	PIECE_MAX = 700,
	ROUNDS = 200,
};

static struct log_ring ring;
static char text[TEXT_BYTES], piece[2 * LOG_BYTES];

/* Writes random lines in pieces until `bytes` are written; copies them to `text`. */
static void fill(size_t bytes)
{
	memset(&ring, 0, sizeof(ring));
	for (size_t i = 0; i < bytes; i++)
		text[i] = test_random_below(40) == 0 ? '\n' : (char)('a' + test_random_below(26));
	for (size_t at = 0; at < bytes;) {
		size_t n = min_u64(test_random_below(PIECE_MAX), bytes - at);

		log_write(&ring, text + at, n);
		at += n;
	}
}

/* Checks that the log from `at` on equals the end of the text. */
static void check_rest(uint64_t at, size_t bytes)
{
	uint64_t from = at;

	for (;;) {
		size_t n = log_read(&ring, &at, piece, 1 + test_random_below(PIECE_MAX));

		if (n == 0)
			break;
		CHECK(memcmp(piece, text + at - n, n) == 0);
		from += n;
	}
	CHECK_EQ(at, bytes);
	CHECK_EQ(from, bytes);
}

TEST(log_keeps_all_until_it_is_full)
{
	fill(LOG_BYTES);
	CHECK_EQ(log_oldest(&ring), 0);
	check_rest(0, LOG_BYTES);
}

TEST(log_keeps_the_last_64_kib)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t bytes = LOG_BYTES + test_random_below(TEXT_BYTES - LOG_BYTES + 1);

		fill(bytes);
		CHECK_EQ(log_oldest(&ring), bytes - LOG_BYTES);
		check_rest(log_oldest(&ring), bytes);
	}
}

TEST(log_empty_has_nothing_to_read)
{
	uint64_t at = 0;

	memset(&ring, 0, sizeof(ring));
	CHECK_EQ(log_read(&ring, &at, piece, sizeof(piece)), 0);
	CHECK_EQ(log_last_lines(&ring, 3), 0);
}

TEST(log_takes_more_than_it_holds_at_once)
{
	fill(TEXT_BYTES);
	memset(&ring, 0, sizeof(ring));
	log_write(&ring, text, 5);
	log_write(&ring, text + 5, TEXT_BYTES - 5);
	check_rest(log_oldest(&ring), TEXT_BYTES);
}

TEST(log_reader_that_was_overtaken_goes_on_with_the_oldest)
{
	uint64_t at = 10;

	fill(LOG_BYTES + 100);
	CHECK_EQ(log_read(&ring, &at, piece, 50), 50);
	CHECK_EQ(at, 150);
	CHECK(memcmp(piece, text + 100, 50) == 0);
	at = UINT64_MAX;
	CHECK_EQ(log_read(&ring, &at, piece, 50), 0);
	CHECK_EQ(at, LOG_BYTES + 100);
}

TEST(log_last_lines_are_counted_from_the_end)
{
	static const char lines[] = "one\ntwo\n\nfour\n";

	memset(&ring, 0, sizeof(ring));
	log_write(&ring, lines, strlen(lines));
	CHECK_EQ(log_last_lines(&ring, 1), strlen("one\ntwo\n\n"));
	CHECK_EQ(log_last_lines(&ring, 2), strlen("one\ntwo\n"));
	CHECK_EQ(log_last_lines(&ring, 3), strlen("one\n"));
	CHECK_EQ(log_last_lines(&ring, 4), 0);
	CHECK_EQ(log_last_lines(&ring, 100), 0);
	log_write(&ring, "five", 4);
	CHECK_EQ(log_last_lines(&ring, 1), strlen(lines));
	fill(LOG_BYTES + 1000);
	CHECK_EQ(log_last_lines(&ring, LOG_BYTES), log_oldest(&ring));
}

static void check_lines(const char *bytes, const char *want)
{
	char out[16], all[128];
	uint64_t at = 0;
	size_t n = 0;

	memset(&ring, 0, sizeof(ring));
	log_write(&ring, bytes, strlen(bytes));
	while (log_line(&ring, &at, out, sizeof(out)) && n < sizeof(all))
		n += print_to(all + n, sizeof(all) - n, "%s|", out);
	all[n] = '\0';
	CHECK_STR(all, want);
	CHECK_EQ(at, strlen(bytes));
}

TEST(log_lines_are_as_they_were_seen)
{
	check_lines("", "");
	check_lines("one\n\ntwo", "one||two|");
	check_lines("keel> hlp\b\belp\n", "keel> help|");
	check_lines("keel> x\b \b\n", "keel>|");
	check_lines("\b\bab\rA\001\tc\n", "Ac|");
	check_lines("a\033[H\033[2Jb\033[1;31mcd\n\033[", "abcd||");
	check_lines("0123456789abcdefghij\nk\n", "0123456789abcde|fghij|k|");
}

TEST(log_lines_of_any_bytes_come_to_an_end)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t at = test_random_below(2 * LOG_BYTES);
		char out[16];

		memset(&ring, 0, sizeof(ring));
		for (size_t k = 0; k < sizeof(piece); k++)
			piece[k] = (char)test_random();
		log_write(&ring, piece, LOG_BYTES + test_random_below(LOG_BYTES));
		while (log_line(&ring, &at, out, sizeof(out)))
			NEED(strlen(out) < sizeof(out) && at <= ring.written);
	}
}
