/* SPDX-License-Identifier: MIT */
/*
 * epoch.pml - mm/frame/epoch.c: readers concurrent with CPUs that remove objects and retire them.
 *
 * A cell holds an object.  Two readers read the object in the cell, again and again.  Two writers
 * put a new object into the cell, retire the old one, and scan the readers' words to advance the
 * epoch and free safe objects.
 *
 * Safety: no reader accesses a freed object.
 * Liveness, under weak fairness: all retired objects are freed, although readers enter and exit
 * without end (with one writer, since writers do not wait for each other).
 *
 * Wrong: ONE_ADVANCE NO_SCAN TAG_FIRST READ_FIRST
 * Stuck: SCAN_IS_STRICT
 */
#define READERS 2
#ifdef LIVENESS
#define WRITERS 1
#else
#define WRITERS 2
#endif
#define OBJECTS (1 + WRITERS)

#ifdef BUG_ONE_ADVANCE
#define ADVANCES 1
#else
#define ADVANCES 2
#endif

/* Bounded: the epoch counts from 0 up to the last one that an object can wait for. */
byte epoch;
byte entered[READERS];      /* epoch + 1; 0: outside */
byte cell;                /* the object in it */
bool freed[OBJECTS];
byte done;                /* writers that have freed all their objects */

proctype reader(byte me) {
	byte found, now;

end:	do
	:: now = epoch;
#ifdef BUG_READ_FIRST
		found = cell;
		entered[me] = now + 1;
#else
		entered[me] = now + 1;
		found = cell;
#endif
		assert(!freed[found]);
		entered[me] = 0
	od
}

/* try_advance(); the epoch does not advance beyond what this writer waits for. */
inline try_advance() {
	seen = epoch;
	if
	:: seen < tag + ADVANCES ->
		blocked = false;
		cpu = 0;
		do
		:: cpu < READERS ->
#ifdef BUG_SCAN_IS_STRICT
			blocked = blocked || entered[cpu] != 0;
#elif !defined(BUG_NO_SCAN)
			blocked = blocked || (entered[cpu] != 0 && entered[cpu] != seen + 1);
#endif
			cpu++
		:: else -> break
		od;
		if
		:: !blocked -> atomic { if :: epoch == seen -> epoch++ :: else fi }
		:: else
		fi
	:: else
	fi
}

proctype writer(byte me) {
	byte old, tag, seen, cpu;
	bool blocked;

#ifdef BUG_TAG_FIRST
	tag = epoch;
#endif
	atomic { old = cell; cell = 1 + me };
#ifndef BUG_TAG_FIRST
	tag = epoch;
#endif
	do
	:: epoch >= tag + ADVANCES -> break
	:: epoch < tag + ADVANCES -> try_advance()
	od;
	freed[old] = true;
	done++
}

init {
	atomic {
		run reader(0);
		run reader(1);
		run writer(0);
#if WRITERS > 1
		run writer(1);
#endif
		skip
	}
}

ltl all_is_freed { <> (done == WRITERS) }
