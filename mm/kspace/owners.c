/* SPDX-License-Identifier: MIT */
#include "mm/kspace/owners.h"

#include "lib/print.h"
#include "lib/string.h"

enum {
	OWNERS = 1 << OWNER_BITS,
	PROBES = 8, /* entries that are tried before an owner counts as unknown */
};

static struct {
	struct area_owner owner;
	uint32_t areas; /* 0: free */
} owners[OWNERS];

void owners_init(void)
{
	memset(owners, 0, sizeof(owners));
}

/* Fowler, Noll, Vo: FNV-1a. */
static uint32_t owner_hash(const struct area_owner *o)
{
	const unsigned char *bytes = (const unsigned char *)o;
	uint32_t hash = UINT32_C(2166136261);

	for (size_t i = 0; i < sizeof(*o); i++)
		hash = (hash ^ bytes[i]) * UINT32_C(16777619);
	return hash;
}

unsigned owner_get(const char *name, uintptr_t caller)
{
	struct area_owner o = { "", name == NULL ? caller : 0 };
	unsigned place = OWNER_UNKNOWN;
	uint32_t hash;

	memset(o.name, 0, sizeof(o.name)); /* it is hashed and compared in whole */
	if (name != NULL)
		print_to(o.name, sizeof(o.name), "%s", name);
	hash = owner_hash(&o);
	for (unsigned i = 0; i < PROBES; i++) {
		unsigned at = (hash + i) % OWNERS;

		if (at == OWNER_UNKNOWN)
			continue;
		if (owners[at].areas != 0 && memcmp(&owners[at].owner, &o, sizeof(o)) == 0) {
			owners[at].areas++;
			return at;
		}
		if (owners[at].areas == 0 && place == OWNER_UNKNOWN)
			place = at;
	}
	if (place != OWNER_UNKNOWN)
		owners[place].owner = o;
	owners[place].areas++;
	return place;
}

void owner_put(unsigned owner)
{
	owners[owner].areas--;
}

struct area_owner owner_of(unsigned owner)
{
	return owners[owner].owner;
}
