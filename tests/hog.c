/* SPDX-License-Identifier: MIT */
#include "tests/hog.h"

#include "mm/frame/frame.h"

/* Header in the first words of each allocated block; `next` is the one allocated before it. */
struct hog {
	struct frame *block;
	struct hog *next;
};
static struct hog *hogs;

static bool take(unsigned order)
{
	struct frame *f = frame_alloc_block(FRAME_TEST, order);
	struct hog *h;

	if (f == NULL)
		return false;
	h = arch_direct(frame_paddr(f));
	*h = (struct hog){ f, hogs };
	hogs = h;
	return true;
}

static void give_last(void)
{
	struct hog *h = hogs;

	hogs = h->next;
	frame_put(h->block);
}

bool hog_give_one(void)
{
	if (hogs == NULL || frame_order(hogs->block) != 0)
		return false;
	give_last();
	return true;
}

void hog_give_all(void)
{
	while (hogs != NULL)
		give_last();
}

bool hog_all(unsigned singles)
{
	unsigned taken = 0;

	hogs = NULL;
	frame_cache_drain();
	/* single frames are allocated last, so that they can be freed one by one */
	for (unsigned order = ORDER_MAX; order > 0; order--)
		while (frame_available() > (uint64_t)singles + (UINT64_C(1) << order) &&
		       take(order))
			;
	while (take(0))
		taken++;
	return taken >= singles;
}

bool hog_all_but(unsigned leave)
{
	bool enough = hog_all(leave);

	while (enough && leave-- > 0)
		give_last();
	return enough;
}
