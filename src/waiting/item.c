/* SPDX-License-Identifier: MIT */
/* item.c - see item.h. */
#include "item.h"

#include "../lock/door.h"
#include "../mailbox/recover.h"
#include "../mailbox/wait.h"
#include "../pipe/wait.h"
#include "../process/process.h"
#include "../segment/segment.h"
#include "../signal/action.h"
#include "../signal/receive.h"
#include "../socket/moved.h"
#include "../socket/socket.h"
#include "../sync/condition.h"
#include "../sync/units.h"
#include "set.h"

#define BOTH   ((uint32_t)(FERRY_CAN_READ | FERRY_CAN_WRITE))
#define ALWAYS ((uint32_t)(FERRY_AT_END | FERRY_FAILED | FERRY_ONE_SHOT))

/* ---- checking ---- */

static int check_mailbox(const struct ferry_item *item)
{
	const struct ferry_mailbox *box = item->handle;

	return box && item->value < box->levels ? 0 : -EINVAL;
}

static int check_pipe(const struct ferry_item *item)
{
	const struct ferry_pipe *pipe = item->handle;

	if (!pipe || item->value < 1 || item->value > FERRY_PIPE_BUF || pipe->end == FERRY_OBSERVE)
		return -EINVAL;
	uint32_t other = pipe->end == FERRY_READ ? FERRY_CAN_WRITE : FERRY_CAN_READ;
	return item->events & other ? -EINVAL : 0;
}

static int check_handle(const struct ferry_item *item)
{
	return item->handle ? 0 : -EINVAL;
}

/* That the segment is gone is for the item to say, at the first look. */
static int check_primitive(const struct ferry_item *item, enum fy_primitive magic)
{
	int r = fy_door(item->handle, item->at, magic, FERRY_READ_ONLY);

	return r == -EIDRM || r == -FERRY_ECORRUPT ? 0 : r;
}

static int check_lock(const struct ferry_item *item)
{
	return check_primitive(item, FY_PRIMITIVE_LOCK);
}

static int check_semaphore(const struct ferry_item *item)
{
	return check_primitive(item, FY_PRIMITIVE_SEMAPHORE);
}

static int check_condition(const struct ferry_item *item)
{
	return item->value != 0 ? check_primitive(item, FY_PRIMITIVE_CONDITION) : -EINVAL;
}

/* Who may only read the segment cannot say that it sleeps: it looks at each nap. */
static int check_segment(const struct ferry_item *item)
{
	return item->handle ? 0 : -EINVAL;
}

static int check_signals(const struct ferry_item *item)
{
	return item->value != 0 ? fy_receive_init() : -EINVAL;
}

static int check_handlers(const struct ferry_item *item)
{
	(void)item;
	return fy_receive_init();
}

static int check_descriptor(const struct ferry_item *item)
{
	return item->fd >= 0 ? 0 : -EINVAL;
}

static int check_waiter(const struct ferry_item *item)
{
	int fd = item->handle ? ferry_waiter_fd(item->handle) : -EINVAL;

	return fd < 0 ? fd : 0;
}

static int check_nothing(const struct ferry_item *item)
{
	(void)item;
	return 0;
}

/* ---- places ---- */

static void place_mailbox(const struct ferry_item *item, struct fy_item_place *place)
{
	struct ferry_mailbox *box = item->handle;

	place->object = &box->object;
	if (item->events & FERRY_CAN_READ || !(item->events & BOTH))
		place->bells[place->n_bells++] = &box->arrival->word;
	if (item->events & FERRY_CAN_WRITE)
		place->bells[place->n_bells++] = &box->rings[item->value].room->word;
	/* Who receives does not say that it is about to make room. */
	place->sound = !(item->events & FERRY_CAN_WRITE);
}

static void place_pipe(const struct ferry_item *item, struct fy_item_place *place)
{
	struct ferry_pipe *pipe = item->handle;
	int bell = pipe->end == FERRY_READ ? FY_BELL_BYTES : FY_BELL_SPACE;

	place->object = &pipe->object;
	place->bells[place->n_bells++] = &fy_pipe_bell(pipe, bell)->word;
}

static void place_lock(const struct ferry_item *item, struct fy_item_place *place)
{
	struct ferry_segment *segment = item->handle;
	struct fy_lock_shm *lock = item->at;

	place->object = &segment->object;
	place->bells[place->n_bells++] = &lock->left;
}

static void place_semaphore(const struct ferry_item *item, struct fy_item_place *place)
{
	struct ferry_segment *segment = item->handle;
	struct fy_semaphore_shm *semaphore = item->at;

	place->object = &segment->object;
	place->bells[place->n_bells++] = &semaphore->posted;
}

/* A ring passed on would be news to those who began to watch since, who would pass it on again. */
static void place_condition(const struct ferry_item *item, struct fy_item_place *place)
{
	struct ferry_segment *segment = item->handle;
	struct fy_condition_shm *condition = item->at;

	place->object = &segment->object;
	place->bells[place->n_bells++] = &condition->news;
	place->rings_all = 1;
}

static void place_segment(const struct ferry_item *item, struct fy_item_place *place)
{
	struct ferry_segment *segment = item->handle;

	place->object = &segment->object;
	if (!(segment->flags & FERRY_READ_ONLY))
		place->bells[place->n_bells++] = &segment->shm->grown;
}

static short poll_events(uint32_t events)
{
	return (short)((events & FERRY_CAN_READ ? POLLIN | POLLRDHUP : 0) |
		       (events & FERRY_CAN_WRITE ? POLLOUT : 0));
}

static void place_descriptor(const struct ferry_item *item, struct fy_item_place *place)
{
	place->fd = item->fd;
	place->poll = poll_events(item->events);
}

/* Nothing can be told of a listener or a process but what may be asked for. If it is not, there is
 * no descriptor: it would wake again and again somebody who does not want to hear of it. */
static void place_listener(const struct ferry_item *item, struct fy_item_place *place)
{
	const struct ferry_listener *listener = item->handle;

	place->fd = item->events & FERRY_CAN_READ ? listener->fd : -1;
	place->poll = POLLIN;
}

static void place_socket(const struct ferry_item *item, struct fy_item_place *place)
{
	/* Asked for so, the descriptor tells of connections in shared memory, too. */
	place->fd = ferry_socket_fd(item->handle);
	place->poll = poll_events(item->events);
}

static void place_process(const struct ferry_item *item, struct fy_item_place *place)
{
	const struct ferry_process *process = item->handle;

	place->fd = item->events & FERRY_CAN_READ ? process->fd : -1;
	place->poll = POLLIN;
}

uint64_t fy_item_signals(const struct ferry_item *item)
{
	if (item->kind == FERRY_ITEM_HANDLERS)
		return fy_action_handled();
	return item->value == FERRY_SIGNAL_CAUGHT ? fy_receive_caught() : item->value;
}

static void place_signals(const struct ferry_item *item, struct fy_item_place *place)
{
	place->signals = item->value;
	place->blocked = fy_item_signals(item);
}

static void place_handlers(const struct ferry_item *item, struct fy_item_place *place)
{
	(void)item;
	place->signals = FERRY_SIGNAL_CAUGHT;
	place->blocked = fy_item_signals(item);
}

static void place_waiter(const struct ferry_item *item, struct fy_item_place *place)
{
	const struct ferry_waiter *waiter = item->handle;

	/* That it was cancelled is told in any case. */
	place->fd = item->events & FERRY_CAN_READ ? waiter->epoll : waiter->cancel;
	place->poll = POLLIN;
}

static void place_nothing(const struct ferry_item *item, struct fy_item_place *place)
{
	(void)item;
	(void)place;
}

/* ---- looking ---- */

/* What has happened, or a negative error. */

static int look_mailbox(struct ferry_item *item, int last)
{
	(void)last;
	return fy_mailbox_ready(item->handle, item->events & BOTH, (uint32_t)item->value);
}

static int look_pipe(struct ferry_item *item, int last)
{
	return fy_pipe_ready(item->handle, item->value, last);
}

static int look_lock(struct ferry_item *item, int last)
{
	struct ferry_segment *segment = item->handle;
	struct fy_lock_shm *lock = item->at;
	int r = fy_door(segment, lock, FY_PRIMITIVE_LOCK, FERRY_READ_ONLY);

	if (r == 0)
		r = fy_core_ready(&segment->sync, &lock->core, last);
	return r > 0 ? FERRY_CAN_READ : r < 0 ? fy_segment_judge(segment, r) : 0;
}

static int look_semaphore(struct ferry_item *item, int last)
{
	struct ferry_segment *segment = item->handle;
	struct fy_semaphore_shm *semaphore = item->at;
	int r = fy_door(segment, semaphore, FY_PRIMITIVE_SEMAPHORE, FERRY_READ_ONLY);

	if (r == 0)
		r = fy_units_ready(&segment->sync, semaphore, last);
	return r > 0 ? FERRY_CAN_READ : r;
}

static int look_condition(struct ferry_item *item, int last)
{
	const struct fy_condition_shm *condition = item->at;
	const _Atomic uint32_t *seen = (const _Atomic uint32_t *)(uintptr_t)item->value;
	int r = fy_door(item->handle, condition, FY_PRIMITIVE_CONDITION, FERRY_READ_ONLY);

	(void)last;
	if (r < 0)
		return r;
	/* RELAXED(who writes it meanwhile looks at the data itself, and waits after that) */
	uint32_t heard = atomic_load_explicit(seen, memory_order_relaxed);
	return fy_condition_has_news(condition, heard) ? FERRY_CAN_READ : 0;
}

static int look_segment(struct ferry_item *item, int last)
{
	struct ferry_segment *segment = item->handle;
	int r = fy_segment_enter(segment, 0);

	(void)last;
	if (r < 0)
		return r;
	return fy_segment_bytes(segment) > item->value ? FERRY_CAN_READ : 0;
}

/* What poll(2) does not know of: what TLS has decoded already, and what lay in shared memory before
 * anybody asked for the descriptor. */
static int look_socket(struct ferry_item *item, int last)
{
	struct ferry_socket *socket = item->handle;

	(void)last;
	if (socket->tls && fy_decoded_look(&socket->decoded, socket->tls) > 0)
		return FERRY_CAN_READ;
	return socket->moved && fy_moved_readable(socket->moved) > 0 ? FERRY_CAN_READ : 0;
}

int fy_item_signals_wait(const struct ferry_item *item)
{
	/* Who does not ask for handlers has none run. */
	if (!(item->events & FERRY_CAN_READ))
		return 0;
	return fy_receive_ready(fy_item_signals(item)) ? FERRY_CAN_READ : 0;
}

static int look_signals(struct ferry_item *item, int last)
{
	(void)last;
	return fy_item_signals_wait(item);
}

static int look_handlers(struct ferry_item *item, int last)
{
	(void)last;
	if (!fy_item_signals_wait(item))
		return 0;
	int signo = ferry_signal_dispatch(FERRY_NOW);
	if (signo <= 0)
		return signo == -EAGAIN ? 0 : signo;
	item->signo = signo;
	return FERRY_CAN_READ;
}

static int look_waiter(struct ferry_item *item, int last)
{
	(void)last;
	return fy_waiter_is_cancelled(item->handle) ? -ECANCELED : 0;
}

static int look_nothing(struct ferry_item *item, int last)
{
	(void)item;
	(void)last;
	return 0;
}

int fy_item_look_again_fd(const struct ferry_item *item)
{
	struct ferry_socket *socket = item->kind == FERRY_ITEM_SOCKET ? item->handle : NULL;

	return socket && socket->tls ? fy_decoded_fd(&socket->decoded) : FY_NO_FD;
}

/* ---- what is to be done besides ---- */

static void prepared_mailbox(const struct ferry_item *item)
{
	if (item->events & FERRY_CAN_READ)
		fy_mailbox_prepared(item->handle, FY_RECEIVER);
	if (item->events & FERRY_CAN_WRITE)
		fy_mailbox_prepared(item->handle, FY_SENDER);
}

static void prepared_pipe(const struct ferry_item *item)
{
	fy_pipe_prepared(item->handle, item->value);
}

static void prepared_lock(const struct ferry_item *item)
{
	struct fy_lock_shm *lock = item->at;

	fy_core_want(&lock->core);
}

static void care_mailbox(const struct ferry_item *item)
{
	(void)fy_care_for_cells(item->handle);
}

int64_t fy_item_sound(const struct ferry_item *item, int rung)
{
	return item->kind == FERRY_ITEM_MAILBOX && !(item->events & FERRY_CAN_WRITE)
		   ? fy_mailbox_sound(item->handle, rung)
		   : 0;
}

/* ---- the kinds ---- */

static const struct kind {
	uint32_t events; /* that may be asked for */
	int (*check)(const struct ferry_item *item);
	void (*place)(const struct ferry_item *item, struct fy_item_place *ret_place);
	int (*look)(struct ferry_item *item, int last);
	void (*prepared)(const struct ferry_item *item); /* NULL: nothing to do */
	void (*care)(const struct ferry_item *item);     /* NULL: nothing to do */
} kinds[] = {
	[FERRY_ITEM_NONE] = { BOTH, check_nothing, place_nothing, look_nothing, NULL, NULL },
	[FERRY_ITEM_FD] = { BOTH, check_descriptor, place_descriptor, look_nothing, NULL, NULL },
	[FERRY_ITEM_MAILBOX] = { BOTH, check_mailbox, place_mailbox, look_mailbox, prepared_mailbox,
				 care_mailbox },
	[FERRY_ITEM_PIPE] = { BOTH, check_pipe, place_pipe, look_pipe, prepared_pipe, NULL },
	[FERRY_ITEM_LISTENER] = { FERRY_CAN_READ, check_handle, place_listener, look_nothing, NULL,
				  NULL },
	[FERRY_ITEM_SOCKET] = { BOTH, check_handle, place_socket, look_socket, NULL, NULL },
	[FERRY_ITEM_SIGNALS] = { FERRY_CAN_READ, check_signals, place_signals, look_signals, NULL,
				 NULL },
	[FERRY_ITEM_HANDLERS] = { FERRY_CAN_READ, check_handlers, place_handlers, look_handlers,
				  NULL, NULL },
	[FERRY_ITEM_LOCK] = { FERRY_CAN_READ, check_lock, place_lock, look_lock, prepared_lock,
			      NULL },
	[FERRY_ITEM_SEMAPHORE] = { FERRY_CAN_READ, check_semaphore, place_semaphore, look_semaphore,
				   NULL, NULL },
	[FERRY_ITEM_CONDITION] = { FERRY_CAN_READ, check_condition, place_condition, look_condition,
				   NULL, NULL },
	[FERRY_ITEM_SEGMENT] = { FERRY_CAN_READ, check_segment, place_segment, look_segment, NULL,
				 NULL },
	[FERRY_ITEM_WAITER] = { FERRY_CAN_READ, check_waiter, place_waiter, look_waiter, NULL,
				NULL },
	[FERRY_ITEM_PROCESS] = { FERRY_CAN_READ, check_handle, place_process, look_nothing, NULL,
				 NULL },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

int fy_item_check(const struct ferry_item *item)
{
	if ((uint32_t)item->kind >= KINDS || !kinds[item->kind].check)
		return -EINVAL;
	const struct kind *kind = &kinds[item->kind];
	return item->events & ~(kind->events | ALWAYS) ? -EINVAL : kind->check(item);
}

void fy_item_place(const struct ferry_item *item, struct fy_item_place *ret_place)
{
	*ret_place = (struct fy_item_place){ .fd = -1 };
	kinds[item->kind].place(item, ret_place);
}

void fy_item_prepared(const struct ferry_item *item)
{
	if (kinds[item->kind].prepared)
		kinds[item->kind].prepared(item);
}

void fy_item_care(const struct ferry_item *item)
{
	if (kinds[item->kind].care)
		kinds[item->kind].care(item);
}

static int report(struct ferry_item *item, int r)
{
	uint32_t wanted = item->events | FERRY_AT_END;

	item->error = r < 0 ? r : 0;
	item->happened = r < 0 ? FERRY_FAILED : (uint32_t)r & wanted;
	return item->happened != 0;
}

int fy_item_look(struct ferry_item *item, int last)
{
	item->signo = 0;
	return report(item, kinds[item->kind].look(item, last));
}

static int polled(const struct ferry_item *item, short revents)
{
	int r = 0;

	/* An error is told by the next call, whichever that is. */
	if (revents & (POLLIN | POLLHUP | POLLRDHUP | POLLERR))
		r |= FERRY_CAN_READ;
	if (revents & (POLLOUT | POLLHUP | POLLERR))
		r |= FERRY_CAN_WRITE;
	if (revents & (POLLHUP | POLLRDHUP))
		r |= FERRY_AT_END;
	/* A process that has been reaped is POLLHUP too, since Linux 6.9. */
	if (item->kind == FERRY_ITEM_PROCESS)
		return r & FERRY_CAN_READ;
	/* Whoever asked for nothing shall not be woken for nothing, again and again. */
	return revents & POLLERR && !(item->events & BOTH) ? r | FERRY_AT_END : r;
}

int fy_item_polled(struct ferry_item *item, short revents)
{
	int known = kinds[item->kind].look(item, 0);

	if (revents == 0)
		return 0;
	if (revents & POLLNVAL)
		known = -EBADF;
	return report(item, known < 0 ? known : known | polled(item, revents));
}
