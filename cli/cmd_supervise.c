/* SPDX-License-Identifier: MIT */
/*
 * cmd_supervise.c - ferry supervise: keep a command running; usable as a container's first process.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "cli.h"

#define MS INT64_C(1000000)
#define S  (1000 * MS)

#define MAX_DELAY (30 * S) /* without --max-delay */

enum restart { RESTART_NEVER, RESTART_ON_FAILURE, RESTART_ALWAYS };

struct supervise {
	struct child child;
	enum restart restart;
	int64_t delay, max_delay; /* ns before it is started again: doubled each time, up to max;
				   * a max_delay of -1 was not given */
	int64_t stable; /* ns after which a run counts as good, and the delay is as at first */
	int64_t grace;  /* ns from the request to end to SIGKILL */
	uint64_t max_restarts; /* in a row without a good run; 0 = without limit */
	bool quiet;

	int asked; /* the signal that asked us to end */
};

enum { OPTION_DELAY = 512, OPTION_MAX_DELAY, OPTION_STABLE, OPTION_GRACE, OPTION_MAX_RESTARTS };

static const struct argp_option options[] = {
	{ "restart", 'r', "WHEN", 0, "never, on-failure (default) or always", 0 },
	{ "delay", OPTION_DELAY, "TIME", 0,
	  "Wait before it is started again (100ms); twice as long after each failure in a row", 0 },
	{ "max-delay", OPTION_MAX_DELAY, "TIME", 0, "but no longer than this (30s)", 0 },
	{ "stable", OPTION_STABLE, "TIME", 0,
	  "A run that lasted so long was a good one: delay and count begin anew (10s)", 0 },
	{ "max-restarts", OPTION_MAX_RESTARTS, "COUNT", 0,
	  "Give up after so many restarts in a row without a good run (no limit)", 0 },
	{ "grace", OPTION_GRACE, "TIME", 0,
	  "When asked to end: time for the command to end before SIGKILL (10s)", 0 },
	{ "quiet", 'q', NULL, 0, "Say nothing about restarts", 0 },
	{ 0 },
};

static enum restart parse_restart(struct argp_state *state, const char *text)
{
	static const char *const words[] = { "never", "on-failure", "always" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(text, words[i]) == 0)
			return (enum restart)i;
	argp_error(state, "--restart takes never, on-failure or always, not '%s'", text);
	return RESTART_NEVER;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct supervise *s = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &s->child;
		return 0;
	case 'r':
		s->restart = parse_restart(state, argument);
		return 0;
	case OPTION_DELAY:
		s->delay = cli_duration_option(state, "--delay", argument);
		return 0;
	case OPTION_MAX_DELAY:
		s->max_delay = cli_duration_option(state, "--max-delay", argument);
		return 0;
	case OPTION_STABLE:
		s->stable = cli_duration_option(state, "--stable", argument);
		return 0;
	case OPTION_MAX_RESTARTS:
		s->max_restarts =
		    cli_count_option(state, "--max-restarts", argument, 1, UINT32_MAX);
		return 0;
	case OPTION_GRACE:
		s->grace = cli_duration_option(state, "--grace", argument);
		return 0;
	case 'q':
		s->quiet = true;
		return 0;
	case ARGP_KEY_END:
		if (s->max_delay >= 0 && s->max_delay < s->delay)
			argp_error(state, "--max-delay is less than --delay");
		if (s->max_delay < 0)
			s->max_delay = s->delay > MAX_DELAY ? s->delay : MAX_DELAY;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &child_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "COMMAND [ARGUMENT...]",
	.doc = "Run a command and start it again when it ends. Signals are passed on to it; after "
	       "HUP, INT, QUIT or TERM it is not started again. Orphans among its descendants are "
	       "adopted and reaped, so this can be a container's first process. Ends with the "
	       "command's last exit status, as a shell would tell it."
	       "\v"
	       "\nExamples:\n"
	       "  ferry supervise -- ./server --port 8080\n"
	       "  ferry supervise --restart always --delay 1s --max-restarts 5 -- ./worker",
	.children = children,
};

/* Reap orphans now and then while the command runs. How it ended. */
static struct ferry_process_end run_once(struct supervise *s, ferry_process *process)
{
	struct ferry_process_end end = { 0 };
	ferry_deadline kill_at = FERRY_FOREVER;

	for (;;) {
		ferry_deadline look = ferry_in_ns(S);
		int r = child_await(process, &end, &s->asked, look < kill_at ? look : kill_at);
		(void)ferry_reap_orphans(NULL, NULL);
		if (r == 0)
			break;
		if (s->asked && kill_at == FERRY_FOREVER)
			kill_at = ferry_in_ns(s->grace);
		else if (s->asked && ferry_in_ns(0) >= kill_at)
			(void)ferry_signal_send(process, SIGKILL, 0);
	}
	return end;
}

static bool wanted_again(const struct supervise *s, int status)
{
	return !s->asked &&
	       (s->restart == RESTART_ALWAYS || (s->restart == RESTART_ON_FAILURE && status != 0));
}

/* killed_by: the signal, or 0. */
static void say_restart(const struct supervise *s, int status, int killed_by, int64_t delay)
{
	char text[CLI_HUMAN_BYTES];

	if (s->quiet)
		return;
	if (killed_by)
		cli_complain("supervise: '%s' ended by %s; again in %s", s->child.command[0],
			     ferry_signal_name(killed_by), cli_human_duration(text, delay));
	else
		cli_complain("supervise: '%s' ended with code %d; again in %s", s->child.command[0],
			     status, cli_human_duration(text, delay));
}

/* Start, wait, start again, until it is enough. The exit status. */
static int supervise(struct supervise *s)
{
	int64_t delay = s->delay;
	uint64_t in_a_row = 0;

	for (;;) {
		ferry_process *process;
		ferry_deadline good = ferry_in_ns(s->stable);
		int status = child_start(&s->child, "supervise", &process), killed_by = 0;
		if (status == 0) {
			struct ferry_process_end end = run_once(s, process);
			ferry_process_close(process);
			status = child_status(&end);
			killed_by = end.known && !end.exited ? end.signal : 0;
		}
		if (!wanted_again(s, status))
			return status;
		if (ferry_in_ns(0) >= good) {
			delay = s->delay;
			in_a_row = 0;
		}
		if (s->max_restarts && in_a_row++ == s->max_restarts) {
			cli_complain("supervise: '%s' %s %" PRIu64 " times in a row; giving up",
				     s->child.command[0], status ? "failed" : "ended", in_a_row);
			return status;
		}
		say_restart(s, status, killed_by, delay);
		if (child_await(NULL, NULL, &s->asked, ferry_in_ns(delay)) == -EINTR)
			return 128 + s->asked;
		delay = delay < s->max_delay / 2 ? 2 * delay : s->max_delay;
	}
}

int cmd_supervise(int argc, char **argv)
{
	struct supervise s = {
		.restart = RESTART_ON_FAILURE,
		.delay = 100 * MS,
		.max_delay = -1,
		.stable = 10 * S,
		.grace = 10 * S,
	};

	cli_parse_in_order(&argp, argc, argv, &s);
	child_catch_signals();
	if (getpid() != 1 && ferry_adopt_orphans(1) < 0)
		cli_complain("supervise: cannot adopt orphans; they go to init");
	int status = supervise(&s);
	child_free(&s.child);
	(void)ferry_reap_orphans(NULL, NULL);
	return status;
}
