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
	uint64_t max_bytes; /**< up to which it can grow; 0 = bytes: it cannot. At most 2^43 */
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
 * one mapping, of max_bytes; a SIGBUS handler as ferry_mailbox_open() installs it. Since: 0.1
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
 * open. A mapping that is FERRY_READ_ONLY must not be written to. MT-Safe, AS-Safe. Since: 0.1
 */
FERRY_API void *ferry_segment_address(const ferry_segment *segment);

/**
 * How many bytes there are at ferry_segment_address() just now: at least as many as at the last
 * call, more once anybody has made it grow. Bytes beyond are not there: touching them is a mistake
 * that makes the handle unusable (-FERRY_ECORRUPT). MT-Safe. Since: 0.1
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
 * Crash: killed half-way, the size is the old one or the new one. Since: 0.1
 */
FERRY_API int ferry_segment_grow(ferry_segment *segment, uint64_t bytes);

/** What a segment is like, and what its arena holds. */
struct ferry_segment_stat {
	uint64_t bytes;     /**< of memory now */
	uint64_t max_bytes; /**< up to which it can grow */
	int arena;          /**< 1: ferry manages the memory; the figures below are not 0 then */
	uint32_t members_alive; /**< read-only handles are no members */
	uint32_t members_dead;  /**< not yet cleaned up */
	uint64_t recovered;     /**< dead members that others cleaned up after */
	uint64_t blocks;        /**< in use, those of named roots included */
	uint64_t block_bytes;   /**< in those, as they were rounded up */
	uint64_t unpublished;   /**< blocks that are one member's alone */
	uint64_t unpublished_bytes;
	uint64_t free_bytes; /**< vacant: whole pages, and blocks of pages that are shared out */
	uint64_t free_pages_bytes; /**< of those, in whole pages */
	uint64_t largest_free;     /**< bytes of the largest free piece */
	uint32_t locks;            /**< and the like in it, that are known (ferry/sync.h) */
	uint32_t lock_holders;     /**< owners of them, and those who share */
	uint32_t lock_waiters;     /**< asleep for one of them; ferry_sync_list() tells who */
};

/**
 * Look at a segment. Disturbs nobody; works while every other member is stopped, and on a read-only
 * handle. Looks at every page of an arena; the figures are not from one instant while others work.
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
 * MT-Safe. Since: 0.1
 */
FERRY_API int ferry_segment_reference(ferry_segment *segment, const void *pointer, size_t size,
				      ferry_reference *ret_reference);

/**
 * The address of size bytes at a reference; NULL if they are not within the memory as it is now, if
 * the reference is not a multiple of alignment (a power of two), or is 0. So one can follow
 * references that a broken peer wrote, and at worst read nonsense. MT-Safe. Since: 0.1
 */
FERRY_API void *ferry_segment_pointer(ferry_segment *segment, ferry_reference reference,
				      size_t size, size_t alignment);

/*
 * The arena: memory in blocks, for a segment that was made with the option arena.
 *
 * A new block is its member's alone. Published, it is everybody's. If its member closes the handle
 * or dies before that, the block is free again. Any member may free a published block, and its own
 * unpublished ones. Nothing here ever waits for another member.
 */

/**
 * Allocate a block.
 *
 * @param size          1 or more. Blocks of less than 64 bytes are aligned to 16 bytes, others to
 *                      64; those beyond 4096 to whole pages. The bytes are not cleared.
 * @param ret_reference ferry_segment_pointer() makes an address of it.
 *
 * @retval 0
 * @retval -EINVAL      size is 0.
 * @retval -ENOSPC      No room, or not in one piece; ferry_segment_grow() may help.
 * @retval -EOPNOTSUPP  The segment has no arena.
 * @retval -EBADF       The handle is FERRY_READ_ONLY.
 * @retval -EIDRM, -FERRY_ECORRUPT
 *
 * Cost: one compare-and-swap as long as blocks of that size come and go; a search where memory runs
 * short. Safety: MT-Safe. AS-Unsafe. Crash: a block that was not published is reclaimed, by whoever
 * joins, or runs out of room, or by ferry_object_repair(). Since: 0.1
 */
FERRY_API int ferry_segment_allocate(ferry_segment *segment, size_t size,
				     ferry_reference *ret_reference);

/**
 * Free a block. A reference that is 0 is no mistake.
 *
 * @retval 0
 * @retval -FERRY_EBLOCK  No block in use begins there: freed before, or never allocated. Nothing
 * has changed. (Freed before, and allocated anew since, cannot be told from a right one.)
 * @retval -EPERM         It is another member's, and not published; or somebody is just taking it.
 * @retval others as for ferry_segment_allocate()
 *
 * Crash: the block is in use or free, never in between. Since: 0.1
 */
FERRY_API int ferry_segment_free(ferry_segment *segment, ferry_reference reference);

/**
 * Make a block of the caller's everybody's, by storing its reference in a place in the segment: a
 * root, or a field of another block. Whoever dies in it, either the place holds the block, or the
 * place is as it was and the block is reclaimed.
 *
 * @param place     8-byte aligned, within the memory. Read it with ferry_reference_load().
 * @param expected  What it must hold now; so a list can be pushed on by many at once.
 *
 * @retval 0
 * @retval -EAGAIN        The place does not hold expected (any more); nothing has changed.
 * @retval -EFAULT        place is not within the memory, or not aligned.
 * @retval -EPERM         The block is another member's.
 * @retval -FERRY_EBLOCK  reference is not a block of the caller's: it is published, or free.
 * @retval others as for ferry_segment_allocate()
 *
 * What lies in a place may be replaced by this call at any time. Who changes it by hand does that
 * under a lock that its publishers hold too, and that tells of a dead owner (ferry_lock does, and
 * has the dead one's blocks in order before). Cost: four compare-and-swaps. Safety: MT-Safe. Since:
 * 0.1
 */
FERRY_API int ferry_segment_publish(ferry_segment *segment, ferry_reference reference,
				    ferry_reference *place, ferry_reference expected);

/**
 * Take a published block out of the place that holds it: the place gets the replacement, and the
 * block is the caller's alone, who may read it, and publish it elsewhere, or free it. If the caller
 * dies in here, the block is in its place or is reclaimed.
 *
 * The caller is the only one who changes that place during the call: by a lock, or because nobody
 * else does.
 *
 * @retval 0
 * @retval -EAGAIN        The place does not hold expected.
 * @retval -EINVAL        replacement is expected.
 * @retval -FERRY_EBLOCK  expected is not a published block.
 * @retval others as for ferry_segment_publish()
 */
FERRY_API int ferry_segment_take(ferry_segment *segment, ferry_reference *place,
				 ferry_reference expected, ferry_reference replacement);

/** How many bytes the block at a reference has, which may be more than were asked for. 0;
 *  -FERRY_EBLOCK, and others as for ferry_segment_stat(). */
FERRY_API int ferry_segment_block_size(ferry_segment *segment, ferry_reference reference,
				       size_t *ret_size);

#define FERRY_SEGMENT_NAME_BYTES 48 /**< of a root's name, its terminator included */

/**
 * The place of a name, by which processes find each other's data: 0 at first, then what is
 * published into it. A name that is not there is made (unless the handle is read-only), and stays.
 *
 * @param name      1 to 47 bytes. Up to 65536 names; each takes 64 bytes of the arena.
 * @param ret_place Good for as long as the handle is open, in this process.
 *
 * @retval 0
 * @retval -EINVAL   The name is empty or too long.
 * @retval -ENOENT   The handle is FERRY_READ_ONLY, and there is no such name.
 * @retval -ENOSPC, -EOPNOTSUPP, -EIDRM, -FERRY_ECORRUPT  As for ferry_segment_allocate().
 *
 * Crash: the name is there with its place, or not at all; the same name is never there twice.
 * Since: 0.1
 */
FERRY_API int ferry_segment_root(ferry_segment *segment, const char *name,
				 ferry_reference **ret_place);

/** What a place holds, such that the block's content is seen too. AS-Safe. */
static inline ferry_reference ferry_reference_load(const ferry_reference *place)
{
	return __atomic_load_n(place, __ATOMIC_ACQUIRE);
}

#ifdef __cplusplus
}
#endif
#endif
