/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/mailbox.h
 * Mailboxes: message queues in shared memory, for any number of senders and receivers.
 *
 * A message is 0 bytes or more, arrives whole or not at all, stays until it is received, and
 * outlives its sender. Higher priorities are received first; within one priority the message whose
 * send returned first is received first. Messages up to FERRY_MAILBOX_INLINE bytes cost one or two
 * cache lines; longer ones lie in the mailbox's payload memory and can be written and read in
 * place.
 *
 * Crash: any member may be killed or stopped at any instruction. A send that was killed happened or
 * did not; a message taken by a receiver that died comes again, first, with its delivery count
 * raised. Others are delayed by at most 50 ms. What a stopped member holds (its loans, what it
 * took) is out of use until it goes on or dies.
 *
 * FERRY_ONE_TO_ONE at creation: at most one live handle sends and one receives (one may do both). A
 * handle takes a role at open if it is FERRY_SEND_ONLY or FERRY_RECEIVE_ONLY, else at its first
 * call that sends (send, loan) or receives (receive, take, peek), and keeps it until it closes or
 * its process dies. Who comes second gets -EBUSY until then, from that call or from open. In each
 * role one thread at a time may act: two that send through one handle at once mix up their
 * messages. Such a mailbox has one priority and cannot drop its oldest (-EINVAL); expired messages
 * keep their room until the receiver passes them. A forked child begins without roles, the parent
 * keeps its own.
 *
 * fork: the child may use the handle: it becomes a member of its own at its first call. Messages
 * and loans that the parent held remain the parent's (-FERRY_ESTALE in the child). exec closes the
 * handle. A child of vfork() must not call ferry (POSIX allows it only exec and _exit).
 */
#ifndef FERRY_MAILBOX_H
#define FERRY_MAILBOX_H

#include <ferry/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_MAILBOX_INLINE         112 /**< bytes that travel within the cell itself */
#define FERRY_MAILBOX_PRIORITIES_MAX 32

typedef struct ferry_mailbox ferry_mailbox;

/** Options of ferry_mailbox_open(). Zero is the default in every field. */
struct ferry_mailbox_options {
	size_t size;    /**< sizeof this struct; FERRY_MAILBOX_OPTIONS sets it */
	uint32_t flags; /**< FERRY_EXCLUSIVE ... of ferry/base.h */
	uint32_t mode;  /**< permission bits at creation, less the umask; 0 = 0600 */
	uint64_t
	    max_size; /**< bytes of the largest message; 0 = 65536, or memory if that is less */
	uint32_t messages;   /**< room at each priority, 1 to 1048576; 0 = 256 */
	uint32_t priorities; /**< number of priorities, 1 to 32; 0 = 1 */
	uint64_t
	    memory;       /**< bytes for payloads beyond FERRY_MAILBOX_INLINE; at least max_size;
			       0 = 8 times max_size (less where max_size is large, at least 2 times) */
	uint32_t members; /**< how many can have it open at once, 1 to 4094; 0 = 1024 */
	int64_t spin;     /**< ns to spin before sleeping, this handle only; 0 = $FERRY_SPIN_NS or
			       50000; negative = do not spin. Seldom up to 8 times as long:
			       ferry(7), FERRY_SPIN_NS */
	struct ferry_why *why; /**< NULL, or where a sentence about a failure goes */
};
#ifndef __cplusplus
/** FERRY_MAILBOX_OPTIONS(.messages = 10, .flags = FERRY_EXCLUSIVE): options in place. */
#define FERRY_MAILBOX_OPTIONS(...)                                                                 \
	(&(const struct ferry_mailbox_options){ .size = sizeof(struct ferry_mailbox_options),      \
						__VA_ARGS__ })
#endif

/**
 * Open the mailbox at a location, making it first if nothing is there.
 *
 * What exists is opened as it is; asking for more than it has (max_size, messages, priorities,
 * memory given and larger than its own) is -FERRY_EMISMATCH. All memory is reserved here: later
 * calls never run out of it.
 *
 * @param options NULL for the defaults.
 *
 * @retval 0
 * @retval -EINVAL   An option is out of range, or unknown flags, or size is wrong.
 * @retval -E2BIG    options is larger than this library knows, with something set in the rest.
 * @retval -EEXIST, -ENOENT  As FERRY_EXCLUSIVE and FERRY_EXISTING say.
 * @retval -ENOSPC   The file system has no room for it; nothing is left behind.
 * @retval -EACCES   The file's mode forbids it. Members need read and write permission.
 * @retval -EBUSY    FERRY_SEND_ONLY or FERRY_RECEIVE_ONLY, and a live process has that role in a
 *                   one to one mailbox; why names it.
 * @retval -ELOOP    The last part of the location is a symbolic link.
 * @retval -ENOTDIR  Something on the way is no directory.
 * @retval -ENOMEM, -EMFILE, -ENFILE
 * @retval -FERRY_ELOCATION, -FERRY_EUNSAFE, -FERRY_EFOREIGN, -FERRY_EKIND, -FERRY_EVERSION,
 *         -FERRY_ETRUNCATED, -FERRY_ECORRUPT, -FERRY_EMISMATCH, -FERRY_EMEMBERS
 *
 * Blocking: never. Crash: a creator killed half-way leaves nothing; nobody ever sees half a
 * mailbox. Side effects: one descriptor (close-on-exec) and one mapping; the first open of a
 * process installs a SIGBUS handler that acts on ferry's mappings only and passes everything else
 * on to what was there before. Since: 0.1
 */
FERRY_API int ferry_mailbox_open(ferry_mailbox **ret_box, const char *location,
				 const struct ferry_mailbox_options *options);

/**
 * Close a handle. Messages that it took and did not finish wait for others again; its loans are
 * cancelled. NULL is allowed. No other thread may be using the handle.
 */
FERRY_API void ferry_mailbox_close(ferry_mailbox *box);

/** How to send. Zero is the default in every field. */
struct ferry_send_options {
	size_t size;       /**< sizeof this struct */
	uint32_t priority; /**< 0 (last) to priorities - 1 (first) */
	int64_t ttl;       /**< ns after which nobody receives it any more; 0 = never expires */
};
#ifndef __cplusplus
#define FERRY_SEND_OPTIONS(...)                                                                    \
	(&(const struct ferry_send_options){ .size = sizeof(struct ferry_send_options),            \
					     __VA_ARGS__ })
#endif

/**
 * Send one message, waiting for room.
 *
 * @param data     Reads size bytes. May be NULL only if size is 0.
 * @param deadline How long to wait for room. Not used in a FERRY_DROP_OLDEST mailbox, where the
 *                 oldest message of that priority makes room (memory held by takers can still run
 *                 out there: -ENOBUFS).
 *
 * @retval 0           The whole message is in the mailbox and stays, whatever happens to the
 * caller.
 * @retval -EAGAIN     Full, and deadline is FERRY_NOW.
 * @retval -ETIMEDOUT  Still full at the deadline.
 * @retval -EMSGSIZE   size is more than the mailbox's max_size.
 * @retval -EBADF      The handle is FERRY_RECEIVE_ONLY or FERRY_OBSERVE.
 * @retval -EBUSY      One to one, and another live handle is the sender.
 * @retval -EIDRM      The mailbox was removed.
 * @retval -EINTR      Only with FERRY_INTERRUPTIBLE.
 * @retval -ENOBUFS    Only with FERRY_DROP_OLDEST: no payload memory even after dropping.
 * @retval -FERRY_ECORRUPT  A check failed, now or earlier; the handle is dead.
 *
 * Cost: O(size). No allocation. A system call only to sleep, or to wake someone who sleeps.
 * Crash: if the caller dies inside, the message is there whole, or not at all. Since: 0.1
 */
FERRY_API int ferry_mailbox_send(ferry_mailbox *box, const void *data, size_t size,
				 ferry_deadline deadline);

/** ferry_mailbox_send() with options (NULL = defaults). Also -EINVAL: priority or ttl out of range.
 */
FERRY_API int ferry_mailbox_send_with(ferry_mailbox *box, const void *data, size_t size,
				      const struct ferry_send_options *options,
				      ferry_deadline deadline);

/** A received, taken or peeked message; or one of several to send or receive. */
struct ferry_message {
	void *data;  /**< the bytes, or where to put them */
	size_t size; /**< how many; for receive_many on entry: room at data */
	uint32_t priority;
	uint32_t deliveries; /**< 1 the first time, more if a receiver died or returned it;
				     counted up to 240, then 255 */
	int64_t ttl; /**< to send: as in ferry_send_options; received: ns left, 0 = no expiry */
	uint64_t
	    held[4]; /**< of the library: what take or loan holds. Do not touch or copy in part */
};

/**
 * Receive the next message into a buffer, waiting for one.
 *
 * @param buffer    Written only up to the message's size. May be NULL only if room is 0.
 * @param room      Bytes at buffer.
 *
 * @retval >= 0        The message's size; it is gone from the mailbox.
 * @retval -EAGAIN     Empty, and deadline is FERRY_NOW.
 * @retval -ETIMEDOUT  Still empty at the deadline.
 * @retval -EMSGSIZE   The next message is larger than room. It stays where it is;
 *                     ferry_mailbox_receive_with() tells its size.
 * @retval -EBADF      The handle is FERRY_SEND_ONLY or FERRY_OBSERVE.
 * @retval -EBUSY      One to one, and another live handle is the receiver.
 * @retval -EIDRM, -EINTR, -FERRY_ECORRUPT  As for ferry_mailbox_send().
 *
 * Cost: as ferry_mailbox_send(). Crash: if the caller dies inside, the message either was received
 * or comes again, to another receiver, with its delivery count raised. Since: 0.1
 */
FERRY_API ssize_t ferry_mailbox_receive(ferry_mailbox *box, void *buffer, size_t room,
					ferry_deadline deadline);

/**
 * ferry_mailbox_receive() that also tells priority, deliveries, time left and size in *ret_info.
 * Exception to the rule about outputs: on -EMSGSIZE ret_info->size is the size needed.
 * ret_info->data is set to buffer. ret_info may be NULL.
 */
FERRY_API ssize_t ferry_mailbox_receive_with(ferry_mailbox *box, void *buffer, size_t room,
					     struct ferry_message *ret_info,
					     ferry_deadline deadline);

/**
 * Send n messages in order (data, size, priority, ttl of each), waiting for room as needed.
 *
 * @return How many were sent, from the front: n, or fewer if something ended it after the first;
 *         an error only if none was sent. Not atomic: others' messages may come between.
 */
FERRY_API ssize_t ferry_mailbox_send_many(ferry_mailbox *box, const struct ferry_message *messages,
					  size_t n, ferry_deadline deadline);

/**
 * Receive up to n messages, waiting for the first only. Each entry's data and size say where to put
 * one and how much room is there; on return they tell what came.
 *
 * @return How many were received; an error only if none was. A message too large for its entry
 *         stays and ends the call (-EMSGSIZE if it was the first, with messages[0].size the size
 *         needed).
 */
FERRY_API ssize_t ferry_mailbox_receive_many(ferry_mailbox *box, struct ferry_message *messages,
					     size_t n, ferry_deadline deadline);

/**
 * Borrow payload memory to write a message in place.
 *
 * @param size      Bytes wanted, 0 to max_size.
 * @param ret_loan  data is the memory (64-byte aligned), size its bytes; fill it, set size to what
 *                  was written (not more), priority and ttl as wanted, then commit or cancel.
 *
 * @retval 0, and the errors of ferry_mailbox_send(); -EAGAIN and -ETIMEDOUT mean no memory.
 *
 * Crash: a loan whose owner dies is free again. Since: 0.1
 */
FERRY_API int ferry_mailbox_loan(ferry_mailbox *box, size_t size, struct ferry_message *ret_loan,
				 ferry_deadline deadline);

/**
 * Send what was written into a loan, without copying it (up to FERRY_MAILBOX_INLINE bytes are
 * copied: that is cheaper).
 *
 * @retval 0            Sent; the loan is used up.
 * @retval -FERRY_ESTALE  Not a loan of this handle, or used up already.
 * @retval others as for ferry_mailbox_send(); the loan stays, to be committed again or cancelled.
 */
FERRY_API int ferry_mailbox_commit(ferry_mailbox *box, struct ferry_message *loan,
				   ferry_deadline deadline);

/** Give a loan back unsent. 0, -FERRY_ESTALE; -EIDRM, -EBADF, -FERRY_ECORRUPT as for send. */
FERRY_API int ferry_mailbox_cancel(ferry_mailbox *box, struct ferry_message *loan);

/**
 * Take the next message without copying it. It is the caller's alone until ferry_mailbox_done()
 * (finished) or ferry_mailbox_return() (not finished: it waits again, in its old place). If the
 * caller dies first, it comes again to another receiver.
 *
 * @param ret_message data points into the mailbox: read it, write it, but only its size bytes, and
 *                    not after done or return.
 *
 * @retval 0, and the errors of ferry_mailbox_receive() but -EMSGSIZE.
 */
FERRY_API int ferry_mailbox_take(ferry_mailbox *box, struct ferry_message *ret_message,
				 ferry_deadline deadline);

/** Finish a taken message: it is received now. 0; -FERRY_ESTALE: not taken by this handle; -EIDRM,
 *  -EBADF, -FERRY_ECORRUPT as for ferry_mailbox_receive(). */
FERRY_API int ferry_mailbox_done(ferry_mailbox *box, struct ferry_message *message);

/** Put a taken message back, ahead of those sent after it; its delivery count rises with the next
 *  take. 0, or -FERRY_ESTALE. */
FERRY_API int ferry_mailbox_return(ferry_mailbox *box, struct ferry_message *message);

/**
 * Copy the next message and leave it there, as if nobody had looked. Works on FERRY_OBSERVE handles
 * (which may wait only with FERRY_NOW: -EINVAL otherwise).
 *
 * @return and errors as for ferry_mailbox_receive_with().
 */
FERRY_API ssize_t ferry_mailbox_peek(ferry_mailbox *box, void *buffer, size_t room,
				     struct ferry_message *ret_info, ferry_deadline deadline);

/** Reads along: sees the messages that pass, and takes none. */
typedef struct ferry_mailbox_tap ferry_mailbox_tap;

/**
 * Begin to read along in a mailbox, from the next message on.
 *
 * A tap is no member's business: it needs no write permission (a FERRY_OBSERVE handle is enough),
 * changes nothing, and costs senders and receivers nothing. So nothing waits for it either: what it
 * does not look at in time is overwritten, and counted as missed.
 *
 * @param box Outlives the tap. Several taps of one handle are independent of each other.
 *
 * @retval 0
 * @retval -EINVAL  ret_tap or box is NULL.
 * @retval -EBADF   The handle is FERRY_SEND_ONLY.
 * @retval -ENOMEM, -EIDRM, -FERRY_ECORRUPT
 *
 * Blocking: never. Since: 0.1
 */
FERRY_API int ferry_mailbox_tap_open(ferry_mailbox_tap **ret_tap, ferry_mailbox *box);

/**
 * Copy the next message that passed, also when it has been received meanwhile.
 *
 * Each message that was sent after ferry_mailbox_tap_open() is either shown once or counted as
 * missed, the moment it can be known; a message comes once, however often it is delivered. Within a
 * priority the order is that of ferry_mailbox_receive(), and of two that are there the one with the
 * higher priority comes first. What is shown is whole, with one exception: a receiver that takes a
 * message in place and writes into it changes what a tap sees.
 *
 * How long a message can be seen depends on the mailbox: until a later one needs its cell
 * (`messages` + 32 of them at each priority, or more) or, beyond FERRY_MAILBOX_INLINE bytes, its
 * memory; memory that was freed last is used first, so of large messages that are received at
 * once a busy mailbox shows only those that are looked at soon.
 *
 * @param buffer     Its bytes are undefined unless a message was shown.
 * @param ret_info   NULL, or where to tell as ferry_mailbox_receive_with() does. ttl is 1 for a
 *                   message that has expired.
 * @param ret_missed NULL, or where to add up how many messages were missed. Raised whatever the
 *                   result is. Messages that were being sent when the tap was opened, and each
 *                   process that is killed or stopped inside a send, can put it off by one.
 *
 * @retval >= 0       The message's size.
 * @retval -EAGAIN    Nothing new, and deadline is FERRY_NOW.
 * @retval -ETIMEDOUT Nothing new by the deadline.
 * @retval -EMSGSIZE  The next message is larger than room; ret_info->size is the size needed. It is
 *                    tried again by the next call.
 * @retval -EINVAL    buffer is NULL and room is not 0.
 * @retval -EIDRM, -EINTR, -FERRY_ECORRUPT  As for ferry_mailbox_receive().
 *
 * Cost: O(size + priorities). Waiting: nobody can wake a tap. It looks again after 50 us, then
 * after twice as long each time, up to 10 ms; so a message is seen at most about 10 ms late.
 * Safety: one thread at a time uses a tap. fork: parent and child go on independently. Since: 0.1
 */
FERRY_API ssize_t ferry_mailbox_tap_next(ferry_mailbox_tap *tap, void *buffer, size_t room,
					 struct ferry_message *ret_info, uint64_t *ret_missed,
					 ferry_deadline deadline);

/** End it. NULL is allowed. */
FERRY_API void ferry_mailbox_tap_close(ferry_mailbox_tap *tap);

/** What is in a mailbox, and what went through it. */
struct ferry_mailbox_stat {
	uint64_t max_size; /**< bytes of the largest message */
	uint32_t capacity; /**< messages at each priority */
	uint32_t priorities;
	uint64_t memory; /**< payload bytes in all */
	uint64_t memory_free;
	int drop_oldest;
	int one_to_one;    /**< made with FERRY_ONE_TO_ONE */
	uint64_t messages; /**< that wait to be received */
	uint64_t bytes;    /**< in those */
	uint64_t taken;    /**< that receivers hold just now */
	uint64_t sent;     /**< since creation; these counters can be off by one for each process
				that was killed inside a call */
	uint64_t received;
	uint64_t dropped; /**< pushed out of a full FERRY_DROP_OLDEST mailbox */
	uint64_t expired;
	uint64_t redelivered; /**< came back from a dead receiver, or were returned */
	uint64_t recovered;   /**< dead members that others cleaned up after */
	uint32_t members_alive;
	uint32_t members_dead;    /**< not yet cleaned up */
	uint32_t waiting_senders; /**< threads asleep for room */
	uint32_t waiting_receivers;
	int64_t oldest_age; /**< ns that the oldest waiting message has waited, in steps of about
				 17 ms; -1 if there is none */
	uint32_t sender;    /**< one to one: who has that role, by its pid in its own PID
				 namespace, also while it is stopped; 0: nobody who lives */
	uint32_t receiver;
};

/**
 * Look at a mailbox. Disturbs nobody; works while every other member is stopped. The figures are
 * not from one instant while others work.
 *
 * @retval 0, -EIDRM, -FERRY_ECORRUPT
 */
FERRY_API int ferry_mailbox_stat(ferry_mailbox *box, struct ferry_mailbox_stat *ret_stat);

#ifdef __cplusplus
}
#endif
#endif
