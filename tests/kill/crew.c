/* SPDX-License-Identifier: MIT */
/* Makes the runs, several at a time; see crew.h. */
#include "crew.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
	interrupted = signal;
}

static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	struct sigaction action = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

/* Remove what a run that was cut short left in its directory. */
static void empty_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
}

static bool make_places(struct crew *crew)
{
	snprintf(crew->directory, sizeof(crew->directory), "/dev/shm/ferry-kill-XXXXXX");
	if (!mkdtemp(crew->directory))
		return false;
	for (uint32_t i = 0; i < crew->n_jobs; i++) {
		struct job *job = &crew->jobs[i];

		snprintf(job->directory, sizeof(job->directory), "%s/%u", crew->directory, i);
		job->outcome = mmap(NULL, sizeof(*job->outcome), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (job->outcome == MAP_FAILED || mkdir(job->directory, 0700) < 0)
			return false;
	}
	return true;
}

static void end_job(struct job *job)
{
	kill(-job->pid, SIGKILL);
	empty_directory(job->directory);
	job->pid = 0;
}

static void remove_places(struct crew *crew)
{
	for (uint32_t i = 0; i < crew->n_jobs; i++) {
		struct job *job = &crew->jobs[i];

		if (job->pid) {
			kill(-job->pid, SIGKILL);
			kill(job->pid, SIGKILL);
			waitpid(job->pid, NULL, 0);
			end_job(job);
		}
		rmdir(job->directory);
	}
	rmdir(crew->directory);
}

static void start_job(struct crew *crew, struct job *job, struct task task)
{
	struct run run = {
		.family = crew->entries[task.operation].family,
		.operation = crew_operation(crew, task.operation),
		.strike = task.strike,
		.at = task.at,
		.points = crew->tallies[task.operation].points,
		/* A child shares its parent's memory: no breakpoint can be set for it beforehand.
		 */
		.place =
		    crew_operation(crew, task.operation)->child ? (struct place){ 0 } : task.place,
		.first_at = crew->tallies[task.operation].first_at,
		.first_place = crew->tallies[task.operation].first_place,
		.directory = job->directory,
	};
	pid_t parent = getpid();

	memset(job->outcome, 0, offsetof(struct outcome, path));
	job->task = task;
	job->since = now_ns();
	fflush(stdout);
	job->pid = fork();
	if (job->pid < 0) {
		perror("ferry-kill: fork");
		exit(2);
	}
	if (job->pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			scene_run(&run, job->outcome);
		_exit(2);
	}
	setpgid(job->pid, job->pid);
}

/* A scene that did not end by itself is a violation too. False: the harness is at fault. */
static bool note_bad_end(struct job *job, int status)
{
	struct outcome *outcome = job->outcome;

	if (WIFEXITED(status))
		return WEXITSTATUS(status) != 2;
	if (WTERMSIG(status) == SIGALRM)
		fault(&outcome->faults, "C5: jam while %s", outcome->phase);
	else
		fault(&outcome->faults, "C5: a survivor crashed with signal %d while %s",
		      WTERMSIG(status), outcome->phase);
	return true;
}

static bool some_fault_is(const struct faults *faults, const char *promise)
{
	for (uint32_t i = 0; i < faults_kept(faults); i++)
		if (strncmp(faults->text[i], promise, strlen(promise)) == 0)
			return true;
	return false;
}

static bool too_slow(const struct outcome *outcome)
{
	return outcome->slowest > CREW_VIOLATION_MS * 1000000L;
}

/* It went another way than the run that showed the path. */
static bool went_astray(const struct job *job)
{
	return job->task.strike >= STRIKE_KILL && job->task.place.address &&
	       (!job->outcome->struck ||
		(job->task.address && job->task.address != job->outcome->address));
}

static void count(struct crew *crew, const struct job *job)
{
	struct tally *tally = &crew->tallies[job->task.operation];
	const char *expect = crew_operation(crew, job->task.operation)->expect;
	const struct outcome *outcome = job->outcome;

	tally->kills += outcome->struck && job->task.strike == STRIKE_KILL;
	tally->stops += outcome->struck && job->task.strike == STRIKE_STOP;
	tally->missed += went_astray(job);
	tally->slow += outcome->slowest > CREW_PROMISE_MS * 1000000L;
	if (outcome->slowest > tally->slowest)
		tally->slowest = outcome->slowest;
	if (!faults_count(&outcome->faults))
		return;
	tally->violations++;
	tally->expected += expect && some_fault_is(&outcome->faults, expect);
	report_violation(crew, &job->task, outcome);
}

static struct plan *plan_of(struct crew *crew, uint32_t operation)
{
	return &crew->plans[crew->entries[operation].family_index];
}

/* Once too slow may be the machine's doing; twice, at the same point, is ferry's. */
static void judge_job(struct crew *crew, struct job *job)
{
	struct outcome *outcome = job->outcome;

	plan_of(crew, job->task.operation)->spent += now_ns() - job->since;
	report_run(crew, &job->task, outcome);
	if (too_slow(outcome) && !faults_count(&outcome->faults)) {
		if (!job->task.again) {
			struct task again = job->task;

			again.again = true;
			plan_add(plan_of(crew, again.operation), again);
			return;
		}
		fault(&outcome->faults, "C5: others had to wait %ld ms, twice",
		      outcome->slowest / 1000000);
	}
	count(crew, job);
}

static _Noreturn void give_up(struct crew *crew, const struct job *job, int status)
{
	bool not_allowed = job->outcome->not_allowed;

	if (!not_allowed)
		printf("the harness failed (status %#x) at --operation %s --at %u while %s\n",
		       (unsigned)status, crew_operation(crew, job->task.operation)->name,
		       job->task.at, job->outcome->phase);
	else
		puts("skipped: ptrace is not allowed here");
	remove_places(crew);
	exit(not_allowed ? 77 : 2);
}

static void stop_if_interrupted(struct crew *crew)
{
	if (!interrupted)
		return;
	remove_places(crew);
	exit(128 + interrupted);
}

/* Wait until one run has ended. */
static struct job *await_job(struct crew *crew)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, 0);

		stop_if_interrupted(crew);
		for (uint32_t i = 0; pid > 0 && i < crew->n_jobs; i++) {
			struct job *job = &crew->jobs[i];

			if (job->pid != pid)
				continue;
			if (!note_bad_end(job, status))
				give_up(crew, job, status);
			end_job(job);
			return job;
		}
	}
}

static struct job *idle_job(struct crew *crew)
{
	for (uint32_t i = 0; i < crew->n_jobs; i++)
		if (!crew->jobs[i].pid)
			return &crew->jobs[i];
	return NULL;
}

static bool busy(const struct crew *crew)
{
	for (uint32_t i = 0; i < crew->n_jobs; i++)
		if (crew->jobs[i].pid)
			return true;
	return false;
}

/* Of the families that have runs to make, the one that has had the least time. */
static struct plan *poorest(struct crew *crew)
{
	struct plan *found = NULL;

	for (uint32_t i = 0; i < FAMILIES_MAX; i++) {
		struct plan *plan = &crew->plans[i];

		if (plan->next < plan->n && (!found || plan->spent < found->spent))
			found = plan;
	}
	return found;
}

/* Make all planned runs, those that are added on the way too. */
static void make_runs(struct crew *crew, int64_t until)
{
	struct plan *plan = poorest(crew);

	while (plan || busy(crew)) {
		struct job *job = idle_job(crew);

		stop_if_interrupted(crew);
		if (job && plan && now_ns() < until)
			start_job(crew, job, plan->tasks[plan->next++]);
		else if (busy(crew))
			judge_job(crew, await_job(crew));
		else
			break;
		plan = poorest(crew);
	}
	for (uint32_t i = 0; i < FAMILIES_MAX; i++)
		crew->plans[i].n = crew->plans[i].next = 0;
}

/* One run by itself, such as the one that shows the path. */
static struct outcome *run_alone(struct crew *crew, struct task task)
{
	start_job(crew, &crew->jobs[0], task);
	return await_job(crew)->outcome;
}

/* Let the operation run undisturbed, which must go well, and plan the strikes along its path. */
static void plan_operation(struct crew *crew, uint32_t i)
{
	const struct operation *operation = crew_operation(crew, i);
	struct tally *tally = &crew->tallies[i];
	struct task task = { .operation = i, .strike = STRIKE_PROBE, .at = UINT32_MAX };
	uint32_t every = crew->every * (operation->rarely ? operation->rarely : 1);
	struct outcome *outcome;

	if (operation->first_act) {
		outcome = run_alone(crew, task);
		tally->first_at = outcome->first_at;
		tally->first_place = plan_place(outcome, outcome->first_at);
	}
	task.strike = STRIKE_NONE;
	outcome = run_alone(crew, task);
	tally->points = outcome->points;
	count(crew, &crew->jobs[0]);
	for (enum strike strike = STRIKE_KILL; strike <= STRIKE_STOP; strike++) {
		if (strike == STRIKE_KILL ? !crew->kills : !crew->stops)
			continue;
		if (strike == STRIKE_STOP && operation->kills)
			continue;
		task.strike = strike;
		if (crew->at < 0) {
			plan_path(plan_of(crew, i), task, outcome, every, crew->seed);
			continue;
		}
		task.at = (uint32_t)crew->at;
		task.place = plan_place(outcome, task.at);
		plan_add(plan_of(crew, i), task);
	}
}

/* The chosen operations in an order that the seed chooses. */
static uint32_t draw(const struct crew *crew, uint32_t *ret_order)
{
	uint64_t state = plan_seed(crew->seed);
	uint32_t n = 0;

	for (uint32_t i = 0; i < crew->n_entries; i++) {
		if (!crew->tallies[i].chosen)
			continue;
		uint32_t other = (uint32_t)(plan_random(&state) % (n + 1));

		ret_order[n++] = ret_order[other];
		ret_order[other] = i;
	}
	return n;
}

/* The next operation for which there is time to learn its path: of the family whose planning has
 * had the least time. When the time is over, of a family that has had none. -1: none. */
static int64_t next_to_plan(const struct crew *crew, const uint32_t *order, uint32_t n,
			    const int64_t *planning, bool over)
{
	int64_t found = -1;

	for (uint32_t k = 0; k < n; k++) {
		int64_t spent = planning[crew->entries[order[k]].family_index];

		if (crew->tallies[order[k]].planned || (over && spent > 0))
			continue;
		if (found < 0 || spent < planning[crew->entries[found].family_index])
			found = order[k];
	}
	return found;
}

/* Plan as many operations as there is time for; the others are not chosen any more. */
static void plan_sample(struct crew *crew, int64_t until)
{
	int64_t planning[FAMILIES_MAX] = { 0 };
	uint32_t order[ENTRIES_MAX];
	uint32_t n = draw(crew, order), n_planned = 0;
	int64_t i;

	while ((i = next_to_plan(crew, order, n, planning, now_ns() >= until)) >= 0) {
		int64_t since = now_ns();

		plan_operation(crew, (uint32_t)i);
		crew->tallies[i].planned = true;
		planning[crew->entries[i].family_index] += now_ns() - since;
		n_planned++;
	}
	for (i = 0; i < crew->n_entries; i++)
		crew->tallies[i].chosen = crew->tallies[i].planned;
	printf("a sample with --seed %lu: %u of %u operations, in random order\n",
	       (unsigned long)crew->seed, n_planned, n);
}

/* A sample, as large as the time allows: a third of it to choose from the operations, the rest to
 * strike; both for each family as long. */
static void work_until(struct crew *crew, int64_t since)
{
	int64_t time = crew->seconds * 1000000000L;

	plan_sample(crew, since + time / 3);
	for (uint32_t i = 0; i < FAMILIES_MAX; i++)
		plan_shuffle(&crew->plans[i], crew->seed);
	make_runs(crew, since + time);
	report_head();
	for (uint32_t i = 0; i < crew->n_entries; i++)
		if (crew->tallies[i].chosen)
			report_operation(crew, i);
}

/* One operation after the other, to the end. */
static void work_through(struct crew *crew)
{
	report_head();
	for (uint32_t i = 0; i < crew->n_entries; i++) {
		if (!crew->tallies[i].chosen)
			continue;
		plan_operation(crew, i);
		make_runs(crew, INT64_MAX);
		report_operation(crew, i);
	}
}

int crew_work(struct crew *crew)
{
	int64_t since = now_ns();
	int result;

	catch_signals();
	if (!libferry_text((uintptr_t)ferry_remove)) {
		puts("skipped: ferry is not a shared library here");
		return 77;
	}
	if (!make_places(crew)) {
		perror("ferry-kill: /dev/shm");
		remove_places(crew);
		return 2;
	}
	if (crew->seconds)
		work_until(crew, since);
	else
		work_through(crew);
	result = report_total(crew, now_ns() - since);
	remove_places(crew);
	for (uint32_t i = 0; i < FAMILIES_MAX; i++)
		free(crew->plans[i].tasks);
	return result;
}
