/* SPDX-License-Identifier: MIT */
/* workers.c - a queue of jobs. One worker is killed in the middle of a job; another does it. */
#include <errno.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 3, JOBS = 12 };

/* Do jobs until none has come for a while. Returns how many, or an error. */
static int work(ferry_mailbox *jobs, int is_doomed)
{
	struct ferry_message job;
	int n, r;

	for (n = 0; (r = ferry_mailbox_take(jobs, &job, ferry_in_ms(200))) == 0; n++) {
		if (is_doomed)
			raise(SIGKILL); /* any crash will do: the job is never said to be done */
		/* Here is the place to do what job.data says. */
		r = ferry_mailbox_done(jobs, &job);
		if (r < 0)
			return r;
	}
	return r == -ETIMEDOUT ? n : r;
}

/* A handle works in the child as well. */
static void start_worker(ferry_mailbox *jobs, int is_doomed)
{
	if (fork() == 0)
		_exit(work(jobs, is_doomed) & 0xff);
}

int main(void)
{
	char name[32];
	ferry_mailbox *jobs;
	struct ferry_mailbox_stat stat = { 0 };
	int status, done = 0;

	snprintf(name, sizeof(name), "jobs-%d", getpid());
	int r = ferry_mailbox_open(&jobs, name, NULL);
	if (r < 0)
		return fprintf(stderr, "workers: %s\n", ferry_strerror(r)), 1;
	for (int i = 0; i < JOBS && r == 0; i++)
		r = ferry_mailbox_send(jobs, "a job", 5, FERRY_NOW);
	start_worker(jobs, 1);
	wait(&status);
	printf("the first worker was killed by signal %d\n", WTERMSIG(status));
	for (int i = 0; i < WORKERS; i++)
		start_worker(jobs, 0);
	while (wait(&status) > 0)
		done += WEXITSTATUS(status);
	ferry_mailbox_stat(jobs, &stat);
	printf("%d jobs of %d done, %d again\n", done, JOBS, (int)stat.redelivered);
	ferry_mailbox_close(jobs);
	return ferry_remove(name, NULL) < 0 || r < 0 || done != JOBS;
}
