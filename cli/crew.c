/* SPDX-License-Identifier: MIT */
/*
 * crew.c - the supervisor: starts processes, kills and stops them at random, replaces and
 * watches them.
 *
 * A process is killed through its pid only while nobody can have reaped it: the supervisor is its
 * parent, or (twins) its parent reaps only when the seat is vacant, and the supervisor inherits
 * what a dead parent leaves (PR_SET_CHILD_SUBREAPER). So a pid never names a stranger.
 */
#include "crew.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"

#define MS         UINT64_C(1000000)
#define TICK       (100 * MS)
#define NAP        (2 * MS)     /* between two looks, at most */
#define END_WAIT   (15000 * MS) /* to come to an end in order */
#define END_JAMMED (1000 * MS)  /* the same, when things are jammed already */
#define STOP_MIN   MS
#define ENOUGH     100 /* faults: no use going on */

/* ---- random numbers: splitmix64 ---- */

uint64_t crew_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t crew_below(uint64_t *state, uint64_t below)
{
	return below ? crew_random(state) % below : 0;
}

uint64_t crew_dice(const struct crew *crew, uint32_t seat)
{
	uint64_t dice = crew->seed + seat;

	dice = crew_random(&dice) + atomic_load(&crew->shared->seats[seat].lives);
	return crew_random(&dice);
}

/* When the next of events that come so many times a second is due: they come independently. */
static uint64_t next_event(uint64_t *dice, double per_second, uint64_t now)
{
	double u = ((double)(crew_random(dice) >> 11) + 0.5) * 0x1p-53;

	return per_second > 0 ? now + (uint64_t)(-log(u) / per_second * 1e9) : UINT64_MAX;
}

static void sleep_until(uint64_t when)
{
	struct timespec t = { .tv_sec = (time_t)(when / (1000 * MS)),
			      .tv_nsec = (long)(when % (1000 * MS)) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* ---- who is who ---- */

uint32_t crew_primaries(const struct crew *crew)
{
	return crew->n[0] + crew->n[1];
}

uint32_t crew_seats(const struct crew *crew)
{
	return crew_primaries(crew) * (crew->twins ? 2 : 1);
}

bool crew_is_twin(const struct crew *crew, uint32_t seat)
{
	return seat >= crew_primaries(crew);
}

uint32_t crew_role(const struct crew *crew, uint32_t seat)
{
	uint32_t primary = crew_is_twin(crew, seat) ? seat - crew_primaries(crew) : seat;

	return primary < crew->n[0] ? 0 : 1;
}

uint32_t crew_last_role(const struct crew *crew)
{
	return crew->n[1] ? 1 : 0;
}

uint64_t crew_total(const struct crew *crew, uint32_t role)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < crew_seats(crew); i++)
		if (crew_role(crew, i) == role)
			sum += atomic_load(&crew->shared->seats[i].moved);
	return sum;
}

const char *crew_call_name(const struct crew *crew, uint32_t call)
{
	static const char *const names[CREW_OWN] = {
		[CREW_OUTSIDE] = "between calls",
		[CREW_FORK] = "fork",
		[CREW_HELD_BACK] = "held back",
	};

	if (call < CREW_OWN)
		return names[call];
	for (uint32_t i = CREW_OWN; crew->call_names && crew->call_names[i - CREW_OWN]; i++)
		if (i == call)
			return crew->call_names[i - CREW_OWN];
	return "somewhere";
}

static const char *where(const struct crew *crew, uint32_t seat)
{
	return crew_call_name(crew, atomic_load(&crew->shared->seats[seat].call));
}

static void announce(struct crew *crew, uint32_t seat)
{
	if (crew->seated)
		crew->seated(crew, seat);
	atomic_fetch_add(&crew->shared->seats[seat].lives, 1);
}

/* ---- in a seat's process ---- */

void crew_at(struct crew *crew, uint32_t seat, uint32_t call)
{
	/* RELAXED(read for certain only after this process's death) */
	atomic_store_explicit(&crew->shared->seats[seat].call, call, memory_order_relaxed);
}

void crew_hold_back(struct crew *crew, uint32_t seat)
{
	crew_at(crew, seat, CREW_HELD_BACK);
	sleep_until(now_ns() + MS);
	crew_at(crew, seat, CREW_OUTSIDE);
}

uint64_t crew_before(const struct crew *crew)
{
	return atomic_load(&crew->shared->killed);
}

void crew_moved(struct crew *crew, uint32_t seat, uint64_t before, uint64_t n)
{
	struct crew_seat *s = &crew->shared->seats[seat];

	atomic_store(&s->moved, atomic_load(&s->moved) + n);
	if (!before || before != atomic_load(&crew->shared->killed) ||
	    before == atomic_load(&s->answers))
		return;
	atomic_store(&s->answered, now_ns());
	atomic_store(&s->answers, before);
}

_Noreturn static void leave(struct crew *crew, uint32_t seat)
{
	atomic_store(&crew->shared->seats[seat].leaving, 1);
	_exit(0);
}

/* Die with the supervisor. A signal to the whole foreground group is the supervisor's to handle. */
static void follow(const struct crew *crew)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != crew->supervisor)
		_exit(0);
}

static pid_t supervisor_pid; /* for the handler; the same in all processes */
static pid_t parent_pid;     /* a twin's */

/*
 * A twin's parent died: the supervisor is the parent now, unless that died too. Or only the thread
 * that forked us is gone, and another of its process is the parent until it ends as well; then this
 * signal comes again.
 */
static void on_orphaned(int number)
{
	(void)number;
	if (getppid() == parent_pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor_pid)
		_exit(0);
}

static void follow_as_twin(pid_t parent)
{
	struct sigaction action = { .sa_handler = on_orphaned };

	parent_pid = parent;
	sigaction(SIGUSR1, &action, NULL);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	if (getppid() != parent)
		on_orphaned(0);
}

/* The seat belongs to whoever claims it first; the supervisor sees a pid only when all is set. */
_Noreturn static void become_twin(struct crew *crew, uint32_t seat, pid_t parent, void *inherited)
{
	struct crew_seat *s = &crew->shared->seats[seat];
	pid_t vacant = 0;

	follow_as_twin(parent);
	if (!atomic_compare_exchange_strong(&s->claim, &vacant, getpid()))
		_exit(0);
	announce(crew, seat);
	atomic_store(&s->pid, getpid());
	crew->work(crew, seat, inherited);
	leave(crew, seat);
}

int crew_fork(struct crew *crew, uint32_t seat, void *inherited)
{
	uint32_t twin = seat + crew_primaries(crew);
	pid_t parent = getpid();

	if (!crew->twins || crew_is_twin(crew, seat) ||
	    atomic_load(&crew->shared->seats[twin].claim))
		return -EAGAIN;
	/* Children that ended before; the supervisor has forgotten their pids. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	pid_t pid = fork();
	if (pid == 0)
		become_twin(crew, twin, parent, inherited);
	return pid < 0 ? -errno : 0;
}

/* ---- the supervisor ---- */

static void start(struct crew *crew, uint32_t seat)
{
	struct crew_seat *s = &crew->shared->seats[seat];
	struct crew_hold *hold = &crew->holds[seat];

	announce(crew, seat);
	pid_t pid = fork();
	if (pid == 0) {
		follow(crew);
		crew->work(crew, seat, NULL);
		leave(crew, seat);
	}
	if (pid < 0) {
		faults_report(crew->faults, FAULT_BROKEN, "cannot fork: %s", strerror(errno));
		return;
	}
	hold->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (hold->pidfd < 0) {
		faults_report(crew->faults, FAULT_BROKEN, "pidfd_open: %s", strerror(errno));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return;
	}
	atomic_store(&s->pid, pid);
}

static bool is_dead(const struct crew_hold *hold, int timeout_ms)
{
	struct pollfd ask = { .fd = hold->pidfd, .events = POLLIN };

	return poll(&ask, 1, timeout_ms) == 1;
}

/* Judge how a process ended that nobody killed. Twins of a live parent leave no status to us. */
static void judge_end(struct crew *crew, uint32_t seat, int status)
{
	bool leaving = atomic_load(&crew->shared->seats[seat].leaving);

	if (crew->holds[seat].condemned || (leaving && status == 0))
		return;
	faults_report(crew->faults, FAULT_BROKEN,
		      "the %s in seat %u ended by itself, at: %s (wait status 0x%x)",
		      crew->role[crew_role(crew, seat)], seat, where(crew, seat), (unsigned)status);
}

/* A process is dead: see what it left, and vacate its seat. */
static void bury(struct crew *crew, uint32_t seat)
{
	struct crew_seat *s = &crew->shared->seats[seat];
	struct crew_hold *hold = &crew->holds[seat];
	int status = 0;

	(void)waitpid(atomic_load(&s->pid), &status, WNOHANG);
	judge_end(crew, seat, status);
	if (hold->condemned)
		crew->figures.kills_in[atomic_load(&s->call) % CREW_CALLS]++;
	if (crew->dead)
		crew->dead(crew, seat);
	close(hold->pidfd);
	*hold = (struct crew_hold){ .pidfd = -1 };
	atomic_store(&s->call, CREW_OUTSIDE);
	atomic_store(&s->leaving, 0);
	atomic_store(&s->pid, 0);
	atomic_store(&s->claim, 0);
}

static bool has_seat(const struct crew *crew, pid_t pid)
{
	for (uint32_t i = 0; i < crew_seats(crew); i++)
		if (atomic_load(&crew->shared->seats[i].pid) == pid)
			return true;
	return false;
}

/* Reap former twins that came to us when their parent died. Those in a seat are for bury(). */
static void reap_orphans(const struct crew *crew)
{
	siginfo_t info = { 0 };

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid &&
	       !has_seat(crew, info.si_pid)) {
		(void)waitpid(info.si_pid, NULL, WNOHANG);
		info.si_pid = 0;
	}
}

/* Look for new twins and for processes that ended by themselves. */
static void look_around(struct crew *crew, bool replace)
{
	for (uint32_t i = 0; i < crew_seats(crew); i++) {
		struct crew_hold *hold = &crew->holds[i];
		pid_t pid = atomic_load(&crew->shared->seats[i].pid);

		if (pid && hold->pidfd < 0) {
			hold->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
			crew->figures.forks++;
		}
		if (!pid || !is_dead(hold, 0))
			continue;
		bury(crew, i);
		if (replace && !crew_is_twin(crew, i))
			start(crew, i);
	}
	if (crew->twins)
		reap_orphans(crew);
}

static void resume(struct crew *crew, uint32_t seat)
{
	atomic_store(&crew->shared->seats[seat].resumed, now_ns());
	syscall(SYS_pidfd_send_signal, crew->holds[seat].pidfd, SIGCONT, NULL, 0);
	crew->holds[seat].resume = 0;
}

static void resume_due(struct crew *crew, uint64_t now)
{
	for (uint32_t i = 0; i < crew_seats(crew); i++)
		if (crew->holds[i].resume && crew->holds[i].resume <= now)
			resume(crew, i);
}

/* How many primaries of a role could move something: are there, not stopped, and not held back by
 * the account. */
static uint32_t running(const struct crew *crew, uint32_t role)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < crew_primaries(crew); i++)
		n += crew_role(crew, i) == role && crew->holds[i].pidfd >= 0 &&
		     !crew->holds[i].resume &&
		     atomic_load(&crew->shared->seats[i].call) != CREW_HELD_BACK;
	return n;
}

static bool all_roles_run(const struct crew *crew)
{
	for (uint32_t role = 0; role < CREW_ROLES; role++)
		if (crew->n[role] && !running(crew, role))
			return false;
	return true;
}

/* Kill the process in a seat, now, and wait for its death. */
static void kill_seat(struct crew *crew, uint32_t seat)
{
	struct crew_hold *hold = &crew->holds[seat];

	if (crew->condemned)
		crew->condemned(crew, seat);
	hold->condemned = true;
	uint64_t now = now_ns();
	syscall(SYS_pidfd_send_signal, hold->pidfd, SIGKILL, NULL, 0);
	/* Only now: what is begun after seeing this time is begun after the kill. */
	atomic_store(&crew->shared->killed, now);
	crew->unanswered = now;
	while (!is_dead(hold, 1000))
		;
	crew->figures.kills[crew_role(crew, seat)]++;
	bury(crew, seat);
}

static void kill_one(struct crew *crew)
{
	uint32_t seats = crew_seats(crew), seat = (uint32_t)crew_below(&crew->kill_dice, seats);

	for (uint32_t i = 0; i < seats && crew->holds[seat].pidfd < 0; i++)
		seat = (seat + 1) % seats;
	if (crew->holds[seat].pidfd < 0)
		return;
	kill_seat(crew, seat);
	if (!crew_is_twin(crew, seat))
		start(crew, seat);
}

/* May one more of this role be stopped? At least one goes on, and half of them at least; but for
 * lone ones, of whom one role goes on at least. */
static bool can_spare(const struct crew *crew, uint32_t role)
{
	if (crew->stops_lone)
		return all_roles_run(crew);
	return running(crew, role) > (crew->n[role] + 1) / 2;
}

/* Twins are not stopped: if the supervisor died they would remain so, as what tells them is a
 * signal. */
static void stop_one(struct crew *crew, uint64_t now)
{
	uint32_t seat = (uint32_t)crew_below(&crew->stop_dice, crew_primaries(crew));
	uint64_t length = STOP_MIN + crew_below(&crew->stop_dice, crew->stop_max);
	uint32_t role = crew_role(crew, seat);

	if (crew->holds[seat].pidfd < 0 || crew->holds[seat].resume)
		return;
	if (!can_spare(crew, role))
		return;
	syscall(SYS_pidfd_send_signal, crew->holds[seat].pidfd, SIGSTOP, NULL, 0);
	crew->holds[seat].resume = now + length;
	crew->figures.stops++;
}

/* When the first of a role had moved something in a call begun after the kill. */
static uint64_t first_answer(const struct crew *crew, uint32_t role)
{
	uint64_t first = UINT64_MAX;

	for (uint32_t i = 0; i < crew_seats(crew); i++) {
		const struct crew_seat *s = &crew->shared->seats[i];
		uint64_t at = atomic_load(&s->answered);

		if (crew_role(crew, i) == role && atomic_load(&s->answers) == crew->unanswered &&
		    at < first)
			first = at;
	}
	return first;
}

/* A kill is recovered from when somebody of each role has moved something since. */
static void see_recovery(struct crew *crew)
{
	uint64_t last = 0;

	if (!crew->unanswered)
		return;
	for (uint32_t role = 0; role < CREW_ROLES; role++) {
		uint64_t answer = crew->n[role] ? first_answer(crew, role) : 0;

		last = answer > last ? answer : last;
	}
	if (last == UINT64_MAX)
		return;
	if (atomic_load(&crew->shared->hindered) < crew->unanswered) {
		if (last - crew->unanswered > crew->figures.slowest)
			crew->figures.slowest = last - crew->unanswered;
		crew->figures.recoveries++;
	}
	crew->unanswered = 0;
}

static bool some_hinder(struct crew *crew)
{
	for (uint32_t i = 0; crew->hinders && i < crew_seats(crew); i++)
		if (crew->holds[i].resume && crew->hinders(crew, i))
			return true;
	return false;
}

/* Does anything move? If not, or if a recovery is being waited for: who keeps it from moving? */
static void see_movement(struct crew *crew)
{
	uint64_t moved = crew_total(crew, crew_last_role(crew));
	bool able = all_roles_run(crew);
	bool hindered = false;

	if (crew->unanswered || moved == crew->unhindered.progress)
		hindered = some_hinder(crew);
	uint64_t now = now_ns();
	if (hindered)
		atomic_store(&crew->shared->hindered, now);
	watch_measure(&crew->unhindered, moved, able && !hindered, now);
	watch_look(&crew->watch, crew->faults, moved, able, now);
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* One round of the supervisor: do what is due, then sleep until something is. */
static void supervise(struct crew *crew)
{
	uint64_t now = now_ns();

	look_around(crew, true);
	see_movement(crew);
	see_recovery(crew);
	resume_due(crew, now);
	if (now >= crew->next_stop) {
		stop_one(crew, now);
		crew->next_stop = next_event(&crew->stop_dice, crew->stops_per_second, now);
	}
	/* Each kill waits for the recovery from the one before, to measure it. */
	if (now >= crew->next_kill && !crew->unanswered) {
		kill_one(crew);
		crew->next_kill = next_event(&crew->kill_dice, crew->kills_per_second, now);
	}
	if (now >= crew->next_tick) {
		crew->tick(crew, now);
		crew->next_tick = now + TICK;
	}
	sleep_until(crew->unanswered
			? now + NAP / 4
			: earliest(earliest(crew->next_kill, crew->next_stop), now + NAP));
}

/* True when no process of a role is left; twins that are just being forked count. */
static bool all_left(const struct crew *crew, uint32_t role)
{
	for (uint32_t i = 0; i < crew_seats(crew); i++)
		if (crew_role(crew, i) == role && (atomic_load(&crew->shared->seats[i].pid) ||
						   atomic_load(&crew->shared->seats[i].claim)))
			return false;
	return true;
}

static void await_end(struct crew *crew, uint32_t role)
{
	bool jammed = faults_of(crew->faults, FAULT_JAMMED);
	uint64_t until = now_ns() + (jammed ? END_JAMMED : END_WAIT);

	while (!all_left(crew, role) && now_ns() < until && !interrupt_seen()) {
		look_around(crew, false);
		sleep_until(now_ns() + NAP);
	}
}

/* Whoever is left now did not come to its end. */
static void end_the_rest(struct crew *crew)
{
	look_around(crew, false);
	for (uint32_t i = 0; i < crew_seats(crew); i++) {
		if (crew->holds[i].pidfd < 0)
			continue;
		if (!interrupt_seen())
			faults_report(crew->faults, FAULT_JAMMED,
				      "the %s in seat %u did not come to its end, at: %s",
				      crew->role[crew_role(crew, i)], i, where(crew, i));
		kill_seat(crew, i);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void finish(struct crew *crew)
{
	for (uint32_t i = 0; i < crew_seats(crew); i++)
		if (crew->holds[i].resume)
			resume(crew, i);
	atomic_store(&crew->shared->finish, 1);
	if (!interrupt_seen()) {
		await_end(crew, 0);
		atomic_store(&crew->shared->drain, 1);
		await_end(crew, 1);
	}
	see_recovery(crew);
	crew->ended = now_ns();
	end_the_rest(crew);
}

int crew_init(struct crew *crew)
{
	void *shared = mmap(NULL, sizeof *crew->shared, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return -errno;
	crew->shared = shared;
	crew->supervisor = supervisor_pid = getpid();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (uint32_t i = 0; i < crew_seats(crew); i++)
		crew->holds[i].pidfd = -1;
	crew->kill_dice = crew->seed ^ UINT64_C(0x6b696c6c);
	crew->stop_dice = crew->seed ^ UINT64_C(0x73746f70);
	return 0;
}

void crew_fini(struct crew *crew)
{
	if (crew->shared)
		munmap(crew->shared, sizeof *crew->shared);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

void crew_run(struct crew *crew, double seconds)
{
	uint64_t now = now_ns(), end = now + (uint64_t)(seconds * 1e9);

	crew->started = now;
	crew->watch.looked = crew->unhindered.looked = now;
	crew->next_kill = next_event(&crew->kill_dice, crew->kills_per_second, now);
	crew->next_stop = next_event(&crew->stop_dice, crew->stops_per_second, now);
	for (uint32_t i = 0; i < crew_primaries(crew); i++)
		start(crew, i);
	while (now_ns() < end && !interrupt_seen() && !faults_of(crew->faults, FAULT_JAMMED) &&
	       faults_all(crew->faults) < ENOUGH)
		supervise(crew);
	finish(crew);
}
