/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/segment.h
 * Segments: the same memory for every process that opens the same location.
 *
 * A segment has a size and may grow, in place, up to a maximum fixed when it is made: what was
 * handed out stays where it is. It outlives its processes until it is removed. It is mapped at a
 * different address in each process, so what lies in it refers to other things in it by
 * ferry_reference, not by pointer.
 *
 * Crash: any member may be killed or stopped at any instruction of any function here; the others go
 * on. What the program itself was writing into the memory is the program's business: ferry_lock
 * tells the next owner that the last one died.
 *
 * fork: the child may use the handle: it becomes a member of its own at its first call; the memory
 * is shared with the parent. exec closes the handle. A child of vfork() must not call ferry.
 */
#ifndef FERRY_SEGMENT_H
#define FERRY_SEGMENT_H

#include <ferry/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ferry_segment ferry_segment;

/**
 * A place in a segment, the same in every process: bytes from the beginning of its file. 0 is no
 * place. May itself lie in the segment, 8-byte aligned.
 */
typedef uint64_t ferry_reference;

/** Options of ferry_segment_open(). Zero is the default in every field. */
struct ferry_segment_options {
	size_t size;        /**< sizeof this struct; FERRY_SEGMENT_OPTIONS sets it */
	uint32_t flags;     /**< FERRY_EXCLUSIVE, _EXISTING, _READ_ONLY, _HUGE_PAGES, _PREFAULT,
				 _LOCK_MEMORY, _INTERRUPTIBLE */
	uint32_t mode;      /**< permission bits at creation, less the umask; 0 = 0600 */
	uint64_t bytes;     /**< of memory wanted, rounded up to whole pages; 0 = what is there */
	uint64_t max_bytes; /**< up to which it can grow; 0 = bytes: it cannot. At most 2^44 */
	uint32_t members;   /**< how many can have it open at once, 1 to 4094; 0 = 256 */
	int arena;          /**< non-zero: ferry manages the memory; see ferry_segment_allocate() */
	struct ferry_why *why; /**< NULL, or where a sentence about a failure goes */
};
#ifndef __cplusplus
/** FERRY_SEGMENT_OPTIONS(.bytes = 1 << 20, .flags = FERRY_EXCLUSIVE): options in place. */
#define FERRY_SEGMENT_OPTIONS(...)                                                                 \
	(&(const struct ferry_segment_options){ .size = sizeof(struct ferry_segment_options),      \
						__VA_ARGS__ })
#endif

/**
 * Open the segment at a location, making it first if nothing is there. New memory is zero, and all
 * of it is reserved: touching it later never fails.
 *
 * Sizes follow shmget(2): what exists is opened with its own size if that is at least what was
 * asked for (0 asks for nothing); if it is smaller, -FERRY_EMISMATCH (shmget: EINVAL; see
 * ferry_segment_grow()). To make one of 0 bytes is -EINVAL.
 *
 * FERRY_READ_ONLY: mapped such that the kernel refuses every write (SIGSEGV), and read permission
 * is enough; the handle is no member, so it does not show in the list of members. FERRY_HUGE_PAGES:
 * -EOPNOTSUPP if the file system at the location does not give huge pages. FERRY_PREFAULT,
 * FERRY_LOCK_MEMORY: for this handle only, for the size it has and what it grows by.
 *
 * @retval 0
 * @retval -EINVAL   An option is out of range, or unknown flags, or size is wrong; nothing is
 * there, and bytes is 0.
 * @retval -E2BIG    options is larger than this library knows, with something set in the rest.
 * @retval -EEXIST, -ENOENT  As FERRY_EXCLUSIVE and FERRY_EXISTING say.
 * @retval -ENOSPC   The file system has no room for it; nothing is left behind.
 * @retval -EACCES   The file's mode forbids it. Members need read and write permission.
 * @retval -ELOOP    The last part of the location is a symbolic link.
 * @retval -ENOTDIR  Something on the way is no directory.
 * @retval -EOPNOTSUPP  FERRY_HUGE_PAGES, and there are none.
 * @retval -ENOMEM   Also: FERRY_LOCK_MEMORY, and more than RLIMIT_MEMLOCK allows; no address space
 *                   for max_bytes.
 * @retval -EPERM    FERRY_LOCK_MEMORY, and RLIMIT_MEMLOCK is 0.
 * @retval -EMFILE, -ENFILE
 * @retval -FERRY_ELOCATION, -FERRY_EUNSAFE, -FERRY_EFOREIGN, -FERRY_EKIND, -FERRY_EVERSION,
 *         -FERRY_ETRUNCATED, -FERRY_ECORRUPT, -FERRY_EMEMBERS
 * @retval -FERRY_EMISMATCH  It exists with less than was asked for, or without the arena that was.
 *
 * Blocking: never, but for the time that touching pages takes. Crash: a creator killed half-way
 * leaves nothing; nobody ever sees half a segment. Side effects: one descriptor (close-on-exec) and
 * one mapping, of max_bytes; a SIGBUS handler as ferry_mailbox_open() installs it. Since: 0.2
 */
FERRY_API int ferry_segment_open(ferry_segment **ret_segment, const char *location,
				 const struct ferry_segment_options *options);

/**
 * Close a handle: the memory is unmapped, what was allocated through it and not published is freed.
 * NULL is allowed. No other thread may be using the handle or the memory.
 */
FERRY_API void ferry_segment_close(ferry_segment *segment);

/**
 * Where the memory begins in this process; page-aligned, and the same for as long as the handle is
 * open. A mapping that is FERRY_READ_ONLY must not be written to. MT-Safe, AS-Safe. Since: 0.2
 */
FERRY_API void *ferry_segment_address(const ferry_segment *segment);

/**
 * How many bytes there are at ferry_segment_address() just now: at least as many as at the last
 * call, more once anybody has made it grow. Bytes beyond are not there: touching them is a mistake
 * that makes the handle unusable (-FERRY_ECORRUPT). MT-Safe. Since: 0.2
 */
FERRY_API size_t ferry_segment_size(ferry_segment *segment);

/**
 * Make it at least so large; nothing moves. If it is that large already, nothing happens: a segment
 * never shrinks. Every member sees the new size in ferry_segment_size() at once.
 *
 * @param bytes Of memory in all, rounded up to whole pages.
 *
 * @retval 0
 * @retval -ERANGE   More than the max_bytes it was made with.
 * @retval -ENOSPC   No room in the file system; all is as it was.
 * @retval -EBADF    The handle is FERRY_READ_ONLY.
 * @retval -EIDRM, -FERRY_ECORRUPT, -ENOMEM, -EPERM (as for open, with FERRY_LOCK_MEMORY; it has
 *         grown nevertheless)
 *
 * Crash: killed half-way, the size is the old one or the new one. Since: 0.2
 */
FERRY_API int ferry_segment_grow(ferry_segment *segment, uint64_t bytes);

/** What a segment is like. */
struct ferry_segment_stat {
	uint64_t bytes;         /**< of memory now */
	uint64_t max_bytes;     /**< up to which it can grow */
	int arena;              /**< 1: ferry manages the memory */
	uint32_t members_alive; /**< read-only handles are no members */
	uint32_t members_dead;  /**< not yet cleaned up */
	uint64_t recovered;     /**< dead members that others cleaned up after */
};

/**
 * Look at a segment. Disturbs nobody; works while every other member is stopped, and on a read-only
 * handle.
 *
 * @retval 0, -EIDRM, -FERRY_ECORRUPT
 */
FERRY_API int ferry_segment_stat(ferry_segment *segment, struct ferry_segment_stat *ret_stat);

/**
 * The place of size bytes at pointer, which lies in this process's mapping of the segment.
 *
 * @retval 0
 * @retval -EFAULT  They are not within the memory; ret_reference is left alone.
 *
 * MT-Safe. Since: 0.2
 */
FERRY_API int ferry_segment_reference(ferry_segment *segment, const void *pointer, size_t size,
				      ferry_reference *ret_reference);

/**
 * The address of size bytes at a reference; NULL if they are not within the memory as it is now, if
 * the reference is not a multiple of alignment (a power of two), or is 0. So one can follow
 * references that a broken peer wrote, and at worst read nonsense. MT-Safe. Since: 0.2
 */
FERRY_API void *ferry_segment_pointer(ferry_segment *segment, ferry_reference reference,
				      size_t size, size_t alignment);

#ifdef __cplusplus
}
#endif
#endif
