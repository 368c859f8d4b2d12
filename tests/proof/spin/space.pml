/* SPDX-License-Identifier: MIT */
/*
 * space.pml - kern/shootdown.c: a CPU that loads and leaves a space against one that shootdowns it.
 *
 * The CPU has two contexts, so it keeps what it remembers of the space while another is loaded.
 * Two initiators unmap a page each and give its frame back; their requests may come in another
 * order than their generations.
 *
 * Safety: the CPU never reads a page through a translation of a frame that was given back, and never
 * walks the space's table when nobody would ask it to invalidate.
 * Liveness, when each process that can always go on does: both shootdowns end.
 *
 * Wrong: NO_GENERATION GENERATION_FIRST CLEAR_FIRST SET_FIRST ANY_NEXT
 * Stuck: SERVES_PAIRS
 */
#ifdef LIVENESS
#define NO_IPI (!asked[0] && !asked[1]) /* an interrupt comes before the next instruction */
#else
#define NO_IPI true
#endif
#define SHOOTDOWNS 2

bool present[SHOOTDOWNS] = true;
bool given_back[SHOOTDOWNS];
bool tlb[SHOOTDOWNS];            /* under the context of the space */
byte generation;              /* of the space */
byte invalidated;               /* up to which generation the context has */
bool loaded;                  /* the CPU's bit in the space's set */
bool walks_it;                /* CR3 */
bool resides;                 /* the owner's marker of what is loaded */
bool known;                   /* the context is known at all */
bool asked[SHOOTDOWNS];          /* a request waits */
byte asked_generation[SHOOTDOWNS];
bool ended[SHOOTDOWNS];

/* invalidate_loaded() and what comes before it */
inline serve(i) {
	if
	:: !resides || asked_generation[i] <= invalidated -> skip
#ifdef BUG_ANY_NEXT
	:: resides && asked_generation[i] > invalidated ->
#else
	:: resides && asked_generation[i] == invalidated + 1 ->
#endif
		tlb[i] = false;
		invalidated = asked_generation[i]
#ifndef BUG_ANY_NEXT
	:: resides && asked_generation[i] > invalidated + 1 ->
		invalidated = generation;
		d_step { tlb[0] = false; tlb[1] = false }
#endif
	fi;
	asked[i] = false
}

proctype cpu() {
	byte seen;

end:	do
#ifdef BUG_SERVES_PAIRS
	:: asked[0] && asked[1] -> serve(0); serve(1)
#else
	:: asked[0] -> serve(0)
	:: asked[1] -> serve(1)
#endif
	/* tlb_switch_to(the space); interrupts are off */
	:: NO_IPI && !resides ->
#ifdef BUG_GENERATION_FIRST
		seen = generation;
		loaded = true;
#else
		loaded = true;
		seen = generation;
#endif
		if
#ifdef BUG_NO_GENERATION
		:: known -> skip
		:: !known ->
#else
		:: known && invalidated == seen -> skip
		:: !known || invalidated != seen ->
#endif
			d_step { tlb[0] = false; tlb[1] = false }
		fi;
		invalidated = seen;
		known = true;
		resides = true;
		walks_it = true
	/* tlb_switch_to(another one) */
	:: NO_IPI && resides ->
		resides = false;
#ifdef BUG_CLEAR_FIRST
		loaded = false;
		walks_it = false
#else
		walks_it = false;
		loaded = false
#endif
	:: atomic { NO_IPI && walks_it && tlb[0] -> assert(!given_back[0]) }
	:: atomic { NO_IPI && walks_it && tlb[1] -> assert(!given_back[1]) }
	od
}

proctype walks() {
end:	do
	:: atomic { walks_it -> assert(loaded); tlb[0] = tlb[0] || present[0] }
	:: atomic { walks_it -> assert(loaded); tlb[1] = tlb[1] || present[1] }
	od
}

proctype initiator(byte i) {
	bool is_loaded;

#ifdef BUG_SET_FIRST
	is_loaded = loaded;
#endif
	present[i] = false;
	atomic { generation++; asked_generation[i] = generation };
#ifndef BUG_SET_FIRST
	is_loaded = loaded;
#endif
	if
	:: is_loaded ->
		asked[i] = true;
		!asked[i]
	:: else
	fi;
	given_back[i] = true;
	ended[i] = true
}

init {
	atomic {
		run cpu();
		run walks();
		run initiator(0);
		run initiator(1)
	}
}

ltl shootdowns_end { <> (ended[0] && ended[1]) }
