/* SPDX-License-Identifier: MIT */
/*
 * nap.h - how long a sleeper may sleep without looking, and how long it spins before it sleeps.
 *
 * A ring can be lost only when its ringer, or the one that it woke, was killed or stopped in
 * between. So sleep is cut into naps, and a nap that ends looks after the others. With many asleep
 * they take turns, so that the cost does not grow with their number.
 */
#ifndef FY_NAP_H
#define FY_NAP_H

#include <stdatomic.h>
#include <stdint.h>

#include "../os/clock.h"

#define FY_NAP       (30 * FY_MS)
#define FY_NAP_AWAKE 64 /* sleepers that wake in each nap, when there are more */

/* When the sleeper with `turn` of its sort before it, of `sleepers`, should look again. */
int64_t fy_nap_end(int64_t now, uint32_t turn, uint32_t sleepers);

/*
 * Who waits in vain for long, where nothing is under way and whoever begins something says so
 * first, sleeps soundly: it looks every second or two only, for what should not be (a broken peer).
 */
#define FY_SOUND FY_S

/* ns without a message until then: $FERRY_SOUND_MS or the default; INT64_MAX = never. */
int64_t fy_sound_wish(void);

/*
 * How long to spin, learned from whether spinning paid. Shared by the threads of a handle; a lost
 * update is harmless.
 *
 * Two who answer each other can fall into sleeping by turns: if being woken takes longer than they
 * spin, each finds the other asleep, for ever, though both would answer at once. So who slept and
 * was answered soon all the same *reaches*: it spins FY_SPIN_REACH times as long next time, and the
 * other, who does the same, finds it awake. Reaching takes at most one part in FY_SPIN_SHARE of the
 * time, and one in FY_SPIN_VAIN if nothing comes of it.
 */
struct fy_spin {
	int64_t limit;          /* ns, as configured; 0 = never spin */
	_Atomic int64_t budget; /* ns, now */
	_Atomic uint32_t skipped;
	_Atomic int64_t near_until; /* a wait that begins before reaches ... */
	_Atomic int64_t reach_from; /* ... but not before this time */
};

#define FY_SPIN_REACH 8
#define FY_SPIN_SHARE 16
#define FY_SPIN_VAIN  64

/* ns to spin as a handle's option says: 0 = $FERRY_SPIN_NS or the default; negative = never. */
int64_t fy_spin_wish(int64_t wish);

void fy_spin_init(struct fy_spin *spin, int64_t limit);

/* ns to spin this time. same_core: the other side was last seen on the core we run on. */
int64_t fy_spin_budget(struct fy_spin *spin, int same_core);

/* Tell whether it was worth it. */
void fy_spin_paid(struct fy_spin *spin);
void fy_spin_failed(struct fy_spin *spin);

/* ns to reach this time; 0: do not. */
int64_t fy_spin_reach(const struct fy_spin *spin, int64_t now);

/* It reached for so many ns; answered: and then had what it waited for. */
void fy_spin_reached(struct fy_spin *spin, int64_t now, int64_t took, int answered);

/* A wait that slept had what it waited for now, after so many ns in all. */
void fy_spin_slept(struct fy_spin *spin, int64_t now, int64_t took);

#endif
