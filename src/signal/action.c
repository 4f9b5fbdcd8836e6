/* SPDX-License-Identifier: MIT */
/* action.c - see action.h. */
#include "action.h"

#include <errno.h>
#include <ferry/error.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "../base/why.h"
#include "receive.h"

enum layer_kind { LAYER_CATCH, LAYER_DEFAULT, LAYER_IGNORE };

struct layer {
	enum layer_kind kind;
	struct fy_signal_catch catch;
};

/* Of one signal. */
struct stack {
	int n;
	struct layer layers[FY_LAYERS];
	struct sigaction before; /* what was there before the first; while n > 0 */
	int ours;                /* 1: the kernel has what we told it last, as far as we know */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* over all that follows */
static struct stack stacks[FY_SIGNALS + 1];
static _Atomic uint64_t handled;

static void before_fork(void)
{
	(void)pthread_mutex_lock(&mutex);
}

static void after_fork(void)
{
	(void)pthread_mutex_unlock(&mutex);
}

static void watch_forks(void)
{
	(void)pthread_atfork(before_fork, after_fork, after_fork);
}

static int init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int r = fy_receive_init();

	if (r == 0)
		(void)pthread_once(&once, watch_forks);
	return r;
}

static const struct layer *top(const struct stack *stack)
{
	return stack->n > 0 ? &stack->layers[stack->n - 1] : NULL;
}

/* Where the topmost run of catches begins. */
static int chain_begin(const struct stack *stack)
{
	int i = stack->n;

	while (i > 0 && stack->layers[i - 1].kind == LAYER_CATCH)
		i--;
	return i;
}

uint64_t fy_action_handled(void)
{
	/* SYNC(signal.handled) acquire: pairs with the release in publish(). */
	return atomic_load_explicit(&handled, memory_order_acquire);
}

int fy_action_chain(int signo, struct fy_signal_catch ret_chain[FY_LAYERS])
{
	const struct stack *stack = &stacks[signo];
	int n = 0;

	(void)pthread_mutex_lock(&mutex);
	for (int i = stack->n; i > chain_begin(stack); i--)
		if (stack->layers[i - 1].catch.handler)
			ret_chain[n++] = stack->layers[i - 1].catch;
	(void)pthread_mutex_unlock(&mutex);
	return n;
}

/* ---- what the kernel is told ---- */

/* What belongs into the kernel for the top layer. */
static void wanted(const struct stack *stack, struct sigaction *ret_action)
{
	const struct layer *layer = top(stack);

	memset(ret_action, 0, sizeof(*ret_action));
	if (!layer) {
		*ret_action = stack->before;
	} else if (layer->kind == LAYER_CATCH) {
		/* Whoever relies on his handler's ending system calls with EINTR shall see it. The
		 * children's fate is the process's, not the handler's. */
		int is_function =
		    stack->before.sa_handler != SIG_DFL && stack->before.sa_handler != SIG_IGN;
		int restart = is_function ? stack->before.sa_flags & SA_RESTART : (int)SA_RESTART;
		ret_action->sa_sigaction = fy_receive_handler;
		ret_action->sa_flags =
		    SA_SIGINFO | SA_ONSTACK | restart | (stack->before.sa_flags & SA_NOCLDWAIT);
		fy_receive_mask(&ret_action->sa_mask);
	} else {
		ret_action->sa_handler = layer->kind == LAYER_DEFAULT ? SIG_DFL : SIG_IGN;
	}
}

/* Is what the kernel has now what the top layer made us tell it? */
static int is_replaced(int signo, const struct stack *stack, struct sigaction *ret_now)
{
	struct sigaction want;

	if (fy_receive_action(signo, NULL, ret_now) < 0)
		return 0;
	wanted(stack, &want);
	return ret_now->sa_handler != want.sa_handler;
}

static uint64_t set_if(uint64_t set, int signo, int condition)
{
	return condition ? set | fy_signal_bit(signo) : set & ~fy_signal_bit(signo);
}

/* After a change of the stack: who takes the signal now. */
static void publish(int signo, const struct stack *stack)
{
	int begin = chain_begin(stack);
	int functions = 0;

	for (int i = begin; i < stack->n; i++)
		functions += stack->layers[i].catch.handler != NULL;
	/* With nothing of ours left it stays so: a signal may be on its way through our handler,
	 * and who set an action over ours may go on calling it. */
	fy_receive_foreign(signo, begin == 0 ? &stack->before : NULL);
	fy_receive_set_caught(set_if(fy_receive_caught(), signo, begin < stack->n));
	/* SYNC(signal.handled) release: pairs with the acquire in fy_action_handled(). */
	atomic_store_explicit(&handled, set_if(fy_action_handled(), signo, functions > 0),
			      memory_order_release);
}

static int tell_kernel(int signo, const struct stack *stack)
{
	struct sigaction action;

	wanted(stack, &action);
	return fy_receive_action(signo, &action, NULL);
}

/* ---- laying on and taking off ---- */

static void drop_if_not_caught(int signo)
{
	if (!(fy_receive_caught() & fy_signal_bit(signo)))
		fy_receive_drop(fy_signal_bit(signo));
}

static int push(int signo, const struct layer *layer)
{
	struct stack *stack = &stacks[signo];
	struct sigaction now;

	if (stack->n == FY_LAYERS)
		return -ENOSPC;
	/* What somebody else set over ours is what we find there, and put back in the end. */
	if (stack->n == 0 ? fy_receive_action(signo, NULL, &now) == 0
			  : is_replaced(signo, stack, &now))
		stack->before = now;
	stack->layers[stack->n++] = *layer;
	publish(signo, stack);
	int r = tell_kernel(signo, stack);
	if (r < 0) {
		stack->n--;
		publish(signo, stack);
	}
	drop_if_not_caught(signo);
	return r;
}

static int take_off(int signo, int at)
{
	struct stack *stack = &stacks[signo];
	struct sigaction now;
	int replaced = is_replaced(signo, stack, &now);

	memmove(&stack->layers[at], &stack->layers[at + 1],
		(size_t)(stack->n - at - 1) * sizeof(stack->layers[0]));
	stack->n--;
	int r = replaced ? -FERRY_EREPLACED : tell_kernel(signo, stack);
	publish(signo, stack);
	drop_if_not_caught(signo);
	return r;
}

/* A signal that comes while the table changes shall find the handler that can queue it, and its
 * handler must not wait for the mutex: so it stays pending. */
static int locked(int (*change)(int signo, const void *argument), int signo, const void *argument)
{
	uint64_t mask = fy_mask_block(FY_EVERY_SIGNAL);

	(void)pthread_mutex_lock(&mutex);
	int r = change(signo, argument);
	(void)pthread_mutex_unlock(&mutex);
	(void)fy_mask_set(mask);
	fy_receive_changed();
	return r;
}

static int lay(int signo, const void *argument)
{
	return push(signo, argument);
}

static int lift(int signo, const void *argument)
{
	(void)argument;
	return stacks[signo].n > 0 ? take_off(signo, stacks[signo].n - 1) : -ENOENT;
}

static int find_and_lift(int signo, const void *argument)
{
	const struct fy_signal_catch *wanted_catch = argument;

	for (int i = stacks[signo].n - 1; i >= 0; i--) {
		const struct layer *layer = &stacks[signo].layers[i];
		if (layer->kind == LAYER_CATCH && layer->catch.handler == wanted_catch->handler &&
		    layer->catch.arg == wanted_catch->arg)
			return take_off(signo, i);
	}
	return -ENOENT;
}

/* ---- the calls ---- */

static int check_signal(int signo, struct ferry_why *why)
{
	if (!fy_signal_valid(signo))
		return fy_why(why, -EINVAL, "%d is not a signal: they go from 1 to %d", signo,
			      FY_SIGNALS);
	if (!(FY_EVERY_SIGNAL & fy_signal_bit(signo)))
		return fy_why(why, -EINVAL,
			      "signal %d is the C library's own; real-time signals begin at %d",
			      signo, SIGRTMIN);
	return 0;
}

static int check_change(int signo, const char *verb, struct ferry_why *why)
{
	int r = check_signal(signo, why);

	if (r == 0 && (signo == SIGKILL || signo == SIGSTOP))
		return fy_why(
		    why, -EINVAL,
		    "%s cannot be %s: the kernel keeps it as the sure way to %s a process",
		    ferry_signal_name(signo), verb, signo == SIGKILL ? "end" : "stop");
	return r;
}

static int check_catch(int signo, struct ferry_why *why)
{
	int r = check_change(signo, "caught", why);

	if (r == 0 && (signo == SIGSEGV || signo == SIGBUS || signo == SIGILL || signo == SIGFPE ||
		       signo == SIGSYS))
		return fy_why(
		    why, -EINVAL,
		    "%s cannot be caught in ordinary code: the instruction that caused it "
		    "would run again first; ferry_crash_report() reports it",
		    ferry_signal_name(signo));
	return r;
}

static int change(int signo, const struct layer *layer, struct ferry_why *why)
{
	int r = init();

	if (r == 0)
		r = locked(lay, signo, layer);
	if (r == -ENOSPC)
		return fy_why(why, r, "%d actions lie on %s already", FY_LAYERS,
			      ferry_signal_name(signo));
	if (r < 0)
		return fy_why(why, r, "cannot set the action of %s: %s", ferry_signal_name(signo),
			      ferry_strerror(r));
	return 0;
}

int ferry_signal_catch(int signo, ferry_signal_handler handler, void *arg, struct ferry_why *why)
{
	struct layer layer = { LAYER_CATCH, { handler, arg } };
	int r = check_catch(signo, why);

	return r < 0 ? r : change(signo, &layer, why);
}

int ferry_signal_default(int signo, struct ferry_why *why)
{
	struct layer layer = { .kind = LAYER_DEFAULT };
	int r = check_change(signo, "changed", why);

	return r < 0 ? r : change(signo, &layer, why);
}

int ferry_signal_ignore(int signo, struct ferry_why *why)
{
	struct layer layer = { .kind = LAYER_IGNORE };
	int r = check_change(signo, "ignored", why);

	return r < 0 ? r : change(signo, &layer, why);
}

static int explain(int r, int signo, struct ferry_why *why)
{
	if (r == -ENOENT)
		return fy_why(why, r, "ferry has no such action on %s", ferry_signal_name(signo));
	if (r == -FERRY_EREPLACED)
		return fy_why(why, r,
			      "another action was set for %s after ferry's; it was left alone",
			      ferry_signal_name(signo));
	return r;
}

int ferry_signal_restore(int signo, struct ferry_why *why)
{
	int r = check_signal(signo, why);

	if (r == 0)
		r = init();
	return r < 0 ? r : explain(locked(lift, signo, NULL), signo, why);
}

int ferry_signal_uncatch(int signo, ferry_signal_handler handler, void *arg, struct ferry_why *why)
{
	struct fy_signal_catch wanted_catch = { handler, arg };
	int r = check_signal(signo, why);

	if (r == 0)
		r = init();
	return r < 0 ? r : explain(locked(find_and_lift, signo, &wanted_catch), signo, why);
}
