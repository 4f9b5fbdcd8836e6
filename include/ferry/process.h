/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/process.h
 * Processes that cannot be mistaken for others: sending them signals, waiting for their end,
 * starting them.
 *
 * A ferry_process holds a pidfd: it goes on meaning the same process when that one has ended and
 * its number belongs to another. No SIGCHLD handler is installed, and no child is reaped but those
 * that ferry_spawn() made (and, where the program asks for it, ferry_reap_orphans()).
 *
 * fork: a handle may be used in the child: to send, to ask, to wait for the end. A process that the
 * parent spawned is not the child's child: its exit code is the parent's to collect. exec closes
 * it.
 */
#ifndef FERRY_PROCESS_H
#define FERRY_PROCESS_H

#include <ferry/base.h>
#include <ferry/object.h>
#include <ferry/pipe.h>
#include <ferry/signal.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ferry_process ferry_process;

/**
 * The process with a number.
 *
 * @param pid      1 or more: the number of a process, not of a thread.
 * @param started  Its start time as in proc(5), field 22, and in struct ferry_member; 0 if not
 *                 known. With it, a process that got the number later is not taken for the one
 *                 meant.
 * @param why      NULL, or where a sentence about a failure goes.
 *
 * @retval 0
 * @retval -ESRCH   There is none (any more), or the number belongs to another now. A zombie is
 *                  still there.
 * @retval -EINVAL  pid is less than 1, or a thread's.
 * @retval -EACCES  /proc does not tell its start time, so that it cannot be compared.
 * @retval -EMFILE, -ENFILE, -ENOMEM
 *
 * Safety: MT-Safe. Blocking: never. Side effects: one descriptor (close-on-exec). Since: 0.1
 */
FERRY_API int ferry_process_open(ferry_process **ret_process, pid_t pid, uint64_t started,
				 struct ferry_why *why);

/** The process of a member of an object, from ferry_object_members(); otherwise as
 *  ferry_process_open(). Also -FERRY_ENAMESPACE: it lives in another PID namespace. */
FERRY_API int ferry_process_open_member(ferry_process **ret_process,
					const struct ferry_member *member, struct ferry_why *why);

/** Forget a process; it goes on. A child of ferry_spawn() that still runs is reaped when a later
 *  call of ferry_spawn(), ferry_process_close() or ferry_reap_orphans() finds that it has ended.
 *  NULL is allowed. No other thread may be using the handle. */
FERRY_API void ferry_process_close(ferry_process *process);

/** Its number: as it was when the handle was made; -EINVAL for NULL. MT-Safe, AS-Safe. */
FERRY_API pid_t ferry_process_pid(const ferry_process *process);

/** Its start time (clock ticks since boot); 0 where /proc does not tell, and for NULL. MT-Safe,
 * AS-Safe. */
FERRY_API uint64_t ferry_process_started(const ferry_process *process);

/** A descriptor (its pidfd) for an event loop: readable once the process has ended. The handle's
 *  own: do not close it. MT-Safe, AS-Safe. */
FERRY_API int ferry_process_fd(const ferry_process *process);

/** How a process ended, and what it used. */
struct ferry_process_end {
	int known; /**< 1: the rest is known; 0: only that it ended. The end of a child is known; of
			others on Linux 6.15 or later, once they have been reaped */
	int exited; /**< 1: it ended by exit */
	int code;   /**< then: 0 to 255 */
	int signal; /**< else: the signal that ended it */
	int core;   /**< 1: and dumped core */
	int used; /**< 1: what follows is known (children only), its waited-for children included */
	int64_t user;    /**< ns of CPU time */
	int64_t system;  /**< ns of CPU time in the kernel */
	uint64_t memory; /**< bytes that it had in memory at most */
	uint64_t faults_minor;
	uint64_t faults_major; /**< page faults that waited for a disk */
	uint64_t switches_voluntary;
	uint64_t switches_forced;
};

/**
 * Wait for the end of a process, a child or not. A child of ferry_spawn() is reaped by it, once,
 * and every later call tells the same; any other child is looked at and left to whoever made it.
 *
 * @param ret_end  May be NULL.
 *
 * @retval 0           It has ended.
 * @retval -EAGAIN     It lives, and deadline is FERRY_NOW. A stopped process lives.
 * @retval -ETIMEDOUT  It lived until the deadline.
 *
 * A child that somebody else reaped (a SIGCHLD handler with waitpid(-1), or SIGCHLD being ignored)
 * has ended, and how may be unknown. Safety: MT-Safe, also several at once. EINTR: never.
 * Since: 0.1
 */
FERRY_API int ferry_process_wait(ferry_process *process, struct ferry_process_end *ret_end,
				 ferry_deadline deadline);

/**
 * Send a signal with a payload, to that process and no other. The receiver sees SI_QUEUE with the
 * caller's pid and real uid, as from sigqueue(3).
 *
 * @param signo    1 to 64; 0 sends nothing and only tests.
 * @param payload  sigval of the receiver: all 64 bits on a 64-bit system.
 *
 * @retval 0        Sent; with 0: it lives.
 * @retval -ESRCH   It is gone. A zombie is gone for signal 0; a true signal to it is accepted and
 *                  lost, as kill(2) does.
 * @retval -EPERM   The kernel forbids it (kill(2) has the rules).
 * @retval -EAGAIN  Real-time signals only: the receiver's user has RLIMIT_SIGPENDING waiting.
 * @retval -EINVAL  Not a signal.
 *
 * Safety: MT-Safe, AS-Safe. Blocking: never. Since: 0.1
 */
FERRY_API int ferry_signal_send(ferry_process *process, int signo, int64_t payload);

/** One of several processes that a signal was sent to. */
struct ferry_signal_target {
	pid_t pid;
	uint64_t started;
	int result; /**< of ferry_signal_send(), or of ferry_process_open_member() */
};

/**
 * Send a signal to each process that is a member of the object at a location, once each, also if it
 * has the object open several times; also to the caller, if it is one. Dead members are left out.
 *
 * @param ret_targets Room for n; may be NULL if n is 0.
 * @return The number of processes, which may be more than n (all were sent to); or an error as from
 *         ferry_object_members(), and then nothing was sent.
 */
FERRY_API int ferry_signal_send_members(const char *location, int signo, int64_t payload,
					struct ferry_signal_target *ret_targets, size_t n,
					struct ferry_why *why);

/**
 * Send a signal to each process of a process group that can be seen in /proc, the caller included
 * if it belongs to it. Looked for until a round finds no new one: a process that forks in between
 * is not missed (kill(2) with a negative pid does it in one step, but tells no results).
 *
 * @param group  1 or more; 0: the caller's own.
 * @return The number of processes, as above; -ESRCH: no such group; -EINVAL; -ENOENT: no /proc.
 */
FERRY_API int ferry_signal_send_group(pid_t group, int signo, int64_t payload,
				      struct ferry_signal_target *ret_targets, size_t n,
				      struct ferry_why *why);

/* ---- starting ---- */

/** What ferry_spawn() does, in this order; the step that failed is told. */
enum ferry_spawn_step {
	FERRY_SPAWN_STEP_OPTIONS = 0,     /**< checking what was asked for */
	FERRY_SPAWN_STEP_CREATE = 1,      /**< making the process (EAGAIN, ENOMEM, EMFILE) */
	FERRY_SPAWN_STEP_GROUP = 2,       /**< process group or session */
	FERRY_SPAWN_STEP_PARENT = 3,      /**< die_with_parent */
	FERRY_SPAWN_STEP_DIRECTORY = 4,   /**< working directory */
	FERRY_SPAWN_STEP_DESCRIPTORS = 5, /**< passing and closing descriptors */
	FERRY_SPAWN_STEP_LIMITS = 6,      /**< resource limits */
	FERRY_SPAWN_STEP_SIGNALS = 7,     /**< mask and actions */
	FERRY_SPAWN_STEP_EXECUTE = 8,     /**< running the program */
};

/** The words for a step ("changing the directory"), or "unknown". MT-Safe, AS-Safe. */
FERRY_API const char *ferry_spawn_step_name(enum ferry_spawn_step step);

/** A descriptor that the child gets: `from` of the parent becomes `to` of the child. */
struct ferry_spawn_descriptor {
	int from; /**< or one of the two below */
	int to;
};
#define FERRY_SPAWN_NULL   (-1) /**< from: /dev/null, for reading and writing */
#define FERRY_SPAWN_CLOSED (-2) /**< from: nothing, `to` is closed */

/**
 * A ferry pipe as a descriptor of the child, its standard streams above all.
 *
 * The child gets an end of a kernel pipe, as every program knows it; a thread of the caller's
 * process passes on between that and the ferry pipe, in order, until one of the two is at its end.
 * When ferry_spawn() succeeds the handle is that thread's: the caller does not use or close it any
 * more (in no forked child either). If it fails nothing has happened to the pipe.
 *
 * What is written to a child's standard output and error comes out of the pipe, then end of file,
 * as soon as all who have the child's end closed it or ended; also what was written just before the
 * child ended. ferry_process_wait() waits for the child, not for that. A child whose output nobody
 * reads any more gets SIGPIPE (when the pipe has a name: at the write after the one that could not
 * be delivered). A child whose input is at its end reads end of file; when it has closed its input,
 * or ended, writing to the pipe is -EPIPE after 30 ms at most; what was in the pipe or between is
 * gone with it, as it is with a kernel pipe.
 *
 * The caller must live: when it ends, however, its children's streams end too, and bytes on their
 * way are lost. Of a named pipe, what was not read yet stays. A child that speaks ferry itself
 * needs no thread: give it the location of a named pipe, or pass the descriptors of
 * ferry_pipe_export().
 */
struct ferry_spawn_stream {
	ferry_pipe *pipe; /**< a reading end: the child reads what comes out of it; a writing end:
			       what the child writes goes in. The same one for several: as with
			       2>&1 of a shell */
	int to;           /**< the descriptor that the child gets: 0, 1, 2 or any */
};

/** A resource limit that the child gets (setrlimit(2)). */
struct ferry_spawn_limit {
	int resource;  /**< RLIMIT_CORE ... */
	uint64_t soft; /**< UINT64_MAX: none */
	uint64_t hard;
};

#define FERRY_SPAWN_OWN_GROUP   ((pid_t)-1) /**< group: a new one, led by the child */
#define FERRY_SPAWN_OWN_SESSION ((pid_t)-2) /**< group: a new session and group (setsid(2)) */

/** What to start. Zero is the default in every field but program. */
struct ferry_spawn_options {
	size_t size;         /**< sizeof this struct; FERRY_SPAWN_OPTIONS sets it */
	const char *program; /**< a path; without a slash it is looked for in $PATH of the caller */
	char *const *arguments;   /**< argv, NULL at its end; NULL: the program's name alone */
	char *const *environment; /**< NULL at its end; NULL: the caller's */
	const char *directory;    /**< working directory; NULL: the caller's */
	/** Descriptors to pass; 0, 1 and 2 are the caller's where none is given. All others of the
	 *  caller are closed in the child, close-on-exec or not. */
	const struct ferry_spawn_descriptor *descriptors;
	size_t n_descriptors;
	const struct ferry_spawn_stream *streams; /**< ferry pipes as descriptors */
	size_t n_streams;
	const struct ferry_spawn_limit *limits;
	size_t n_limits;
	/** The child starts with every action default and no signal blocked, but for these. */
	ferry_signal_set ignored;
	ferry_signal_set blocked;
	pid_t group; /**< 0: the caller's; > 0: that group; or FERRY_SPAWN_OWN_... */
	/** Signal that the child gets when the *thread* that spawned it ends (prctl(2),
	 *  PR_SET_PDEATHSIG), so call from one that lives as long as the process; 0: none. */
	int die_with_parent;
	enum ferry_spawn_step *ret_step; /**< NULL, or where the step that failed goes */
	struct ferry_why *why;           /**< NULL, or where a sentence about a failure goes */
};
#ifndef __cplusplus
/** FERRY_SPAWN_OPTIONS(.program = "ls", ...): options in place. */
#define FERRY_SPAWN_OPTIONS(...)                                                                   \
	(&(const struct ferry_spawn_options){ .size = sizeof(struct ferry_spawn_options),          \
					      __VA_ARGS__ })
#endif

/**
 * Start a program as a child. On success it runs that program already; whatever stood in the way
 * comes back from here, and no child is left.
 *
 * @retval 0
 * @retval -EINVAL, -E2BIG  The options.
 * @retval -EBADF, -EIDRM, -FERRY_ECORRUPT  A pipe of the streams cannot be read or written.
 * @retval -ENOENT, -EACCES, -ENOEXEC, -EBADF, -EAGAIN ...  What the step in ret_step said.
 * @retval -ECHILD  Somebody killed the child before it ran the program.
 *
 * The caller's thread waits until the child has executed the program; other threads go on. Memory
 * is shared until then (as with vfork), so the cost does not grow with the caller's size. Handlers
 * of pthread_atfork() do not run. Side effects: each pipe of the streams costs a descriptor and a
 * thread, with all signals but those of faults blocked, until it is at its end. Crash: a caller
 * killed inside leaves no child that has not run the program or ended by itself. A child that
 * somebody stops before it runs the program holds up the calling thread, and that alone, until it
 * goes on or is killed. Safety: MT-Safe, AS-Unsafe. Since: 0.1
 */
FERRY_API int ferry_spawn(ferry_process **ret_process, const struct ferry_spawn_options *options);

/**
 * Adopt the descendants whose parents end (1), as PID 1 does by nature, or do not (0): they become
 * the caller's children (prctl(2), PR_SET_CHILD_SUBREAPER). 0, or -errno.
 */
FERRY_API int ferry_adopt_orphans(int on);

/**
 * Reap every child that has ended and that no ferry_process of ferry_spawn() stands for: the
 * orphans that a PID 1 or adopter gets. Those of ferry_spawn() keep their end for
 * ferry_process_wait(). To be called after SIGCHLD or now and then. A program that makes children
 * by fork(), popen() and the like must not call it while it has any: their ends would be taken from
 * whoever waits for them.
 *
 * @param ended  NULL, or called for each; what it returns other than 0 ends the call early.
 * @return How many were reaped, or what ended returned.
 *
 * Blocking: 50 ms at most, while other threads are in ferry_spawn(); if one of these is held up,
 * nothing is reaped. Safety: MT-Safe. Since: 0.1
 */
FERRY_API int ferry_reap_orphans(int (*ended)(pid_t pid, const struct ferry_process_end *end,
					      void *context),
				 void *context);

#ifdef __cplusplus
}
#endif
#endif
