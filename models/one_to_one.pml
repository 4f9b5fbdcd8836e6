/* SPDX-License-Identifier: MIT */
/*
 * What mailbox.pml needs for a one to one mailbox: at most one sender and one receiver at a time, by
 * role; they move words by plain stores, and what lies behind head has been received.
 */
#ifdef ONE_TO_ONE
byte role[2]; /* whose it is: incarnation and slot, 0 = nobody's */
#define TAG(m, s)   ((((s) >> 2) << 3) | ((m) + 1))
#define RECEIVED(p) ((p) < head)

inline take_role(r) {
#ifdef MUTANT_NO_ROLES
	skip
#else
	STEP(role[r] == 0 -> role[r] = TAG(me, slot[me]))
#endif
}

inline free_roles(m, s) {
	if :: role[0] == TAG(m, s) -> role[0] = 0 :: else fi;
	if :: role[1] == TAG(m, s) -> role[1] = 0 :: else fi
}

/* FULL from the lap before. head says whether it was received; if it was taken in place, after we read
 * the word, then the word says so before head does. */
inline see_that_it_was_received() {
	skip;
#ifndef MUTANT_NO_HEAD_CHECK
	STEP(if
	     :: RECEIVED(p - CELLS)
	     :: else -> goto no_room
	     fi);
#ifndef MUTANT_WORD_BEFORE_HEAD
	STEP(if
	     :: cell[CELL(p)] == w
	     :: else -> goto look
	     fi)
#endif
#endif
}

/* No claim: nobody else may change a cell that is free for us. EMPTY first, for who only looks. */
inline put_plainly() {
	w = 0;
	STEP(cell[CELL(p)] = WORD(LAP_OF(p), 0, 0, EMPTY));
	STEP(half_a[CELL(p)] = ID);
	STEP(half_b[CELL(p)] = ID);
	STEP(cell[CELL(p)] = WORD(LAP_OF(p), 0, 0, FULL); RING(THE_RECEIVERS))
}

/* Copy what lies in the cell, then move head, and that is all. */
inline receive_plainly() {
#ifdef MUTANT_HEAD_BEFORE_COPY
	STEP(head = p + 1; RING(THE_SENDERS));
#endif
	STEP(got = half_a[c]);
	STEP(q = half_b[c]);
	STEP(assert(got == q && cell[c] == w);
	     may_come_out(got, 0);
	     head = p + 1;
	     RING(THE_SENDERS);
	     consumed = consumed | BIT(got - 1);
	     before[got - 1] = 0; back[got - 1] = 0;
	     q = 0; got = 0; c = 0; w = 0; p = 0)
}
#else
#define RECEIVED(p)      false
#define free_roles(m, s) skip
#endif
