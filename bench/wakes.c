/* SPDX-License-Identifier: MIT */
/*
 * wakes.c - what a wake-up across processes costs, by mechanism: the figures of
 * docs/decisions/0020-one-wait.md.
 *
 *     cc -O2 -o wakes wakes.c -lpthread && ./wakes [ROUNDS]
 *
 * Two processes on two cores wake each other in turn; a mechanism's figure is half a round trip,
 * the median of ROUNDS. Ways of the sleeper: epoll over an eventfd that it shares with the waker
 * (the floor of every event loop); futex(2); futex_waitv(2) over 1 and over 128 words; epoll over
 * an inotify instance that watches a file, of which the waker reads a byte; epoll over a ring of
 * io_uring with a futex operation in it; epoll over an eventfd that a helper thread raises, which
 * sleeps in futex_waitv(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct shared {
	_Alignas(64) _Atomic uint32_t word[2][128 * 16];
	int efd[2];
};
static struct shared *sh;
static int filefd[2];
static char filename[2][64];

struct side {
	int me;
	int ep;
	int in; /* inotify */
	int wd;
	uint32_t seen;
	/* uring */
	int ring;
	struct io_uring_params p;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
	struct futex_waitv waitv[128];
	int helper_fd;
};

static long long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}
static void add(int ep, int fd)
{
	struct epoll_event e = { .events = EPOLLIN };
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e)) {
		perror("epoll_ctl");
		exit(1);
	}
}
static void wait_ep(int ep)
{
	struct epoll_event e;
	while (epoll_wait(ep, &e, 1, -1) < 0)
		;
}
static void drain(int fd)
{
	uint64_t n;
	(void)!read(fd, &n, 8);
}
static _Atomic uint32_t *mine(struct side *s)
{
	return &sh->word[s->me][0];
}
static _Atomic uint32_t *other(struct side *s)
{
	return &sh->word[!s->me][0];
}
static void wake_futex(struct side *s)
{
	atomic_fetch_add(other(s), 1);
	syscall(SYS_futex, other(s), FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* eventfd */
static void e_init(struct side *s)
{
	s->ep = epoll_create1(0);
	add(s->ep, sh->efd[s->me]);
}
static void e_wake(struct side *s)
{
	uint64_t one = 1;
	(void)!write(sh->efd[!s->me], &one, 8);
}
static void e_wait(struct side *s)
{
	wait_ep(s->ep);
	drain(sh->efd[s->me]);
}
/* futex */
static void f_init(struct side *s)
{
	s->seen = 0;
}
static void f_wait(struct side *s)
{
	while (atomic_load(mine(s)) == s->seen)
		syscall(SYS_futex, mine(s), FUTEX_WAIT, s->seen, NULL, NULL, 0);
	s->seen++;
}
static int nvec;
static void v_wait(struct side *s)
{
	for (int i = 0; i < nvec; i++)
		s->waitv[i] = (struct futex_waitv){ .val = i ? 0 : s->seen,
						    .uaddr = (uintptr_t)(mine(s) + 16 * i),
						    .flags = FUTEX_32 };
	while (atomic_load(mine(s)) == s->seen)
		syscall(SYS_futex_waitv, s->waitv, nvec, 0, NULL, 0);
	s->seen++;
}
/* inotify */
static void i_init(struct side *s)
{
	char path[64];
	s->ep = epoll_create1(0);
	s->in = inotify_init1(IN_NONBLOCK);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", filefd[s->me]);
	s->wd = inotify_add_watch(s->in, path, IN_ACCESS);
	if (s->wd < 0) {
		perror("inotify");
		exit(1);
	}
	add(s->ep, s->in);
}
static void i_wake(struct side *s)
{
	char c;
	atomic_fetch_add(other(s), 1);
	if (pread(filefd[!s->me], &c, 1, 0) != 1)
		abort();
	syscall(SYS_futex, other(s), FUTEX_WAKE, 1, NULL, NULL, 0);
}
static void i_wait(struct side *s)
{
	char b[4096];
	wait_ep(s->ep);
	if (read(s->in, b, sizeof(b)) <= 0)
		abort();
}
/* io_uring */
static int deferred;
static void u_init(struct side *s)
{
	memset(&s->p, 0, sizeof(s->p));
	s->p.flags = deferred ? IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN : 0;
	s->ring = (int)syscall(SYS_io_uring_setup, 8, &s->p);
	if (s->ring < 0) {
		perror("io_uring_setup");
		exit(2);
	}
	s->sq = mmap(NULL, s->p.sq_off.array + s->p.sq_entries * 4, PROT_READ | PROT_WRITE,
		     MAP_SHARED, s->ring, IORING_OFF_SQ_RING);
	s->cq = mmap(NULL, s->p.cq_off.cqes + s->p.cq_entries * sizeof(struct io_uring_cqe),
		     PROT_READ | PROT_WRITE, MAP_SHARED, s->ring, IORING_OFF_CQ_RING);
	s->sqes = mmap(NULL, s->p.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
		       MAP_SHARED, s->ring, IORING_OFF_SQES);
	s->ep = epoll_create1(0);
	add(s->ep, s->ring);
	s->seen = 0;
}
static int u_reap(struct side *s)
{
	_Atomic uint32_t *head = (void *)(s->cq + s->p.cq_off.head);
	_Atomic uint32_t *tail = (void *)(s->cq + s->p.cq_off.tail);
	uint32_t n = atomic_load(tail) - atomic_load(head);
	atomic_store(head, atomic_load(tail));
	return (int)n;
}
static void u_arm(struct side *s)
{
	_Atomic uint32_t *tail = (void *)(s->sq + s->p.sq_off.tail);
	uint32_t mask = *(uint32_t *)(s->sq + s->p.sq_off.ring_mask);
	uint32_t *array = (void *)(s->sq + s->p.sq_off.array);
	uint32_t t = atomic_load(tail);
	struct io_uring_sqe *q = &s->sqes[t & mask];
	memset(q, 0, sizeof(*q));
	q->opcode = 51; /* IORING_OP_FUTEX_WAIT */
	q->addr = (uintptr_t)mine(s);
	q->addr2 = s->seen;
	q->addr3 = FUTEX_BITSET_MATCH_ANY;
	q->fd = FUTEX_32; /* futex_flags are in fd */
	array[t & mask] = t & mask;
	atomic_store(tail, t + 1);
	if (syscall(SYS_io_uring_enter, s->ring, 1, 0, 0, NULL, 0) < 0) {
		perror("enter");
		exit(1);
	}
}
static void u_wait(struct side *s)
{
	while (atomic_load(mine(s)) == s->seen) {
		u_arm(s);
		while (atomic_load(mine(s)) == s->seen)
			wait_ep(s->ep);
		while (!u_reap(s))
			syscall(SYS_io_uring_enter, s->ring, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	}
	s->seen++;
}
/* helper */
static void *helper(void *a)
{
	struct side *s = a;
	uint64_t one = 1;
	uint32_t seen = 0;
	for (;;) {
		struct futex_waitv v[128];
		for (int i = 0; i < 128; i++)
			v[i] = (struct futex_waitv){ .val = i ? 0 : seen,
						     .uaddr = (uintptr_t)(mine(s) + 16 * i),
						     .flags = FUTEX_32 };
		while (atomic_load(mine(s)) == seen)
			syscall(SYS_futex_waitv, v, 128, 0, NULL, 0);
		seen++;
		(void)!write(s->helper_fd, &one, 8);
	}
	return NULL;
}
static void h_init(struct side *s)
{
	pthread_t t;
	s->ep = epoll_create1(0);
	s->helper_fd = eventfd(0, 0);
	add(s->ep, s->helper_fd);
	pthread_create(&t, NULL, helper, s);
}
static void h_wait(struct side *s)
{
	wait_ep(s->ep);
	drain(s->helper_fd);
}

static const struct way {
	const char *name;
	void (*init)(struct side *);
	void (*wake)(struct side *);
	void (*wait)(struct side *);
	int n, deferred;
} ways[] = {
	{ "epoll, eventfd", e_init, e_wake, e_wait, 0, 0 },
	{ "futex", f_init, wake_futex, f_wait, 0, 0 },
	{ "futex_waitv, 1 word", f_init, wake_futex, v_wait, 1, 0 },
	{ "futex_waitv, 128 words", f_init, wake_futex, v_wait, 128, 0 },
	{ "epoll, inotify", i_init, i_wake, i_wait, 0, 0 },
	{ "epoll, io_uring futex", u_init, wake_futex, u_wait, 0, 0 },
	{ "epoll, helper thread", h_init, wake_futex, h_wait, 0, 0 },
};

static int cmp(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;
	return x < y ? -1 : x > y;
}
static void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}
static void run(const struct way *w, int rounds, int cores)
{
	long long *t = malloc(sizeof(*t) * (size_t)rounds);
	memset(sh->word, 0, sizeof(sh->word));
	nvec = w->n;
	deferred = w->deferred;
	for (int i = 0; i < 2; i++)
		sh->efd[i] = eventfd(0, 0);
	int ready[2];
	(void)!pipe(ready);
	pid_t pid = fork();
	struct side s = { .me = pid == 0 };
	pin(cores == 2 ? s.me : 0);
	w->init(&s);
	if (pid == 0) {
		(void)!write(ready[1], "x", 1);
		for (int i = 0; i < rounds; i++) {
			w->wait(&s);
			w->wake(&s);
		}
		_exit(0);
	}
	char c;
	(void)!read(ready[0], &c, 1);
	for (int i = 0; i < rounds; i++) {
		long long a = now();
		w->wake(&s);
		w->wait(&s);
		t[i] = now() - a;
	}
	waitpid(pid, NULL, 0);
	qsort(t, (size_t)rounds, sizeof(*t), cmp);
	printf("%-34s %d core(s) median %6lld p99 %6lld\n", w->name, cores, t[rounds / 2] / 2,
	       t[rounds * 99 / 100] / 2);
	fflush(stdout);
	free(t);
	_exit(0);
}
int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 20000;
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 2; i++) {
		snprintf(filename[i], sizeof(filename[i]), "/dev/shm/wakes.%d.%d", getpid(), i);
		filefd[i] = argc > 2 ? memfd_create("x", 0)
				     : open(filename[i], O_RDWR | O_CREAT | O_EXCL, 0600);
		if (ftruncate(filefd[i], 4096))
			return 1;
		unlink(filename[i]);
	}
	for (int again = 0; again < 2; again++)
		for (int cores = 1; cores <= 2; cores++)
			for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
				pid_t p = fork();
				if (p == 0)
					run(&ways[i], rounds, cores);
				waitpid(p, NULL, 0);
			}
}
