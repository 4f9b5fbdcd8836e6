/* SPDX-License-Identifier: MIT */
/* POSIX send(), write() and writev() on a connection: sentences W. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "claim.h"
#include "peer.h"
#include "transport.h"

enum {
	LARGE = 32 << 20, /* bytes: more than any connection holds */
};

static struct ends ends;

static unsigned char *large_pattern(void)
{
	unsigned char *bytes = malloc(LARGE);

	check(bytes);
	pattern_fill(bytes, 0, LARGE);
	return bytes;
}

static void *read_large(void *argument)
{
	end_get_pattern(argument, 0, LARGE);
	return NULL;
}

static void w1_bytes_come_in_the_order_in_which_they_were_written(void)
{
	unsigned char *bytes = large_pattern();
	pthread_t thread;

	ends = ends_make();
	check_eq(pthread_create(&thread, NULL, read_large, &ends.server), 0);
	for (size_t at = 0, size = 1; at < LARGE; at += size, size = size * 3 % 300007) {
		size = size < LARGE - at ? size : LARGE - at;
		check_eq(driver->write(&ends.client, bytes + at, size), size);
	}
	check_eq(pthread_join(thread, NULL), 0);
	ends_close(&ends);
	free(bytes);
}

static void *write_large(void *argument)
{
	unsigned char *bytes = large_pattern();

	check_eq(driver->write(argument, bytes, LARGE), LARGE);
	free(bytes);
	return NULL;
}

static void w2_both_directions_are_full_at_once(void)
{
	pthread_t threads[2];

	ends = ends_make();
	check_eq(pthread_create(&threads[0], NULL, write_large, &ends.client), 0);
	check_eq(pthread_create(&threads[1], NULL, write_large, &ends.server), 0);
	for (size_t at = 0; at < LARGE; at += 65536) {
		end_get_pattern(&ends.server, at, 65536);
		end_get_pattern(&ends.client, at, 65536);
	}
	check_eq(pthread_join(threads[0], NULL), 0);
	check_eq(pthread_join(threads[1], NULL), 0);
	ends_close(&ends);
}

static void w3_full_is_eagain_when_it_may_not_wait(void)
{
	ends = ends_make();
	(void)end_fill(&ends.client);
	driver->set_nonblocking(&ends.client, true);
	check_eq(driver->write(&ends.client, "x", 1), -EAGAIN);
	ends_close(&ends);
}

static void w4_as_much_as_fits_is_written_when_it_may_not_wait(void)
{
	unsigned char *bytes = large_pattern();

	ends = ends_make();
	driver->set_nonblocking(&ends.client, true);
	const ssize_t n = driver->write(&ends.client, bytes, LARGE);
	check(n > 0 && n < LARGE);
	driver->set_nonblocking(&ends.client, false);
	driver->close(&ends.client);
	end_get_pattern(&ends.server, 0, (size_t)n);
	end_expect_end(&ends.server);
	driver->close(&ends.server);
	free(bytes);
}

/* A process that connects and writes more than the connection holds. value[0]: what the write
 * returned; value[1]: what the one after it did. */
static void connect_and_write_large(struct stage *stage, const void *argument)
{
	unsigned char *bytes = large_pattern();
	struct end end = end_connect(argument);

	stage_reach(stage, 1);
	atomic_store(&stage->value[0], driver->write(&end, bytes, LARGE));
	stage_reach(stage, 2);
	stage_wait(stage, 3);
	atomic_store(&stage->value[1], end_write_until_it_fails(&end));
	stage_reach(stage, 4);
	driver->close(&end);
	free(bytes);
}

/* The server's end of a connection to such a process, which sleeps in its write. */
static struct end with_sleeping_writer(struct peer *peer)
{
	struct door door = door_open();

	peer_start(peer, connect_and_write_large, door.at);
	struct end server = door_accept(&door);
	peer_await(peer, 1);
	door_close(&door);
	await(process_asleep(peer->pid));
	check_eq(atomic_load(&peer->stage->reached), 1);
	return server;
}

static void w5_full_waits_until_all_is_written(void)
{
	struct peer peer;
	struct end server = with_sleeping_writer(&peer);

	end_get_pattern(&server, 0, LARGE);
	peer_await(&peer, 2);
	check_eq(atomic_load(&peer.stage->value[0]), LARGE);
	driver->close(&server);
	peer_allow(&peer, 3);
	peer_join(&peer);
}

/* -EPIPE, or that the peer broke the connection off, having left bytes unread. */
static int is_broken(int64_t r)
{
	return r == -EPIPE || r == -ECONNRESET;
}

static void w6_waiting_write_ends_with_its_part_when_the_peer_closes(void)
{
	struct peer peer;
	struct end server = with_sleeping_writer(&peer);

	driver->close(&server);
	peer_await(&peer, 2);
	const int64_t part = atomic_load(&peer.stage->value[0]);
	check(part > 0 && part < LARGE);
	peer_allow(&peer, 3);
	peer_await(&peer, 4);
	check(is_broken(atomic_load(&peer.stage->value[1])));
	peer_join(&peer);
}

static void accept_and_wait(struct stage *stage, const void *argument)
{
	struct door door = *(const struct door *)argument;

	(void)door_accept(&door);
	stage_meet(stage, 1);
}

static void w7_waiting_write_ends_with_its_part_when_the_peer_is_killed(void)
{
	struct door door = door_open();
	struct peer reader, writer;

	peer_start(&reader, accept_and_wait, &door);
	peer_start(&writer, connect_and_write_large, door.at);
	peer_await(&reader, 1);
	peer_await(&writer, 1);
	await(process_asleep(writer.pid));
	check_eq(atomic_load(&writer.stage->reached), 1);
	peer_kill(&reader);
	peer_await(&writer, 2);
	const int64_t part = atomic_load(&writer.stage->value[0]);
	check(part > 0 && part < LARGE);
	peer_allow(&writer, 3);
	peer_await(&writer, 4);
	check(is_broken(atomic_load(&writer.stage->value[1])));
	peer_join(&writer);
	door_close(&door);
}

static void w8_peer_that_has_closed_is_epipe(void)
{
	ends = ends_make();
	driver->close(&ends.server);
	if (transport_is_unix())
		check_eq(driver->write(&ends.client, "x", 1), -EPIPE);
	/* tcp learns of it by the answer to the first bytes, which may be a reset. */
	const int r = end_write_until_it_fails(&ends.client);
	check(r == -EPIPE || by_kind(r == -ECONNRESET, 0));
	check_eq(end_write_until_it_fails(&ends.client), -EPIPE);
	driver->close(&ends.client);
}

static volatile sig_atomic_t raised;

static void caught(int signal_number)
{
	(void)signal_number;
	raised = 1;
}

static void w9_broken_connection_raises_sigpipe(void)
{
	const struct sigaction action = { .sa_handler = caught };

	ends = ends_make();
	check_eq(sigaction(SIGPIPE, &action, NULL), 0);
	driver->close(&ends.server);
	(void)end_write_until_it_fails(&ends.client);
	check_eq(end_write_until_it_fails(&ends.client), -EPIPE);
	check_eq(raised, differs(1, 0));
	driver->close(&ends.client);
}

static void w10_size_0_is_0_and_nothing_arrives(void)
{
	ends = ends_make();
	check_eq(driver->write(&ends.client, "", 0), 0);
	driver->set_nonblocking(&ends.server, true);
	check_eq(driver->read(&ends.server, &(char){ 0 }, 1), -EAGAIN);
	ends_close(&ends);
}

static void w11_no_data_is_refused(void)
{
	ends = ends_make();
	check_eq(driver->write(&ends.client, NULL, 1), differs(-EFAULT, -EINVAL));
	end_put(&ends.client, "x");
	end_get(&ends.server, "x");
	ends_close(&ends);
}

static void w12_writev_gathers_the_buffers_in_order(void)
{
	char text[] = "abcdef";
	const struct iovec buffers[] = {
		{ text, 2 }, { NULL, 0 }, { text + 2, 3 }, { text + 5, 1 }
	};

	ends = ends_make();
	check_eq(driver->writev(&ends.client, buffers, 4), 6);
	end_get(&ends.server, "abcdef");
	ends_close(&ends);
}

static void w13_writev_of_an_impossible_number_of_buffers_is_einval(void)
{
	static struct iovec buffers[IOV_MAX + 1];
	static char byte = 'x';

	ends = ends_make();
	for (int i = 0; i <= IOV_MAX; i++)
		buffers[i] = (struct iovec){ &byte, 1 };
	check_eq(driver->writev(&ends.client, buffers, IOV_MAX + 1), -EINVAL);
	check_eq(driver->writev(&ends.client, buffers, -1), -EINVAL);
	end_put(&ends.client, "y");
	end_get(&ends.server, "y");
	ends_close(&ends);
}

/* A process whose write is interrupted. value[0]: what it returned. */
static void fill_and_write_until_interrupted(struct stage *stage, const void *argument)
{
	struct end end = end_connect(argument);

	peer_catch(0);
	(void)end_fill(&end);
	stage_reach(stage, 1);
	atomic_store(&stage->value[0], driver->write(&end, "x", 1));
	stage_meet(stage, 2);
	driver->close(&end);
}

static void w14_caught_signal_before_any_byte_is_eintr(void)
{
	struct door door = door_open();
	struct peer peer;

	peer_start(&peer, fill_and_write_until_interrupted, door.at);
	struct end server = door_accept(&door);
	peer_await(&peer, 1);
	peer_interrupt(&peer, 2);
	check_eq(atomic_load(&peer.stage->value[0]), -EINTR);
	peer_allow(&peer, 2);
	peer_join(&peer);
	driver->close(&server);
	door_close(&door);
}

static void write_large_until_interrupted(struct stage *stage, const void *argument)
{

	peer_catch(0);
	connect_and_write_large(stage, argument);
}

static void w15_caught_signal_after_a_part_leaves_the_part_as_the_result(void)
{
	struct door door = door_open();
	struct peer peer;

	peer_start(&peer, write_large_until_interrupted, door.at);
	struct end server = door_accept(&door);
	peer_await(&peer, 1);
	peer_interrupt(&peer, 2);
	const int64_t part = atomic_load(&peer.stage->value[0]);
	check(part > 0 && part < LARGE);
	end_get_pattern(&server, 0, (size_t)part);
	driver->close(&server);
	peer_allow(&peer, 3);
	peer_join(&peer);
	door_close(&door);
}

/* What poll(2) says of an end. */
static int ready(const struct end *end, int timeout_ms)
{
	struct pollfd look = { .fd = end_fd(end), .events = POLLOUT };

	return poll(&look, 1, timeout_ms) < 0 ? -errno : look.revents;
}

static void w16_poll_says_whether_there_is_room(void)
{
	ends = ends_make();
	check_eq(ready(&ends.client, 0), POLLOUT);
	size_t filled = end_fill(&ends.client);
	check_eq(ready(&ends.client, 0), 0);
	while (filled > 0) {
		char got[4096];
		const ssize_t n = driver->read(&ends.server, got, sizeof got);
		check(n > 0);
		filled -= (size_t)n;
	}
	check_eq(ready(&ends.client, 30000), POLLOUT);
	ends_close(&ends);
}

/* Read exactly so many bytes, and look for no more. */
static void drain(struct end *end, size_t size)
{
	static char got[65536];

	while (size > 0) {
		const ssize_t n = driver->read(end, got, size < sizeof got ? size : sizeof got);
		check(n > 0);
		size -= (size_t)n;
	}
}

static void w18_where_poll_says_that_there_is_room_a_write_finds_it(void)
{
	static const char some[4096];

	ends = ends_make();
	driver->set_nonblocking(&ends.client, true);
	check_eq(ready(&ends.client, 0), POLLOUT);
	for (int i = 0; i < 5; i++) {
		size_t filled = 0;
		while (ready(&ends.client, 0) == POLLOUT) {
			const ssize_t n = driver->write(&ends.client, some, sizeof some);
			check(n > 0);
			filled += (size_t)n;
		}
		drain(&ends.server, filled);
	}
	ends_close(&ends);
}

static void connect_write_and_exit(struct stage *stage, const void *argument)
{
	static unsigned char bytes[60000];
	struct end end = end_connect(argument);

	(void)stage;
	pattern_fill(bytes, 0, sizeof bytes);
	check_eq(driver->write(&end, bytes, sizeof bytes), sizeof bytes);
	kill(getpid(), SIGKILL);
}

static void w17_what_was_written_arrives_though_the_writer_is_killed(void)
{
	struct door door = door_open();
	struct peer peer;

	peer_start(&peer, connect_write_and_exit, door.at);
	struct end server = door_accept(&door);
	(void)peer_join_status(&peer);
	end_get_pattern(&server, 0, 60000);
	check_eq(driver->read(&server, &(char){ 0 }, 1), differs_over_tls(0, -ECONNRESET));
	driver->close(&server);
	door_close(&door);
}

int main(int n_arguments, char **arguments)
{
	const struct transport_claim claims[] = {
		{ claim(w1_bytes_come_in_the_order_in_which_they_were_written), ALL },
		{ claim(w2_both_directions_are_full_at_once), ALL },
		{ claim(w3_full_is_eagain_when_it_may_not_wait), ALL },
		{ claim(w4_as_much_as_fits_is_written_when_it_may_not_wait), ALL },
		{ claim(w5_full_waits_until_all_is_written), ALL },
		{ claim(w6_waiting_write_ends_with_its_part_when_the_peer_closes), ALL },
		{ claim(w7_waiting_write_ends_with_its_part_when_the_peer_is_killed), ALL },
		{ claim(w8_peer_that_has_closed_is_epipe), ALL },
		{ claim(w9_broken_connection_raises_sigpipe), ALL },
		{ claim(w10_size_0_is_0_and_nothing_arrives), ALL },
		{ claim(w11_no_data_is_refused), ALL },
		{ claim(w12_writev_gathers_the_buffers_in_order), ALL },
		{ claim(w13_writev_of_an_impossible_number_of_buffers_is_einval), ALL },
		{ claim(w14_caught_signal_before_any_byte_is_eintr), ALL },
		{ claim(w15_caught_signal_after_a_part_leaves_the_part_as_the_result), ALL },
		{ claim(w16_poll_says_whether_there_is_room), ALL },
		{ claim(w17_what_was_written_arrives_though_the_writer_is_killed), ALL },
		{ claim(w18_where_poll_says_that_there_is_room_a_write_finds_it), NOT_TLS },
	};

	transport_choose(n_arguments, arguments);
	return transport_run_all(claims);
}
