/* SPDX-License-Identifier: MIT */
/* One table of what can be done with a connection, and two that fill it: the kernel and ferry; and
 * the transports that they are run over. A test is written once and runs over all of them
 * (docs/conformance/socket.md). Results are >= 0 or a negative errno; a call waits unless its end
 * was made non-blocking, as O_NONBLOCK has it. */
#ifndef FERRY_TEST_TRANSPORT_H
#define FERRY_TEST_TRANSPORT_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <ferry/ferry.h>

#include "claim.h"

/** One end of a connection. */
struct end {
	int fd;               /* of the kernel's */
	ferry_socket *socket; /* of ferry's */
	bool nonblocking;
};

/** Where connections are accepted. */
struct door {
	int fd;
	ferry_listener *listener;
	bool nonblocking;
	char at[FERRY_ADDRESS_MAX]; /* "tcp://127.0.0.1:4711", "unix:/dev/shm/..." */
};

/** What a back end can do. */
struct driver {
	int (*listen)(struct door *ret_door, const char *address);
	int (*accept)(struct door *door, struct end *ret_end);
	int (*connect)(const char *address, bool nonblocking, struct end *ret_end);
	/** The accepted end does what it must before the other end's connect returns (TLS). */
	int (*agree)(struct end *end);
	void (*close_door)(struct door *door);
	void (*close)(struct end *end);
	void (*set_nonblocking)(struct end *end, bool nonblocking);
	/** As read(2) and write(2): a write that may wait writes it all. */
	ssize_t (*read)(struct end *end, void *buffer, size_t size);
	ssize_t (*write)(struct end *end, const void *data, size_t size);
	ssize_t (*readv)(struct end *end, const struct iovec *buffers, int n);
	ssize_t (*writev)(struct end *end, const struct iovec *buffers, int n);
	/** As recv(2) with MSG_WAITALL. */
	ssize_t (*read_all)(struct end *end, void *buffer, size_t size);
	/** FERRY_READ, FERRY_WRITE, or both. */
	int (*shutdown)(struct end *end, uint32_t directions);
	int64_t (*unread)(struct end *end);
	/** The address of this end, or of the other, as text. */
	int (*name)(struct end *end, bool peer, char *ret_text, size_t n);
	int (*credentials)(struct end *end, struct ferry_socket_credentials *ret_credentials);
	/** Do bytes go through shared memory, both ways? */
	bool (*is_moved)(struct end *end);
	/** One byte and a descriptor; ret_fd is -1 if none came. */
	ssize_t (*send_descriptor)(struct end *end, char byte, int fd);
	ssize_t (*receive_descriptor)(struct end *end, char *ret_byte, int *ret_fd);
};

/** What the connections of this run go through. */
struct transport {
	const char *name; /* of the back end and the transport: "kernel_tcp" */
	const struct driver *driver;
	const char *address; /* to listen at; of a file without its name */
	enum ferry_transport kind;
	bool moves; /* both ends are ferry's: into shared memory */
};

extern const struct transport *transport;
extern const struct driver *driver;

/** From main: the transport that the first argument names. */
void transport_choose(int n_arguments, char **arguments);

bool transport_is_kernel(void);
bool transport_is_unix(void);
bool transport_is_tls(void);

/** What the kernel and ferry are expected to do where they differ on purpose, and what is different
 *  over TLS; the table of sentences must say why. */
#define differs(kernel, ferry)        (transport_is_kernel() ? (kernel) : (ferry))
#define differs_over_tls(others, tls) (transport_is_tls() ? (tls) : (others))

/** What is said of one kind and not of the other. */
#define by_kind(tcp, unix_socket) (transport_is_unix() ? (unix_socket) : (tcp))

/** What a claim is about. */
enum transport_scope {
	ALL,
	UNIX_ONLY,
	TCP_ONLY, /* and TLS */
	NOT_TLS,
};

struct transport_claim {
	struct CMUnitTest test;
	enum transport_scope scope;
};

/** Run those of an array that are about this transport; for main to return. */
#define transport_run_all(claims) transport_run(claims, sizeof(claims) / sizeof *(claims))
int transport_run(const struct transport_claim *claims, size_t n);

/** The first thing in a claim: a listener at an address of its own. */
struct door door_open(void);
void door_close(struct door *door);
struct end door_accept(struct door *door);

/** Somebody who connects, in a thread. */
struct caller {
	const char *at;
	struct end end;
	int result;
	pthread_t thread;
};

void caller_start(struct caller *caller, const struct door *door);
struct end caller_join(struct caller *caller);

/** Both ends of a fresh connection, in one process. */
struct ends {
	struct end client;
	struct end server;
};

struct ends ends_make(void);
void ends_close(struct ends *ends);

/** Connect as a process of its own does; an address is its argument. */
struct end end_connect(const char *address);

/** Its descriptor. Asked for only where it is needed: who asks ferry for it may wait with poll(2)
 *  from then on. */
int end_fd(const struct end *end);

/** Write and read exactly this text. */
void end_put(struct end *end, const char *text);
void end_get(struct end *end, const char *text);

/** Nothing more comes: the end of the stream. */
void end_expect_end(struct end *end);

/** Fill the connection to the brim; how many bytes that was. */
size_t end_fill(struct end *end);

/** Write bytes that count modulo 251, from position at on; read and compare them. */
void pattern_fill(unsigned char *bytes, size_t at, size_t size);
void end_get_pattern(struct end *end, size_t at, size_t size);

/** Write until it fails; with what. A tcp peer learns of the end of another by and by. */
int end_write_until_it_fails(struct end *end);

/** All bytes that were written have arrived at the other end of tcp or unix. */
void end_await_arrival(struct end *end, int64_t bytes);

#endif
