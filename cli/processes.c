/* SPDX-License-Identifier: MIT */
/*
 * processes.c - see processes.h.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json.h"
#include "processes.h"

#define COMMAND_BYTES 4096 /* of a command; what is longer is cut */

/* All of a file that fits in n - 1 bytes, and a NUL. How many bytes that is; 0 = none. */
static size_t read_file(const char *path, char *text, size_t n)
{
	FILE *file = fopen(path, "re");
	size_t got = 0;

	if (file) {
		got = fread(text, 1, n - 1, file);
		fclose(file);
	}
	text[got] = '\0';
	return got;
}

static size_t read_of_thread(pid_t pid, pid_t thread, const char *name, char *text, size_t n)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/task/%d/%s", (int)pid, (int)(thread ? thread : pid),
		 name);
	return read_file(path, text, n);
}

/* The n-th word behind here, each after one space. */
static const char *word_at(const char *text, int n)
{
	for (; n && text; n--) {
		text = strchr(text, ' ');
		text = text ? text + 1 : NULL;
	}
	return text ? text : "";
}

bool process_look(pid_t pid, pid_t thread, struct process_look *ret)
{
	char line[1024];

	*ret = (struct process_look){ 0 };
	read_of_thread(pid, thread, "stat", line, sizeof line);
	/* The name, field 2, may contain anything, parentheses too. Fields 3, 4 and 22 are wanted.
	 */
	const char *name_end = strrchr(line, ')');
	if (!name_end)
		return false;
	ret->state = *word_at(name_end, 1);
	ret->parent = (pid_t)strtol(word_at(name_end, 2), NULL, 10);
	ret->started = strtoull(word_at(name_end, 20), NULL, 10);
	return true;
}

size_t process_threads(pid_t pid)
{
	char path[64];
	size_t n = 0;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	if (!dir)
		return 0;
	for (const struct dirent *d; (d = readdir(dir)) != NULL;)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

const char *process_state_word(char state)
{
	switch (state) {
	case 'R':
		return "running";
	case 'S':
	case 'I':
		return "sleeping";
	case 'D':
		return "in the kernel";
	case 'T':
	case 't':
		return "stopped";
	case 'Z':
	case 'X':
		return "dead";
	default:
		return "";
	}
}

struct process_command process_command(pid_t pid, uint64_t started)
{
	char path[64], words[COMMAND_BYTES];
	struct process_command command = { 0 };
	struct process_look look;

	snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	size_t n = read_file(path, words, sizeof words);
	/* Asked after the reading: until then it was no other process. */
	if (!n || !process_look(pid, 0, &look) || (started && look.started != started))
		return command;
	if (words[n - 1])
		n++;
	command.words = malloc(n);
	if (!command.words)
		cli_die(STATUS_FAILED, "out of memory");
	memcpy(command.words, words, n);
	command.bytes = n;
	return command;
}

void process_command_free(struct process_command *command)
{
	free(command->words);
	*command = (struct process_command){ 0 };
}

/* The next word behind one (NULL: the first); NULL: there is none. */
static const char *next_word(const struct process_command *command, const char *word)
{
	const char *next = word ? word + strlen(word) + 1 : command->words;

	return next && next < command->words + command->bytes ? next : NULL;
}

static const char *without_directory(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* Append bytes while there is room; what does not fit is lost. */
static void append(char *text, size_t *used, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n && *used < PROCESS_COMMAND_TEXT - 1; i++)
		text[(*used)++] = bytes[i];
	text[*used] = '\0';
}

/* A word so that a shell would read the same one. */
static void append_word(char *text, size_t *used, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_@%+=:,./-";

	if (*word && word[strspn(word, plain)] == '\0') {
		append(text, used, word, strlen(word));
		return;
	}
	append(text, used, "'", 1);
	for (; *word; word++)
		if (*word == '\'')
			append(text, used, "'\\''", 4);
		else
			append(text, used, word, 1);
	append(text, used, "'", 1);
}

/* A text that fills its room may have lost something: end it with dots, and with no half of a
 * character before them. */
static void mark_cut(char *text, size_t used)
{
	size_t end = PROCESS_COMMAND_TEXT - 4;

	if (used < PROCESS_COMMAND_TEXT - 1)
		return;
	while (end && ((unsigned char)text[end] & 0xc0) == 0x80)
		end--;
	memcpy(text + end, "...", 4);
}

const char *process_command_text(char text[static PROCESS_COMMAND_TEXT],
				 const struct process_command *command, const char *program)
{
	const char *word = next_word(command, NULL);
	size_t used = 0;

	if (!word) {
		append(text, &used, program, strlen(program));
		return text;
	}
	append_word(text, &used, without_directory(word));
	while ((word = next_word(command, word)) != NULL) {
		append(text, &used, " ", 1);
		append_word(text, &used, word);
	}
	mark_cut(text, used);
	return cli_printable(text);
}

/* Is it a `ferry lock`, whose process has the lock while its child runs? */
static bool is_lock(const struct process_command *command)
{
	const char *program = next_word(command, NULL);
	const char *verb = program ? next_word(command, program) : NULL;

	return verb && strcmp(without_directory(program), "ferry") == 0 &&
	       strcmp(verb, "lock") == 0;
}

bool process_awaits_child(pid_t pid, pid_t thread)
{
	char where[64]; /* in the kernel */

	if (!thread && process_threads(pid) != 1)
		return false;
	read_of_thread(pid, thread, "wchan", where, sizeof where);
	if (strcmp(where, "do_wait") == 0)
		return true;
	struct process_command command = process_command(pid, 0);
	bool lock = is_lock(&command);
	process_command_free(&command);
	return lock;
}

struct process_entry *process_list(size_t *ret_n)
{
	struct process_entry *list = NULL;
	struct process_look look;
	size_t n = 0;
	DIR *dir = opendir("/proc");

	for (const struct dirent *d; dir && (d = readdir(dir)) != NULL;) {
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);
		if (pid <= 0 || !process_look(pid, 0, &look))
			continue;
		list = reallocarray(list, n + 1, sizeof *list);
		if (!list)
			cli_die(STATUS_FAILED, "out of memory");
		list[n++] = (struct process_entry){ pid, look.parent, look.state };
	}
	if (dir)
		closedir(dir);
	*ret_n = n;
	return list;
}

json_t *process_command_json(const struct process_command *command)
{
	if (!command->words)
		return json_null();
	json_t *array = json_array();
	for (const char *word = NULL; (word = next_word(command, word)) != NULL;)
		json_array_append_new(array, json_text(word));
	return array;
}
