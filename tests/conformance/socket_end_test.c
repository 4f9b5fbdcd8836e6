/* SPDX-License-Identifier: MIT */
/* POSIX shutdown() and close() of a connection, and what goes with its bytes: sentences S and D. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "claim.h"
#include "leftover.h"
#include "peer.h"
#include "transport.h"

static struct ends ends;

static int read_one(struct end *end)
{
	return (int)driver->read(end, &(char){ 0 }, 1);
}

static void s1_shut_down_sending_is_the_end_for_the_peer(void)
{
	ends = ends_make();
	end_put(&ends.client, "last");
	check_eq(driver->shutdown(&ends.client, FERRY_WRITE), 0);
	end_get(&ends.server, "last");
	end_expect_end(&ends.server);
	end_expect_end(&ends.server);
	ends_close(&ends);
}

static void s2_writing_after_it_is_epipe(void)
{
	ends = ends_make();
	check_eq(driver->shutdown(&ends.client, FERRY_WRITE), 0);
	check_eq(driver->write(&ends.client, "x", 1), -EPIPE);
	ends_close(&ends);
}

static void s3_other_direction_goes_on(void)
{
	ends = ends_make();
	check_eq(driver->shutdown(&ends.client, FERRY_WRITE), 0);
	end_expect_end(&ends.server);
	end_put(&ends.server, "an answer after the end");
	end_get(&ends.client, "an answer after the end");
	ends_close(&ends);
}

static void s4_shut_down_reading_reads_the_end(void)
{
	ends = ends_make();
	const int r = driver->shutdown(&ends.server, FERRY_READ);
	check_eq(r, differs_over_tls(0, -EOPNOTSUPP));
	if (r == 0)
		end_expect_end(&ends.server);
	end_put(&ends.server, "other way");
	end_get(&ends.client, "other way");
	ends_close(&ends);
}

static void s5_peer_of_it_is_epipe_for_unix_and_notices_nothing_for_tcp(void)
{
	ends = ends_make();
	(void)driver->shutdown(&ends.server, FERRY_READ);
	check_eq(driver->write(&ends.client, "x", 1), by_kind(1, -EPIPE));
	ends_close(&ends);
}

static void *read_in_thread(void *argument)
{
	return (void *)(intptr_t)read_one(argument);
}

static void s6_shut_down_reading_ends_a_waiting_read(void)
{
	pthread_t reader;
	void *result;

	ends = ends_make();
	check_eq(pthread_create(&reader, NULL, read_in_thread, &ends.server), 0);
	check_eq(driver->shutdown(&ends.server, FERRY_READ), 0);
	check_eq(pthread_join(reader, &result), 0);
	check_eq((intptr_t)result, 0);
	ends_close(&ends);
}

static void s7_shut_down_both_ends_both(void)
{
	ends = ends_make();
	check_eq(driver->shutdown(&ends.client, FERRY_READ | FERRY_WRITE), 0);
	end_expect_end(&ends.server);
	check_eq(driver->write(&ends.client, "x", 1), -EPIPE);
	end_expect_end(&ends.client);
	ends_close(&ends);
}

static void s8_unknown_direction_is_einval(void)
{
	ends = ends_make();
	check_eq(driver->shutdown(&ends.client, 0), -EINVAL);
	end_put(&ends.client, "x");
	end_get(&ends.server, "x");
	ends_close(&ends);
}

static void s9_closing_with_bytes_unread_breaks_off(void)
{
	ends = ends_make();
	end_put(&ends.client, "unread");
	end_await_arrival(&ends.server, 6);
	driver->close(&ends.server);
	check_eq(read_one(&ends.client), differs_over_tls(-ECONNRESET, 0));
	check_eq(read_one(&ends.client), 0);
	driver->close(&ends.client);
}

static void s10_what_was_written_before_breaking_off_can_be_lost(void)
{
	char got[16];

	ends = ends_make();
	end_put(&ends.client, "unread");
	end_put(&ends.server, "an answer");
	end_await_arrival(&ends.server, 6);
	end_await_arrival(&ends.client, 9);
	driver->close(&ends.server);
	/* Linux keeps what has arrived, of both kinds. */
	check_eq(driver->read(&ends.client, got, sizeof got), 9);
	check_eq(read_one(&ends.client), -ECONNRESET);
	check_eq(read_one(&ends.client), 0);
	driver->close(&ends.client);
}

static void s11_linger_of_0_breaks_off(void)
{
	const struct linger at_once = { 1, 0 };

	ends = ends_make();
	check_eq(setsockopt(end_fd(&ends.server), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once),
		 0);
	driver->close(&ends.server);
	check_eq(read_one(&ends.client), differs_over_tls(-ECONNRESET, 0));
	driver->close(&ends.client);
}

static void s15_of_what_was_on_its_way_a_part_is_read_before_the_reset(void)
{
	static char got[65536];
	ssize_t n, total = 0;

	ends = ends_make();
	end_put(&ends.client, "unread");
	end_await_arrival(&ends.server, 6);
	const ssize_t written = (ssize_t)end_fill(&ends.server);
	const ssize_t arrived = driver->unread(&ends.client);
	check(arrived > 0);
	driver->close(&ends.server);
	while ((n = driver->read(&ends.client, got, sizeof got)) > 0)
		total += n;
	check_eq(n, -ECONNRESET);
	check_eq(read_one(&ends.client), 0);
	check(total >= arrived && total <= written);
	if (transport_is_unix())
		check_eq(total, written);
	driver->close(&ends.client);
}

static void await_hang_up(const struct end *end)
{
	struct pollfd look = { .fd = end_fd(end) };

	check_eq(poll(&look, 1, 30000), 1);
}

static void s16_a_reset_is_told_once_and_takes_nothing_that_has_arrived(void)
{
	const bool plain_tcp = !transport_is_unix() && !transport->moves;
	char got[16];

	ends = ends_make();
	for (int i = 0; i < 2; i++) {
		end_put(&ends.client, "question");
		end_get(&ends.server, "question");
		end_put(&ends.server, "answer");
		end_get(&ends.client, "answer");
	}
	end_put(&ends.client, "unread");
	end_put(&ends.server, "an answer");
	end_await_arrival(&ends.server, 6);
	end_await_arrival(&ends.client, 9);
	driver->close(&ends.server);
	await_hang_up(&ends.client);
	check_eq(driver->write(&ends.client, "x", 1), plain_tcp ? -ECONNRESET : -EPIPE);
	check_eq(driver->write(&ends.client, "x", 1), -EPIPE);
	check_eq(driver->read(&ends.client, got, sizeof got), 9);
	if (!plain_tcp)
		check_eq(read_one(&ends.client), -ECONNRESET);
	check_eq(read_one(&ends.client), 0);
	driver->close(&ends.client);
}

static void hold(struct stage *stage, const void *argument)
{
	(void)argument;
	driver->close(&ends.server);
	stage_meet(stage, 1);
	driver->close(&ends.client);
}

static void s12_connection_lasts_until_the_last_process_has_closed_it(void)
{
	struct peer peer;

	ends = ends_make();
	peer_start(&peer, hold, NULL);
	peer_await(&peer, 1);
	driver->close(&ends.client);
	driver->set_nonblocking(&ends.server, true);
	check_eq(read_one(&ends.server), -EAGAIN);
	driver->set_nonblocking(&ends.server, false);
	peer_allow(&peer, 1);
	end_expect_end(&ends.server);
	peer_join(&peer);
	driver->close(&ends.server);
}

static void be_the_one_who_writes(struct stage *stage, const void *argument)
{
	(void)stage;
	(void)argument;
	driver->close(&ends.server);
	end_put(&ends.client, "from the child");
	end_get(&ends.client, "to the child");
	driver->close(&ends.client);
}

static void s13_child_may_use_what_its_parent_made(void)
{
	struct peer peer;

	ends = ends_make();
	peer_start(&peer, be_the_one_who_writes, NULL);
	driver->close(&ends.client);
	end_get(&ends.server, "from the child");
	end_put(&ends.server, "to the child");
	peer_join(&peer);
	end_expect_end(&ends.server);
	driver->close(&ends.server);
}

static void stay_and_say_nothing(struct stage *stage, const void *argument)
{
	struct end end = end_connect(argument);

	stage_meet(stage, 1);
	driver->close(&end);
}

static void s14_stopped_peer_is_no_end(void)
{
	struct door door = door_open();
	struct peer peer;

	peer_start(&peer, stay_and_say_nothing, door.at);
	struct end server = door_accept(&door);
	peer_await(&peer, 1);
	peer_stop(&peer);
	driver->set_nonblocking(&server, true);
	check_eq(read_one(&server), -EAGAIN);
	end_put(&server, "for later");
	check_eq(read_one(&server), -EAGAIN);
	peer_resume(&peer);
	peer_kill(&peer);
	driver->close(&server);
	door_close(&door);
}

/* ---- descriptors ---- */

static void d1_descriptor_arrives_as_one_for_the_same_open_file(void)
{
	struct stat sent, got;
	int ends_of_pipe[2], fd;
	char byte;

	ends = ends_make();
	check_eq(pipe(ends_of_pipe), 0);
	check_eq(driver->send_descriptor(&ends.client, 'x', ends_of_pipe[0]), 1);
	check_eq(driver->receive_descriptor(&ends.server, &byte, &fd), 1);
	check_eq(byte, 'x');
	check(fd >= 0 && fd != ends_of_pipe[0]);
	check_eq(fstat(ends_of_pipe[0], &sent), 0);
	check_eq(fstat(fd, &got), 0);
	check(sent.st_ino == got.st_ino && sent.st_dev == got.st_dev);
	check(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	close(ends_of_pipe[0]);
	close(ends_of_pipe[1]);
	ends_close(&ends);
}

static void d2_it_comes_with_the_byte_that_it_went_with(void)
{
	int fd;
	char byte;

	ends = ends_make();
	end_put(&ends.client, "ab");
	check_eq(driver->send_descriptor(&ends.client, 'c', 0), 1);
	end_put(&ends.client, "d");
	for (const char *want = "abcd"; *want; want++) {
		check_eq(driver->receive_descriptor(&ends.server, &byte, &fd), 1);
		check_eq(byte, *want);
		check_eq(fd >= 0, *want == 'c');
		if (fd >= 0)
			close(fd);
	}
	ends_close(&ends);
}

static void d3_reading_without_asking_drops_it(void)
{
	ends = ends_make();
	const int before = leftover_descriptors();
	check_eq(driver->send_descriptor(&ends.client, 'x', 0), 1);
	end_get(&ends.server, "x");
	check_eq(leftover_descriptors(), before);
	ends_close(&ends);
}

static void d4_tcp_passes_no_descriptors(void)
{
	ends = ends_make();
	check_eq(driver->send_descriptor(&ends.client, 'x', 0), differs(1, -EOPNOTSUPP));
	ends_close(&ends);
}

int main(int n_arguments, char **arguments)
{
	const struct transport_claim claims[] = {
		{ claim(s1_shut_down_sending_is_the_end_for_the_peer), ALL },
		{ claim(s2_writing_after_it_is_epipe), ALL },
		{ claim(s3_other_direction_goes_on), ALL },
		{ claim(s4_shut_down_reading_reads_the_end), ALL },
		{ claim(s5_peer_of_it_is_epipe_for_unix_and_notices_nothing_for_tcp), ALL },
		{ claim(s6_shut_down_reading_ends_a_waiting_read), NOT_TLS },
		{ claim(s7_shut_down_both_ends_both), ALL },
		{ claim(s8_unknown_direction_is_einval), ALL },
		{ claim(s9_closing_with_bytes_unread_breaks_off), ALL },
		{ claim(s10_what_was_written_before_breaking_off_can_be_lost), NOT_TLS },
		{ claim(s11_linger_of_0_breaks_off), TCP_ONLY },
		{ claim(s12_connection_lasts_until_the_last_process_has_closed_it), NOT_TLS },
		{ claim(s13_child_may_use_what_its_parent_made), NOT_TLS },
		{ claim(s14_stopped_peer_is_no_end), ALL },
		{ claim(s15_of_what_was_on_its_way_a_part_is_read_before_the_reset), NOT_TLS },
		{ claim(s16_a_reset_is_told_once_and_takes_nothing_that_has_arrived), NOT_TLS },
		{ claim(d1_descriptor_arrives_as_one_for_the_same_open_file), UNIX_ONLY },
		{ claim(d2_it_comes_with_the_byte_that_it_went_with), UNIX_ONLY },
		{ claim(d3_reading_without_asking_drops_it), UNIX_ONLY },
		{ claim(d4_tcp_passes_no_descriptors), TCP_ONLY },
	};

	transport_choose(n_arguments, arguments);
	return transport_run_all(claims);
}
