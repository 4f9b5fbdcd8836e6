/* SPDX-License-Identifier: MIT */
/*
 * bench_env.c - what the measurements stand on: which two cores, how large the kernel's queues may
 * be, and a directory for ferry's objects.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench_time.h"
#include "bench_transports.h"

static struct {
	unsigned cpu[2];
	char directory[64];
	const char *relation;
} env;

/* The first line of a file of the processor's topology, such as "0,4" or "1". */
static bool topology(unsigned cpu, const char *what, char *ret_line, size_t room)
{
	char path[128];
	FILE *file;
	bool got;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/%s", cpu, what);
	file = fopen(path, "re");
	if (!file)
		return false;
	got = fgets(ret_line, (int)room, file) != NULL;
	fclose(file);
	return got;
}

static bool same(unsigned a, unsigned b, const char *what)
{
	char x[256], y[256];

	return topology(a, what, x, sizeof(x)) && topology(b, what, y, sizeof(y)) && !strcmp(x, y);
}

static const char *relation(const unsigned cpu[2])
{
	if (cpu[0] == cpu[1])
		return "one core";
	if (same(cpu[0], cpu[1], "thread_siblings_list"))
		return "two threads of one core";
	return same(cpu[0], cpu[1], "physical_package_id") ? "two cores of one processor"
							   : "two cores of two processors";
}

/* How well a second core goes with the first: a sibling thread is worst, another processor next. */
static int suitability(unsigned first, unsigned second)
{
	if (same(first, second, "thread_siblings_list"))
		return 1;
	return same(first, second, "physical_package_id") ? 3 : 2;
}

static void choose_cpus(unsigned ret_cpu[2])
{
	cpu_set_t allowed;
	unsigned first = CPU_SETSIZE;
	int best = 0;

	CPU_ZERO(&allowed);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		if (first == CPU_SETSIZE) {
			first = ret_cpu[0] = ret_cpu[1] = cpu;
		} else if (suitability(first, cpu) > best) {
			best = suitability(first, cpu);
			ret_cpu[1] = cpu;
		}
	}
}

static int check_cpus(const unsigned cpu[2])
{
	cpu_set_t allowed;

	CPU_ZERO(&allowed);
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		if (cpu[i] >= CPU_SETSIZE || !CPU_ISSET(cpu[i], &allowed))
			return -EINVAL;
	return 0;
}

static void raise_limit(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	/* Refused: then the queue has the usual depth, which the results tell. */
	if (write(fd, value, strlen(value)) < 0)
		errno = 0;
	close(fd);
}

/* In an IPC namespace of our own the limits are ours to raise, and the queues go when we go. */
static void raise_queue_limits(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	if (unshare(CLONE_NEWIPC) < 0)
		return;
	raise_limit("/proc/sys/fs/mqueue/msg_max", "256");
	raise_limit("/proc/sys/fs/mqueue/msgsize_max", "4194304");
	raise_limit("/proc/sys/kernel/msgmax", "4194304");
	raise_limit("/proc/sys/kernel/msgmnb", "67108864");
	setrlimit(RLIMIT_MSGQUEUE, &unlimited);
}

int bench_begin(const unsigned cpus[2])
{
	int e = 0;

	if (cpus) {
		e = check_cpus(cpus);
		memcpy(env.cpu, cpus, sizeof(env.cpu));
	} else {
		choose_cpus(env.cpu);
	}
	if (e < 0)
		return e;
	env.relation = relation(env.cpu);
	raise_queue_limits();
	bench_clock();
	strcpy(env.directory, "/dev/shm/ferry-bench-XXXXXX");
	if (!mkdtemp(env.directory)) {
		e = -errno;
		env.directory[0] = '\0';
	}
	return e;
}

void bench_end(void)
{
	struct dirent *entry;
	DIR *dir;

	if (!env.directory[0])
		return;
	dir = opendir(env.directory);
	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0); /* "." and ".." are refused */
	if (dir)
		closedir(dir);
	rmdir(env.directory);
	env.directory[0] = '\0';
}

const char *bench_directory(void)
{
	return env.directory;
}

const unsigned *bench_cpus(void)
{
	return env.cpu;
}

const char *bench_cpus_relation(void)
{
	return env.relation;
}

const char *bench_cpu_model(char *text, size_t room)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256], *value;

	snprintf(text, room, "unknown processor");
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "model name", 10) || !(value = strchr(line, ':')))
			continue;
		value[strcspn(value, "\n")] = '\0';
		snprintf(text, room, "%s", value + 1 + strspn(value + 1, " "));
		break;
	}
	if (file)
		fclose(file);
	return text;
}
