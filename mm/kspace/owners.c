/* SPDX-License-Identifier: MIT */
#include "mm/kspace/owners.h"

#include "lib/bits.h"
#include "lib/print.h"
#include "lib/string.h"

enum {
	OWNERS = 1 << OWNER_BITS,
	PROBES = 8, /* entries that are tried before an owner counts as unknown */
};

union owner_key {
	struct area_owner owner;
	uint64_t word[sizeof(struct area_owner) / sizeof(uint64_t)];
};

static struct {
	union owner_key key; /* stays when the last area goes: most owners come again */
	uint32_t areas;      /* 0: free */
} owners[OWNERS];

void owners_init(void)
{
	memset(owners, 0, sizeof(owners));
}

/* Knuth, The Art of Computer Programming 3, 6.4: multiplicative hashing, a word at a time. */
static unsigned key_hash(const union owner_key *k)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < ARRAY_SIZE(k->word); i++)
		hash = (hash ^ k->word[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return (unsigned)(hash >> (64 - OWNER_BITS));
}

static bool key_equal(const union owner_key *a, const union owner_key *b)
{
	uint64_t differ = 0;

	for (size_t i = 0; i < ARRAY_SIZE(a->word); i++)
		differ |= a->word[i] ^ b->word[i];
	return differ == 0;
}

unsigned owner_get(const char *name, uintptr_t caller)
{
	union owner_key key = { .word = { 0 } };
	unsigned place = OWNER_UNKNOWN;
	unsigned hash;

	if (name != NULL)
		print_to(key.owner.name, sizeof(key.owner.name), "%s", name);
	else
		key.owner.caller = caller;
	hash = key_hash(&key);
	for (unsigned i = 0; i < PROBES; i++) {
		unsigned at = (hash + i) % OWNERS;

		if (at == OWNER_UNKNOWN)
			continue;
		if (key_equal(&owners[at].key, &key)) {
			owners[at].areas++;
			return at;
		}
		if (owners[at].areas == 0 && place == OWNER_UNKNOWN)
			place = at;
	}
	if (place != OWNER_UNKNOWN)
		owners[place].key = key;
	owners[place].areas++;
	return place;
}

void owner_put(unsigned owner)
{
	owners[owner].areas--;
}

struct area_owner owner_of(unsigned owner)
{
	return owners[owner].key.owner;
}
