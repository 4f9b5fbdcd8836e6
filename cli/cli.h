/* SPDX-License-Identifier: MIT */
/*
 * cli.h - what the commands of the ferry tool share: their entry points, exit statuses, error
 * sentences, and the reading and writing of sizes and durations.
 *
 * A command is `int cmd_x(int argc, char **argv)`: argv[0] is "ferry x" (so that argp shows that
 * name), the result is the exit status. It reads its arguments with cli_parse().
 */
#ifndef FERRY_CLI_H
#define FERRY_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ferry/ferry.h>

/* Exit statuses. ferry(1) has the same table. */
enum {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,  /* it was tried and did not work */
	STATUS_USAGE = 2,   /* an argument or option makes no sense */
	STATUS_NOTHING = 3, /* no message, or no room for one, within the time */
	STATUS_ABSENT = 4,  /* there is no such object, or it was removed meanwhile */
};

int cmd_bench(int argc, char **argv);
int cmd_connect(int argc, char **argv);
int cmd_create(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_gc(int argc, char **argv);
int cmd_listen(int argc, char **argv);
int cmd_lock(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_peek(int argc, char **argv);
int cmd_read(int argc, char **argv);
int cmd_receive(int argc, char **argv);
int cmd_rm(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_signal(int argc, char **argv);
int cmd_signals(int argc, char **argv);
int cmd_spawn(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_tap(int argc, char **argv);
int cmd_supervise(int argc, char **argv);
int cmd_torture(int argc, char **argv);
int cmd_write(int argc, char **argv);
int cmd_why(int argc, char **argv);

/* argp_parse() with the tool's settings. Does not return on --help or on a usage error. */
void cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* The same for a command that runs another one: options behind the first argument are that one's.
 */
void cli_parse_in_order(const struct argp *argp, int argc, char **argv, void *input);

/* The rest of a parser whose command wants exactly one location: "only one KIND at a time", "say
 * which KIND to VERB" (to_verb is "to show"). */
error_t cli_one_location(int key, char *argument, struct argp_state *state,
			 const char **ret_location, const char *kind, const char *to_verb);

/* Print "ferry: SENTENCE" and a newline on standard error, control bytes replaced. */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* cli_complain(), then exit(status). */
_Noreturn void cli_die(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The exit status for a negative result of ferry. */
int cli_status(int error);

/*
 * Say that a command failed at a location, why, and what to do about it, in one line on standard
 * error. why may be NULL or empty: then the error's own sentence is used. Gives cli_status(error).
 */
int cli_fail(const char *command, const char *location, int error, const struct ferry_why *why);

/* Open a mailbox with FERRY_* flags and otherwise the defaults. STATUS_DONE, or the exit status
 * after the failure was reported. */
int cli_open(ferry_mailbox **ret_box, const char *command, const char *location, uint32_t flags);

/* "4096", "64K", "1.5M", "2GiB": bytes, with powers of 1024. False if it is none or too large. */
bool cli_parse_size(const char *text, uint64_t *ret_bytes);

/* "2", "1.5s", "250ms", "10us", "5ns", "3m", "1h": ns; a bare number counts seconds. */
bool cli_parse_duration(const char *text, int64_t *ret_ns);

/* A whole number from min to max, decimal, or behind 0x hexadecimal. */
bool cli_parse_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret_count);

/* The same three for use in an argp parser: a bad value is a usage error that names the option. */
uint64_t cli_size_option(struct argp_state *state, const char *option, const char *text);
int64_t cli_duration_option(struct argp_state *state, const char *option, const char *text);
uint64_t cli_count_option(struct argp_state *state, const char *option, const char *text,
			  uint64_t min, uint64_t max);

/* The value of --mode, in octal. The mode that was asked for is what the file gets, as with mkdir
 * -m: the umask is set to 0, until cli_restore_umask(), which a command that runs another one calls
 * before it does. */
uint32_t cli_mode_option(struct argp_state *state, const char *text);
void cli_restore_umask(void);

/* Room for what the two functions below write. */
#define CLI_HUMAN_BYTES 24

/* "0 B", "112 B", "1.5 KiB", "64 KiB", "3.2 GiB". Gives buffer. */
const char *cli_human_size(char buffer[static CLI_HUMAN_BYTES], uint64_t bytes);

/* "830 ns", "12 us", "1.5 ms", "3.2 s", "5 min 10 s", "2 h 5 min". Gives buffer. */
const char *cli_human_duration(char buffer[static CLI_HUMAN_BYTES], int64_t ns);

/* "1 message", "2 messages": the word with an s if count is not 1. */
#define CLI_PLURAL(count) ((count) == 1 ? "" : "s")

/* Replace what could steer a terminal (control bytes) by '?', in place. Gives text. */
char *cli_printable(char *text);

#endif
