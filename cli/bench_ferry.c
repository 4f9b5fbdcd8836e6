/* SPDX-License-Identifier: MIT */
/*
 * bench_ferry.c - ferry's mailbox as the benchmark drives it: with the default waiting, spinning,
 * sleeping at once, many messages a call, and without copies.
 *
 * The mailbox has the default size, but for a larger max_size where the messages need it.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <ferry/ferry.h>

#include "bench_time.h"
#include "bench_transports.h"

#define BATCH        32
#define DEFAULT_SIZE 65536      /* the default of max_size */
#define LARGE        65536      /* from here on, copies count */
#define SPIN_ON      1000000000 /* ns: longer than any wait here */

/* A process's end of a channel. */
struct end {
	ferry_mailbox *box;
	struct ferry_message held;       /* the loan or the taken message */
	struct ferry_message out[BATCH]; /* wait to be sent, the first n_out */
	struct ferry_message in[BATCH];  /* came, from next_in to n_in */
	size_t n_out, n_in, next_in;
};

static int open_box(const struct bench_channel *c, uint32_t flags, ferry_mailbox **ret_box)
{
	struct ferry_why why = { 0 };

	return ferry_mailbox_open(
	    ret_box, c->name,
	    FERRY_MAILBOX_OPTIONS(.flags = flags, .spin = c->peer->spin, .why = &why,
				  .max_size = c->bytes > DEFAULT_SIZE ? c->bytes : 0));
}

static int create(struct bench_channel *c, const struct bench_channel *there)
{
	static unsigned made;
	struct ferry_mailbox_stat stat;
	ferry_mailbox *box;
	int e;

	(void)there;
	snprintf(c->name, sizeof(c->name), "%s/%u", bench_directory(), made++);
	e = open_box(c, FERRY_EXCLUSIVE | c->peer->flags, &box);
	if (e < 0)
		return e;
	if (ferry_mailbox_stat(box, &stat) == 0)
		c->depth = stat.capacity;
	ferry_mailbox_close(box);
	return 0;
}

static void remove_box(struct bench_channel *c)
{
	ferry_remove(c->name, NULL);
}

static int attach(struct bench_channel *c)
{
	struct end *end = calloc(1, sizeof(*end));
	int e = end ? open_box(c, FERRY_EXISTING, &end->box) : -ENOMEM;

	c->handle = end;
	return e;
}

static int send_one(struct bench_channel *c, const void *data)
{
	struct end *end = c->handle;

	return ferry_mailbox_send(end->box, data, c->bytes, FERRY_FOREVER);
}

static int receive_one(struct bench_channel *c, void **ret_data)
{
	struct end *end = c->handle;
	ssize_t n = ferry_mailbox_receive(end->box, c->room, c->bytes, FERRY_FOREVER);

	*ret_data = c->room;
	return n < 0 ? (int)n : 0;
}

/* In place. */
static int take(struct bench_channel *c, void **ret_data)
{
	struct end *end = c->handle;
	int e = ferry_mailbox_take(end->box, &end->held, FERRY_FOREVER);

	*ret_data = end->held.data;
	return e;
}

static int done(struct bench_channel *c)
{
	struct end *end = c->handle;

	return ferry_mailbox_done(end->box, &end->held);
}

static int loan(struct bench_channel *c, void **ret_data)
{
	struct end *end = c->handle;
	int e = ferry_mailbox_loan(end->box, c->bytes, &end->held, FERRY_FOREVER);

	*ret_data = end->held.data;
	return e;
}

/*
 * A message whose bytes are there already: this memory was used before, and its words are as
 * bench_fill() left them. Where it was not, or another message overlapped it, they are made so.
 */
static int loan_filled(struct bench_channel *c, void **ret_data)
{
	size_t last = c->bytes / sizeof(uint64_t) - 1;
	int e = loan(c, ret_data);
	const uint64_t *word = *ret_data;

	if (e == 0 && (word[1] != 1 || word[last] != last))
		bench_fill(*ret_data, c->bytes, 0);
	return e;
}

static int commit(struct bench_channel *c, const void *data)
{
	struct end *end = c->handle;

	(void)data;
	return ferry_mailbox_commit(end->box, &end->held, FERRY_FOREVER);
}

/* Many a call: messages are gathered in a row of buffers, BATCH of them, and sent together. */
static int attach_many(struct bench_channel *c)
{
	size_t stride = (c->bytes + 63) & ~(size_t)63;
	char *buffers = aligned_alloc(64, 2 * BATCH * stride);
	struct end *end;
	int e = attach(c);

	if (e < 0 || !buffers)
		return e < 0 ? e : -ENOMEM;
	end = c->handle;
	for (size_t i = 0; i < BATCH; i++) {
		end->out[i].data = buffers + i * stride;
		end->out[i].size = c->bytes;
		bench_fill(end->out[i].data, c->bytes, 0);
		end->in[i].data = buffers + (BATCH + i) * stride;
	}
	return 0;
}

static int place_many(struct bench_channel *c, void **ret_data)
{
	struct end *end = c->handle;

	*ret_data = end->out[end->n_out].data;
	return 0;
}

static int flush_many(struct bench_channel *c)
{
	struct end *end = c->handle;
	size_t sent = 0;

	while (sent < end->n_out) {
		ssize_t n = ferry_mailbox_send_many(end->box, end->out + sent, end->n_out - sent,
						    FERRY_FOREVER);

		if (n < 0)
			return (int)n;
		sent += (size_t)n;
	}
	end->n_out = 0;
	return 0;
}

static int send_gather(struct bench_channel *c, const void *data)
{
	struct end *end = c->handle;

	(void)data;
	return ++end->n_out == BATCH ? flush_many(c) : 0;
}

static int receive_many(struct bench_channel *c, void **ret_data)
{
	struct end *end = c->handle;

	if (end->next_in == end->n_in) {
		ssize_t n;

		for (size_t i = 0; i < BATCH; i++)
			end->in[i].size = c->bytes;
		n = ferry_mailbox_receive_many(end->box, end->in, BATCH, FERRY_FOREVER);
		if (n < 0)
			return (int)n;
		end->n_in = (size_t)n;
		end->next_in = 0;
	}
	*ret_data = end->in[end->next_in++].data;
	return 0;
}

/* A default mailbox. */
static int life(uint64_t ticks[BENCH_STEPS_OF_LIFE], uint64_t *ret_reserved)
{
	char name[96];
	struct ferry_object_stat stat;
	ferry_mailbox *made, *opened;
	uint64_t t = bench_ticks();
	int e;

	snprintf(name, sizeof(name), "%s/opening", bench_directory());
	e = ferry_mailbox_open(&made, name, FERRY_MAILBOX_OPTIONS(.flags = FERRY_EXCLUSIVE));
	if (e < 0)
		return e;
	ticks[BENCH_CREATING] = bench_ticks() - t;
	t = bench_ticks();
	e = ferry_mailbox_open(&opened, name, FERRY_MAILBOX_OPTIONS(.flags = FERRY_EXISTING));
	ticks[BENCH_OPENING_IT] = bench_ticks() - t;
	if (e == 0) {
		t = bench_ticks();
		ferry_mailbox_close(opened);
		ticks[BENCH_CLOSING] = bench_ticks() - t;
		e = ferry_object_stat(name, &stat, NULL);
		*ret_reserved = stat.file_bytes;
	}
	ferry_mailbox_close(made);
	ferry_remove(name, NULL);
	return e;
}

#define BOX    .create = create, .remove = remove_box, .attach = attach
#define COPIES .send = send_one, .receive = receive_one

const struct bench_peer bench_ferry = {
	.name = "ferry",
	.waits = "spins, then sleeps",
	.abilities = BENCH_ROUNDTRIP | BENCH_STREAM | BENCH_MANY | BENCH_SPINS_FIRST,
	.life = life,
	BOX,
	COPIES,
};

const struct bench_peer bench_ferry_spin = {
	.name = "ferry spin",
	.waits = "spins",
	.abilities = BENCH_ROUNDTRIP | BENCH_SPINS,
	.spin = SPIN_ON,
	BOX,
	COPIES,
};

const struct bench_peer bench_ferry_sleep = {
	.name = "ferry sleep",
	.waits = "sleeps at once",
	.abilities = BENCH_ROUNDTRIP,
	.spin = -1,
	BOX,
	COPIES,
};

const struct bench_peer bench_ferry_pair = {
	.name = "ferry one-to-one",
	.waits = "spins, then sleeps",
	.abilities = BENCH_ROUNDTRIP | BENCH_STREAM | BENCH_SPINS_FIRST,
	.flags = FERRY_ONE_TO_ONE,
	BOX,
	COPIES,
};

const struct bench_peer bench_ferry_pair_spin = {
	.name = "ferry one-to-one spin",
	.waits = "spins",
	.abilities = BENCH_ROUNDTRIP | BENCH_SPINS,
	.spin = SPIN_ON,
	.flags = FERRY_ONE_TO_ONE,
	BOX,
	COPIES,
};

const struct bench_peer bench_ferry_pair_sleep = {
	.name = "ferry one-to-one sleep",
	.waits = "sleeps at once",
	.abilities = BENCH_ROUNDTRIP,
	.spin = -1,
	.flags = FERRY_ONE_TO_ONE,
	BOX,
	COPIES,
};

const struct bench_peer bench_ferry_many = {
	.name = "ferry many",
	.waits = "spins, then sleeps",
	.abilities = BENCH_STREAM,
	.most = LARGE - 1,
	.create = create,
	.remove = remove_box,
	.attach = attach_many,
	.place = place_many,
	.send = send_gather,
	.flush = flush_many,
	.receive = receive_many,
};

const struct bench_peer bench_ferry_take = {
	.name = "ferry take",
	.waits = "spins, then sleeps",
	.abilities = BENCH_ROUNDTRIP | BENCH_STREAM | BENCH_SPINS_FIRST,
	.least = LARGE,
	BOX,
	.send = send_one,
	.receive = take,
	.done = done,
};

const struct bench_peer bench_ferry_produce = {
	.name = "ferry produce",
	.waits = "spins, then sleeps",
	.abilities = BENCH_STREAM | BENCH_PRODUCES,
	.least = LARGE,
	BOX,
	.send = send_one,
	.receive = take,
	.done = done,
};

const struct bench_peer bench_ferry_loan = {
	.name = "ferry loan",
	.waits = "spins, then sleeps",
	.abilities = BENCH_STREAM | BENCH_PRODUCES,
	.least = LARGE,
	BOX,
	.place = loan,
	.send = commit,
	.receive = take,
	.done = done,
};

const struct bench_peer bench_ferry_in_place = {
	.name = "ferry in place",
	.waits = "spins, then sleeps",
	.abilities = BENCH_STREAM,
	.least = LARGE,
	BOX,
	.place = loan_filled,
	.send = commit,
	.receive = take,
	.done = done,
};
