/* SPDX-License-Identifier: MIT */
/*
 * sockets.c - see sockets.h.
 *
 * Beside each listener that lets connections move lies its desk, a socket whose abstract name says
 * what it belongs to (docs/formats/connection.md); whose it is, /proc/PID/fd tells. The two ends of
 * a connection that has moved map the same memory, which /proc/PID/maps tells; its name says where
 * the connection leads, if the one that connected is honest.
 */
#include "sockets.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli.h"
#include "json.h"
#include "table.h"

#define DESK   "@ferry-desk-1:"
#define MEMORY "/memfd:ferry-connection:"
#define GONE   " (deleted)"
#define PIDS   8 /* of one thing that are shown */

/* A listener, or a connection. */
struct found {
	bool connection;
	uint64_t inode; /* of the desk; of the memory */
	char address[FERRY_ADDRESS_MAX];
	pid_t pids[PIDS];
	size_t n;
};

/* A listening unix socket, by /proc/net/unix; an abstract name begins with "@". */
struct name {
	uint64_t inode;
	char text[128];
};

struct search {
	struct found *found;
	size_t n_found;
	struct name *names;
	size_t n_names;
};

static void *more(void *array, size_t n, size_t size)
{
	/* Room for a power of two of them. */
	if (n & (n - 1))
		return array;
	void *larger = realloc(array, (n ? 2 * n : 1) * size);
	if (!larger)
		cli_die(STATUS_FAILED, "ls: out of memory");
	return larger;
}

static struct found *add(struct search *search, bool connection, uint64_t inode)
{
	search->found = more(search->found, search->n_found, sizeof(*search->found));
	struct found *found = &search->found[search->n_found++];
	*found = (struct found){ .connection = connection, .inode = inode };
	return found;
}

static void add_pid(struct found *found, pid_t pid)
{
	if (found->n < PIDS && (found->n == 0 || found->pids[found->n - 1] != pid))
		found->pids[found->n++] = pid;
}

/* The kernel writes the numbers that are read here; they fit. NOLINTBEGIN(cert-err34-c) */

/* ---- whose desk ---- */

/* "DEVICE:INODE", as in a desk's name: is that this socket file? */
static bool is_file(const char *text, const char *path)
{
	uint64_t device, inode;
	struct stat status;

	return sscanf(text, "%" SCNx64 ":%" SCNx64, &device, &inode) == 2 &&
	       stat(path, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

/* "DIGEST:BYTES": is that this abstract name? FNV-1a of it; BYTES counts the 0 in front, too. */
static bool is_name(const char *text, const char *name)
{
	uint64_t digest = UINT64_C(0xcbf29ce484222325), wanted;
	size_t bytes;

	for (const char *at = name; *at; at++)
		digest = (digest ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
	return sscanf(text, "%" SCNx64 ":%zu", &wanted, &bytes) == 2 && wanted == digest &&
	       bytes == strlen(name) + 1;
}

static void name_address(const struct search *search, const char *desk, char *ret, size_t n)
{
	for (size_t i = 0; i < search->n_names; i++) {
		const char *name = search->names[i].text;
		if ((!strncmp(desk, "file:", 5) && *name == '/' && is_file(desk + 5, name)) ||
		    (!strncmp(desk, "name:", 5) && *name == '@' && is_name(desk + 5, name + 1))) {
			(void)snprintf(ret, n, "unix:%s", name);
			return;
		}
	}
	(void)snprintf(ret, n, "%s", strstr(desk, "://") ? desk : "unix:?");
}

/* All listening unix sockets. 0 or -errno. */
static int read_names(struct search *search)
{
	char line[512];
	FILE *file = fopen("/proc/net/unix", "re");

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		struct name name = { 0 };
		unsigned flags;
		/* Num RefCount Protocol Flags Type St Inode Path */
		if (sscanf(line, "%*s %*s %*s %x %*s %*s %" SCNu64 " %127[^\n]", &flags,
			   &name.inode, name.text) != 3 ||
		    !(flags & 0x10000)) /* __SO_ACCEPTCON */
			continue;
		search->names = more(search->names, search->n_names, sizeof(name));
		search->names[search->n_names++] = name;
	}
	(void)fclose(file);
	return 0;
}

static void find_desks(struct search *search)
{
	for (size_t i = 0; i < search->n_names; i++) {
		const struct name *name = &search->names[i];
		if (strncmp(name->text, DESK, strlen(DESK)) != 0)
			continue;
		struct found *found = add(search, false, name->inode);
		name_address(search, name->text + strlen(DESK), found->address,
			     sizeof(found->address));
	}
}

/* ---- whose process ---- */

static void look_at_descriptors(struct search *search, pid_t pid)
{
	char path[64], target[64];
	uint64_t inode;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *directory = opendir(path);
	struct dirent *entry;
	while (directory && (entry = readdir(directory))) {
		ssize_t n = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%" SCNu64 "]", &inode) != 1)
			continue;
		for (size_t i = 0; i < search->n_found; i++)
			if (!search->found[i].connection && search->found[i].inode == inode)
				add_pid(&search->found[i], pid);
	}
	if (directory)
		(void)closedir(directory);
}

static struct found *find_connection(struct search *search, uint64_t inode)
{
	for (size_t i = 0; i < search->n_found; i++)
		if (search->found[i].connection && search->found[i].inode == inode)
			return &search->found[i];
	return add(search, true, inode);
}

/* What a stranger may have chosen goes to a terminal. */
static void copy_address(char *ret, size_t n, const char *name)
{
	const char *end = strstr(name, GONE);

	(void)snprintf(ret, n, "%.*s", end ? (int)(end - name) : -1, name);
	for (char *at = ret; *at; at++)
		if (iscntrl((unsigned char)*at))
			*at = '?';
}

static void look_at_mappings(struct search *search, pid_t pid)
{
	char path[64], line[512], name[320];
	uint64_t inode;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %*s %*s %*s %" SCNu64 " %319[^\n]", &inode, name) == 2 &&
		    strncmp(name, MEMORY, strlen(MEMORY)) == 0) {
			struct found *found = find_connection(search, inode);
			copy_address(found->address, sizeof(found->address), name + strlen(MEMORY));
			add_pid(found, pid);
		}
	if (file)
		(void)fclose(file);
}

/* NOLINTEND(cert-err34-c) */

static int look_at_processes(struct search *search)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;

	if (!directory)
		return -errno;
	while ((entry = readdir(directory))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		look_at_descriptors(search, pid);
		look_at_mappings(search, pid);
	}
	(void)closedir(directory);
	return 0;
}

/* ---- telling ---- */

static const char *command_of(pid_t pid, char *text, size_t n)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file || !fgets(text, (int)n, file))
		(void)snprintf(text, n, "?");
	text[strcspn(text, "\n")] = '\0';
	if (file)
		(void)fclose(file);
	return text;
}

static const char *what_of(const struct found *found)
{
	return found->connection ? "connection" : "listener";
}

static void print_table(const struct search *search)
{
	struct table table = { .columns = 3, .right = "lll" };
	char command[64], pids[PIDS * 80];

	for (size_t i = 0; i < search->n_found; i++) {
		const struct found *found = &search->found[i];
		size_t at = 0;

		if (!table.used) {
			table_add(&table, "WHAT");
			table_add(&table, "ADDRESS");
			table_add(&table, "PROCESSES");
		}
		pids[0] = '\0';
		for (size_t p = 0; p < found->n; p++)
			at +=
			    (size_t)snprintf(pids + at, sizeof(pids) - at, "%s%d (%s)",
					     p ? ", " : "", (int)found->pids[p],
					     command_of(found->pids[p], command, sizeof(command)));
		table_add(&table, "%s", what_of(found));
		table_add(&table, "%s", found->address[0] ? found->address : "-");
		table_add(&table, "%s", found->n ? pids : "-");
	}
	table_print(&table, 0);
}

static void print_json(const struct search *search)
{
	json_t *array = json_array();

	for (size_t i = 0; i < search->n_found; i++) {
		const struct found *found = &search->found[i];
		json_t *object = json_object(), *processes = json_array();
		char command[64];

		json_put(object, "what", json_text(what_of(found)));
		if (found->address[0])
			json_put(object, "address", json_text(found->address));
		for (size_t p = 0; p < found->n; p++) {
			json_t *process = json_object();
			json_put_number(process, "pid", (uint64_t)found->pids[p]);
			json_put(process, "command",
				 json_text(command_of(found->pids[p], command, sizeof(command))));
			json_array_append_new(processes, process);
		}
		json_put(object, "processes", processes);
		json_array_append_new(array, object);
	}
	json_print(array);
}

int list_sockets(bool json)
{
	struct search search = { 0 };
	int r = read_names(&search);

	if (r == 0) {
		find_desks(&search);
		r = look_at_processes(&search);
	}
	if (r < 0)
		cli_complain("ls: /proc: %s", ferry_strerror(r));
	else
		(json ? print_json : print_table)(&search);
	free(search.found);
	free(search.names);
	return r < 0 ? cli_status(r) : STATUS_DONE;
}
