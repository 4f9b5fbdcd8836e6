/* SPDX-License-Identifier: MIT */
/* Connections of the tests: a listener at an address of its own, and both ends in one process. Each
 * word fails the test if it does not succeed. */
#ifndef FERRY_TEST_WIRE_H
#define FERRY_TEST_WIRE_H

#include <ferry/ferry.h>

/** What a test is run over. */
struct wire_kind {
	const char *name;
	enum ferry_transport transport;
	const char *address; /**< to listen at, without the name of a file */
};

/** Connections: all kinds, ended by a NULL name. Streams come first. */
extern const struct wire_kind wire_kinds[];

/** Run a test over each kind of byte stream, or of connection. */
#define wire_each_stream(kind)                                                                     \
	for (const struct wire_kind *kind = wire_kinds;                                            \
	     kind->name && kind->transport != FERRY_UNIX_SEQPACKET; kind++)
#define wire_each(kind) for (const struct wire_kind *kind = wire_kinds; kind->name; kind++)

/** Both ends of a connection. */
struct wire {
	ferry_socket *client;
	ferry_socket *server;
};

/** A listener of this kind; its address, with the real port. */
ferry_listener *wire_listen(const struct wire_kind *kind, char *ret_address);

struct wire wire_make(const struct wire_kind *kind, const struct ferry_socket_options *options);
void wire_close(struct wire *wire);

/** Exactly this text comes, or end of file. */
void wire_expect(ferry_socket *socket, const char *text);
void wire_expect_end(ferry_socket *socket);
void wire_write(ferry_socket *socket, const char *text);

/** Write until nothing fits; how many bytes that was. */
uint64_t wire_brim(ferry_socket *socket);

/** Which directions of a connection go through shared memory. */
enum { WIRE_BOTH = FERRY_READ | FERRY_WRITE };
uint32_t wire_moved(ferry_socket *socket);

/** A question and an answer, twice: then everything has moved, if it can. */
void wire_talk(struct wire *wire);

/** A connection that has moved. */
struct wire wire_make_moved(const struct wire_kind *kind);

/** Own network: a namespace with "lo" up. Skips the claim where that is not allowed. */
void wire_own_network(void);

#endif
