/* SPDX-License-Identifier: MIT */
/* POSIX recv(), read() and readv() on a connection: sentences R. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "claim.h"
#include "peer.h"
#include "transport.h"

static struct ends ends;

static ssize_t read_byte(struct end *end)
{
	return driver->read(end, &(char){ 0 }, 1);
}

static void r1_empty_is_eagain_when_it_may_not_wait(void)
{
	ends = ends_make();
	driver->set_nonblocking(&ends.server, true);
	check_eq(read_byte(&ends.server), -EAGAIN);
	ends_close(&ends);
}

/* A process that connects, says that it did, and reads. */
struct reading {
	char at[FERRY_ADDRESS_MAX];
	const char *want; /* a text, or NULL: the end */
};

static void connect_and_read(struct stage *stage, const void *argument)
{
	const struct reading *reading = argument;
	struct end end = end_connect(reading->at);

	stage_reach(stage, 1);
	if (reading->want)
		end_get(&end, reading->want);
	else
		end_expect_end(&end);
	stage_reach(stage, 2);
	driver->close(&end);
}

/* The server's end of a connection to such a process, which sleeps in its read. */
static struct end with_sleeping_reader(struct peer *peer, const char *want)
{
	struct door door = door_open();
	struct reading reading = { .want = want };

	strcpy(reading.at, door.at);
	peer_start(peer, connect_and_read, &reading);
	struct end server = door_accept(&door);
	peer_await(peer, 1);
	door_close(&door);
	await(process_asleep(peer->pid));
	check_eq(atomic_load(&peer->stage->reached), 1);
	return server;
}

static void r2_empty_waits_until_something_is_written(void)
{
	struct peer peer;
	struct end server = with_sleeping_reader(&peer, "hello");

	end_put(&server, "hello");
	peer_await(&peer, 2);
	peer_join(&peer);
	driver->close(&server);
}

static void r3_fewer_bytes_than_asked_for_are_a_success(void)
{
	char got[100];

	ends = ends_make();
	memset(got, 0x5a, sizeof got);
	end_put(&ends.client, "abc");
	end_await_arrival(&ends.server, 3);
	check_eq(driver->read(&ends.server, got, sizeof got), 3);
	check(!memcmp(got, "abc", 3));
	for (size_t i = 3; i < sizeof got; i++)
		check_eq(got[i], 0x5a);
	ends_close(&ends);
}

static void r4_rest_stays_for_the_next_read(void)
{
	ends = ends_make();
	end_put(&ends.client, "abcdef");
	end_get(&ends.server, "ab");
	end_get(&ends.server, "c");
	end_get(&ends.server, "def");
	driver->set_nonblocking(&ends.server, true);
	check_eq(read_byte(&ends.server), -EAGAIN);
	ends_close(&ends);
}

static void r5_boundaries_between_writes_are_not_seen(void)
{
	char got[16];

	ends = ends_make();
	end_put(&ends.client, "abc");
	end_put(&ends.client, "def");
	end_await_arrival(&ends.server, 6);
	check_eq(driver->read(&ends.server, got, sizeof got), differs_over_tls(6, 3));
	check(!memcmp(got, "abcdef", differs_over_tls(6, 3)));
	ends_close(&ends);
}

static void r6_end_of_file_comes_as_often_as_asked(void)
{
	ends = ends_make();
	driver->close(&ends.client);
	for (int i = 0; i < 3; i++)
		end_expect_end(&ends.server);
	driver->set_nonblocking(&ends.server, true);
	end_expect_end(&ends.server);
	driver->close(&ends.server);
}

static void r7_what_was_written_before_the_end_comes_first(void)
{
	static unsigned char bytes[50000];

	ends = ends_make();
	pattern_fill(bytes, 0, sizeof bytes);
	check_eq(driver->write(&ends.client, bytes, sizeof bytes), sizeof bytes);
	driver->close(&ends.client);
	end_get_pattern(&ends.server, 0, sizeof bytes);
	end_expect_end(&ends.server);
	driver->close(&ends.server);
}

static void r8_waiting_read_ends_when_the_peer_closes(void)
{
	struct peer peer;
	struct end server = with_sleeping_reader(&peer, NULL);

	driver->close(&server);
	peer_await(&peer, 2);
	peer_join(&peer);
}

static void connect_write_and_wait(struct stage *stage, const void *argument)
{
	struct end end = end_connect(argument);

	end_put(&end, "alive");
	stage_meet(stage, 1);
	driver->close(&end);
}

static void r9_waiting_read_ends_when_the_peer_is_killed(void)
{
	struct door door = door_open();
	struct peer writer;

	peer_start(&writer, connect_write_and_wait, door.at);
	struct end server = door_accept(&door);
	end_get(&server, "alive");
	peer_await(&writer, 1);
	/* Killed by somebody else, once this process sleeps. */
	const pid_t self = getpid();
	const pid_t killer = fork();
	if (killer == 0) {
		await(process_asleep(self));
		kill(writer.pid, SIGKILL);
		_exit(0);
	}
	/* A peer over TLS that is killed says no farewell. */
	check_eq(read_byte(&server), differs_over_tls(0, -ECONNRESET));
	check_eq(waitpid(killer, NULL, 0), killer);
	peer_kill(&writer);
	driver->close(&server);
	door_close(&door);
}

static void r10_size_0_is_0_and_takes_nothing(void)
{
	char untouched = 0x5a;

	ends = ends_make();
	check_eq(driver->read(&ends.server, &untouched, 0), 0);
	end_put(&ends.client, "x");
	check_eq(driver->read(&ends.server, &untouched, 0), 0);
	check_eq(untouched, 0x5a);
	end_get(&ends.server, "x");
	ends_close(&ends);
}

static void r11_no_buffer_is_refused_and_takes_nothing(void)
{
	ends = ends_make();
	end_put(&ends.client, "x");
	end_await_arrival(&ends.server, 1);
	check_eq(driver->read(&ends.server, NULL, 1), differs(-EFAULT, -EINVAL));
	end_get(&ends.server, "x");
	ends_close(&ends);
}

static void read_until_interrupted(struct stage *stage, const void *argument)
{
	struct end end = end_connect(argument);

	peer_catch(0);
	stage_reach(stage, 1);
	check_eq(read_byte(&end), -EINTR);
	check(signal(SIGUSR1, SIG_IGN) != SIG_ERR); /* one more may be on its way */
	stage_reach(stage, 2);
	end_get(&end, "kept");
	driver->close(&end);
}

static void r12_caught_signal_before_any_byte_is_eintr(void)
{
	struct door door = door_open();
	struct peer peer;

	peer_start(&peer, read_until_interrupted, door.at);
	struct end server = door_accept(&door);
	peer_await(&peer, 1);
	peer_interrupt(&peer, 2);
	end_put(&server, "kept");
	peer_join(&peer);
	driver->close(&server);
	door_close(&door);
}

static void r13_readv_fills_the_buffers_in_order(void)
{
	char a[2];
	char b[3];
	char c[4] = "....";
	const struct iovec buffers[] = { { a, 2 }, { NULL, 0 }, { b, 3 }, { c, 4 } };

	ends = ends_make();
	end_put(&ends.client, "abcdef");
	end_await_arrival(&ends.server, 6);
	check_eq(driver->readv(&ends.server, buffers, 4), 6);
	check(!memcmp(a, "ab", 2) && !memcmp(b, "cde", 3) && !memcmp(c, "f...", 4));
	ends_close(&ends);
}

static void r14_readv_of_an_impossible_number_of_buffers_is_einval(void)
{
	static char byte;
	static struct iovec buffers[IOV_MAX + 1];

	ends = ends_make();
	for (int i = 0; i <= IOV_MAX; i++)
		buffers[i] = (struct iovec){ &byte, 1 };
	end_put(&ends.client, "xy");
	check_eq(driver->readv(&ends.server, buffers, IOV_MAX + 1), -EINVAL);
	check_eq(driver->readv(&ends.server, buffers, -1), -EINVAL);
	end_get(&ends.server, "xy");
	ends_close(&ends);
}

struct share {
	pthread_t thread;
	int64_t sum, n;
};

static void *read_share(void *argument)
{
	struct share *share = argument;
	unsigned char byte;

	while (driver->read(&ends.server, &byte, 1) == 1) {
		share->sum += byte;
		share->n++;
	}
	return NULL;
}

static void r15_each_byte_goes_to_one_of_several_readers(void)
{
	enum { READERS = 3, BYTES = 20000 };
	static unsigned char bytes[BYTES];
	struct share shares[READERS] = { 0 };
	int64_t sum = 0, n = 0;

	ends = ends_make();
	pattern_fill(bytes, 0, BYTES);
	for (int i = 0; i < READERS; i++)
		check_eq(pthread_create(&shares[i].thread, NULL, read_share, &shares[i]), 0);
	check_eq(driver->write(&ends.client, bytes, BYTES), BYTES);
	driver->close(&ends.client);
	for (int i = 0; i < READERS; i++) {
		check_eq(pthread_join(shares[i].thread, NULL), 0);
		sum += shares[i].sum;
		n += shares[i].n;
	}
	for (int i = 0; i < BYTES; i++)
		sum -= bytes[i];
	check_eq(n, BYTES);
	check_eq(sum, 0);
	driver->close(&ends.server);
}

struct slow_writing {
	struct end *end;
	pthread_t thread;
};

static void *write_slowly(void *argument)
{
	struct slow_writing *writing = argument;

	for (const char *text = "piece by piece"; *text; text++) {
		check_eq(driver->write(writing->end, text, 1), 1);
		clock_pause();
	}
	return NULL;
}

static void r16_read_of_all_waits_for_all(void)
{
	struct slow_writing writing = { .end = &ends.client };
	char got[14];

	ends = ends_make();
	check_eq(pthread_create(&writing.thread, NULL, write_slowly, &writing), 0);
	check_eq(driver->read_all(&ends.server, got, 14), 14);
	check(!memcmp(got, "piece by piece", 14));
	check_eq(pthread_join(writing.thread, NULL), 0);
	ends_close(&ends);
}

static void r17_read_of_all_returns_less_at_the_end(void)
{
	char got[100];

	ends = ends_make();
	end_put(&ends.client, "the last");
	driver->close(&ends.client);
	check_eq(driver->read_all(&ends.server, got, sizeof got), 8);
	check(!memcmp(got, "the last", 8));
	check_eq(driver->read_all(&ends.server, got, sizeof got), 0);
	driver->close(&ends.server);
}

static void r18_unread_bytes_can_be_counted(void)
{
	ends = ends_make();
	check_eq(driver->unread(&ends.server), 0);
	end_put(&ends.client, "12345");
	end_await_arrival(&ends.server, 5);
	check_eq(driver->unread(&ends.server), differs_over_tls(5, 0));
	end_get(&ends.server, "12");
	check_eq(driver->unread(&ends.server), 3);
	ends_close(&ends);
}

/* What poll(2) says of an end at once. */
static int ready(const struct end *end, int timeout_ms)
{
	struct pollfd look = { .fd = end_fd(end), .events = POLLIN | POLLRDHUP };

	return poll(&look, 1, timeout_ms) < 0 ? -errno : look.revents;
}

static void r19_poll_says_whether_there_is_something_to_read(void)
{
	ends = ends_make();
	check_eq(ready(&ends.server, 0), 0);
	end_put(&ends.client, "x");
	check_eq(ready(&ends.server, 30000), POLLIN);
	end_get(&ends.server, "x");
	check_eq(ready(&ends.server, 0), 0);
	check_eq(driver->shutdown(&ends.client, FERRY_WRITE), 0);
	check(ready(&ends.server, 30000) & POLLIN);
	await(ready(&ends.server, 0) & POLLRDHUP);
	ends_close(&ends);
}

int main(int n_arguments, char **arguments)
{
	const struct transport_claim claims[] = {
		{ claim(r1_empty_is_eagain_when_it_may_not_wait), ALL },
		{ claim(r2_empty_waits_until_something_is_written), ALL },
		{ claim(r3_fewer_bytes_than_asked_for_are_a_success), ALL },
		{ claim(r4_rest_stays_for_the_next_read), ALL },
		{ claim(r5_boundaries_between_writes_are_not_seen), ALL },
		{ claim(r6_end_of_file_comes_as_often_as_asked), ALL },
		{ claim(r7_what_was_written_before_the_end_comes_first), ALL },
		{ claim(r8_waiting_read_ends_when_the_peer_closes), ALL },
		{ claim(r9_waiting_read_ends_when_the_peer_is_killed), ALL },
		{ claim(r10_size_0_is_0_and_takes_nothing), ALL },
		{ claim(r11_no_buffer_is_refused_and_takes_nothing), ALL },
		{ claim(r12_caught_signal_before_any_byte_is_eintr), ALL },
		{ claim(r13_readv_fills_the_buffers_in_order), ALL },
		{ claim(r14_readv_of_an_impossible_number_of_buffers_is_einval), ALL },
		{ claim(r15_each_byte_goes_to_one_of_several_readers), ALL },
		{ claim(r16_read_of_all_waits_for_all), ALL },
		{ claim(r17_read_of_all_returns_less_at_the_end), ALL },
		{ claim(r18_unread_bytes_can_be_counted), ALL },
		{ claim(r19_poll_says_whether_there_is_something_to_read), ALL },
	};

	transport_choose(n_arguments, arguments);
	return transport_run_all(claims);
}
