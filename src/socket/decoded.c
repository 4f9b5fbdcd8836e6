/* SPDX-License-Identifier: MIT */
/* decoded.c - see decoded.h. */
#include "decoded.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fd_of(const struct fy_decoded *decoded)
{
	/* SYNC(decoded.fd) acquire: pairs with the release in fy_decoded_fd(). Sequentially
	 * consistent: bytes were left, and then we look for one who wants to know; he is there, and
	 * then looks for bytes. */
	return atomic_load_explicit(&decoded->fd, memory_order_seq_cst);
}

void fy_decoded_init(struct fy_decoded *decoded)
{
	/* RELAXED(nobody else has the handle yet) */
	atomic_init(&decoded->fd, -1);
	/* RELAXED(nobody else has the handle yet) */
	atomic_init(&decoded->told, 0);
}

void fy_decoded_end(struct fy_decoded *decoded)
{
	int fd = fd_of(decoded);

	if (fd >= 0)
		(void)close(fd);
}

int fy_decoded_fd(struct fy_decoded *decoded)
{
	int fd = fd_of(decoded);

	if (fd >= 0)
		return fd;
	int none = -1;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	/* SYNC(decoded.fd) release: pairs with the acquire in fd_of(). */
	if (atomic_compare_exchange_strong_explicit(&decoded->fd, &none, fd, memory_order_seq_cst,
						    memory_order_seq_cst))
		return fd;
	(void)close(fd);
	return none;
}

size_t fy_decoded_look(struct fy_decoded *decoded, struct fy_tls *tls)
{
	/* SYNC(decoded.told) release: pairs with the acquire in fy_decoded_tell(). Before we look:
	 * who leaves bytes after our look tells of them. */
	atomic_store_explicit(&decoded->told, 0, memory_order_seq_cst);
	return fy_tls_use()->pending(tls);
}

void fy_decoded_tell(struct fy_decoded *decoded, struct fy_tls *tls)
{
	const uint64_t one = 1;
	int fd = fd_of(decoded);

	if (fd < 0 || fy_tls_use()->pending(tls) == 0)
		return;
	/* SYNC(decoded.told) acquire: pairs with the release in fy_decoded_look(). */
	if (atomic_exchange_explicit(&decoded->told, 1, memory_order_seq_cst) != 0)
		return;
	int saved = errno;
	(void)syscall(SYS_write, fd, &one, sizeof(one));
	errno = saved;
}
