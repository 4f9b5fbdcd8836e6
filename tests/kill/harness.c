/* SPDX-License-Identifier: MIT */
/* Steps a process through the attacked code under ptrace; see harness.h. x86-64 only. */
#include "harness.h"

#include "companions.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SYSCALL_STOP = SIGTRAP | 0x80 };

int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The next executable mapping. name must have room for a line. */
static bool next_text(FILE *maps, struct range *ret_range, char *ret_name)
{
	char line[512], rights[5];

	while (maps && fgets(line, sizeof(line), maps)) {
		const char *name = strrchr(line, '/');

		strcpy(ret_name, name ? name + 1 : "");
		if (sscanf(line, "%lx-%lx %4s", &ret_range->start, &ret_range->end, rights) == 3 &&
		    rights[2] == 'x')
			return true;
	}
	if (maps)
		fclose(maps);
	return false;
}

struct range mapped_text(const char *file)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	struct range found = { 0 }, next;
	char name[512];

	while (next_text(maps, &next, name))
		if (strncmp(name, file, strlen(file)) == 0)
			found = next;
	return found;
}

bool libferry_text(uintptr_t address)
{
	static struct range range;

	if (!range.end)
		range = mapped_text("libferry.so");
	return address >= range.start && address < range.end;
}

static struct range text_around(uintptr_t address)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	struct range found = { 0 }, next;
	char name[512];

	while (next_text(maps, &next, name))
		if (address >= next.start && address < next.end)
			found = next;
	return found;
}

static bool armed;

void mark_arm(bool on)
{
	armed = on;
}

__attribute__((noinline)) void mark_begin(void)
{
	if (armed)
		__asm__ volatile("int3");
}

/* Recognised by its address. */
__attribute__((noinline)) void mark_end(void)
{
	__asm__ volatile("");
}

bool process_sleeps(pid_t pid)
{
	char path[32], text[256], state = '?';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fgets(text, sizeof(text), file) && strrchr(text, ')'))
		sscanf(strrchr(text, ')'), ") %c", &state);
	fclose(file);
	return state == 'S';
}

_Noreturn void harness_broken(const char *what)
{
	fprintf(stderr, "ferry-kill: %s: %s\n", what, strerror(errno));
	_exit(2);
}

static struct user_regs_struct registers(const struct victim *victim)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, victim->pid, 0, &regs))
		harness_broken("PTRACE_GETREGS");
	return regs;
}

static long peek(const struct victim *victim, uintptr_t address)
{
	errno = 0;
	long word = ptrace(PTRACE_PEEKDATA, victim->pid, address, 0);

	if (errno)
		harness_broken("PTRACE_PEEKDATA");
	return word;
}

static void poke(const struct victim *victim, uintptr_t address, long word)
{
	if (ptrace(PTRACE_POKEDATA, victim->pid, address, word))
		harness_broken("PTRACE_POKEDATA");
}

static void resume(const struct victim *victim, enum __ptrace_request how, int signal)
{
	if (ptrace(how, victim->pid, 0, signal) && errno != ESRCH)
		harness_broken("resume");
}

static void note_end(struct victim *victim, int status)
{
	victim->status = status;
	victim->state = WIFEXITED(status) ? VICTIM_OVER : VICTIM_BROKEN;
}

/* What waitpid(2) said of it: the signal that stopped it, SYSCALL_STOP, or 0 at its end. */
static int take_status(struct victim *victim, int status)
{
	companions_hold(victim);
	victim->event = status >> 16;
	if (WIFSTOPPED(status))
		return WSTOPSIG(status);
	note_end(victim, status);
	return 0;
}

/* It has not stopped yet. Is it asleep, and not because one of its own threads is to do something
 * first? */
static bool has_fallen_asleep(struct victim *victim)
{
	companions_tend(victim);
	if (!process_sleeps(victim->pid))
		return false;
	companions_let_go(victim);
	return companions_sleep(victim) && process_sleeps(victim->pid);
}

/* Wait until it stops or ends. */
static int wait_stop(struct victim *victim)
{
	int status;

	for (;;) {
		pid_t pid = waitpid(victim->pid, &status,
				    __WALL | (victim->n_companions > 0 ? WNOHANG : 0));

		if (pid < 0 && errno != EINTR)
			harness_broken("waitpid");
		if (pid == victim->pid)
			return take_status(victim, status);
		/* Only for its threads, which may have to do something first. */
		(void)has_fallen_asleep(victim);
		sched_yield();
	}
}

/* The same, but it may fall asleep: then returns -1, with the process left running. */
static int wait_stop_or_sleep(struct victim *victim)
{
	int status;

	for (;;) {
		pid_t pid = waitpid(victim->pid, &status, __WALL | WNOHANG);

		if (pid < 0 && errno != EINTR)
			harness_broken("waitpid");
		if (pid == victim->pid)
			return take_status(victim, status);
		if (has_fallen_asleep(victim)) {
			victim->event = 0;
			return -1;
		}
		sched_yield();
	}
}

/* Can this system call, with these arguments, sleep? */
static bool may_sleep_in(unsigned long long number, const struct user_regs_struct *regs)
{
	int command = (int)regs->rsi & FUTEX_CMD_MASK;

	switch (number) {
	case SYS_futex:
		return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET;
	case SYS_sendmsg:
	case SYS_recvmsg:
		return !(regs->rdx & MSG_DONTWAIT);
	case SYS_sendto:
	case SYS_recvfrom:
		return !(regs->r10 & MSG_DONTWAIT);
	case SYS_futex_waitv:
	case SYS_ppoll:
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
	case SYS_rt_sigtimedwait:
		return true;
	default:
		return false;
	}
}

/* Is the next instruction a system call that sleeps? */
static bool sleeps_next(const struct victim *victim, const struct user_regs_struct *regs)
{
	if (!may_sleep_in(regs->rax, regs))
		return false;
	return (peek(victim, regs->rip) & 0xffff) == 0x050f;
}

static void set_breakpoint(struct victim *victim, uintptr_t address)
{
	victim->breakpoint.address = address;
	victim->breakpoint.word = peek(victim, address);
	poke(victim, address, (victim->breakpoint.word & ~0xffL) | 0xcc);
}

static void clear_breakpoint(struct victim *victim)
{
	if (!victim->breakpoint.address)
		return;
	poke(victim, victim->breakpoint.address, victim->breakpoint.word);
	victim->breakpoint.address = 0;
}

/* It is at its breakpoint: take that away and be at the instruction that was there. */
static void leave_breakpoint(struct victim *victim, struct user_regs_struct *regs)
{
	regs->rip = victim->breakpoint.address;
	clear_breakpoint(victim);
	if (ptrace(PTRACE_SETREGS, victim->pid, 0, regs))
		harness_broken("PTRACE_SETREGS");
}

static void be_at_point(struct victim *victim, const struct user_regs_struct *regs, bool may_sleep)
{
	victim->state = VICTIM_POINT;
	victim->address = regs->rip;
	victim->in_text = victim->text(regs->rip);
	victim->at_sleep = may_sleep;
	victim->sleep_seen = false;
	victim->points++;
}

/* Where a signal handler returns to: libc's "mov $SYS_rt_sigreturn, %rax". Nobody called it. */
static bool at_handlers_end(const struct victim *victim, uintptr_t address)
{
	return ((uint64_t)peek(victim, address) & 0xffffffffffffff) == 0xfc0c748;
}

/* It is in code that is not attacked: run through it, up to where it was called from; or step,
 * where nobody called it: at the end of a handler, and where a child begins and ends. */
static void run_through(struct victim *victim, const struct user_regs_struct *regs,
			struct range own)
{
	if (victim->breakpoint.address || at_handlers_end(victim, regs->rip))
		return;
	errno = 0;
	uintptr_t caller = (uintptr_t)ptrace(PTRACE_PEEKDATA, victim->pid, regs->rsp, 0);
	if (errno == 0 && (victim->text(caller) || (caller >= own.start && caller < own.end)))
		set_breakpoint(victim, caller);
}

/* It stopped, inside or at the edge of a marked stretch. True if that is a point. */
static bool look(struct victim *victim, int signal)
{
	static struct range own;
	struct user_regs_struct regs = registers(victim);

	if (signal == SYSCALL_STOP) {
		/* At entry the kernel has put -ENOSYS there. */
		bool entry = (long long)regs.rax == -ENOSYS;

		be_at_point(victim, &regs, entry && may_sleep_in(regs.orig_rax, &regs));
		return true;
	}
	if (victim->breakpoint.address && regs.rip == victim->breakpoint.address + 1)
		leave_breakpoint(victim, &regs);
	if (victim->text(regs.rip)) {
		be_at_point(victim, &regs, sleeps_next(victim, &regs));
		return true;
	}
	if (!own.end)
		own = text_around((uintptr_t)mark_end);
	if (regs.rip == (uintptr_t)mark_end)
		victim->inside = false;
	else if (regs.rip < own.start || regs.rip >= own.end)
		run_through(victim, &regs, own);
	return false;
}

/* Whether a stop was made by the stepping itself; other signals are passed on. */
static bool own_stop(struct victim *victim, int signal)
{
	if (signal == SYSCALL_STOP)
		return victim->inside;
	if (signal != SIGTRAP)
		return false;
	/* int3 of mark_begin(): the stretch begins behind it; or, later, where its child begins. */
	victim->inside = !victim->child_side || victim->parent;
	return victim->inside;
}

/* ---- children that share its memory until they run a program ---- */

static void detach(pid_t pid)
{
	if (ptrace(PTRACE_DETACH, pid, 0, 0) && errno != ESRCH)
		harness_broken("PTRACE_DETACH");
}

/* The child or thread that it has just made, which stops at its first instruction. */
static pid_t just_made(const struct victim *victim)
{
	unsigned long pid;

	if (ptrace(PTRACE_GETEVENTMSG, victim->pid, 0, &pid))
		harness_broken("PTRACE_GETEVENTMSG");
	return (pid_t)pid;
}

static pid_t new_child(const struct victim *victim)
{
	pid_t pid = just_made(victim);

	resume(victim, PTRACE_CONT, 0);
	return pid;
}

/* The child is attacked. */
static void follow_child(struct victim *victim)
{
	pid_t child = new_child(victim);

	victim->parent = victim->pid;
	victim->pid = child;
	victim->inside = true;
	(void)wait_stop(victim);
}

/* The child is past the attack, or dead: it is its parent that goes on. */
static void follow_parent(struct victim *victim)
{
	victim->pid = victim->parent;
	victim->state = victim->parent ? VICTIM_ASLEEP : VICTIM_OVER;
	victim->parent = 0;
	victim->child_side = victim->inside = false;
	victim->in_text = victim->at_sleep = false;
	victim->breakpoint.address = 0;
}

/* Its parent is attacked: the child must not run into the parent's breakpoint. */
static void escort_child(struct victim *victim)
{
	uintptr_t address = victim->breakpoint.address;
	struct victim child = { 0 };

	clear_breakpoint(victim);
	child.pid = new_child(victim);
	for (int signal = wait_stop(&child); signal && child.event != PTRACE_EVENT_EXEC;) {
		resume(&child, PTRACE_CONT, child.event ? 0 : signal);
		signal = wait_stop(&child);
	}
	if (child.event == PTRACE_EVENT_EXEC)
		detach(child.pid);
	/* PTRACE_EVENT_VFORK_DONE, unless it was killed. */
	if (wait_stop(victim) && address)
		set_breakpoint(victim, address);
}

/* It stopped to tell that something has happened to it. */
static void take_notice(struct victim *victim)
{
	switch (victim->event) {
	case PTRACE_EVENT_VFORK:
		if (victim->child_side)
			follow_child(victim);
		else
			escort_child(victim);
		break;
	case PTRACE_EVENT_EXEC:
		detach(victim->pid);
		follow_parent(victim);
		break;
	case PTRACE_EVENT_CLONE:
		companions_add(victim, just_made(victim));
		break;
	default:
		break;
	}
}

/* The length of a repeated string instruction, which single steps would take round by round; 0 if
 * there is another instruction. */
static uint32_t repeated(const struct victim *victim, uintptr_t address)
{
	uint64_t bytes = (uint64_t)peek(victim, address);
	uint32_t n = 1;

	if ((bytes & 0xff) != 0xf2 && (bytes & 0xff) != 0xf3)
		return 0;
	bytes >>= 8;
	if ((bytes & 0xf0) == 0x40) { /* REX */
		bytes >>= 8;
		n++;
	}
	switch (bytes & 0xff) {
	case 0xa4: /* movs */
	case 0xa5:
	case 0xa6: /* cmps */
	case 0xa7:
	case 0xaa: /* stos */
	case 0xab:
	case 0xae: /* scas */
	case 0xaf:
		return n + 1;
	default:
		return 0;
	}
}

static void go_on(struct victim *victim, int signal)
{
	if (victim->in_text && victim->inside && !victim->breakpoint.address) {
		uint32_t length = repeated(victim, victim->address);

		if (length)
			set_breakpoint(victim, victim->address + length);
	}
	victim->in_text = false;
	if (!victim->inside)
		resume(victim, PTRACE_CONT, signal);
	else if (victim->breakpoint.address)
		resume(victim, PTRACE_SYSCALL, signal);
	else
		resume(victim, PTRACE_SINGLESTEP, signal);
}

static int go_on_and_wait(struct victim *victim, int signal)
{
	bool asleep = victim->state == VICTIM_ASLEEP;
	bool may_sleep = victim->at_sleep && !victim->sleep_seen;

	if (!asleep)
		go_on(victim, signal);
	victim->at_sleep = false;
	return may_sleep ? wait_stop_or_sleep(victim) : wait_stop(victim);
}

void victim_step(struct victim *victim)
{
	int signal = 0;

	for (;;) {
		signal = go_on_and_wait(victim, signal);
		if (signal == 0 && victim->parent)
			follow_parent(victim);
		else if (signal == 0)
			return;
		if (signal == 0)
			continue;
		victim->state = VICTIM_RUNS;
		if (victim->event && signal > 0) {
			take_notice(victim);
			signal = 0;
			if (victim->state == VICTIM_OVER)
				return;
			continue;
		}
		if (signal < 0) {
			victim->state = VICTIM_ASLEEP;
			victim->sleep_seen = true;
			victim->in_text = false;
			victim->points++;
			return;
		}
		bool own = own_stop(victim, signal);
		if (own && look(victim, signal))
			return;
		if (own || signal == SIGTRAP || signal == SYSCALL_STOP)
			signal = 0;
	}
}

/* It stands where its breakpoint was: pass the instruction and set the breakpoint again. */
static void pass_breakpoint(struct victim *victim, uintptr_t address)
{
	struct user_regs_struct regs;
	uint32_t length = repeated(victim, address);

	if (length)
		set_breakpoint(victim, address + length);
	resume(victim, length ? PTRACE_CONT : PTRACE_SINGLESTEP, 0);
	if (!wait_stop(victim))
		return;
	if (length) {
		regs = registers(victim);
		leave_breakpoint(victim, &regs);
	}
	set_breakpoint(victim, address);
}

void victim_run_to(struct victim *victim, struct place *place)
{
	struct user_regs_struct regs;
	int signal = 0;

	if (victim->state == VICTIM_POINT) {
		if (victim->address == place->address && place->rounds-- == 0)
			return;
		clear_breakpoint(victim);
		if (victim->address == place->address)
			pass_breakpoint(victim, place->address);
		else
			set_breakpoint(victim, place->address);
		victim->state = VICTIM_RUNS;
	}
	while (victim->state == VICTIM_RUNS || victim->state == VICTIM_ASLEEP) {
		if (victim->state == VICTIM_RUNS)
			resume(victim, PTRACE_CONT, signal);
		victim->state = VICTIM_ASLEEP;
		signal = wait_stop_or_sleep(victim);
		if (signal <= 0)
			return;
		victim->state = VICTIM_RUNS;
		if (victim->event)
			take_notice(victim);
		if (victim->event)
			signal = 0;
		if (signal != SIGTRAP)
			continue;
		signal = 0;
		regs = registers(victim);
		if (regs.rip != place->address + 1)
			continue; /* a mark */
		leave_breakpoint(victim, &regs);
		if (place->rounds-- > 0) {
			pass_breakpoint(victim, place->address);
			continue;
		}
		be_at_point(victim, &regs, sleeps_next(victim, &regs));
		victim->points = place->point;
		victim->inside = true;
	}
}

int victim_seize(struct victim *victim, pid_t pid, bool child_side, bool (*text)(uintptr_t address))
{
	const unsigned long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD |
				      PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE |
				      PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE;

	/* It runs, as one that sleeps does: it must not be resumed, but waited for. */
	*victim = (struct victim){
		.pid = pid,
		.text = text,
		.state = VICTIM_ASLEEP,
		.child_side = child_side,
	};
	if (ptrace(PTRACE_SEIZE, pid, 0, options))
		return -errno;
	return 0;
}

void victim_start(struct victim *victim)
{
	victim_step(victim);
	victim->points = 0;
}

void victim_kill(struct victim *victim)
{
	/* Its parent has the same memory. */
	if (victim->parent)
		clear_breakpoint(victim);
	kill(victim->pid, SIGKILL);
	if (!victim->parent)
		companions_bury(victim);
	while (wait_stop(victim))
		resume(victim, PTRACE_CONT, 0);
	victim->state = VICTIM_OVER;
	if (victim->parent)
		follow_parent(victim);
}

void victim_kill_parent(struct victim *victim)
{
	struct victim parent = { .pid = victim->parent };

	/* A child that is tied to its parent dies with it. */
	clear_breakpoint(victim);
	kill(parent.pid, SIGKILL);
	companions_bury(victim);
	while (wait_stop(&parent))
		resume(&parent, PTRACE_CONT, 0);
	victim->parent = 0;
}

void victim_hold(struct victim *victim)
{
	if (victim->state != VICTIM_ASLEEP)
		return;
	if (ptrace(PTRACE_INTERRUPT, victim->pid, 0, 0))
		harness_broken("PTRACE_INTERRUPT");
	if (wait_stop(victim))
		victim->state = VICTIM_POINT;
}

bool victim_finish(struct victim *victim)
{
	int signal = 0;

	if (victim->state == VICTIM_POINT || victim->state == VICTIM_RUNS)
		clear_breakpoint(victim);
	while (victim->state != VICTIM_OVER && victim->state != VICTIM_BROKEN) {
		companions_dismiss(victim);
		if (victim->state != VICTIM_ASLEEP)
			resume(victim, PTRACE_CONT, signal);
		victim->state = VICTIM_ASLEEP;
		signal = wait_stop_or_sleep(victim);
		if (signal < 0)
			return false;
		if (signal)
			victim->state = VICTIM_RUNS;
		if (signal == 0 && victim->parent)
			follow_parent(victim);
		else if (signal && victim->event)
			take_notice(victim);
		/* Later marks, and the stop that PTRACE_INTERRUPT leaves, are no signals. */
		if (signal == SIGTRAP)
			signal = 0;
	}
	return true;
}
