/* SPDX-License-Identifier: MIT */
/* Tests of lib/list.h: random operations against an array. */
#include "lib/list.h"

#include "lib/string.h"
#include "tests/test.h"

enum {
	NODES = 12,
	STEPS = 20000,
};

struct element {
	unsigned number;
	struct list_node link;
};

static struct element elements[NODES];
static struct list list;
static unsigned model[NODES]; /* numbers in order */
static unsigned count;

static bool agrees(void)
{
	unsigned i = 0;

	list_for_each (n, &list)
		if (i == count || list_entry(n, struct element, link)->number != model[i++])
			return false;
	return i == count && list_check(&list, NODES) && list_is_empty(&list) == (count == 0);
}

static unsigned position(unsigned number)
{
	for (unsigned i = 0; i < count; i++)
		if (model[i] == number)
			return i;
	return count;
}

static void model_insert(unsigned at, unsigned number)
{
	memmove(model + at + 1, model + at, (count++ - at) * sizeof(model[0]));
	model[at] = number;
}

static void model_remove(unsigned at)
{
	memmove(model + at, model + at + 1, (--count - at) * sizeof(model[0]));
}

TEST(list_agrees_with_an_array)
{
	list = (struct list){ NULL, NULL };
	count = 0;
	for (unsigned i = 0; i < NODES; i++)
		elements[i].number = i;
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned n = (unsigned)test_random_below(NODES), at = position(n);

		if (at != count) {
			list_remove(&list, &elements[n].link);
			model_remove(at);
		} else if (test_random_below(2) == 0) {
			list_push_back(&list, &elements[n].link);
			model_insert(count, n);
		} else {
			list_push_front(&list, &elements[n].link);
			model_insert(0, n);
		}
		NEED(agrees());
	}
	for (unsigned left = count; left > 0; left--) {
		struct list_node *first = list_pop_front(&list);

		NEED(first != NULL);
		CHECK_EQ(list_entry(first, struct element, link)->number, model[0]);
		model_remove(0);
	}
	CHECK(list_pop_front(&list) == NULL);
	CHECK(agrees());
}

TEST(list_check_finds_wrong_links)
{
	struct element a, b, c;

	list = (struct list){ NULL, NULL };
	list_push_back(&list, &a.link);
	list_push_back(&list, &b.link);
	list_push_back(&list, &c.link);
	CHECK(list_check(&list, 3));
	CHECK(!list_check(&list, 2));
	b.link.prev = &c.link;
	CHECK(!list_check(&list, 3));
	b.link.prev = &a.link;
	c.link.next = &a.link; /* a cycle */
	CHECK(!list_check(&list, 3));
	c.link.next = NULL;
	list.last = &b.link;
	CHECK(!list_check(&list, 3));
}
