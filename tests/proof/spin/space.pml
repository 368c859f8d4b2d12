/* SPDX-License-Identifier: MIT */
/*
 * space.pml - kern/shootdown.c: a CPU that loads and leaves a space, against shootdowns of that space.
 *
 * The CPU has two contexts (PCIDs), so it keeps translations of the space while another is loaded.
 * Two initiators unmap one page each and free its frame; their requests may arrive in another order
 * than their generations.
 *
 * Safety: the CPU never reads a page through a translation of a freed frame, and never walks the
 * space's table while initiators would not send it requests.
 * Liveness, under weak fairness: both shootdowns end.
 *
 * Wrong: NO_GENERATION GENERATION_FIRST CLEAR_FIRST SET_FIRST ANY_NEXT
 * Stuck: SERVES_PAIRS
 */
#ifdef LIVENESS
#define NO_IPI (!asked[0] && !asked[1]) /* an IPI is taken before the next instruction */
#else
#define NO_IPI true
#endif
#define SHOOTDOWNS 2

bool present[SHOOTDOWNS] = true;
bool freed[SHOOTDOWNS];       /* the frame */
bool tlb[SHOOTDOWNS];         /* in the space's context */
byte generation;              /* of the space */
byte invalidated;             /* generation up to which the context is invalidated */
bool loaded;                  /* the CPU's bit in space.loaded */
bool walks_it;                /* CR3 */
bool resides;                 /* the CPU's own record that the space is loaded */
bool known;                   /* the CPU has a context for the space */
bool asked[SHOOTDOWNS];       /* a request is pending */
byte asked_generation[SHOOTDOWNS];
bool ended[SHOOTDOWNS];

/* invalidate_loaded() and the checks before it */
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
	:: atomic { NO_IPI && walks_it && tlb[0] -> assert(!freed[0]) }
	:: atomic { NO_IPI && walks_it && tlb[1] -> assert(!freed[1]) }
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
	freed[i] = true;
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
