/* SPDX-License-Identifier: MIT */
#include "kern/ports.h"

#include "kern/lock.h"

enum {
	PORTS = 1 << 16,
};

LOCK_CLASS(ports_class, "claims of I/O ports", RANK_RESOURCES);
static struct spinlock lock = SPINLOCK_INIT(&ports_class);
static struct list claims; /* (l) */

static struct port_claim *claim_of(struct list_node *n)
{
	return list_entry(n, struct port_claim, link);
}

static bool ports_are_free(uint16_t first, uint32_t count) __requires(lock)
{
	list_for_each (n, &claims) {
		const struct port_claim *c = claim_of(n);

		if (first < c->first + c->count && c->first < first + count)
			return false;
	}
	return true;
}

err_t ports_claim(struct port_claim *claim, uint16_t first, uint32_t count, const char *owner)
{
	uintptr_t irq;
	err_t err = OK;

	if (count == 0 || count > PORTS - (uint32_t)first)
		return ERR_BAD_RANGE;
	irq = spin_lock_irq(&lock);
	if (ports_are_free(first, count)) {
		claim->first = first;
		claim->count = count;
		claim->owner = owner;
		list_push_back(&claims, &claim->link);
	} else {
		err = ERR_IN_USE;
	}
	spin_unlock_irq(&lock, irq);
	return err;
}

void ports_release(struct port_claim *claim)
{
	uintptr_t irq = spin_lock_irq(&lock);

	list_remove(&claims, &claim->link);
	spin_unlock_irq(&lock, irq);
}

/* The claim with the lowest port above `after`; NULL: there is none. */
static const struct port_claim *next_claim(int after) __requires(lock)
{
	const struct port_claim *next = NULL;

	list_for_each (n, &claims) {
		const struct port_claim *c = claim_of(n);

		if (c->first > after && (next == NULL || c->first < next->first))
			next = c;
	}
	return next;
}

bool ports_claim_at(unsigned index, struct port_claim *out)
{
	uintptr_t irq = spin_lock_irq(&lock);
	const struct port_claim *c = next_claim(-1);

	while (c != NULL && index-- > 0)
		c = next_claim(c->first);
	if (c != NULL)
		*out = *c;
	spin_unlock_irq(&lock, irq);
	return c != NULL;
}
