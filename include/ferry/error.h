/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/error.h
 * ferry's own error numbers. They begin at 4096, where the kernel's errno numbers end, so both
 * share one negative result. This table feeds C, the man page ferry-errors(7) and the tool.
 */
#ifndef FERRY_ERROR_H
#define FERRY_ERROR_H

#include <ferry/base.h>

/* X(name, number, sentence) */
#define FERRY_ERROR_TABLE(X)                                                                       \
	X(FERRY_ECORRUPT, 4096, "the object's memory failed a check, or its file was cut short")   \
	X(FERRY_EFOREIGN, 4097, "the file is not a ferry object")                                  \
	X(FERRY_EKIND, 4098, "the ferry object is of another kind")                                \
	X(FERRY_EVERSION, 4099, "the object's layout has a version that this library cannot read") \
	X(FERRY_ETRUNCATED, 4100, "the file is shorter than its header says")                      \
	X(FERRY_ELOCATION, 4101, "the location is not a valid name, path or key")                  \
	X(FERRY_EUNSAFE, 4102, "the directory or file could have been planted by another user")    \
	X(FERRY_EMISMATCH, 4103, "the object exists and is smaller than what was asked for")       \
	X(FERRY_EMEMBERS, 4104, "the object has no room for one more member")                      \
	X(FERRY_ESTALE, 4105, "the message or loan is not held by this handle (any more)")         \
	X(FERRY_EBLOCK, 4115, "the reference is not a block of the arena that is in use")          \
	X(FERRY_EREPLACED, 4121, "somebody else has set the signal's action since")                \
	X(FERRY_ENAMESPACE, 4122, "the process lives in another PID namespace")                    \
	X(FERRY_EADDRESS, 4130, "the text is not an address")                                      \
	X(FERRY_EHOST, 4131, "there is no host of that name")                                      \
	X(FERRY_ERESOLVER, 4132, "the name servers do not answer properly")                        \
	X(FERRY_ETLS, 4133, "the peer, its certificate or ours failed a check of TLS")             \
	X(FERRY_ENOTLS, 4134, "TLS is not part of this installation")

enum ferry_error {
#define FERRY_ERROR_ENUM(name, number, text) name = number,
	FERRY_ERROR_TABLE(FERRY_ERROR_ENUM)
#undef FERRY_ERROR_ENUM
};

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The sentence for a result of any ferry function.
 *
 * @param error A result; its sign does not matter. 0 gives "success".
 * @return A constant string, never NULL.
 *
 * Safety: MT-Safe, AS-Safe.
 */
FERRY_API const char *ferry_strerror(int error);

/** The symbol for a result, such as "EAGAIN" or "FERRY_ECORRUPT"; "E?" for a number that is
 *  neither. MT-Safe, AS-Safe. */
FERRY_API const char *ferry_error_name(int error);

#ifdef __cplusplus
}
#endif
#endif
