/* SPDX-License-Identifier: MIT */
/* POSIX bind(), listen(), accept(), connect() and names of sockets: sentences C. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "claim.h"
#include "leftover.h"
#include "peer.h"
#include "scratch.h"
#include "transport.h"

static const char *path_of(const struct door *door)
{
	return door->at + strlen("unix:");
}

static int connect_result(const char *address, bool nonblocking)
{
	struct end end;
	const int r = driver->connect(address, nonblocking, &end);

	if (r == 0)
		driver->close(&end);
	return r;
}

static int accept_result(struct door *door)
{
	struct end end;
	const int r = driver->accept(door, &end);

	if (r == 0)
		driver->close(&end);
	return r;
}

static void c1_what_goes_in_at_one_end_comes_out_at_the_other(void)
{
	struct ends ends = ends_make();

	end_put(&ends.client, "to the server");
	end_put(&ends.server, "to the client");
	end_get(&ends.server, "to the server");
	end_get(&ends.client, "to the client");
	/* Both have read: from now on what goes through memory goes there. */
	end_put(&ends.client, "again");
	end_put(&ends.server, "and again");
	end_get(&ends.server, "again");
	end_get(&ends.client, "and again");
	check(driver->is_moved(&ends.client) == transport->moves);
	check(driver->is_moved(&ends.server) == transport->moves);
	ends_close(&ends);
}

static void c2_nobody_listening_is_a_refusal(void)
{
	struct door door = door_open();
	char address[FERRY_ADDRESS_MAX];

	strcpy(address, door.at);
	if (transport_is_unix())
		strcat(address, "-nothing");
	else
		door_close(&door);
	check_eq(connect_result(address, false), by_kind(-ECONNREFUSED, -ENOENT));
	if (transport_is_unix())
		door_close(&door);
}

/* Close a listener that leaves its name behind, as one that is killed does. */
static void close_leaving_name(struct door *door)
{
	check_eq(link(path_of(door), scratch_path("left")), 0);
	door_close(door);
	check_eq(rename(scratch_path("left"), path_of(door)), 0);
}

static void c3_path_whose_socket_is_gone_refuses(void)
{
	struct door door = door_open();

	close_leaving_name(&door);
	check_eq(connect_result(door.at, false), -ECONNREFUSED);
	check_eq(unlink(path_of(&door)), 0);
}

static void c4_closing_a_listener_leaves_its_name(void)
{
	struct door door = door_open();
	struct stat status;

	if (transport_is_kernel())
		close(door.fd);
	else
		door_close(&door);
	check_eq(stat(path_of(&door), &status), differs(0, -1));
	unlink(path_of(&door));
}

static void c5_name_that_a_dead_listener_left_can_be_used_again(void)
{
	struct door door = door_open();
	struct door next;

	close_leaving_name(&door);
	const int r = driver->listen(&next, door.at);
	check_eq(r, differs(-EADDRINUSE, 0));
	if (r == 0)
		door_close(&next);
	else
		check_eq(unlink(path_of(&door)), 0);
}

static void c6_address_in_use_is_eaddrinuse(void)
{
	struct door door = door_open();
	struct door other;

	check_eq(driver->listen(&other, door.at), -EADDRINUSE);
	struct caller caller;
	caller_start(&caller, &door);
	struct ends ends = { .server = door_accept(&door) };
	ends.client = caller_join(&caller);
	ends_close(&ends);
	door_close(&door);
}

static void c7_port_is_free_while_old_connections_of_it_linger(void)
{
	struct door door = door_open();
	struct door next;
	struct caller caller;
	char address[FERRY_ADDRESS_MAX];

	caller_start(&caller, &door);
	struct ends ends = { .server = door_accept(&door) };
	ends.client = caller_join(&caller);
	driver->close(&ends.server); /* first, so that it is the one that lingers */
	end_expect_end(&ends.client);
	driver->close(&ends.client);
	strcpy(address, door.at);
	driver->close_door(&door);
	const int r = driver->listen(&next, address);
	check_eq(r, differs(-EADDRINUSE, 0));
	if (r == 0)
		door_close(&next);
}

static void c8_port_0_is_a_free_one_whose_number_can_be_read(void)
{
	struct door one = door_open();
	const int port = atoi(strrchr(one.at, ':') + 1);

	check(port > 0 && port < 65536);
	door_close(&one);
}

static void c9_connecting_does_not_wait_for_accept(void)
{
	struct door door = door_open();
	struct end client, server;

	client = end_connect(door.at);
	end_put(&client, "before anybody looked");
	check_eq(driver->accept(&door, &server), 0);
	end_get(&server, "before anybody looked");
	driver->close(&server);
	driver->close(&client);
	door_close(&door);
}

static void c10_connections_are_accepted_in_the_order_in_which_they_came(void)
{
	enum { N = 5 };
	struct end clients[N], server;
	char text[2] = "";

	struct door door = door_open();
	for (int i = 0; i < N; i++) {
		clients[i] = end_connect(door.at);
		text[0] = (char)('a' + i);
		end_put(&clients[i], text);
	}
	for (int i = 0; i < N; i++) {
		server = door_accept(&door);
		text[0] = (char)('a' + i);
		end_get(&server, text);
		driver->close(&server);
		driver->close(&clients[i]);
	}
	door_close(&door);
}

static void c11_nobody_there_is_eagain_when_it_may_not_wait(void)
{
	struct door door = door_open();

	door.nonblocking = true;
	check_eq(accept_result(&door), -EAGAIN);
	door_close(&door);
}

static void wait_for_a_client(struct stage *stage, const void *argument)
{
	struct door door = *(const struct door *)argument;

	stage_reach(stage, 1);
	struct end server = door_accept(&door);
	end_put(&server, "welcome");
	end_expect_end(&server);
	driver->close(&server);
}

static void c12_accept_waits_until_somebody_connects(void)
{
	struct door door = door_open();
	struct peer peer;

	peer_start(&peer, wait_for_a_client, &door);
	peer_await(&peer, 1);
	await(process_asleep(peer.pid));
	struct end client = end_connect(door.at);
	end_get(&client, "welcome");
	driver->close(&client);
	peer_join(&peer);
	door_close(&door);
}

static void accept_until_interrupted(struct stage *stage, const void *argument)
{
	struct door door = *(const struct door *)argument;

	peer_catch(0);
	stage_reach(stage, 1);
	check_eq(accept_result(&door), -EINTR);
	stage_reach(stage, 2);
}

static void c13_caught_signal_ends_accept_with_eintr(void)
{
	struct door door = door_open();
	struct peer peer;

	peer_start(&peer, accept_until_interrupted, &door);
	peer_await(&peer, 1);
	peer_interrupt(&peer, 2);
	peer_join(&peer);
	door_close(&door);
}

static void c14_each_connection_is_its_own(void)
{
	enum { N = 3 };
	struct door door = door_open();
	struct end clients[N], servers[N];
	char text[2] = "";

	for (int i = 0; i < N; i++) {
		struct caller caller;
		caller_start(&caller, &door);
		servers[i] = door_accept(&door);
		clients[i] = caller_join(&caller);
	}
	for (int i = N - 1; i >= 0; i--) {
		text[0] = (char)('a' + i);
		end_put(&clients[i], text);
	}
	for (int i = 0; i < N; i++) {
		text[0] = (char)('a' + i);
		end_get(&servers[i], text);
		driver->close(&clients[i]);
		end_expect_end(&servers[i]);
		driver->close(&servers[i]);
	}
	door_close(&door);
}

static void c15_no_descriptor_left_is_emfile_and_the_connection_waits(void)
{
	struct door door = door_open();
	struct pollfd waiting = { .fd = door.fd, .events = POLLIN };
	struct rlimit before, none;
	struct caller caller;

	caller_start(&caller, &door);
	check_eq(poll(&waiting, 1, 30000), 1);
	check_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ 3, before.rlim_max };
	check_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	const int r = accept_result(&door);
	check_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	check_eq(r, -EMFILE);
	struct ends ends = { .server = door_accept(&door) };
	ends.client = caller_join(&caller);
	end_put(&ends.client, "still here");
	end_get(&ends.server, "still here");
	ends_close(&ends);
	door_close(&door);
}

static void c16_ends_name_each_other(void)
{
	struct ends ends = ends_make();
	char mine[FERRY_ADDRESS_MAX], theirs[FERRY_ADDRESS_MAX];

	for (int i = 0; i < 2; i++) {
		struct end *one = i ? &ends.server : &ends.client;
		struct end *other = i ? &ends.client : &ends.server;
		check(driver->name(one, false, mine, sizeof mine) > 0);
		check(driver->name(other, true, theirs, sizeof theirs) > 0);
		check(strcmp(mine, theirs) == 0);
	}
	/* A client of a unix socket has no name. */
	check(driver->name(&ends.client, false, mine, sizeof mine) > 0);
	check_eq(strcmp(mine, "unix:") == 0, by_kind(0, 1));
	ends_close(&ends);
}

static void connect_and_wait(struct stage *stage, const void *argument)
{
	struct end end = end_connect(argument);

	stage_meet(stage, 1);
	driver->close(&end);
}

static void c17_kernel_says_who_connected(void)
{
	struct ferry_socket_credentials who;
	struct door door = door_open();
	struct peer peer;

	peer_start(&peer, connect_and_wait, door.at);
	struct end server = door_accept(&door);
	check_eq(driver->credentials(&server, &who), 0);
	check_eq(who.pid, peer.pid);
	check_eq(who.uid, geteuid());
	check_eq(who.gid, getegid());
	peer_await(&peer, 1);
	peer_allow(&peer, 1);
	peer_join(&peer);
	driver->close(&server);
	door_close(&door);
}

static void try_as_nobody(struct stage *stage, const void *argument)
{
	peer_become_nobody();
	atomic_store(&stage->value[0], connect_result(argument, false));
	stage_reach(stage, 1);
}

static int connect_as_nobody(const char *address)
{
	struct peer peer;

	peer_start(&peer, try_as_nobody, address);
	peer_await(&peer, 1);
	const int r = (int)atomic_load(&peer.stage->value[0]);
	peer_join(&peer);
	return r;
}

static void c18_mode_of_the_file_decides_who_may_connect(void)
{
	struct door door = door_open();

	if (geteuid() != 0)
		check_skip("needs root, to become somebody else");
	check_eq(chmod(scratch_directory(), 0755), 0);
	check_eq(chmod(path_of(&door), 0600), 0);
	check_eq(connect_as_nobody(door.at), -EACCES);
	check_eq(chmod(path_of(&door), 0622), 0);
	check_eq(connect_as_nobody(door.at), 0);
	door_close(&door);
}

static void c19_file_has_the_mode_that_the_umask_leaves(void)
{
	struct stat status;

	umask(022);
	struct door door = door_open();
	check_eq(stat(path_of(&door), &status), 0);
	check(S_ISSOCK(status.st_mode));
	check_eq(status.st_mode & 07777, differs(0755, 0600));
	door_close(&door);
}

static void c20_descriptors_of_connections_can_be_close_on_exec(void)
{
	struct ends ends = ends_make();

	if (fork() == 0) {
		char one[16], other[16];
		snprintf(one, sizeof one, "%d", end_fd(&ends.client));
		snprintf(other, sizeof other, "%d", end_fd(&ends.server));
		execl("/bin/sh", "sh", "-c",
		      "! test -e /proc/self/fd/$0 && ! test -e /proc/self/fd/$1", one, other, NULL);
		_exit(127);
	}
	int status;
	check(wait(&status) > 0);
	check_eq(status, 0);
	ends_close(&ends);
}

int main(int n_arguments, char **arguments)
{
	const struct transport_claim claims[] = {
		{ claim(c1_what_goes_in_at_one_end_comes_out_at_the_other), ALL },
		{ claim(c2_nobody_listening_is_a_refusal), ALL },
		{ claim(c3_path_whose_socket_is_gone_refuses), UNIX_ONLY },
		{ claim(c4_closing_a_listener_leaves_its_name), UNIX_ONLY },
		{ claim(c5_name_that_a_dead_listener_left_can_be_used_again), UNIX_ONLY },
		{ claim(c6_address_in_use_is_eaddrinuse), ALL },
		{ claim(c7_port_is_free_while_old_connections_of_it_linger), TCP_ONLY },
		{ claim(c8_port_0_is_a_free_one_whose_number_can_be_read), TCP_ONLY },
		{ claim(c9_connecting_does_not_wait_for_accept), NOT_TLS },
		{ claim(c10_connections_are_accepted_in_the_order_in_which_they_came), NOT_TLS },
		{ claim(c11_nobody_there_is_eagain_when_it_may_not_wait), ALL },
		{ claim(c12_accept_waits_until_somebody_connects), ALL },
		{ claim(c13_caught_signal_ends_accept_with_eintr), ALL },
		{ claim(c14_each_connection_is_its_own), ALL },
		{ claim(c15_no_descriptor_left_is_emfile_and_the_connection_waits), ALL },
		{ claim(c16_ends_name_each_other), ALL },
		{ claim(c17_kernel_says_who_connected), UNIX_ONLY },
		{ claim(c18_mode_of_the_file_decides_who_may_connect), UNIX_ONLY },
		{ claim(c19_file_has_the_mode_that_the_umask_leaves), UNIX_ONLY },
		{ claim(c20_descriptors_of_connections_can_be_close_on_exec), ALL },
	};

	transport_choose(n_arguments, arguments);
	return transport_run_all(claims);
}
