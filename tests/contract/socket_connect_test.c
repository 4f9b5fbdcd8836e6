/* SPDX-License-Identifier: MIT */
/* Listening, connecting, accepting: deadlines, names, ports, and clients that come in numbers. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "leftover.h"
#include "peer.h"
#include "scratch.h"
#include "wire.h"

static void both_ends_talk_and_know_each_other(void)
{
	wire_each(kind)
	{
		char local[FERRY_ADDRESS_MAX], peer[FERRY_ADDRESS_MAX];
		struct wire wire = wire_make(kind, NULL);

		wire_write(wire.client, "to the server");
		wire_expect(wire.server, "to the server");
		wire_write(wire.server, "to the client");
		wire_expect(wire.client, "to the client");
		check(ferry_socket_local(wire.server, local, sizeof local) > 0);
		check(ferry_socket_peer(wire.client, peer, sizeof peer) > 0);
		check(strcmp(local, peer) == 0);
		check(strstr(local, ":0") == NULL);
		check(ferry_socket_local(wire.client, local, sizeof local) > 0);
		check(ferry_socket_peer(wire.server, peer, sizeof peer) > 0);
		check(strcmp(local, peer) == 0);
		wire_close(&wire);
		check_eq(scratch_count(), 0);
	}
	ferry_socket_close(NULL);
	ferry_listener_close(NULL);
}

static void all_addresses_take_both_families(void)
{
	char address[FERRY_ADDRESS_MAX], to[FERRY_ADDRESS_MAX], peer[FERRY_ADDRESS_MAX];
	ferry_listener *listener;
	ferry_socket *client, *server;

	check_eq(ferry_listen(&listener, "tcp://*:0", NULL, FERRY_NOW), 0);
	check(ferry_listener_address(listener, address, sizeof address) > 0);
	const char *port = strrchr(address, ':') + 1;
	check(atoi(port) > 0);
	static const char *const hosts[] = { "127.0.0.1", "[::1]", "localhost" };
	for (size_t i = 0; i < 3; i++) {
		snprintf(to, sizeof to, "tcp://%s:%s", hosts[i], port);
		check_eq(ferry_connect(&client, to, NULL, box_patience()), 0);
		check_eq(ferry_accept(&server, listener, box_patience()), 0);
		check(ferry_socket_peer(server, peer, sizeof peer) > 0);
		check(strstr(peer, "ffff") == NULL); /* IPv4 looks like IPv4 */
		ferry_socket_close(client);
		ferry_socket_close(server);
	}
	ferry_listener_close(listener);
}

static void who_is_not_there_refuses(void)
{
	char address[FERRY_ADDRESS_MAX];
	struct ferry_why why;
	ferry_socket *socket;
	const struct wire_kind tcp = { "tcp", FERRY_TCP, "tcp://127.0.0.1:0" };

	ferry_listener_close(wire_listen(&tcp, address));
	check_eq(ferry_connect(&socket, address, FERRY_SOCKET_OPTIONS(.why = &why), box_patience()),
		 -ECONNREFUSED);
	check(strstr(why.text, address) != NULL);
	check_eq(ferry_connect(&socket, "unix:@ferry-nobody-is-here", NULL, box_patience()),
		 -ECONNREFUSED);
	snprintf(address, sizeof address, "unix:%s", scratch_path("nothing"));
	check_eq(ferry_connect(&socket, address, NULL, box_patience()), -ENOENT);
}

static void accept_and_connect_keep_their_deadlines(void)
{
	char address[FERRY_ADDRESS_MAX];
	ferry_socket *socket;

	wire_each(kind)
	{
		ferry_listener *listener = wire_listen(kind, address);
		check_eq(ferry_accept(&socket, listener, FERRY_NOW), -EAGAIN);
		const int64_t begin = clock_ns();
		check_eq(ferry_accept(&socket, listener, ferry_in_ms(20)), -ETIMEDOUT);
		check(clock_ns() - begin >= 20000000);
		check_eq(ferry_accept(&socket, listener, 1), -ETIMEDOUT);
		/* With somebody there neither waits. */
		check_eq(ferry_connect(&socket, address, NULL, FERRY_NOW), 0);
		ferry_socket *server;
		check_eq(ferry_accept(&server, listener, FERRY_NOW), 0);
		ferry_socket_close(server);
		ferry_socket_close(socket);
		ferry_listener_close(listener);
	}
}

static void a_full_backlog_ends_by_the_deadline(void)
{
	const struct wire_kind kind = { "unix", FERRY_UNIX, "unix:@" };
	char address[FERRY_ADDRESS_MAX];
	ferry_socket *sockets[64], *accepted;
	ferry_listener *listener;
	int n = 0, r;

	check_eq(
	    ferry_listen(&listener, kind.address, FERRY_SOCKET_OPTIONS(.backlog = 2), FERRY_NOW),
	    0);
	check(ferry_listener_address(listener, address, sizeof address) > 0);
	while ((r = ferry_connect(&sockets[n], address, NULL, FERRY_NOW)) == 0)
		check(++n < 64);
	check_eq(r, -EAGAIN);
	check_eq(ferry_connect(&sockets[n], address, NULL, ferry_in_ms(30)), -ETIMEDOUT);
	check_eq(ferry_accept(&accepted, listener, FERRY_NOW), 0);
	check_eq(ferry_connect(&sockets[n++], address, NULL, box_patience()), 0);
	ferry_socket_close(accepted);
	while (n > 0)
		ferry_socket_close(sockets[--n]);
	ferry_listener_close(listener);
}

static void a_black_hole_ends_by_the_deadline(void)
{
	ferry_socket *socket;

	wire_own_network();
	/* What is for nobody here is dropped without a word. */
	if (system("ip route add 10.7.0.0/24 dev lo") != 0)
		check_skip("needs ip(8)");
	const int64_t begin = clock_ns();
	check_eq(ferry_connect(&socket, "tcp://10.7.0.2:80", NULL, ferry_in_ms(100)), -ETIMEDOUT);
	check(clock_ns() - begin >= 100000000);
	check_eq(ferry_connect(&socket, "tcp://10.7.0.2:80", NULL, FERRY_NOW), -EAGAIN);
}

/* ---- names ---- */

static void names_are_looked_up(void)
{
	struct ferry_endpoint endpoint;
	struct ferry_why why = { 0 };

	check_eq(ferry_endpoint_resolve(&endpoint, "tcp://localhost:80", FERRY_NOW, NULL), -EAGAIN);
	check_eq(ferry_endpoint_resolve(&endpoint, "tcp://localhost:80", box_patience(), &why), 0);
	wire_own_network(); /* without any name server */
	const int r = ferry_endpoint_resolve(&endpoint, "tcp://no-such-host.invalid:80",
					     box_patience(), &why);
	check(r == -FERRY_EHOST || r == -FERRY_ERESOLVER);
	check(strstr(why.text, "no-such-host.invalid") != NULL);
}

/* A name server that never answers, for this process and nobody else. */
static int mute_name_server(void)
{
	const struct sockaddr_in here = { .sin_family = AF_INET,
					  .sin_port = htons(53),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const char *path = scratch_path("resolv.conf");
	const char text[] = "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n";

	wire_own_network();
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	check_eq(bind(fd, (const struct sockaddr *)&here, sizeof here), 0);
	scratch_write(path, text, sizeof text - 1, 0644);
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) != 0)
		check_skip("cannot give this process its own resolv.conf");
	return fd;
}

static void look_up_slowly(struct stage *stage, const void *argument)
{
	struct ferry_endpoint endpoint;
	struct ferry_why why = { 0 };
	char query[512];

	(void)argument;
	const int server = mute_name_server();
	const int64_t begin = clock_ns();
	check_eq(
	    ferry_endpoint_resolve(&endpoint, "tcp://slow.example.org:80", ferry_in_ms(100), &why),
	    -ETIMEDOUT);
	check(clock_ns() - begin >= 100000000);
	check(strstr(why.text, "slow.example.org") != NULL);
	/* The server has been asked, so it was the look-up that lasted. */
	check(recv(server, query, sizeof query, 0) > 0);
	/* More and more of them hang, until that is refused. */
	int r, n = 1;
	while ((r = ferry_endpoint_resolve(&endpoint, "udp://slow.example.org:1", ferry_in_ms(1),
					   &why)) == -ETIMEDOUT)
		check(++n <= 64);
	check_eq(r, -EAGAIN);
	check_eq(n, 64);
	check(strstr(why.text, "hang") != NULL);
	stage_reach(stage, 1);
	_exit(0); /* they would go on for minutes */
}

static void a_slow_name_server_does_not_outlast_the_deadline(void)
{
	struct peer peer;

	peer_start(&peer, look_up_slowly, NULL);
	const int status = peer_join_status(&peer);
	if (status == CLAIM_SKIPPED << 8)
		check_skip("needs root, and namespaces");
	check_eq(status, 0);
	check_eq(unlink(scratch_path("resolv.conf")), 0);
}

/* ---- options ---- */

static int option(ferry_socket *socket, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof value;

	check_eq(getsockopt(ferry_socket_fd(socket), level, name, &value, &size), 0);
	return value;
}

static void options_reach_the_kernel(void)
{
	const struct ferry_socket_options *options =
	    FERRY_SOCKET_OPTIONS(.keepalive = 30000000000, .user_timeout = 5000000000,
				 .send_buffer = 65536, .receive_buffer = 65536, .hops = 3,
				 .traffic_class = 16);
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener;
	struct wire wire;

	check_eq(ferry_listen(&listener, "tcp://127.0.0.1:0", options, FERRY_NOW), 0);
	check(ferry_listener_address(listener, address, sizeof address) > 0);
	check_eq(ferry_connect(&wire.client, address, options, box_patience()), 0);
	check_eq(ferry_accept(&wire.server, listener, box_patience()), 0);
	for (int i = 0; i < 2; i++) {
		ferry_socket *socket = i ? wire.server : wire.client;
		check_eq(option(socket, IPPROTO_TCP, TCP_NODELAY), 1);
		check_eq(option(socket, SOL_SOCKET, SO_KEEPALIVE), 1);
		check_eq(option(socket, IPPROTO_TCP, TCP_KEEPIDLE), 30);
		check_eq(option(socket, IPPROTO_TCP, TCP_KEEPINTVL), 10);
		check_eq(option(socket, IPPROTO_TCP, TCP_KEEPCNT), 3);
		check_eq(option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT), 5000);
		check_eq(option(socket, SOL_SOCKET, SO_SNDBUF), 131072);
		check_eq(option(socket, IPPROTO_IP, IP_TTL), 3);
		check_eq(option(socket, IPPROTO_IP, IP_TOS), 16);
		check(fcntl(ferry_socket_fd(socket), F_GETFD) & FD_CLOEXEC);
		check(!(fcntl(ferry_socket_fd(socket), F_GETFL) & O_NONBLOCK));
	}
	wire_close(&wire);
	check_eq(ferry_connect(&wire.client, address,
			       FERRY_SOCKET_OPTIONS(.flags = FERRY_SOCKET_DELAY), box_patience()),
		 0);
	check_eq(option(wire.client, IPPROTO_TCP, TCP_NODELAY), 0);
	check_eq(option(wire.client, SOL_SOCKET, SO_KEEPALIVE), 0);
	ferry_socket_close(wire.client);
	ferry_listener_close(listener);
}

static void a_port_is_free_again_at_once_and_taken_only_once(void)
{
	const struct wire_kind kind = { "tcp", FERRY_TCP, "tcp://127.0.0.1:0" };
	const struct ferry_socket_options *shared =
	    FERRY_SOCKET_OPTIONS(.flags = FERRY_SOCKET_SHARE_PORT);
	char address[FERRY_ADDRESS_MAX];
	struct ferry_why why;
	ferry_listener *listener = wire_listen(&kind, address), *other;
	ferry_socket *client, *server;

	check_eq(ferry_listen(&other, address, FERRY_SOCKET_OPTIONS(.why = &why), FERRY_NOW),
		 -EADDRINUSE);
	check(strstr(why.text, address) != NULL);
	check_eq(ferry_connect(&client, address, NULL, box_patience()), 0);
	check_eq(ferry_accept(&server, listener, box_patience()), 0);
	ferry_socket_close(server); /* first, so that it lingers */
	wire_expect_end(client);
	ferry_socket_close(client);
	ferry_listener_close(listener);
	check_eq(ferry_listen(&listener, address, NULL, FERRY_NOW), 0);
	ferry_listener_close(listener);
	check_eq(ferry_listen(&listener, address, shared, FERRY_NOW), 0);
	check_eq(ferry_listen(&other, address, shared, FERRY_NOW), 0);
	ferry_listener_close(listener);
	ferry_listener_close(other);
}

static void the_local_address_can_be_chosen(void)
{
	char address[FERRY_ADDRESS_MAX], peer[FERRY_ADDRESS_MAX];
	const struct wire_kind kind = { "tcp", FERRY_TCP, "tcp://127.0.0.1:0" };
	ferry_listener *listener = wire_listen(&kind, address);
	ferry_socket *client, *server;

	check_eq(ferry_connect(&client, address, FERRY_SOCKET_OPTIONS(.local = "tcp://127.0.0.9:0"),
			       box_patience()),
		 0);
	check_eq(ferry_accept(&server, listener, box_patience()), 0);
	check(ferry_socket_peer(server, peer, sizeof peer) > 0);
	check(strncmp(peer, "tcp://127.0.0.9:", 16) == 0);
	ferry_socket_close(client);
	ferry_socket_close(server);
	check_eq(ferry_connect(&client, address, FERRY_SOCKET_OPTIONS(.local = "tcp://[::1]:0"),
			       box_patience()),
		 -EADDRNOTAVAIL);
	check_eq(ferry_connect(&client, address, FERRY_SOCKET_OPTIONS(.local = "unix:@x"),
			       box_patience()),
		 -EINVAL);
	ferry_listener_close(listener);
}

/* ---- numbers ---- */

static void thousand_at_once_all_get_in(void)
{
	enum { N = 1000 };
	static ferry_socket *clients[N], *servers[N];
	const struct wire_kind *kinds[] = { &wire_kinds[0], &wire_kinds[2] };
	const struct rlimit many = { 4096, 4096 };

	if (setrlimit(RLIMIT_NOFILE, &many) != 0)
		check_skip("needs 2000 descriptors");
	for (size_t k = 0; k < 2; k++) {
		char address[FERRY_ADDRESS_MAX];
		ferry_listener *listener = wire_listen(kinds[k], address);
		for (int i = 0; i < N; i++)
			check_eq(ferry_connect(&clients[i], address, NULL, box_patience()), 0);
		for (int i = 0; i < N; i++)
			check_eq(ferry_accept(&servers[i], listener, box_patience()), 0);
		for (int i = 0; i < N; i++)
			wire_write(clients[i], "x");
		for (int i = 0; i < N; i++)
			wire_expect(servers[i], "x");
		for (int i = 0; i < N; i++) {
			ferry_socket_close(clients[i]);
			ferry_socket_close(servers[i]);
		}
		ferry_listener_close(listener);
	}
}

static void connect_and_die(struct stage *stage, const void *argument)
{
	const char *address = argument;

	for (;;) {
		ferry_socket *socket;
		if (ferry_connect(&socket, address, NULL, ferry_in_ms(1000)) == 0) {
			atomic_fetch_add(&stage->value[0], 1);
			(void)ferry_socket_send(socket, "hello", 5, ferry_in_ms(100));
			ferry_socket_close(socket);
		}
		stage_reach(stage, 1);
	}
}

static void clients_killed_at_random_leave_no_trace(void)
{
	char address[FERRY_ADDRESS_MAX], buffer[16];
	const struct wire_kind *kinds[] = { &wire_kinds[0], &wire_kinds[2] };
	const int rounds = check_repeat(40, 2000);

	for (size_t k = 0; k < 2; k++) {
		ferry_listener *listener = wire_listen(kinds[k], address);
		const int before = leftover_descriptors();
		for (int i = 0; i < rounds; i++) {
			struct peer peer;
			ferry_socket *socket;
			peer_start(&peer, connect_and_die, address);
			peer_await(&peer, 1);
			for (int j = 0; j < i % 7; j++)
				clock_pause();
			peer_kill(&peer);
			while (ferry_accept(&socket, listener, FERRY_NOW) == 0) {
				const ssize_t r =
				    ferry_socket_receive(socket, buffer, 16, box_patience());
				check(r == 5 || r == -ENODATA || r == -ECONNRESET);
				ferry_socket_close(socket);
			}
		}
		check_eq(leftover_descriptors(), before);
		ferry_listener_close(listener);
	}
}

static void a_thousand_times_opened_and_closed(void)
{
	const int rounds = check_repeat(1000, 10000);

	for (size_t k = 0; k < 3; k += 2) {
		char address[FERRY_ADDRESS_MAX];
		ferry_listener *listener = wire_listen(&wire_kinds[k], address);
		const int before = leftover_descriptors();
		for (int i = 0; i < rounds; i++) {
			ferry_socket *client, *server;
			check_eq(ferry_connect(&client, address, NULL, box_patience()), 0);
			check_eq(ferry_accept(&server, listener, box_patience()), 0);
			ferry_socket_close(server);
			ferry_socket_close(client);
		}
		check_eq(leftover_descriptors(), before);
		ferry_listener_close(listener);
	}
}

/* ---- waiting ---- */

static void wait_for_a_client(struct stage *stage, const void *argument)
{
	const int interruptible = *(const int *)argument;
	ferry_listener *listener;
	ferry_socket *socket;

	peer_catch(0);
	check_eq(
	    ferry_listen(&listener, "unix:@",
			 FERRY_SOCKET_OPTIONS(.flags = interruptible ? FERRY_INTERRUPTIBLE : 0),
			 FERRY_NOW),
	    0);
	stage_reach(stage, 1);
	const ferry_deadline until = interruptible ? FERRY_FOREVER : ferry_in_ms(100);
	check_eq(ferry_accept(&socket, listener, until), interruptible ? -EINTR : -ETIMEDOUT);
	ferry_listener_close(listener);
}

static void a_signal_ends_the_wait_only_if_asked(void)
{
	for (int interruptible = 0; interruptible < 2; interruptible++) {
		struct peer peer;
		peer_start(&peer, wait_for_a_client, &interruptible);
		peer_await(&peer, 1);
		await(process_asleep(peer.pid));
		for (int i = 0; i < (interruptible ? 1 : 10); i++) {
			check_eq(kill(peer.pid, SIGUSR1), 0);
			clock_pause();
		}
		peer_join(&peer);
	}
}

static void *accept_some(void *argument)
{
	ferry_socket *socket;
	intptr_t n = 0;

	while (ferry_accept(&socket, argument, ferry_in_ms(300)) == 0) {
		ferry_socket_close(socket);
		n++;
	}
	return (void *)n;
}

static void several_threads_accept(void)
{
	char address[FERRY_ADDRESS_MAX];
	pthread_t threads[4];
	intptr_t sum = 0;
	ferry_listener *listener = wire_listen(&wire_kinds[2], address);

	for (int i = 0; i < 4; i++)
		check_eq(pthread_create(&threads[i], NULL, accept_some, listener), 0);
	for (int i = 0; i < 200; i++) {
		ferry_socket *socket;
		check_eq(ferry_connect(&socket, address, NULL, box_patience()), 0);
		ferry_socket_close(socket);
	}
	for (int i = 0; i < 4; i++) {
		void *n;
		check_eq(pthread_join(threads[i], &n), 0);
		sum += (intptr_t)n;
	}
	check_eq(sum, 200);
	ferry_listener_close(listener);
}

static void the_descriptor_tells_an_event_loop(void)
{
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener = wire_listen(&wire_kinds[0], address);
	struct pollfd ready = { .fd = ferry_listener_fd(listener), .events = POLLIN };
	ferry_socket *client, *server;

	check_eq(poll(&ready, 1, 0), 0);
	check_eq(ferry_connect(&client, address, NULL, box_patience()), 0);
	check_eq(poll(&ready, 1, 30000), 1);
	check_eq(ferry_accept(&server, listener, FERRY_NOW), 0);
	ready.fd = ferry_socket_fd(server);
	check_eq(poll(&ready, 1, 0), 0);
	wire_write(client, "x");
	check_eq(poll(&ready, 1, 30000), 1);
	struct wire wire = { client, server };
	wire_close(&wire);
	ferry_listener_close(listener);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(both_ends_talk_and_know_each_other),
		claim(all_addresses_take_both_families),
		claim(who_is_not_there_refuses),
		claim(accept_and_connect_keep_their_deadlines),
		claim(a_full_backlog_ends_by_the_deadline),
		claim(a_black_hole_ends_by_the_deadline),
		claim(names_are_looked_up),
		claim(a_slow_name_server_does_not_outlast_the_deadline),
		claim(options_reach_the_kernel),
		claim(a_port_is_free_again_at_once_and_taken_only_once),
		claim(the_local_address_can_be_chosen),
		claim(thousand_at_once_all_get_in),
		claim(clients_killed_at_random_leave_no_trace),
		claim(a_thousand_times_opened_and_closed),
		claim(a_signal_ends_the_wait_only_if_asked),
		claim(several_threads_accept),
		claim(the_descriptor_tells_an_event_loop),
	};

	return claim_run_all(claims);
}
