/* SPDX-License-Identifier: MIT */
/*
 * shootdown.pml - kern/shootdown.c: two initiators, a CPU that runs and idles, and their page
 * walks.
 *
 * CPU 0 unmaps page 0; CPU 1 unmaps page 1 and frees the table that maps it.  Each takes a lock
 * with interrupts off, around its shootdown, after it or not at all.  CPU 2 reads both pages and
 * idles.  Each CPU's TLB fills at any time, and walks may start from a cached upper-level entry,
 * idle or not.
 *
 * Safety: no running CPU reads a page through a translation of a freed frame; no CPU walks a freed
 * table; no process waits for ever.
 * Liveness, with weak fairness: both shootdowns end (without the walks, for which no CPU waits).
 *
 * Sequentially consistent: the store buffers are explored elsewhere.
 *
 * Wrong: FREE_FIRST ACK_FIRST MARK_LOST MARK_NOT_ATOMIC MARK_TABLES STATE_FIRST
 * Stuck: WAIT_DEAF LOCK_DEAF PENDING_FIRST
 */
#ifdef LIVENESS
#define NO_IPI !ipi[2] /* a pending interrupt comes before the next instruction */
#else
#define NO_IPI true
#endif

#define CPUS   3
#define PAGES  2

mtype = { RUNNING, IDLE, MARKED };

bool present[PAGES] = true;    /* the entry */
bool freed[PAGES];             /* the frame */
bool upper = true;             /* the entry that points to the table of page 1 */
bool table_freed;
bool tlb[CPUS * PAGES];
bool cached_upper[CPUS];       /* the cached upper-level entry */

bool mail[CPUS * CPUS];        /* [target * CPUS + initiator] */
bool pending[CPUS], ipi[CPUS];
mtype state[CPUS] = RUNNING;
byte outstanding[2];
bool lock;
bool ended[2];

#define TLB(c, p)  tlb[(c) * PAGES + (p)]
#define MAIL(t, i) mail[(t) * CPUS + (i)]

inline invalidate_all(c) {
	d_step { TLB(c, 0) = false; TLB(c, 1) = false; cached_upper[c] = false }
}

/* arch_tlb_invalidate_page() also drops all cached upper-level entries. */
inline invalidate(c, p) {
	d_step { TLB(c, p) = false; cached_upper[c] = false }
}

inline idle_leave(c) {
#ifdef BUG_MARK_NOT_ATOMIC
	if
	:: state[c] == MARKED -> invalidate_all(c)
	:: else
	fi;
	state[c] = RUNNING
#else
	atomic { was = state[c]; state[c] = RUNNING };
#ifndef BUG_MARK_LOST
	if
	:: was == MARKED -> invalidate_all(c)
	:: else
	fi
#endif
#endif
}

inline answer(c, i) {
	if
	:: took[i] ->
		took[i] = false;
#ifdef BUG_ACK_FIRST
		outstanding[i]--;
		invalidate(c, i)
#else
		invalidate(c, i);
		outstanding[i]--
#endif
	:: else
	fi
}

/* shootdown_serve() */
inline serve(c) {
	if
	:: state[c] != RUNNING -> idle_leave(c)
	:: else
	fi;
	atomic {
		served = pending[c];
		pending[c] = false
	}
	if
	:: served ->
		d_step { took[0] = MAIL(c, 0); MAIL(c, 0) = false };
		d_step { took[1] = MAIL(c, 1); MAIL(c, 1) = false };
		answer(c, 0);
		answer(c, 1);
		served = false
	:: else
	fi
}

inline post(t, i) {
	MAIL(t, i) = true
}

/* Sends an IPI if `pending` was clear. */
inline ring(t) {
	atomic {
		if
		:: !pending[t] -> pending[t] = true; ipi[t] = true
		:: else
		fi
	}
}

inline send(t, i) {
	outstanding[i]++;
#ifdef BUG_PENDING_FIRST
	ring(t);
	post(t, i)
#else
	post(t, i);
	ring(t)
#endif
}

/* send_request(); `tables`: a table is freed too. */
inline request(t, i, tables) {
	atomic {
		marked = false;
#ifdef BUG_STATE_FIRST
		if
		:: !tables && was_idle -> marked = true; state[t] = (state[t] == IDLE -> MARKED : state[t])
		:: else
		fi
#else
		if
#ifdef BUG_MARK_TABLES
		:: state[t] != RUNNING -> marked = true; state[t] = MARKED
#else
		:: !tables && state[t] != RUNNING -> marked = true; state[t] = MARKED
#endif
		:: else
		fi
#endif
	}
	if
	:: marked -> marked = false
	:: else -> send(t, i)
	fi
}

/* Interrupts are off until the end, so only the mailbox is served, no IPI. */
inline take_lock(c) {
	do
	:: atomic { !lock -> lock = true }; break
#ifndef BUG_LOCK_DEAF
	:: pending[c] -> serve(c)
#endif
	od
}

proctype initiator(byte me) {
	bool took[2], served, marked, holds, was_idle;
	mtype was;

	if
	:: take_lock(me); holds = true
	:: skip
	fi;
#ifdef BUG_STATE_FIRST
	was_idle = state[2] != RUNNING;
#endif
	present[me] = false;
	if
	:: me == 1 -> upper = false
	:: else
	fi;
#ifdef BUG_FREE_FIRST
	freed[me] = true;
#endif
	request(2, me, me == 1);
	request(1 - me, me, me == 1);
	invalidate(me, me);
	do
	:: outstanding[me] == 0 -> break
#ifndef BUG_WAIT_DEAF
	:: outstanding[me] != 0 && pending[me] -> serve(me)
#endif
	od;
	atomic {
		freed[me] = true;
		table_freed = table_freed || me == 1
	}
	if
	:: holds -> lock = false
	:: else -> take_lock(me); lock = false
	fi;
	ended[me] = true;
	/* interrupts are on from here */
end:	do
	:: atomic { ipi[me] -> ipi[me] = false }; serve(me)
	od
}

/* Each iteration is one instruction: translation and read are atomic, if no interrupt pends. */
proctype reader() {
	bool took[2], served;
	mtype was;

end:	do
	:: atomic { ipi[2] -> ipi[2] = false }; serve(2)
	:: atomic { NO_IPI && TLB(2, 0) -> assert(!freed[0]) }
	:: atomic { NO_IPI && TLB(2, 1) -> assert(!freed[1]) }
	:: atomic { NO_IPI -> state[2] = IDLE };
		/* halted; an IPI wakes it, or any other interrupt */
		if
		:: atomic { ipi[2] -> ipi[2] = false }; serve(2)
		:: NO_IPI -> idle_leave(2)
		fi
	od
}

/* The hardware page walks of a CPU. */
proctype walks(byte c) {
end:	do
	:: atomic { present[0] -> TLB(c, 0) = true }
	:: atomic { upper -> cached_upper[c] = true }
	:: atomic { cached_upper[c] -> assert(!table_freed); TLB(c, 1) = TLB(c, 1) || present[1] }
	od
}

init {
	atomic {
		run initiator(0);
		run initiator(1);
		run reader();
#ifndef LIVENESS
		run walks(0);
		run walks(2);
#endif
		skip
	}
}

ltl shootdowns_end { <> (ended[0] && ended[1]) }
