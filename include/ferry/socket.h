/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/socket.h
 * Sockets: two-way channels between processes on one machine or on several.
 *
 * A listener waits at an address, a connection leads to it, and bytes or whole messages go both
 * ways. Datagrams go from one bound socket to another without a connection. Any program may be at
 * the other end: what is on the wire is what the address says, and nothing else.
 *
 * An address is one of
 *
 *     tcp://HOST:PORT         a byte stream
 *     tls://HOST:PORT         a byte stream over TLS; needs libferry-tls (ferry-tls(7))
 *     udp://HOST:PORT         datagrams
 *     unix:PATH               a byte stream within the machine
 *     unix-seqpacket:PATH     packets, in order, over a connection
 *     unix-dgram:PATH         datagrams that are not lost
 *
 * HOST is a name, an IPv4 address, or an IPv6 address in brackets, with its %zone where it needs
 * one; "*" stands for all addresses of the machine, to listen and bind only. PORT is 0 to 65535, 0
 * (to listen and bind only) being any that is free. PATH begins with "/", "./" or "../"; "@NAME"
 * is an abstract name, which is no file; "@" alone (to listen and bind only) is any that is free.
 *
 * A byte stream (unix, tcp) whose other end is ferry's too, on this machine, moves into memory that
 * the two share; tcp only within one user. Everything stays as it is otherwise, but that it is
 * faster: ferry-socket(7). A plain program at the other end gets a plain socket.
 *
 * Holds for every function here unless its own comment says otherwise:
 *  - threads: MT-Safe, also reading and writing one socket at once; AS-Unsafe;
 *  - a dead peer is a result, never SIGPIPE; ferry-socket(7) has the table of which result;
 *  - fork: the child may use the handle. Parent and child then share one connection, as with any
 *    descriptor: the bytes go to whoever reads first, and it ends when both have closed it. A
 *    connection over TLS is the process's that made it: -EBADF in a child. Messages should be
 *    sent by one of the two, and received by one, since a part of a message may be waiting in the
 *    handle. If another thread of the parent is sending messages of a byte stream just then, or
 *    receiving them, it goes on; the child cannot do the same with its handle any more: -EBADF. A
 *    child of _Fork() or clone() gets -EBADF from a connection that has moved. A process that is
 *    stopped inside a call can hold up the calls of others that share its handle, until their
 *    deadline;
 *  - exec: descriptors are close-on-exec. ferry_spawn() passes one on (ferry_socket_fd()), and
 *    ferry_socket_adopt() makes a handle of it there; of a connection that has not been read or
 *    written through its handle, or that was made with FERRY_SOCKET_PLAIN;
 *  - crash: whoever is killed is closed by the kernel; the other end sees what the table says.
 */
#ifndef FERRY_SOCKET_H
#define FERRY_SOCKET_H

#include <ferry/base.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ferry_listener ferry_listener;
typedef struct ferry_socket ferry_socket;

/* ---- addresses ---- */

/** What carries the bytes. */
enum ferry_transport {
	FERRY_TCP = 1,
	FERRY_UDP = 2,
	FERRY_UNIX = 3,
	FERRY_UNIX_DGRAM = 4,
	FERRY_UNIX_SEQPACKET = 5,
	FERRY_TLS = 6,
};

#define FERRY_HOST_MAX    253 /**< bytes of a host's name */
#define FERRY_ADDRESS_MAX 320 /**< room that is enough for the text of any address */

/** An address, taken apart. */
struct ferry_address {
	enum ferry_transport transport;
	uint16_t port;                 /**< TCP, UDP, TLS */
	char host[FERRY_HOST_MAX + 1]; /**< TCP, UDP, TLS: without brackets; "*": all addresses */
	char path[109]; /**< UNIX: the path, or "@" and the abstract name; at most 108 bytes */
};

/**
 * Take an address apart. Nothing is looked up.
 *
 * @param ret_at  NULL, or where the number of bytes before the first wrong character goes (the
 *                length of text if something is missing at its end). Written on failure.
 * @param why     NULL, or where a sentence about a failure goes; it begins with "character N",
 *                counted from 1.
 *
 * @retval 0
 * @retval -FERRY_EADDRESS  It is no address.
 * @retval -EINVAL          text or ret_address is NULL.
 *
 * Blocking: never. Since: 0.1
 */
FERRY_API int ferry_address_parse(struct ferry_address *ret_address, const char *text,
				  size_t *ret_at, struct ferry_why *why);

/** "tcp", "unix-dgram", ... as in an address; "unknown". MT-Safe, AS-Safe. */
FERRY_API const char *ferry_transport_name(enum ferry_transport transport);

/** Where a datagram came from, or is to go: the kernel's form of an address. */
struct ferry_endpoint {
	uint32_t transport; /**< enum ferry_transport */
	uint32_t size;      /**< bytes that count */
	uint64_t bytes[16]; /**< struct sockaddr */
};

/**
 * The endpoint that an address means; a host's name is looked up.
 *
 * @retval 0
 * @retval -FERRY_EADDRESS, -EINVAL  As ferry_address_parse(). Also for what only a listener may
 * say.
 * @retval -FERRY_EHOST      There is no such host.
 * @retval -FERRY_ERESOLVER  No name server answered properly.
 * @retval -EAGAIN           deadline is FERRY_NOW, and the name has to be looked up; or 64 look-ups
 *                           of this process hang already.
 * @retval -ETIMEDOUT        The look-up lasted longer. It goes on in a thread of its own, with all
 *                           signals blocked, and then that thread ends.
 * @retval -ENOMEM
 *
 * Since: 0.1
 */
FERRY_API int ferry_endpoint_resolve(struct ferry_endpoint *ret_endpoint, const char *address,
				     ferry_deadline deadline, struct ferry_why *why);

/**
 * The address of an endpoint as text; numbers only. What is not printable in an abstract name is
 * shown as "?".
 *
 * @param ret_text  Room for n bytes; FERRY_ADDRESS_MAX is enough.
 * @return The length without the 0 at its end; -ERANGE: n is too small; -EINVAL: no endpoint.
 */
FERRY_API int ferry_endpoint_text(const struct ferry_endpoint *endpoint, char *ret_text, size_t n);

/* ---- options ---- */

/** Flags of struct ferry_socket_options, beside FERRY_INTERRUPTIBLE. */
enum {
	FERRY_SOCKET_DELAY = 1 << 16,      /**< TCP: gather small writes (no TCP_NODELAY) */
	FERRY_SOCKET_NO_REUSE = 1 << 17,   /**< TCP listeners: refuse the port while old connections
						of it linger (no SO_REUSEADDR) */
	FERRY_SOCKET_SHARE_PORT = 1 << 18, /**< several sockets of one user at one port
						(SO_REUSEPORT) */
	FERRY_SOCKET_IPV6_ONLY = 1 << 19,  /**< "*" means IPv6 only */
	FERRY_SOCKET_BROADCAST = 1 << 20,  /**< UDP: may send to broadcast addresses */
	FERRY_SOCKET_SET_OWNER = 1 << 21,  /**< the socket file gets `owner` */
	FERRY_SOCKET_SET_GROUP = 1 << 22,  /**< the socket file gets `group` */
	FERRY_SOCKET_NO_LOOP = 1 << 23,    /**< UDP: what is sent to a multicast group does not come
						to this machine */
	FERRY_SOCKET_PLAIN = 1 << 24,      /**< never move into shared memory; as the environment
						variable FERRY_SOCKET_PLAIN=1 */
};

/** What TLS needs; used by tls:// only. Files are PEM. ferry-tls(7). */
struct ferry_tls_options {
	const char *authorities; /**< file of CA certificates; NULL: the system's */
	const char *certificate; /**< file with our certificate and its chain; listeners need it */
	const char *key;         /**< file with its private key; NULL: in the same file */
	const char *name;        /**< the name that the peer's certificate must have; NULL: the host
				      of the address */
	/** 0: a server is always verified, a client if authorities is given; 1: clients must have a
	 *  valid certificate; FERRY_TLS_UNVERIFIED: believe anybody. */
	int verify;
	int version_min; /**< 0 or 12: TLS 1.2; 13: TLS 1.3 */
};
#define FERRY_TLS_UNVERIFIED (-1)

/** Options of listeners, connections and bound sockets. Zero is the default in every field; what a
 *  transport has no use for is ignored. */
struct ferry_socket_options {
	size_t size; /**< sizeof this struct; FERRY_SOCKET_OPTIONS sets it */
	uint32_t flags;
	uint32_t backlog;     /**< listeners: connections that may wait to be accepted; 0: 4096 */
	uint32_t mode;        /**< socket files: permission bits, less the umask; 0: 0600 */
	uint32_t owner;       /**< socket files: with FERRY_SOCKET_SET_OWNER */
	uint32_t group;       /**< socket files: with FERRY_SOCKET_SET_GROUP */
	uint32_t message_max; /**< bytes of the largest message of ferry_socket_send() and
				   _receive(); 0: 1 MiB; at most 2^31 - 1 */
	uint32_t send_buffer; /**< bytes, as SO_SNDBUF; 0: the kernel's choice */
	uint32_t receive_buffer; /**< bytes, as SO_RCVBUF; 0: the kernel's choice */
	int64_t keepalive; /**< TCP: ns of silence after which the peer is asked whether it lives,
				three times, a third of that time apart (whole seconds, rounded
				up); 0: never */
	int64_t user_timeout; /**< TCP: ns that what was written may stay unacknowledged before the
				   connection fails with -ETIMEDOUT; 0: the kernel's choice */
	const char *local; /**< connect: the address to connect from; NULL: the kernel's choice */
	const char *interface;        /**< bind to this network interface (SO_BINDTODEVICE) */
	uint32_t hops;                /**< IP: how far packets go (TTL); 0: the kernel's choice */
	uint32_t traffic_class;       /**< IP: TOS; 0: none */
	struct ferry_tls_options tls; /**< tls:// only */
	struct ferry_why *why;        /**< NULL, or where a sentence about a failure goes */
};
#ifndef __cplusplus
/** FERRY_SOCKET_OPTIONS(.backlog = 16, ...): options in place. */
#define FERRY_SOCKET_OPTIONS(...)                                                                  \
	(&(const struct ferry_socket_options){ .size = sizeof(struct ferry_socket_options),        \
					       __VA_ARGS__ })
#endif

/* ---- making ---- */

/**
 * Listen at an address: tcp, tls, unix or unix-seqpacket.
 *
 * A socket file whose owner is dead is taken over, if it belongs to us; one that is in use, or is
 * no socket, or is another user's, is left alone. The file has its mode and owner before anybody
 * can connect. Of a host with several addresses the first that works is used.
 *
 * @param options  NULL for the defaults; accepted connections have them as well.
 * @param deadline For looking up the host's name, and for others who take over a socket file in
 *                 the same directory.
 *
 * @retval 0
 * @retval -EADDRINUSE  Somebody listens there, or the path is something that is not ours.
 * @retval -EADDRNOTAVAIL  The machine does not have this address.
 * @retval -EOPNOTSUPP  udp and unix-dgram: see ferry_socket_bind().
 * @retval -EINVAL, -E2BIG  An option.
 * @retval -EACCES, -EPERM, -ENOENT, -ENOTDIR, -EMFILE, -ENFILE, -ENOMEM, -EAFNOSUPPORT ...
 * @retval -FERRY_EUNSAFE   The directory could have been prepared by another user.
 * @retval -FERRY_ETLS, -FERRY_ENOTLS  A certificate or key; no TLS in this installation.
 * @retval -FERRY_EADDRESS, -FERRY_EHOST, -FERRY_ERESOLVER, -EAGAIN, -ETIMEDOUT  As
 *         ferry_endpoint_resolve().
 *
 * Crash: who dies inside may leave a socket file that the next one takes over. Since: 0.1
 */
FERRY_API int ferry_listen(ferry_listener **ret_listener, const char *address,
			   const struct ferry_socket_options *options, ferry_deadline deadline);

/**
 * Take the next connection. One that broke before it was taken is passed over. With TLS the two
 * ends have not agreed yet: that happens when the connection is first used, so that a peer that
 * stays silent holds up nobody else.
 *
 * @retval 0
 * @retval -EAGAIN, -ETIMEDOUT  Nobody came.
 * @retval -EINTR  Only with FERRY_INTERRUPTIBLE.
 * @retval -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS  The connection still waits. (Over TLS -ENOMEM can
 *                                              also be of one that was taken, and is closed.)
 * @retval -EPERM  This process may not accept: a filter (seccomp(2)) or security module says so.
 */
FERRY_API int ferry_accept(ferry_socket **ret_socket, ferry_listener *listener,
			   ferry_deadline deadline);

/** Stop listening. Connections that were not accepted are broken off; a socket file that is still
 *  its own is removed, by the process that made it. NULL is allowed. No other thread may be using
 *  the handle. */
FERRY_API void ferry_listener_close(ferry_listener *listener);

/** The listening descriptor, for an event loop: readable when somebody waits. The handle's own,
 *  non-blocking: do not close it. MT-Safe, AS-Safe. */
FERRY_API int ferry_listener_fd(const ferry_listener *listener);

/** The address with the real port or abstract name. As ferry_endpoint_text(). */
FERRY_API int ferry_listener_address(const ferry_listener *listener, char *ret_text, size_t n);

/**
 * Connect to an address of any kind. To udp and unix-dgram: datagrams go there, and only those
 * from there come in. Of a host with several addresses each is tried, a further one whenever one
 * fails or 250 ms have passed; the first that answers is kept.
 *
 * @retval 0
 * @retval -ECONNREFUSED  Nobody listens there.
 * @retval -EAGAIN        deadline is FERRY_NOW, and it takes longer.
 * @retval -ETIMEDOUT     Not by the deadline; or the kernel gave up earlier.
 * @retval -EINTR         Only with FERRY_INTERRUPTIBLE.
 * @retval -ENOENT, -EACCES, -EPROTOTYPE, -EHOSTUNREACH, -ENETUNREACH, -EMFILE ...
 * @retval -FERRY_ETLS    Something about the peer's certificate, or the peer does not speak TLS.
 * @retval -EINVAL, -E2BIG, -FERRY_EADDRESS, -FERRY_EHOST, -FERRY_ERESOLVER, -FERRY_ENOTLS
 *         As ferry_listen().
 */
FERRY_API int ferry_connect(ferry_socket **ret_socket, const char *address,
			    const struct ferry_socket_options *options, ferry_deadline deadline);

/** Open a socket for datagrams at an address: udp or unix-dgram. Otherwise as ferry_listen(). */
FERRY_API int ferry_socket_bind(ferry_socket **ret_socket, const char *address,
				const struct ferry_socket_options *options,
				ferry_deadline deadline);

/** Two connected sockets of this process: transport is FERRY_UNIX, FERRY_UNIX_SEQPACKET or
 *  FERRY_UNIX_DGRAM. 0; -EINVAL; -EMFILE, -ENFILE, -ENOMEM. */
FERRY_API int ferry_socket_pair(ferry_socket **ret_one, ferry_socket **ret_other,
				enum ferry_transport transport,
				const struct ferry_socket_options *options);

/**
 * Make a handle of a connected, or bound, socket that came from elsewhere: from a parent, by
 * ferry_socket_receive_descriptors(), from a service manager. It becomes the handle's own and
 * close-on-exec. Of the options, flags and message_max are used.
 *
 * @retval 0
 * @retval -ENOTSOCK, -EBADF  It is no socket.
 * @retval -EAFNOSUPPORT      It is of a kind that no address stands for, or listens.
 * @retval -EINVAL, -E2BIG, -ENOMEM
 */
FERRY_API int ferry_socket_adopt(ferry_socket **ret_socket, int fd,
				 const struct ferry_socket_options *options);

/** The same of a listening socket; closing it removes no file. */
FERRY_API int ferry_listener_adopt(ferry_listener **ret_listener, int fd,
				   const struct ferry_socket_options *options);

/** Close. What was written still goes out (TCP and TLS: unless something that came was not read;
 *  then the kernel breaks the connection off); a part of a message that waits in the handle
 *  (ferry_socket_flush()) does not. NULL is allowed. No other thread may be using the handle. */
FERRY_API void ferry_socket_close(ferry_socket *socket);

/** The descriptor, blocking unless somebody changed that: for an event loop, or to pass on. The
 *  handle's own: do not close it. With TLS it may be readable when there is nothing to read, and
 *  the other way about: only try with FERRY_NOW. Once a connection has moved into memory, nobody
 *  may read, write or shut down the descriptor itself; to wait for it, have it before the first
 *  read, or read until -EAGAIN after having it. MT-Safe, AS-Safe. */
FERRY_API int ferry_socket_fd(const ferry_socket *socket);

/* ---- bytes ---- */

/**
 * Read what there is, waiting for at least one byte. Of a datagram or packet, what does not fit is
 * lost: ferry_socket_receive() and _receive_from() tell.
 *
 * @param buffer  May be NULL only if size is 0, which reads nothing and returns 0 at once.
 *
 * @retval > 0         So many bytes.
 * @retval 0           End of file: the peer has closed or shut down its sending. (A datagram of 0
 *                     bytes is also 0.)
 * @retval -EAGAIN     Nothing there, and deadline is FERRY_NOW.
 * @retval -ETIMEDOUT  Nothing came by the deadline; or the kernel gave the peer up.
 * @retval -ECONNRESET The peer broke the connection off.
 * @retval -ECONNREFUSED  Datagrams: the last one found nobody.
 * @retval -EINTR      Only with FERRY_INTERRUPTIBLE.
 * @retval -EBADF      Over TLS, in a forked child.
 * @retval -FERRY_ECORRUPT  The other end wrote nonsense into the memory of the connection.
 * @retval -EINVAL     buffer is NULL, or size is more than SSIZE_MAX.
 * @retval -FERRY_ETLS The two ends could not agree, a record was forged, or the peer asked on and
 *                     on for new keys and did not read.
 * @retval -EHOSTUNREACH, -ENETDOWN, -ENOMEM ...  What the kernel says.
 *
 * Crash: if the caller dies inside, the bytes are lost with the connection. Since: 0.1
 */
FERRY_API ssize_t ferry_socket_read(ferry_socket *socket, void *buffer, size_t size,
				    ferry_deadline deadline);

/** ferry_socket_read() into n buffers, filled in order. Also -EINVAL: n is negative or above
 *  IOV_MAX (1024). */
FERRY_API ssize_t ferry_socket_readv(ferry_socket *socket, const struct iovec *buffers, int n,
				     ferry_deadline deadline);

/** Read size bytes: size, or fewer if the end of file, the deadline or an error came after a part;
 *  the next call then tells which. Byte streams only: else -EOPNOTSUPP. */
FERRY_API ssize_t ferry_socket_read_all(ferry_socket *socket, void *buffer, size_t size,
					ferry_deadline deadline);
FERRY_API ssize_t ferry_socket_readv_all(ferry_socket *socket, const struct iovec *buffers, int n,
					 ferry_deadline deadline);

/**
 * Write what fits, waiting until at least one byte does. A packet or datagram goes whole or not at
 * all. What is written is with the kernel: not yet with the peer, whose death may still lose it.
 *
 * @retval >= 0        So many bytes.
 * @retval -EAGAIN, -ETIMEDOUT, -EINTR, -EBADF, -EINVAL, -FERRY_ETLS  As for reading.
 * @retval -EPIPE      The peer does not read any more, or our sending was shut down.
 * @retval -ECONNRESET The peer broke the connection off.
 * @retval -EMSGSIZE   A packet or datagram that is larger than can be.
 * @retval -ECONNREFUSED  Datagrams: this one, or the last, found nobody.
 * @retval -EDESTADDRREQ, -ENOTCONN  The socket is bound, not connected.
 */
FERRY_API ssize_t ferry_socket_write(ferry_socket *socket, const void *data, size_t size,
				     ferry_deadline deadline);
FERRY_API ssize_t ferry_socket_writev(ferry_socket *socket, const struct iovec *buffers, int n,
				      ferry_deadline deadline);

/** Write all size bytes: size, or fewer if the deadline or an error came after a part; the next
 *  call then tells which. Two threads' bytes may be mixed. */
FERRY_API ssize_t ferry_socket_write_all(ferry_socket *socket, const void *data, size_t size,
					 ferry_deadline deadline);
FERRY_API ssize_t ferry_socket_writev_all(ferry_socket *socket, const struct iovec *buffers, int n,
					  ferry_deadline deadline);

/**
 * End one direction, or both: FERRY_READ, FERRY_WRITE, or FERRY_READ | FERRY_WRITE. Ending the
 * sending gives the peer end of file when it has read the rest; both wakes whoever waits here.
 *
 * @retval 0
 * @retval -ENOTCONN  The peer is gone already.
 * @retval -EINVAL    Neither.
 * @retval -EOPNOTSUPP  TLS: reading alone cannot be ended.
 *
 * Blocking: never. (TLS: the farewell is sent if there is room for it.)
 */
FERRY_API int ferry_socket_shutdown(ferry_socket *socket, uint32_t directions);

/* ---- messages ---- */

/**
 * Send one whole message. On a byte stream it goes behind a length of four bytes
 * (docs/formats/frame.md); a packet or datagram is a message by itself.
 *
 * @param data  May be NULL only if size is 0.
 * @param size  0 to message_max; on unix-seqpacket at least 1, since 0 would look like the end.
 *
 * @retval 0             It is all with the kernel.
 * @retval -EAGAIN, -ETIMEDOUT  Nothing of it was sent.
 * @retval -EINPROGRESS  The deadline passed when a part was sent. The rest waits in the handle, in
 *                       a copy, and goes first with the next send or ferry_socket_flush(): do not
 *                       send it again.
 * @retval -EMSGSIZE     Larger than message_max, or than a packet can be.
 * @retval -EINVAL       data is NULL; or 0 bytes on unix-seqpacket.
 * @retval -EBADF        In a forked child, when a thread of the parent was sending. Over TLS, in
 *                       any.
 * @retval -EPIPE, -ECONNRESET ...  As ferry_socket_write().
 *
 * Threads' messages are never mixed. Bytes must not be written between them. Crash: a peer that
 * has received a part is told -ECONNRESET.
 */
FERRY_API int ferry_socket_send(ferry_socket *socket, const void *data, size_t size,
				ferry_deadline deadline);

/** Send the rest of a message that was -EINPROGRESS. 0: nothing waits in the handle any more;
 *  otherwise as ferry_socket_send(). */
FERRY_API int ferry_socket_flush(ferry_socket *socket, ferry_deadline deadline);

/**
 * Receive one whole message.
 *
 * @return Its size; or a negative error:
 * @retval -ENODATA     The peer has finished: there are no more messages.
 * @retval -EAGAIN, -ETIMEDOUT  No whole message is there. What has come of one is kept.
 * @retval -EMSGSIZE    The message is larger than size, and stays; ferry_socket_next() tells how
 *                      large it is. (A datagram does not stay.)
 * @retval -EBADMSG     The peer announced a message larger than message_max. Nothing can be
 *                      received any more.
 * @retval -ECONNRESET  The connection broke, or ended inside a message.
 * @retval -EBADF       In a forked child, when a thread of the parent was receiving. Over TLS, in
 *                      any.
 * @retval others       As ferry_socket_read().
 *
 * Memory grows with what has come, never with what a peer announced.
 */
FERRY_API ssize_t ferry_socket_receive(ferry_socket *socket, void *buffer, size_t size,
				       ferry_deadline deadline);

/** The size of the next message, waiting for its beginning; the message stays. Errors as
 *  ferry_socket_receive(). */
FERRY_API ssize_t ferry_socket_next(ferry_socket *socket, ferry_deadline deadline);

/* ---- datagrams ---- */

/**
 * Send one datagram to an endpoint.
 *
 * @retval 0
 * @retval -EMSGSIZE    Larger than a datagram can be (UDP over IPv4: 65507 bytes).
 * @retval -EISCONN     unix-dgram: the socket is connected, and not there.
 * @retval -EAFNOSUPPORT, -EINVAL  The endpoint is of another kind than the socket.
 * @retval others       As ferry_socket_write().
 */
FERRY_API int ferry_socket_send_to(ferry_socket *socket, const struct ferry_endpoint *endpoint,
				   const void *data, size_t size, ferry_deadline deadline);

/**
 * Receive one datagram.
 *
 * @param ret_from  NULL, or where its sender's endpoint goes; size 0 if the sender has no name.
 * @return The size of the datagram. If that is more than size, the rest of it was lost.
 */
FERRY_API ssize_t ferry_socket_receive_from(ferry_socket *socket, void *buffer, size_t size,
					    struct ferry_endpoint *ret_from,
					    ferry_deadline deadline);

/**
 * Join a multicast group, or leave it: udp only.
 *
 * @param group      An IPv4 or IPv6 multicast address as text, without brackets.
 * @param interface  The network interface, by name; NULL: the kernel's choice.
 *
 * @retval 0
 * @retval -EINVAL   No multicast address of the socket's kind.
 * @retval -ENODEV   There is no such interface, or no route to the group.
 * @retval -EADDRINUSE, -EADDRNOTAVAIL  Joined already; not joined.
 * @retval -EOPNOTSUPP  Not udp.
 */
FERRY_API int ferry_socket_join(ferry_socket *socket, const char *group, const char *interface);
FERRY_API int ferry_socket_leave(ferry_socket *socket, const char *group, const char *interface);

/* ---- who ---- */

/** The address of this end, and of the other end, as text. As ferry_endpoint_text(); a unix socket
 *  without a name is "unix:" alone. -ENOTCONN: there is no other end. */
FERRY_API int ferry_socket_local(const ferry_socket *socket, char *ret_text, size_t n);
FERRY_API int ferry_socket_peer(const ferry_socket *socket, char *ret_text, size_t n);

/** Who is at the other end, by the kernel's word. */
struct ferry_socket_credentials {
	pid_t pid; /**< 0: it lives in another PID namespace */
	uid_t uid;
	gid_t gid;
};

/**
 * Who connected, or listened, when the connection was made: unix, unix-seqpacket, and pairs.
 * -EOPNOTSUPP: others. To send such a process a signal, look at its start time as well
 * (ferry_process_open()).
 */
FERRY_API int ferry_socket_credentials(const ferry_socket *socket,
				       struct ferry_socket_credentials *ret_credentials);

/** What a socket is, and what waits in it. */
struct ferry_socket_stat {
	enum ferry_transport transport;
	uint32_t message_max;
	uint64_t readable; /**< bytes that have come (of a datagram or packet: the next one) */
	uint64_t unsent;   /**< bytes that the kernel has not got rid of (TCP: unacknowledged) */
	uint64_t flush; /**< bytes of a message that wait in the handle; 0 while a thread sends */
	int64_t round_trip;     /**< TCP: ns, as the kernel measured; 0: not known */
	char security[64];      /**< TLS: "TLSv1.3 TLS_AES_256_GCM_SHA384", once agreed; else "" */
	uint32_t shared_memory; /**< FERRY_READ, FERRY_WRITE: what comes in, what goes out, does so
				     through memory that the two ends share; 0: a plain socket */
};
FERRY_API int ferry_socket_stat(ferry_socket *socket, struct ferry_socket_stat *ret_stat);

/**
 * TLS: let the two ends agree now, and tell what is wrong with the certificates. For accepted
 * connections; ferry_connect() has done it. Others: 0 at once.
 *
 * @retval 0
 * @retval -FERRY_ETLS  why says which check failed.
 * @retval -ETIMEDOUT, -EAGAIN, -ECONNRESET ...  As ferry_socket_read().
 */
FERRY_API int ferry_socket_handshake(ferry_socket *socket, ferry_deadline deadline,
				     struct ferry_why *why);

/* ---- descriptors ---- */

#define FERRY_DESCRIPTORS_MAX 253 /**< of one call (the kernel's SCM_MAX_FD) */

/**
 * Write bytes, and pass descriptors along with the first of them: unix kinds only. The receiver
 * gets new descriptors for the same open files; ours stay open.
 *
 * @param size  At least 1.
 * @param n     0 to FERRY_DESCRIPTORS_MAX.
 * @return How many bytes were written, at least 1 (the descriptors went with them); or an error:
 * @retval -EOPNOTSUPP   Not a unix socket.
 * @retval -EBADF        One of them is not open.
 * @retval -ETOOMANYREFS Too many descriptors are on their way.
 * @retval -EINVAL       size or n.
 * @retval others        As ferry_socket_write().
 */
FERRY_API ssize_t ferry_socket_send_descriptors(ferry_socket *socket, const void *data, size_t size,
						const int *descriptors, int n,
						ferry_deadline deadline);

/**
 * Read bytes, and the descriptors that came with them, close-on-exec. (Every other call that reads
 * drops and closes descriptors, so nobody can fill a program with them that does not ask.)
 *
 * @param size            0: nothing is taken from a stream; of a packet the descriptors alone.
 * @param ret_descriptors Room for n.
 * @param ret_n           How many came. Those beyond n were closed.
 * @return Bytes, 0 at the end of file; or an error:
 * @retval -EMFILE  This process had no room for one of them: all were closed, and the bytes are
 *                  lost.
 * @retval others   As ferry_socket_read(); -EOPNOTSUPP: not a unix socket.
 */
FERRY_API ssize_t ferry_socket_receive_descriptors(ferry_socket *socket, void *buffer, size_t size,
						   int *ret_descriptors, int n, int *ret_n,
						   ferry_deadline deadline);

#ifdef __cplusplus
}
#endif
#endif
