/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/object.h
 * What can be done with any object at a location, whatever its kind: look, list, repair, remove.
 *
 * A location is a bare name ("orders"; 1 to 200 bytes, not beginning with a dot, without slash,
 * colon and control characters), which is a file in the caller's own ferry directory
 * ($FERRY_DIR, or /dev/shm/ferry-UID, mode 0700, made when first needed); a path with a slash in
 * it ("/run/app/orders", "./orders"), which is that file; or a System V style number
 * ("key:0x1234"), which is a file of that name in the ferry directory.
 */
#ifndef FERRY_OBJECT_H
#define FERRY_OBJECT_H

#include <ferry/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ferry_kind {
	FERRY_KIND_MAILBOX = 1,
	FERRY_KIND_SEGMENT = 2,
	FERRY_KIND_PIPE = 3,
};

/** The word for a kind ("mailbox"), or "unknown". MT-Safe, AS-Safe. */
FERRY_API const char *ferry_kind_name(enum ferry_kind kind);

/** One process (strictly: one open handle) that has an object open. */
struct ferry_member {
	uint32_t number;    /**< its slot in the object */
	pid_t pid;          /**< as its own PID namespace counts; not unique across namespaces */
	uint64_t started;   /**< start time of the process in clock ticks since boot (proc(5)) */
	int alive;          /**< 1, or 0 if it died and nobody has cleaned up after it yet */
	int same_namespace; /**< 1 if pid means the same to the caller */
	uint32_t waiting_receivers; /**< threads asleep in a receive */
	uint32_t waiting_senders;   /**< threads asleep in a send */
	char program[32];           /**< the program's name, cut to fit; control bytes replaced */
};

/** What is known of an object without joining it. */
struct ferry_object_stat {
	enum ferry_kind kind;
	uint32_t layout; /**< the layout version in the file */
	uint32_t mode;   /**< permission bits */
	uid_t uid;
	gid_t gid;
	uint64_t file_bytes; /**< bytes reserved */
	uint32_t members_alive;
	uint32_t members_dead; /**< died, not yet cleaned up */
	int removed;           /**< 1: marked as removed, the name is a leftover */
};

/**
 * Look at the object at a location. Disturbs nobody and joins nothing: works on a read-only file
 * and while every member is stopped.
 *
 * @param why      NULL, or where a sentence about a failure goes.
 *
 * @retval 0
 * @retval -ENOENT            Nothing is there.
 * @retval -EACCES            The file's mode forbids it.
 * @retval -ELOOP             The last part is a symbolic link.
 * @retval -ENOTDIR           Something on the way is no directory.
 * @retval -FERRY_ELOCATION, -FERRY_EUNSAFE, -FERRY_EFOREIGN, -FERRY_EKIND (a kind
 *         that this library does not know), -FERRY_EVERSION, -FERRY_ETRUNCATED, -FERRY_ECORRUPT
 *
 * Safety: MT-Safe. Blocking: never. Since: 0.1
 */
FERRY_API int ferry_object_stat(const char *location, struct ferry_object_stat *ret_stat,
				struct ferry_why *why);

/**
 * List the members of the object at a location, dead ones that nobody has cleaned up included.
 *
 * @param ret_members Room for n entries; may be NULL if n is 0.
 * @return The number of members there are, which may be more than n; or an error as from
 *         ferry_object_stat().
 */
FERRY_API int ferry_object_members(const char *location, struct ferry_member *ret_members, size_t n,
				   struct ferry_why *why);

/** What ferry_object_repair() found and did. */
struct ferry_repair {
	uint32_t members;  /**< dead members whose slot was freed */
	uint32_t messages; /**< messages that they had taken and that wait again */
	uint64_t bytes;    /**< payload bytes that they held and that are free again */
	uint32_t blocks;   /**< of a segment's arena, that they had not published; in bytes too */
	int unlinked;      /**< 1: the object was marked as removed, its leftover name is gone */
};

/**
 * Clean up after dead members. Never needed for the contract, since members do it as they go; for
 * an object that nobody uses just now. Disturbs no live member.
 *
 * @param dry_run Non-zero: report only, change nothing (messages, bytes and blocks are then
 * estimates).
 */
FERRY_API int ferry_object_repair(const char *location, int dry_run,
				  struct ferry_repair *ret_repair, struct ferry_why *why);

/**
 * Remove the object at a location: its name goes, and everyone who waits in it or calls it from now
 * on gets -EIDRM. The memory goes when the last member closes. A file that is not a ferry object
 * is not touched.
 *
 * @retval 0
 * @retval -ENOENT  Nothing is there.
 * @retval -EACCES, -EPERM  The file or directory may not be written.
 * @retval others as from ferry_object_stat(); -FERRY_EVERSION leaves the file alone.
 *
 * Crash:  killed half-way, the object is either untouched, or marked as removed with its name (or a
 *         hidden one, .ferry-old-...) left over. The next open of that name clears the name away,
 * the next removal in that directory, or ferry_object_repair(), the hidden one.
 */
FERRY_API int ferry_remove(const char *location, struct ferry_why *why);

/**
 * The file that a location stands for.
 *
 * @param ret_path Room for n bytes, the terminator included.
 * @retval >= 0              The length without terminator.
 * @retval -ERANGE           It does not fit into n.
 * @retval -FERRY_ELOCATION  Not a location.
 */
FERRY_API int ferry_location_path(const char *location, char *ret_path, size_t n);

/**
 * Call back for each entry of a directory that may be a ferry object.
 *
 * @param directory NULL for the caller's own ferry directory (which need not exist: then none).
 * @param visit     Gets the entry's name, a location that opens it, and context; what it returns
 *                  other than 0 ends the walk and is returned.
 */
FERRY_API int ferry_list(const char *directory,
			 int (*visit)(const char *name, const char *location, void *context),
			 void *context, struct ferry_why *why);

#ifdef __cplusplus
}
#endif
#endif
