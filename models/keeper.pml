/* SPDX-License-Identifier: MIT */
/*
 * The keeper (src/waiting/keeper.c): a thread that naps for those who sleep in somebody else's loop, and sleeps
 * soundly itself while all of them may. Yet it naps while one must, it is never asleep when it shall stop, and it does
 * not nap for nothing.
 *
 * Users add what is to be kept, have it armed again and hurry, and remove it; who removes the last of it stops the
 * thread, and joins it, while others may add again and so have a second one. All are threads of one process: none is
 * killed, each may be slow at any step.
 *
 * A nap ends by itself, so its futex is left out; one that would find everything as it is is not begun. A sweep is one
 * step: it looks at each entry by itself, and users know nothing of each other's. Which entry may sleep soundly is left
 * to chance (sound.pml has that), and so is the second after which sound sleep ends, since no promise rests on it.
 */
#ifndef USERS
#define USERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1 /* how often each user adds, and perhaps removes */
#endif
#ifndef CLEARS
#define CLEARS 1 /* how often at most each has it armed again, in each round */
#endif
#ifndef QUIETS
#define QUIETS 2 /* how often a sweep finds that something may sleep soundly */
#endif
#ifndef SECONDS
#define SECONDS 0 /* sound sleeps that end by themselves */
#endif

#define NOBODY 15
#define BIT(k) (1 << (k))
#define STEP(x) atomic { x }

/* Bits: users. */
byte kept; /* in the list */
byte naps; /* armed, and may not sleep soundly */
byte done;

/* Bits: keepers. There are never more than users. */
byte used;
byte begun;
byte fresh;   /* who have loaded `hurried` as it is */
byte refused; /* whom it has kept from sleeping since it is so */
byte asleep;  /* soundly: in the futex queue */
byte stop;
byte ended;

byte keeping = NOBODY; /* the keeper that is not being stopped */
byte sound;
byte quiets = QUIETS;
byte seconds = SECONDS;

#define NEEDED ((kept & naps) != 0)

#define WAKE(k) (asleep & BIT(k)) -> asleep = asleep & ~BIT(k)

inline hurry() {
	STEP(fresh = 0; refused = 0);
	STEP(loaded = sound);
	if
	:: loaded ->
#ifdef MUTANT_WAKES_ONE
		STEP(if
		     :: asleep == 0
		     :: WAKE(0)
		     :: WAKE(1)
		     :: WAKE(2)
		     fi)
#else
		STEP(asleep = 0)
#endif
	:: else
	fi;
	loaded = 0
}

/* One for what happened, and if that came while it napped, one more: a count keeps it awake once. */
#define COMPARE                                                                                    \
	if                                                                                         \
	:: fresh & BIT(me) -> asleep = asleep | BIT(me)                                            \
	:: else -> assert(!(refused & BIT(me))); refused = refused | BIT(me)                       \
	fi

inline sleep_soundly() {
#if defined(MUTANT_SOUND_LATE)
	STEP(COMPARE);
	STEP(sound++);
#elif defined(MUTANT_SOUND_IS_A_FLAG)
	STEP(sound = 1);
	STEP(COMPARE);
#else
	STEP(sound++);
	STEP(COMPARE);
#endif
	if
	:: STEP((asleep & BIT(me)) == 0 -> skip)
	:: STEP(seconds > 0 && (asleep & BIT(me)) -> seconds--; asleep = asleep & ~BIT(me))
	fi;
#ifdef MUTANT_SOUND_IS_A_FLAG
	STEP(sound = 0)
#else
	STEP(sound--)
#endif
}

#define LOAD STEP(fresh = fresh | BIT(me))
#define LOOK_AT_STOP STEP(if :: stop & BIT(me) -> goto end :: else fi)

proctype keeper(byte me) {
	byte u;
	bit needed;
begin:
	STEP(begun & BIT(me) -> begun = begun & ~BIT(me));
#ifdef MUTANT_LOADS_ONCE
	LOAD;
#endif
	do
	::
#if defined(MUTANT_STOP_FIRST)
		LOOK_AT_STOP;
		LOAD;
#elif defined(MUTANT_LOADS_LATE) || defined(MUTANT_LOADS_ONCE)
		LOOK_AT_STOP;
#else
		LOAD;
		LOOK_AT_STOP;
#endif
		/* The nap, and the sweep. */
		STEP(stop & BIT(me) || !NEEDED || quiets > 0 || !(fresh & BIT(me)) ->
		     for (u : 0 .. USERS - 1) {
			if
			:: kept & naps & BIT(u) ->
				if
				:: quiets > 0 -> quiets--; naps = naps & ~BIT(u)
				:: needed = 1
				fi
			:: else
			fi
		     }
		     u = 0);
#ifdef MUTANT_LOADS_LATE
		LOAD;
#endif
		if
		:: needed -> needed = 0
		:: else -> sleep_soundly()
		fi
	od;
end:
	STEP(ended = ended | BIT(me); fresh = fresh & ~BIT(me); refused = refused & ~BIT(me));
	goto begin
}

inline start() {
	if
	:: keeping == NOBODY ->
		keeping = 0;
		do
		:: used & BIT(keeping) -> keeping++
		:: else -> break
		od;
		used = used | BIT(keeping); begun = begun | BIT(keeping)
	:: else
	fi
}

inline stop_and_join() {
#ifdef MUTANT_STOPS_LATE
	hurry();
	STEP(stop = stop | BIT(old));
#else
	STEP(stop = stop | BIT(old));
	hurry();
#endif
	STEP(ended & BIT(old) ->
	     ended = ended & ~BIT(old); stop = stop & ~BIT(old); used = used & ~BIT(old); old = NOBODY)
}

proctype user(byte me) {
	byte rounds, clears, loaded, old = NOBODY;
	do
	:: rounds < ROUNDS ->
		rounds++;
		STEP(start(); kept = kept | BIT(me); naps = naps | BIT(me));
#ifndef MUTANT_ADDS_WITHOUT_HURRY
		hurry();
#endif
		do
		:: clears < CLEARS ->
			clears++;
#ifdef MUTANT_HURRIES_FIRST
			hurry();
			STEP(naps = naps | BIT(me))
#else
			STEP(naps = naps | BIT(me));
			hurry()
#endif
		:: clears = 0; break
		od;
		if
		:: rounds == ROUNDS -> break /* it stays */
		:: skip
		fi;
		STEP(kept = kept & ~BIT(me); naps = naps & ~BIT(me);
		     if
		     :: kept == 0 -> old = keeping; keeping = NOBODY
		     :: else
		     fi);
		if
		:: old != NOBODY -> stop_and_join()
		:: else
		fi
	:: else -> break
	od;
	STEP(done = done | BIT(me); rounds = 0)
}

/* Where nobody can take a step: nobody waits for a keeper to end, and while a nap is needed one naps. */
proctype monitor() {
	timeout;
	assert(done == BIT(USERS) - 1);
	assert(!NEEDED || (keeping != NOBODY && !(asleep & BIT(keeping))))
}

init {
	byte u;
	atomic {
		for (u : 0 .. USERS - 1) {
			run keeper(u);
			run user(u)
		}
		u = 0;
		run monitor()
	}
}
