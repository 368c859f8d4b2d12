/* SPDX-License-Identifier: MIT */
#include "mm/vm/object.h"

#include "kern/lock.h"
#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mm/heap/heap.h"

enum {
	WORD_BITS = 64,
};

LOCK_CLASS(numbers_class, "shared object numbers", RANK_SPACES);
static struct spinlock numbers_lock = SPINLOCK_INIT(&numbers_class);
static struct vm_object *objects[VM_OBJECTS_MAX]; /* (l) to change an entry */

/* ---- lifetime ---- */

static bool number_take(struct vm_object *o)
{
	uintptr_t irq = spin_lock_irq(&numbers_lock);
	unsigned i = 0;

	while (i < VM_OBJECTS_MAX && objects[i] != NULL)
		i++;
	if (i < VM_OBJECTS_MAX)
		objects[i] = o;
	spin_unlock_irq(&numbers_lock, irq);
	o->number = i;
	return i < VM_OBJECTS_MAX;
}

static void number_give(const struct vm_object *o)
{
	uintptr_t irq = spin_lock_irq(&numbers_lock);

	objects[o->number] = NULL;
	spin_unlock_irq(&numbers_lock, irq);
}

err_t vm_object_new(uint64_t bytes, struct vm_object **out)
{
	struct vm_object *o;

	if (bytes == 0 || bytes > VM_OBJECT_BYTES_MAX)
		return ERR_BAD_RANGE;
	o = heap_zalloc(sizeof(*o));
	if (o == NULL)
		return ERR_NO_MEMORY;
	o->bytes = align_up(bytes, PAGE_SIZE);
	atomic_store_explicit(&o->users, 1, memory_order_relaxed); /* not yet published */
	if (page_table_init(&o->pages, arch_pt_levels()) == OK) {
		if (number_take(o)) {
			*out = o;
			return OK;
		}
		page_table_destroy(&o->pages);
	}
	heap_free(o);
	return ERR_NO_MEMORY;
}

static void vm_object_get(struct vm_object *o)
{
	/* relaxed: the caller ensures that another count is held meanwhile */
	unsigned before = atomic_fetch_add_explicit(&o->users, 1, memory_order_relaxed);

	ASSERT(before != 0);
}

void vm_object_put(struct vm_object *o)
{
	/* acquire-release: all accesses by former holders happen before the free */
	unsigned before = atomic_fetch_sub_explicit(&o->users, 1, memory_order_acq_rel);

	ASSERT(before != 0);
	if (before != 1)
		return;
	number_give(o);
	page_table_destroy(&o->pages);
	heap_free(o);
}

struct vm_object *vm_object_of(unsigned number)
{
	ASSERT(number < VM_OBJECTS_MAX && objects[number] != NULL); /* O2 */
	return objects[number];
}

/* ---- pages ---- */

uint64_t vm_object_span(const struct vm_object *o)
{
	return (uint64_t)PAGE_SIZE << bits_order(o->bytes / PAGE_SIZE);
}

bool vm_object_fits(const struct vm_object *o, struct vrange range, uint64_t offset)
{
	return offset % PAGE_SIZE == 0 && range.len <= o->bytes && offset <= o->bytes - range.len &&
	       (range.start - offset) % vm_object_span(o) == 0;
}

__owns static struct frame *page_at(struct cursor *c, err_t *why)
{
	struct pt_item item = cursor_query(c);
	struct frame *mapped, *f;

	*why = OK;
	if (item.kind == PT_ITEM_LEAF) {
		f = frame_of_slot(meta_slot_of(paddr_to_pfn(item.pa)));
		*why = frame_try_get(f);
		return *why == OK ? f : NULL;
	}
	mapped = frame_alloc(FRAME_USER);
	if (mapped == NULL) {
		*why = ERR_NO_MEMORY;
		return NULL;
	}
	memset(arch_direct(frame_paddr(mapped)), 0, PAGE_SIZE);
	f = frame_get(mapped);
	*why = cursor_map(c, mapped, (struct page_prop){ PROP_READ, MEM_WRITE_BACK });
	if (*why == OK)
		return f;
	frame_put(mapped);
	frame_put(f);
	return NULL;
}

struct frame *vm_object_page(struct vm_object *o, vaddr_t va, err_t *why)
{
	uint64_t offset = va % vm_object_span(o);
	struct cursor c __uninitialized;
	struct frame *f;

	if (offset >= o->bytes) {
		*why = ERR_NOT_FOUND;
		return NULL;
	}
	*why = cursor_open(&c, &o->pages, (struct vrange){ offset, PAGE_SIZE }, NULL);
	ASSERT(*why == OK);
	f = page_at(&c, why);
	cursor_close(&c);
	return f;
}

/* ---- sets ---- */

void vm_object_set_add(struct vm_object_set *set, struct vm_object *o)
{
	uint64_t bit = UINT64_C(1) << o->number % WORD_BITS;

	vm_object_get(o);
	/* acquire-release: a reader that finds the bit set may use the object */
	if ((atomic_fetch_or_explicit(&set->word[o->number / WORD_BITS], bit,
				      memory_order_acq_rel) &
	     bit) != 0)
		vm_object_put(o);
}

void vm_object_set_copy(struct vm_object_set *to, const struct vm_object_set *from)
{
	for (unsigned w = 0; w < VM_OBJECT_WORDS; w++)
		/* acquire: a set bit means that the object may be used */
		for (uint64_t left = atomic_load_explicit(&from->word[w], memory_order_acquire);
		     left != 0; left &= left - 1)
			vm_object_set_add(to, vm_object_of(w * WORD_BITS + bits_lowest(left)));
}

void vm_object_set_clear(struct vm_object_set *set)
{
	for (unsigned i = 0; i < VM_OBJECTS_MAX; i++)
		if (vm_object_set_has(set, i))
			vm_object_put(vm_object_of(i));
	for (unsigned w = 0; w < VM_OBJECT_WORDS; w++)
		atomic_store_explicit(&set->word[w], 0, memory_order_relaxed);
}

bool vm_object_set_has(const struct vm_object_set *set, unsigned number)
{
	return (atomic_load_explicit(&set->word[number / WORD_BITS], memory_order_acquire) >>
			number % WORD_BITS &
		1) != 0;
}
