/* SPDX-License-Identifier: MIT */
/* Unix sockets: their files, who is at the other end, descriptors, fork and exec. */
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "leftover.h"
#include "peer.h"
#include "scratch.h"
#include "wire.h"

static const char *const schemes[] = { "unix", "unix-seqpacket", "unix-dgram" };

static const char *address_of(const char *scheme, const char *name)
{
	static char address[FERRY_ADDRESS_MAX];

	snprintf(address, sizeof address, "%s:%s", scheme, scratch_path(name));
	return address;
}

/* A listener or a bound socket: something that is open at an address. */
struct place {
	ferry_listener *listener;
	ferry_socket *socket;
};

static int place_open(struct place *ret_place, const char *address,
		      const struct ferry_socket_options *options)
{
	*ret_place = (struct place){ 0 };
	return strncmp(address, "unix-dgram", 10) == 0
		   ? ferry_socket_bind(&ret_place->socket, address, options, ferry_in_ms(5000))
		   : ferry_listen(&ret_place->listener, address, options, ferry_in_ms(5000));
}

static void place_close(struct place *place)
{
	ferry_listener_close(place->listener);
	ferry_socket_close(place->socket);
}

static mode_t mode_of(const char *name)
{
	struct stat s;

	check_eq(stat(scratch_path(name), &s), 0);
	check(S_ISSOCK(s.st_mode));
	return s.st_mode & 07777;
}

static int exists(const char *name)
{
	struct stat s;

	return lstat(scratch_path(name), &s) == 0;
}

static void the_file_has_its_mode_and_goes_with_its_listener(void)
{
	for (size_t i = 0; i < 3; i++) {
		struct place place;
		umask(022);
		check_eq(place_open(&place, address_of(schemes[i], "s"), NULL), 0);
		check_eq(mode_of("s"), 0600);
		place_close(&place);
		check(!exists("s"));
		check_eq(place_open(&place, address_of(schemes[i], "s"),
				    FERRY_SOCKET_OPTIONS(.mode = 0666)),
			 0);
		check_eq(mode_of("s"), 0644);
		place_close(&place);
		umask(0);
		check_eq(place_open(&place, address_of(schemes[i], "s"),
				    FERRY_SOCKET_OPTIONS(.mode = 0660)),
			 0);
		check_eq(mode_of("s"), 0660);
		place_close(&place);
	}
}

static void a_live_one_is_in_use(void)
{
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < 3; j++) {
			struct place place, other;
			struct ferry_why why = { 0 };
			check_eq(place_open(&place, address_of(schemes[i], "s"), NULL), 0);
			check_eq(place_open(&other, address_of(schemes[j], "s"),
					    FERRY_SOCKET_OPTIONS(.why = &why)),
				 -EADDRINUSE);
			check(strstr(why.text, "in use") != NULL);
			check(exists("s"));
			place_close(&place);
		}
}

static void listen_and_die(struct stage *stage, const void *argument)
{
	struct place place;

	check_eq(place_open(&place, argument, NULL), 0);
	stage_reach(stage, 1);
	for (;;)
		pause();
}

static void what_the_dead_left_is_taken_over(void)
{
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < 3; j++) {
			struct place place;
			struct peer peer;
			peer_start(&peer, listen_and_die, address_of(schemes[i], "s"));
			peer_await(&peer, 1);
			check_eq(place_open(&place, address_of(schemes[j], "s"), NULL),
				 -EADDRINUSE);
			peer_kill(&peer);
			check(exists("s"));
			check_eq(place_open(&place, address_of(schemes[j], "s"), NULL), 0);
			place_close(&place);
			check(!exists("s"));
		}
}

static void foreign_files_stay(void)
{
	struct ferry_why why = { 0 };
	const struct ferry_socket_options *options = FERRY_SOCKET_OPTIONS(.why = &why);
	struct place place;

	scratch_write(scratch_path("file"), "precious", 8, 0600);
	check_eq(place_open(&place, address_of("unix", "file"), options), -EADDRINUSE);
	check(strstr(why.text, "no socket") != NULL);
	check_eq(mkdir(scratch_path("folder"), 0700), 0);
	check_eq(place_open(&place, address_of("unix", "folder"), options), -EADDRINUSE);
	check_eq(symlink("file", scratch_path("link")), 0);
	check_eq(place_open(&place, address_of("unix", "link"), options), -EADDRINUSE);
	check_eq(symlink("nowhere", scratch_path("dangling")), 0);
	check_eq(place_open(&place, address_of("unix", "dangling"), options), -EADDRINUSE);
	check_eq(scratch_count(), 4);
	char bytes[8];
	scratch_read(scratch_path("file"), 0, bytes, 8);
	check(memcmp(bytes, "precious", 8) == 0);
	check_eq(place_open(&place, address_of("unix", "none/s"), options), -ENOENT);
	check_eq(place_open(&place, address_of("unix", "file/s"), options), -ENOTDIR);
	check_eq(chmod(scratch_path("folder"), 0777), 0);
	check_eq(place_open(&place, address_of("unix", "folder/s"), options), -FERRY_EUNSAFE);
	check(strlen(why.text) > 0);
	unlink(scratch_path("file"));
	unlink(scratch_path("link"));
	unlink(scratch_path("dangling"));
	rmdir(scratch_path("folder"));
}

static void what_another_user_left_stays(void)
{
	struct ferry_why why = { 0 };
	struct place place;
	struct peer peer;

	if (getuid() != 0)
		check_skip("only root can become two users");
	peer_start(&peer, listen_and_die, address_of("unix", "s"));
	peer_await(&peer, 1);
	peer_kill(&peer);
	check_eq(chown(scratch_path("s"), 65534, 65534), 0);
	check_eq(place_open(&place, address_of("unix", "s"), FERRY_SOCKET_OPTIONS(.why = &why)),
		 -EADDRINUSE);
	check(strstr(why.text, "uid 65534") != NULL);
	/* Unless it is to be that user's again. */
	check_eq(place_open(&place, address_of("unix", "s"),
			    FERRY_SOCKET_OPTIONS(.flags = FERRY_SOCKET_SET_OWNER, .owner = 65534)),
		 0);
	place_close(&place);
}

static void connect_as_nobody(struct stage *stage, const void *argument)
{
	ferry_socket *socket;

	peer_become_nobody();
	stage->value[0] = ferry_connect(&socket, argument, NULL, ferry_in_ms(5000));
	if (stage->value[0] == 0)
		ferry_socket_close(socket);
}

static int64_t result_for_nobody(const char *address)
{
	struct peer peer;

	peer_start(&peer, connect_as_nobody, address);
	const struct stage *stage = peer.stage;
	int status;
	check_eq(waitpid(peer.pid, &status, 0), peer.pid);
	check_eq(status, 0);
	const int64_t result = atomic_load(&stage->value[0]);
	peer_forget(&peer);
	return result;
}

static void mode_and_owner_decide_who_gets_in(void)
{
	struct stat s;

	if (getuid() != 0)
		check_skip("only root can become two users");
	check_eq(chmod(scratch_directory(), 0711), 0);
	umask(0);
	for (size_t i = 0; i < 3; i++) {
		struct place place;
		const char *address = address_of(schemes[i], "s");
		check_eq(place_open(&place, address, NULL), 0);
		check_eq(result_for_nobody(address), -EACCES);
		place_close(&place);
		check_eq(place_open(&place, address, FERRY_SOCKET_OPTIONS(.mode = 0666)), 0);
		check_eq(result_for_nobody(address), 0);
		place_close(&place);
		check_eq(place_open(&place, address,
				    FERRY_SOCKET_OPTIONS(.mode = 0600,
							 .flags = FERRY_SOCKET_SET_OWNER |
								  FERRY_SOCKET_SET_GROUP,
							 .owner = 65534, .group = 65533)),
			 0);
		check_eq(stat(scratch_path("s"), &s), 0);
		check_eq(s.st_uid, 65534);
		check_eq(s.st_gid, 65533);
		check_eq(s.st_mode & 0777, 0600);
		check_eq(result_for_nobody(address), 0);
		place_close(&place);
		check(!exists("s"));
	}
}

static void give_away_as_nobody(struct stage *stage, const void *argument)
{
	struct place place;

	(void)stage;
	peer_become_nobody();
	check_eq(place_open(&place, argument,
			    FERRY_SOCKET_OPTIONS(.flags = FERRY_SOCKET_SET_OWNER, .owner = 0)),
		 -EPERM);
}

static void an_owner_that_cannot_be_set_leaves_nothing(void)
{
	struct peer peer;

	if (getuid() != 0)
		check_skip("only root can become two users");
	check_eq(mkdir(scratch_path("theirs"), 0700), 0);
	check_eq(chown(scratch_path("theirs"), 65534, 65534), 0);
	check_eq(chmod(scratch_directory(), 0711), 0);
	peer_start(&peer, give_away_as_nobody, address_of("unix", "theirs/s"));
	peer_join(&peer);
	check_eq(rmdir(scratch_path("theirs")), 0);
}

static void take_over_once(struct stage *stage, const void *argument)
{
	struct place place;

	stage_meet(stage, 1);
	const int r = place_open(&place, argument, NULL);
	check(r == 0 || r == -EADDRINUSE);
	atomic_store(&stage->value[0], r);
	stage_meet(stage, 2);
	place_close(&place);
}

static void of_many_who_take_over_one_succeeds(void)
{
	enum { N = 6 };
	const int rounds = check_repeat(15, 300);

	for (int round = 0; round < rounds; round++) {
		struct peer dead, peers[N];
		int winners = 0;
		const char *address = address_of(schemes[round % 3], "s");
		ferry_socket *socket;

		peer_start(&dead, listen_and_die, address);
		peer_await(&dead, 1);
		for (int i = 0; i < N; i++)
			peer_start(&peers[i], take_over_once, address);
		for (int i = 0; i < N; i++)
			peer_await(&peers[i], 1);
		peer_kill(&dead);
		for (int i = 0; i < N; i++)
			peer_allow(&peers[i], 1);
		for (int i = 0; i < N; i++) {
			peer_await(&peers[i], 2);
			winners += atomic_load(&peers[i].stage->value[0]) == 0;
		}
		check_eq(winners, 1);
		/* And it is the winner who is there. */
		check_eq(ferry_connect(&socket, address, NULL, box_patience()), 0);
		ferry_socket_close(socket);
		for (int i = 0; i < N; i++) {
			peer_allow(&peers[i], 2);
			peer_join(&peers[i]);
		}
		check(!exists("s"));
	}
}

static void a_held_lock_ends_by_the_deadline(void)
{
	struct ferry_why why = { 0 };
	ferry_listener *listener;
	struct peer peer;

	peer_start(&peer, listen_and_die, address_of("unix", "s"));
	peer_await(&peer, 1);
	peer_kill(&peer);
	const int fd = open(scratch_directory(), O_RDONLY | O_CLOEXEC);
	check_eq(flock(fd, LOCK_EX), 0);
	check_eq(ferry_listen(&listener, address_of("unix", "s"), FERRY_SOCKET_OPTIONS(.why = &why),
			      ferry_in_ms(20)),
		 -ETIMEDOUT);
	check(strstr(why.text, "lock") != NULL);
	check_eq(ferry_listen(&listener, address_of("unix", "s"), NULL, FERRY_NOW), -EAGAIN);
	close(fd);
	check_eq(ferry_listen(&listener, address_of("unix", "s"), NULL, FERRY_NOW), 0);
	ferry_listener_close(listener);
}

static void closing_leaves_what_another_has_put_there(void)
{
	struct place place, other;

	check_eq(place_open(&place, address_of("unix", "s"), NULL), 0);
	unlink(scratch_path("s"));
	check_eq(place_open(&other, address_of("unix", "s"), NULL), 0);
	place_close(&place);
	check(exists("s"));
	place_close(&other);
	check(!exists("s"));
}

/* ---- who ---- */

static void be_credible(struct stage *stage, const void *argument)
{
	ferry_socket *socket;

	if (getuid() == 0)
		peer_become_nobody();
	check_eq(ferry_connect(&socket, argument, NULL, box_patience()), 0);
	stage_meet(stage, 1);
	ferry_socket_close(socket);
}

static void the_kernel_says_who_connected(void)
{
	struct ferry_socket_credentials credentials;
	char address[FERRY_ADDRESS_MAX];
	const int root = getuid() == 0;

	for (size_t k = 3; k < 5; k++) {
		const struct wire_kind kind = { "abstract", wire_kinds[k].transport,
						k == 3 ? "unix:@" : "unix-seqpacket:@" };
		ferry_listener *listener = wire_listen(&kind, address);
		struct peer peer;
		ferry_socket *server;
		peer_start(&peer, be_credible, address);
		check_eq(ferry_accept(&server, listener, box_patience()), 0);
		check_eq(ferry_socket_credentials(server, &credentials), 0);
		const pid_t pid = peer.pid;
		check_eq(credentials.pid, pid);
		check_eq(credentials.uid, root ? 65534 : getuid());
		peer_await(&peer, 1);
		peer_allow(&peer, 1);
		peer_join(&peer);
		/* As it was when the connection was made. */
		check_eq(ferry_socket_credentials(server, &credentials), 0);
		check_eq(credentials.pid, pid);
		ferry_socket_close(server);
		ferry_listener_close(listener);
	}
	struct wire wire = wire_make(&wire_kinds[0], NULL);
	check_eq(ferry_socket_credentials(wire.client, &credentials), -EOPNOTSUPP);
	wire_close(&wire);
}

/* ---- descriptors ---- */

static void descriptors_go_along(void)
{
	static const enum ferry_transport kinds[] = { FERRY_UNIX, FERRY_UNIX_SEQPACKET,
						      FERRY_UNIX_DGRAM };

	for (size_t i = 0; i < 3; i++) {
		ferry_socket *one, *other;
		int ends[2], got[4], n = -1;
		char buffer[8];
		check_eq(ferry_socket_pair(&one, &other, kinds[i], NULL), 0);
		check_eq(pipe(ends), 0);
		check_eq(ferry_socket_send_descriptors(one, "fds", 3, ends, 2, FERRY_NOW), 3);
		close(ends[0]);
		check_eq(
		    ferry_socket_receive_descriptors(other, buffer, 8, got, 4, &n, box_patience()),
		    3);
		check_eq(n, 2);
		check(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
		check_eq(write(ends[1], "x", 1), 1);
		check_eq(read(got[0], buffer, 1), 1);
		close(got[0]);
		close(got[1]);
		/* Those without room are closed. */
		int many[3] = { ends[1], ends[1], ends[1] };
		check_eq(ferry_socket_send_descriptors(one, "f", 1, many, 3, FERRY_NOW), 1);
		check_eq(
		    ferry_socket_receive_descriptors(other, buffer, 8, got, 1, &n, box_patience()),
		    1);
		check_eq(n, 3);
		close(got[0]);
		/* Bytes alone bring none; and who does not ask gets none. */
		check_eq(ferry_socket_send_descriptors(one, "f", 1, NULL, 0, FERRY_NOW), 1);
		check_eq(
		    ferry_socket_receive_descriptors(other, buffer, 8, got, 1, &n, box_patience()),
		    1);
		check_eq(n, 0);
		const int before = leftover_descriptors();
		check_eq(ferry_socket_send_descriptors(one, "f", 1, many, 3, FERRY_NOW), 1);
		check_eq(ferry_socket_read(other, buffer, 8, box_patience()), 1);
		check_eq(leftover_descriptors(), before);
		check_eq(ferry_socket_send_descriptors(one, "f", 0, many, 3, FERRY_NOW), -EINVAL);
		check_eq(ferry_socket_send_descriptors(one, "f", 1, many, 254, FERRY_NOW), -EINVAL);
		many[1] = 9999;
		check_eq(ferry_socket_send_descriptors(one, "f", 1, many, 3, FERRY_NOW), -EBADF);
		close(ends[1]);
		ferry_socket_close(one);
		ferry_socket_close(other);
	}
	struct wire wire = wire_make(&wire_kinds[0], NULL);
	int fd = 0, n;
	char byte;
	check_eq(ferry_socket_send_descriptors(wire.client, "x", 1, &fd, 1, FERRY_NOW),
		 -EOPNOTSUPP);
	check_eq(ferry_socket_receive_descriptors(wire.client, &byte, 1, &fd, 1, &n, FERRY_NOW),
		 -EOPNOTSUPP);
	wire_close(&wire);
}

/* Nobody's descriptors may be lost by a call that has no room for the byte that they belong to. Of
 * a packet they belong to all of it. */
static void descriptors_are_not_taken_without_a_byte(void)
{
	static const enum ferry_transport kinds[] = { FERRY_UNIX, FERRY_UNIX_SEQPACKET };

	for (size_t i = 0; i < 3; i++) {
		const bool moved = i == 2;
		struct wire wire;
		int sent = 2, got, n = -1;
		char byte;
		if (moved)
			wire = wire_make_moved(&wire_kinds[2]);
		else
			check_eq(ferry_socket_pair(&wire.client, &wire.server, kinds[i], NULL), 0);
		const bool packets = !moved && kinds[i] == FERRY_UNIX_SEQPACKET;
		/* A stream has 0 bytes at any time. */
		check_eq(ferry_socket_receive_descriptors(wire.server, NULL, 0, &got, 1, &n,
							  packets ? FERRY_NOW : box_patience()),
			 packets ? -EAGAIN : 0);
		check_eq(n, packets ? -1 : 0);
		check_eq(
		    ferry_socket_send_descriptors(wire.client, "x", 1, &sent, 1, box_patience()),
		    1);
		check_eq(ferry_socket_receive_descriptors(wire.server, NULL, 0, &got, 1, &n,
							  box_patience()),
			 0);
		check_eq(n, packets);
		if (!packets)
			check_eq(ferry_socket_receive_descriptors(wire.server, &byte, 1, &got, 1,
								  &n, box_patience()),
				 1);
		check_eq(n, 1);
		close(got);
		wire_close(&wire);
	}
}

static void the_most_descriptors_and_a_process_without_room(void)
{
	ferry_socket *one, *other;
	int many[FERRY_DESCRIPTORS_MAX], got[FERRY_DESCRIPTORS_MAX], n;
	char byte;

	for (int i = 0; i < FERRY_DESCRIPTORS_MAX; i++)
		many[i] = 2;
	check_eq(ferry_socket_pair(&one, &other, FERRY_UNIX, NULL), 0);
	check_eq(ferry_socket_send_descriptors(one, "x", 1, many, FERRY_DESCRIPTORS_MAX, FERRY_NOW),
		 1);
	check_eq(ferry_socket_receive_descriptors(other, &byte, 1, got, FERRY_DESCRIPTORS_MAX, &n,
						  FERRY_NOW),
		 1);
	check_eq(n, FERRY_DESCRIPTORS_MAX);
	for (int i = 0; i < n; i++)
		close(got[i]);
	const int before = leftover_descriptors();
	check_eq(ferry_socket_send_descriptors(one, "x", 1, many, 100, FERRY_NOW), 1);
	struct rlimit limit, few;
	check_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = (rlim_t)before + 20;
	check_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	check_eq(ferry_socket_receive_descriptors(other, &byte, 1, got, 100, &n, FERRY_NOW),
		 -EMFILE);
	check_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	check_eq(leftover_descriptors(), before);
	ferry_socket_close(one);
	ferry_socket_close(other);
}

/* ---- fork and exec ---- */

static void a_forked_child_shares_the_connection(void)
{
	wire_each(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		const pid_t pid = fork();
		if (pid == 0) {
			wire_expect(wire.server, "to the child");
			wire_write(wire.server, "from the child");
			ferry_socket_close(wire.client);
			ferry_socket_close(wire.server);
			_exit(0);
		}
		wire_write(wire.client, "to the child");
		wire_expect(wire.client, "from the child");
		int status;
		check_eq(waitpid(pid, &status, 0), pid);
		check_eq(status, 0);
		/* The child's closing has not ended it. */
		wire_write(wire.server, "still here");
		wire_expect(wire.client, "still here");
		wire_close(&wire);
	}
}

static void a_forked_child_does_not_remove_the_file(void)
{
	struct place place;

	check_eq(place_open(&place, address_of("unix", "s"), NULL), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		place_close(&place);
		_exit(0);
	}
	int status;
	check_eq(waitpid(pid, &status, 0), pid);
	check(exists("s"));
	ferry_socket *socket;
	check_eq(ferry_connect(&socket, address_of("unix", "s"), NULL, FERRY_NOW), 0);
	ferry_socket_close(socket);
	place_close(&place);
}

static void a_program_gets_a_connection_as_its_input(void)
{
	struct ferry_process_end end;
	struct wire wire = wire_make(&wire_kinds[2], NULL);
	const struct ferry_spawn_descriptor to[] = {
		{ ferry_socket_fd(wire.server), 0 },
		{ ferry_socket_fd(wire.server), 1 },
	};
	char *const arguments[] = { (char *)(uintptr_t) "cat", NULL };
	ferry_process *process;

	check_eq(ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = "cat", .arguments = arguments,
							   .descriptors = to, .n_descriptors = 2)),
		 0);
	ferry_socket_close(wire.server); /* the program's alone from here on */
	wire_write(wire.client, "through cat");
	wire_expect(wire.client, "through cat");
	check_eq(ferry_socket_shutdown(wire.client, FERRY_WRITE), 0);
	wire_expect_end(wire.client);
	check_eq(ferry_process_wait(process, &end, box_patience()), 0);
	check_eq(end.code, 0);
	ferry_process_close(process);
	ferry_socket_close(wire.client);
}

static int socket_listening(void)
{
	const struct sockaddr_un none = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	check(fd >= 0);
	check_eq(bind(fd, (const struct sockaddr *)&none, sizeof(sa_family_t)), 0);
	check_eq(listen(fd, 5), 0);
	return fd;
}

static void sockets_from_elsewhere_are_adopted(void)
{
	struct ferry_why why = { 0 };
	const struct ferry_socket_options *options = FERRY_SOCKET_OPTIONS(.why = &why);
	ferry_socket *socket;
	ferry_listener *listener;
	int fds[2];

	check_eq(ferry_socket_adopt(&socket, 9999, options), -EBADF);
	check(strlen(why.text) > 0);
	check_eq(pipe(fds), 0);
	check_eq(ferry_socket_adopt(&socket, fds[0], options), -ENOTSOCK);
	close(fds[0]);
	close(fds[1]);
	check_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	check_eq(ferry_listener_adopt(&listener, fds[0], options), -EAFNOSUPPORT);
	check_eq(ferry_socket_adopt(&socket, fds[0], options), 0);
	check(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	check_eq(write(fds[1], "plain", 5), 5);
	wire_expect(socket, "plain");
	ferry_socket_close(socket);
	close(fds[1]);
	const int fd = socket_listening();
	check_eq(ferry_socket_adopt(&socket, fd, options), -EAFNOSUPPORT);
	check_eq(ferry_listener_adopt(&listener, fd, options), 0);
	char address[FERRY_ADDRESS_MAX];
	check(ferry_listener_address(listener, address, sizeof address) > 0);
	struct wire wire;
	check_eq(ferry_accept(&wire.server, listener, FERRY_NOW), -EAGAIN);
	check_eq(ferry_connect(&wire.client, address, NULL, box_patience()), 0);
	check_eq(ferry_accept(&wire.server, listener, box_patience()), 0);
	wire_close(&wire);
	ferry_listener_close(listener);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(the_file_has_its_mode_and_goes_with_its_listener),
		claim(a_live_one_is_in_use),
		claim(what_the_dead_left_is_taken_over),
		claim(foreign_files_stay),
		claim(what_another_user_left_stays),
		claim(mode_and_owner_decide_who_gets_in),
		claim(an_owner_that_cannot_be_set_leaves_nothing),
		claim(of_many_who_take_over_one_succeeds),
		claim(a_held_lock_ends_by_the_deadline),
		claim(closing_leaves_what_another_has_put_there),
		claim(the_kernel_says_who_connected),
		claim(descriptors_go_along),
		claim(descriptors_are_not_taken_without_a_byte),
		claim(the_most_descriptors_and_a_process_without_room),
		claim(a_forked_child_shares_the_connection),
		claim(a_forked_child_does_not_remove_the_file),
		claim(a_program_gets_a_connection_as_its_input),
		claim(sockets_from_elsewhere_are_adopted),
	};

	return claim_run_all(claims);
}
