/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/pipe.h
 * Pipes: one-way streams of bytes in shared memory, as pipe(2) and fifo(7) describe them.
 *
 * A pipe has a reading and a writing end; a handle is one of the two. Any number of processes may
 * hold either end. What was written is read in order, each byte once. A write of at most
 * FERRY_PIPE_BUF bytes is atomic: its bytes stand together in the stream, and arrive all or not at
 * all. When the last writer is gone, however it went, readers get what is left and then end of
 * file; when the last reader is gone, writing is -EPIPE.
 *
 * Anonymous pipes (ferry_pipe_pair()) are made in one process and spread by fork() or
 * ferry_pipe_export(); named ones (ferry_pipe_open()) meet at a location. The bytes in a named pipe
 * stay when nobody has it open.
 *
 * Crash: any process may be killed or stopped at any instruction. Completed writes stay; of a write
 * of at most FERRY_PIPE_BUF bytes that was killed, all or nothing arrives; of a longer one, a part
 * from its beginning. Nobody is delayed by more than 50 ms. A writer that is stopped in the middle
 * is passed over; the memory that it may still write into is out of use until it goes on or dies.
 *
 * fork: the child has both the handles and the ends, as with pipe(2): each process closes what it
 * does not need, in any order, and an end is gone when the last process that has it closed it or
 * ended. A reservation that the parent holds stays the parent's (-FERRY_ESTALE in the child). exec
 * closes the ends, except after ferry_pipe_export(). A child of vfork() must not call ferry.
 */
#ifndef FERRY_PIPE_H
#define FERRY_PIPE_H

#include <ferry/base.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_PIPE_BUF          4096 /**< writes of up to so many bytes are atomic */
#define FERRY_PIPE_EXPORT_BYTES 64   /**< room that ferry_pipe_export() always finds enough */

typedef struct ferry_pipe ferry_pipe; /**< one end */

/** Options of ferry_pipe_open(), ferry_pipe_pair() and ferry_pipe_import(). Zero is the default in
 *  every field. */
struct ferry_pipe_options {
	size_t size;       /**< sizeof this struct; FERRY_PIPE_OPTIONS sets it */
	uint32_t flags;    /**< FERRY_EXCLUSIVE, FERRY_EXISTING (named pipes only),
				FERRY_INTERRUPTIBLE, FERRY_SIGPIPE */
	uint32_t mode;     /**< permission bits at creation, less the umask; 0 = 0600 */
	uint64_t capacity; /**< bytes that can wait to be read, rounded up to whole pages; 4096 to
				2^40; 0 = 65536 */
	uint32_t members;  /**< how many handles there can be at once, 2 to 4094; 0 = 256 */
	int64_t spin;      /**< ns to spin before sleeping, this handle only; 0 = $FERRY_SPIN_NS or
				50000; negative = do not spin. Seldom up to 8 times as long:
				ferry(7), FERRY_SPIN_NS */
	struct ferry_why *why; /**< NULL, or where a sentence about a failure goes */
};
#ifndef __cplusplus
/** FERRY_PIPE_OPTIONS(.capacity = 1 << 20): options in place. */
#define FERRY_PIPE_OPTIONS(...)                                                                    \
	(&(const struct ferry_pipe_options){ .size = sizeof(struct ferry_pipe_options),            \
					     __VA_ARGS__ })
#endif

/**
 * Open one end of the pipe at a location, making the pipe first if nothing is there.
 *
 * As with a FIFO, opening waits until the other end is open too, or was opened meanwhile. What
 * exists is opened as it is; asking for a larger capacity than it has is -FERRY_EMISMATCH. All
 * memory is reserved when the pipe is made.
 *
 * @param end      FERRY_READ or FERRY_WRITE; or FERRY_OBSERVE: look only (ferry_pipe_stat()), which
 *                 needs no write permission, does not wait and is no end.
 * @param options  NULL for the defaults.
 * @param deadline How long to wait for the other end. With FERRY_NOW, opening to read succeeds at
 *                 once, and opening to write is -ENXIO if there is no reader.
 *
 * @retval 0
 * @retval -ENXIO      FERRY_WRITE with FERRY_NOW, and nobody has it open to read. A pipe that was
 *                     not there has been made.
 * @retval -ETIMEDOUT  Nobody opened the other end by the deadline.
 * @retval -EINTR      Only with FERRY_INTERRUPTIBLE.
 * @retval -EIDRM      The pipe was removed while we waited.
 * @retval -EINVAL     end is none of those three, an option is out of range, or unknown flags.
 * @retval -E2BIG      options is larger than this library knows, with something set in the rest.
 * @retval -EEXIST, -ENOENT  As FERRY_EXCLUSIVE and FERRY_EXISTING say.
 * @retval -ENOSPC     The file system has no room for it; nothing is left behind.
 * @retval -EACCES     The file's mode forbids it. Both ends need read and write permission.
 * @retval -ELOOP      The last part of the location is a symbolic link.
 * @retval -ENOTDIR    Something on the way is no directory.
 * @retval -ENOMEM, -EMFILE, -ENFILE
 * @retval -FERRY_ELOCATION, -FERRY_EUNSAFE, -FERRY_EFOREIGN, -FERRY_EKIND, -FERRY_EVERSION,
 *         -FERRY_ETRUNCATED, -FERRY_ECORRUPT, -FERRY_EMISMATCH, -FERRY_EMEMBERS
 *
 * Blocking: as deadline says. Crash: a creator killed half-way leaves nothing. Side effects: some
 * descriptors (close-on-exec), mappings; the SIGBUS handler of ferry_mailbox_open(); while somebody
 * sleeps, a thread with all signals but SIGBUS blocked that watches the other end's processes.
 * Since: 0.1
 */
FERRY_API int ferry_pipe_open(ferry_pipe **ret_pipe, const char *location, uint32_t end,
			      const struct ferry_pipe_options *options, ferry_deadline deadline);

/**
 * Make an anonymous pipe: both ends, in this process.
 *
 * The memory is a file without a name (memfd_create(2)), reserved at once. mode and members are
 * used as for a named pipe; FERRY_EXCLUSIVE and FERRY_EXISTING are -EINVAL.
 *
 * @retval 0
 * @retval -EINVAL, -E2BIG, -ENOMEM, -ENOSPC, -EMFILE, -ENFILE
 *
 * Blocking: never. Since: 0.1
 */
FERRY_API int ferry_pipe_pair(ferry_pipe **ret_reader, ferry_pipe **ret_writer,
			      const struct ferry_pipe_options *options);

/**
 * Close this process's end. NULL is allowed. A reservation is given up. No other thread may be
 * using the handle. If it was the last of its end, those who wait at the other end are woken.
 */
FERRY_API void ferry_pipe_close(ferry_pipe *pipe);

/**
 * Read what there is, waiting for at least one byte.
 *
 * @param buffer    Written only as far as bytes were read. May be NULL only if size is 0.
 * @param size      Room at buffer. 0 reads nothing, and returns 0 at once.
 * @param deadline  How long to wait for the first byte.
 *
 * @retval > 0         So many bytes; fewer than size if no more were there.
 * @retval 0           End of file: nothing is left, and no writer has the pipe open. Not for ever:
 *                     a named pipe can be opened to write again.
 * @retval -EAGAIN     Nothing there, a writer is, and deadline is FERRY_NOW.
 * @retval -ETIMEDOUT  Still nothing at the deadline.
 * @retval -EBADF      Not the reading end.
 * @retval -EINVAL     buffer is NULL, or size is more than SSIZE_MAX.
 * @retval -EIDRM      The pipe was removed.
 * @retval -EINTR      Only with FERRY_INTERRUPTIBLE.
 * @retval -FERRY_ECORRUPT  A check failed, now or earlier; the handle is dead.
 * @retval -FERRY_EMEMBERS, -EMFILE  In a forked child at its first call only.
 *
 * Cost: O(bytes). No allocation. A system call only to sleep, to wake someone who sleeps, or, when
 * the pipe is empty, to ask whether there are writers. Crash: if the caller dies inside, the bytes
 * were read or are still there for others. Since: 0.1
 */
FERRY_API ssize_t ferry_pipe_read(ferry_pipe *pipe, void *buffer, size_t size,
				  ferry_deadline deadline);

/** ferry_pipe_read() into n buffers, filled in order. Also -EINVAL: n is negative or above
 *  IOV_MAX (1024), or the sizes add up to more than SSIZE_MAX. */
FERRY_API ssize_t ferry_pipe_readv(ferry_pipe *pipe, const struct iovec *buffers, int n,
				   ferry_deadline deadline);

/**
 * Write all bytes, waiting for room.
 *
 * @param data     Reads size bytes. May be NULL only if size is 0.
 * @param size     Up to FERRY_PIPE_BUF: atomic. More: others' bytes may come between. 0 returns 0.
 * @param deadline How long to wait for room. With FERRY_NOW as much is written as fits (atomic
 *                 writes: all or nothing).
 *
 * @retval > 0         So many bytes are in the pipe: size, or fewer if the deadline passed, the
 *                     last reader went, or the pipe was removed, after a part of more than
 *                     FERRY_PIPE_BUF bytes was written.
 * @retval -EAGAIN     No room (for all of an atomic write), and deadline is FERRY_NOW.
 * @retval -ETIMEDOUT  Nothing could be written by the deadline.
 * @retval -EPIPE      Nobody has the pipe open to read. At once if the caller waits or the last
 *                     reader closed; else up to 10 ms late when that was killed. With
 *                     FERRY_SIGPIPE the thread gets SIGPIPE as well.
 * @retval -EBADF      Not the writing end.
 * @retval -EINVAL     data is NULL, or size is more than SSIZE_MAX.
 * @retval -EIDRM, -EINTR, -FERRY_ECORRUPT, -FERRY_EMEMBERS, -EMFILE  As for ferry_pipe_read().
 *
 * Cost: O(size). No allocation. A system call only to sleep, to wake someone who sleeps, and every
 * few milliseconds to ask whether there are readers. Crash: see the top of this file. Since: 0.1
 */
FERRY_API ssize_t ferry_pipe_write(ferry_pipe *pipe, const void *data, size_t size,
				   ferry_deadline deadline);

/** ferry_pipe_write() from n buffers, as one write of all their bytes. Also -EINVAL as for
 *  ferry_pipe_readv(). */
FERRY_API ssize_t ferry_pipe_writev(ferry_pipe *pipe, const struct iovec *buffers, int n,
				    ferry_deadline deadline);

/** A stretch of the pipe's own memory, from ferry_pipe_peek() or ferry_pipe_reserve(). */
struct ferry_span {
	void *data;       /**< the bytes, contiguous; after peek: not to be written (the memory is
			       mapped read-only) */
	size_t size;      /**< how many */
	uint64_t held[2]; /**< of the library. Do not touch */
};

/**
 * Look at the bytes that would be read next, in place, waiting for at least one.
 *
 * Nothing is held: another reader may read the same bytes, and once it has, writers may overwrite
 * them while the caller still looks. Then ferry_pipe_consume() says so; with one reader that never
 * happens.
 *
 * @param ret_span The bytes that are there, as many as lie together (always all, unless a writer
 *                 was passed over).
 *
 * @retval 1        There are bytes.
 * @retval 0        End of file; *ret_span is empty.
 * @retval -EINVAL  ret_span is NULL.
 * @retval others   As ferry_pipe_read().
 *
 * Cost: as ferry_pipe_read(), without the copy. Since: 0.1
 */
FERRY_API int ferry_pipe_peek(ferry_pipe *pipe, struct ferry_span *ret_span,
			      ferry_deadline deadline);

/**
 * Take the first n bytes of what was looked at out of the pipe: they have been read.
 *
 * May be called more than once on a span while bytes of it are left; data and size move on.
 *
 * @retval 0
 * @retval -EINVAL        n is more than span->size.
 * @retval -FERRY_ESTALE  Another reader was faster; what was seen may have been overwritten, and
 *                        nothing was taken. Look again.
 * @retval -EBADF, -EIDRM, -FERRY_ECORRUPT  As ferry_pipe_read().
 *
 * Blocking: never. Since: 0.1
 */
FERRY_API int ferry_pipe_consume(ferry_pipe *pipe, struct ferry_span *span, size_t n);

/**
 * Reserve room in the pipe, to write into it in place.
 *
 * Until ferry_pipe_commit() it is the caller's turn to write. Others wait for it for 10 ms, then
 * pass it over; commit then copies the bytes. Threads that share the handle wait for each other
 * without that limit: a handle has one reservation at a time.
 *
 * @param size     1 to ferry_pipe_stat.reserve_max, which is at least FERRY_PIPE_BUF.
 * @param ret_span Room for size bytes, contiguous; what is there is old.
 *
 * @retval 0
 * @retval -EMSGSIZE  size is more than reserve_max.
 * @retval -EINVAL    size is 0, or ret_span is NULL.
 * @retval others     As ferry_pipe_write(); -ENOMEM too.
 *
 * Crash: if the caller dies before it commits, nothing of it arrives. Since: 0.1
 */
FERRY_API int ferry_pipe_reserve(ferry_pipe *pipe, size_t size, struct ferry_span *ret_span,
				 ferry_deadline deadline);

/**
 * Write the first n bytes of a reservation, and end it.
 *
 * They arrive together, unless the reservation was passed over and n is more than FERRY_PIPE_BUF.
 * n = 0 gives the reservation up.
 *
 * @param deadline Used only if the reservation was passed over: how long to wait for room again.
 *
 * @retval 0
 * @retval -EINVAL        n is more than span->size. The reservation stands.
 * @retval -FERRY_ESTALE  Not a reservation of this handle (any more).
 * @retval -EAGAIN, -ETIMEDOUT, -EINTR  Passed over, and no room by the deadline. The reservation
 *                        stands, passed over; span->data and span->size are what is left to commit.
 * @retval -EPIPE, -EIDRM, -EBADF, -FERRY_ECORRUPT  As ferry_pipe_write(); the reservation is over.
 *
 * Crash: if the caller dies inside, as for ferry_pipe_write(). Since: 0.1
 */
FERRY_API int ferry_pipe_commit(ferry_pipe *pipe, struct ferry_span *span, size_t n,
				ferry_deadline deadline);

/**
 * Move bytes from the pipe to a descriptor (file, pipe, socket, terminal), from memory to memory.
 *
 * A byte leaves the pipe only after write(2) has taken it, so nothing is lost when the descriptor
 * fails. The pipe should have no other reader meanwhile: one that is faster would see bytes that
 * were moved. A descriptor in blocking mode is written to only when poll(2) says that it is
 * ready, and may still block in write(2) beyond the deadline; give a non-blocking one to have the
 * deadline kept exactly.
 *
 * @param limit     At most so many bytes; UINT64_MAX = until end of file.
 * @param ret_moved How many were moved; written also on failure. May be NULL.
 *
 * @retval 0           limit was reached, or end of file.
 * @retval -EAGAIN     FERRY_NOW, and the pipe is empty or the descriptor not ready.
 * @retval -ETIMEDOUT  The deadline passed.
 * @retval others      As ferry_pipe_read(), and what write(2) says (no SIGPIPE is raised).
 */
FERRY_API int ferry_pipe_drain(ferry_pipe *pipe, int fd, uint64_t limit, uint64_t *ret_moved,
			       ferry_deadline deadline);

/**
 * Move bytes from a descriptor to the pipe, as ferry_pipe_drain() the other way round.
 *
 * Room is waited for before a byte is read, so nothing is lost when the last reader goes: what
 * read(2) gave is in the pipe, for the next reader, and counted in *ret_moved (the exception is a
 * reservation that was passed over while read(2) took longer than 10 ms, if other writers have
 * filled the pipe meanwhile and the last reader has gone).
 *
 * @retval 0  limit was reached, or read(2) said end of file.
 * @retval others  As ferry_pipe_write(), and what read(2) says.
 */
FERRY_API int ferry_pipe_fill(ferry_pipe *pipe, int fd, uint64_t limit, uint64_t *ret_moved,
			      ferry_deadline deadline);

/** Reads along: sees the bytes that pass, and takes none. */
typedef struct ferry_pipe_tap ferry_pipe_tap;

/**
 * Begin to read along in a pipe, from the next byte on.
 *
 * A tap is no end: a FERRY_OBSERVE handle is enough, which needs no write permission. It changes
 * nothing and costs readers and writers nothing; so nobody waits for it either. What it does not
 * look at in time is overwritten, and counted as missed.
 *
 * @param pipe Any handle; outlives the tap. Several taps of one handle are independent of each
 *             other.
 *
 * @retval 0
 * @retval -EINVAL  ret_tap or pipe is NULL.
 * @retval -ENOMEM, -EIDRM, -FERRY_ECORRUPT
 *
 * Blocking: never. Since: 0.1
 */
FERRY_API int ferry_pipe_tap_open(ferry_pipe_tap **ret_tap, ferry_pipe *pipe);

/**
 * Copy the bytes that passed since the last call, also when they have been read meanwhile.
 *
 * Every byte written after ferry_pipe_tap_open() is either shown, in order, or counted as missed;
 * what was missed lies before the bytes that the same call shows. A byte can be seen until about
 * the pipe's capacity has been written after it. While a stopped writer that was passed over may
 * still write into the pipe, only until it has been read. There is no end of file for a tap: the
 * pipe can be opened again.
 *
 * @param buffer     Its bytes are undefined unless some were shown.
 * @param size       Room at buffer, at least 1.
 * @param ret_missed NULL, or where to add up how many bytes were missed. Raised whatever the result
 *                   is. Exact, unless a process is killed or stopped between giving a turn back
 *                   and counting what it left out.
 *
 * @retval > 0        So many bytes.
 * @retval -EAGAIN    Nothing new, and deadline is FERRY_NOW.
 * @retval -ETIMEDOUT Nothing new by the deadline.
 * @retval -EINVAL    A pointer is NULL, or size is 0 or more than SSIZE_MAX.
 * @retval -EIDRM, -EINTR, -FERRY_ECORRUPT  As for ferry_pipe_read().
 *
 * Cost: O(bytes). Waiting: nobody can wake a tap. It looks again after 50 us, then after twice as
 * long each time, up to 10 ms. Safety: one thread at a time uses a tap. fork: parent and child go
 * on independently. Since: 0.1
 */
FERRY_API ssize_t ferry_pipe_tap_read(ferry_pipe_tap *tap, void *buffer, size_t size,
				      uint64_t *ret_missed, ferry_deadline deadline);

/** End it. NULL is allowed. */
FERRY_API void ferry_pipe_tap_close(ferry_pipe_tap *tap);

/** A pipe as ferry_pipe_stat() sees it. */
struct ferry_pipe_stat {
	uint64_t capacity;        /**< bytes that can wait */
	uint64_t bytes;           /**< that wait to be read now */
	uint64_t written;         /**< bytes since it was made */
	uint64_t read;            /**< bytes since it was made */
	uint64_t reserve_max;     /**< largest reservation */
	uint64_t passed_over;     /**< times that a stopped writer lost its turn */
	uint64_t quarantined;     /**< bytes out of use now, since such writers may write there */
	uint32_t readers;         /**< handles that can read; forked copies that have not called
				       ferry yet are not counted here */
	uint32_t writers;         /**< handles that can write */
	uint32_t waiting_readers; /**< threads asleep until there are bytes */
	uint32_t waiting_writers; /**< threads asleep until there is room */
	int has_reader;           /**< 1 if anybody has the reading end open */
	int has_writer;           /**< 1 if anybody has the writing end open */
	int removed;
};

/** Look at a pipe, without disturbing anybody, also when all others are stopped. For any handle.
 *  -EINVAL, -FERRY_ECORRUPT. */
FERRY_API int ferry_pipe_stat(ferry_pipe *pipe, struct ferry_pipe_stat *ret_stat);

/**
 * Let a program that is started by exec have this end: its descriptors stay open across exec from
 * now on, and a text says which they are, for the command line or environment.
 *
 * Every child made from now on inherits them. Close the handle in the process that must not keep
 * the end, as always.
 *
 * @param text Room for n bytes; FERRY_PIPE_EXPORT_BYTES is always enough. "ferry-pipe:r:7,8".
 *
 * @retval > 0      The length of the text without its terminator.
 * @retval -ERANGE  It does not fit; nothing was changed.
 * @retval -EINVAL, -EBADF (an observer's handle), or -errno of fcntl(2)
 */
FERRY_API int ferry_pipe_export(ferry_pipe *pipe, char *text, size_t n);

/**
 * Open the end that ferry_pipe_export() described, in the program that was started.
 *
 * The descriptors become the handle's, and close-on-exec again.
 *
 * @param options NULL, or flags (FERRY_INTERRUPTIBLE, FERRY_SIGPIPE), spin and why.
 *
 * @retval 0
 * @retval -EINVAL   text is not such a description.
 * @retval -EBADF    Its descriptors are not open.
 * @retval -FERRY_EFOREIGN  They are something else.
 * @retval others    As ferry_pipe_open().
 */
FERRY_API int ferry_pipe_import(ferry_pipe **ret_pipe, const char *text,
				const struct ferry_pipe_options *options);

#ifdef __cplusplus
}
#endif
#endif
