/* SPDX-License-Identifier: MIT */
/* Hostile peers (C9): bytes of the object scribbled over, its file cut short or holed. Victims run
 * in processes of their own; a crash or a hang there fails the claim, an error does not. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "enemy.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

enum { MAX = 3000, ROOM = 1000, CANARY = 64, HEADER = 4096, SLOTS = 16 };

/* Receive into a buffer whose surroundings must not change. */
static void receive_guarded(ferry_mailbox *box)
{
	unsigned char data[ROOM + 2 * CANARY];
	struct ferry_message info = { 0 };
	ssize_t n;

	memset(data, 0x5a, sizeof data);
	if (enemy_any() % 2)
		n = ferry_mailbox_receive_with(box, data + CANARY, ROOM, &info, enemy_deadline());
	else
		n = ferry_mailbox_peek(box, data + CANARY, ROOM, &info, enemy_deadline());
	enemy_known(n);
	check(n <= ROOM);
	for (size_t i = 0; i < CANARY; i++)
		check(data[i] == 0x5a && data[CANARY + ROOM + i] == 0x5a);
}

static volatile unsigned char sink;

static void take_and_touch(ferry_mailbox *box)
{
	struct ferry_message message;
	const int r = ferry_mailbox_take(box, &message, enemy_deadline());

	enemy_known(r);
	if (r)
		return;
	check(message.size <= MAX);
	for (size_t i = 0; i < message.size; i++)
		sink = ((unsigned char *)message.data)[i];
	if (message.size)
		memset(message.data, 1, message.size);
	enemy_known(enemy_any() % 2 ? ferry_mailbox_done(box, &message)
				    : ferry_mailbox_return(box, &message));
}

static void loan_and_commit(ferry_mailbox *box)
{
	struct ferry_message loan;
	const int r = ferry_mailbox_loan(box, enemy_any() % (MAX + 1), &loan, enemy_deadline());

	enemy_known(r);
	if (r)
		return;
	memset(loan.data, 2, loan.size);
	if (enemy_any() % 2)
		enemy_known(ferry_mailbox_cancel(box, &loan));
	else if (ferry_mailbox_commit(box, &loan, enemy_deadline()))
		enemy_known(ferry_mailbox_cancel(box, &loan));
}

static void look(ferry_mailbox *box)
{
	struct ferry_mailbox_stat stat;
	struct ferry_object_stat object;
	struct ferry_member members[4];
	struct ferry_repair repair;

	enemy_known(ferry_mailbox_stat(box, &stat));
	enemy_known(ferry_object_stat("orders", &object, NULL));
	if (ferry_object_members("orders", members, 4, NULL) > 0)
		check(memchr(members[0].program, 0, sizeof members[0].program));
	enemy_known(ferry_object_repair("orders", enemy_any() % 2, &repair, NULL));
}

static void send_any(ferry_mailbox *box)
{
	static const unsigned char data[MAX];

	enemy_known(ferry_mailbox_send_with(
	    box, data, enemy_any() % 3 ? enemy_any() % 200 : enemy_any() % (MAX + 1),
	    FERRY_SEND_OPTIONS(.priority = enemy_any() % 2,
			       .ttl = (int64_t)(enemy_any() % 2) * 1000000),
	    enemy_deadline()));
}

/* Read along for a while, into a buffer whose surroundings must not change. */
static void tap(ferry_mailbox *box)
{
	unsigned char data[ROOM + 2 * CANARY];
	ferry_mailbox_tap *tap = NULL;
	struct ferry_message info = { 0 };
	uint64_t missed = 0;

	enemy_known(ferry_mailbox_tap_open(&tap, box));
	memset(data, 0x5a, sizeof data);
	for (int i = 0; tap && i < 8; i++) {
		ssize_t n = ferry_mailbox_tap_next(tap, data + CANARY, ROOM, &info, &missed,
						   enemy_deadline());
		enemy_known(n);
		check(n <= ROOM);
		send_any(box);
		if (enemy_any() % 2)
			receive_guarded(box);
	}
	for (size_t i = 0; i < CANARY; i++)
		check(data[i] == 0x5a && data[CANARY + ROOM + i] == 0x5a);
	ferry_mailbox_tap_close(tap);
}

static void any_operation(ferry_mailbox *box)
{
	switch (enemy_any() % 7) {
	case 6:
		tap(box);
		break;
	case 0:
	case 1:
		send_any(box);
		break;
	case 2:
		receive_guarded(box);
		break;
	case 3:
		take_and_touch(box);
		break;
	case 4:
		loan_and_commit(box);
		break;
	default:
		look(box);
	}
}

/* Opens the mailbox, or fails to; then calls at random. Ends well, if at all. */
static void victim(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = NULL;

	alarm(25);
	enemy_seed(*(const uint64_t *)argument);
	enemy_known(ferry_mailbox_open(&box, "orders", NULL));
	stage_reach(stage, 1);
	for (int i = 0; box && i < 80; i++) {
		any_operation(box);
		atomic_store(&stage->value[0], i);
	}
	ferry_mailbox_close(box);
}

/* A mailbox with something of everything in it. */
static void make_prey(void)
{
	ferry_mailbox *box = box_open(
	    "orders", OPTIONS(.max_size = MAX, .messages = 8, .members = SLOTS, .priorities = 2));

	for (uint64_t i = 0; i < 3; i++) {
		box_send(box, i);
		check_eq(box_send_pattern(box, i, MAX, FERRY_NOW), 0);
	}
	ferry_mailbox_close(box);
}

/* The victims may have done it: scribbled over, the state can say "removed". */
static void forget_prey(void)
{
	check(unlink(scratch_path("orders")) == 0 || errno == ENOENT);
}

/* Scribble before it opens, and go on while it works. */
static void attack_while_in_use(uint64_t seed, size_t from, size_t to)
{
	struct prey prey;
	struct peer peer;

	make_prey();
	prey = prey_map(scratch_path("orders"));
	enemy_seed(seed);
	if (seed % 4 == 0)
		enemy_scribble(&prey, from, to ? to : prey.size);
	peer_start(&peer, victim, &seed);
	peer_await(&peer, 1);
	for (int i = 0; i < 40 && process_state(peer.pid) != 'Z'; i++)
		enemy_scribble(&prey, from, to ? to : prey.size);
	enemy_victim_ends(&peer, seed);
	prey_unmap(&prey);
	forget_prey();
}

/* One change, made before it opens or right after, and then silence. */
static void attack_once(uint64_t seed, size_t from, size_t to)
{
	struct prey prey;
	struct peer peer;

	make_prey();
	prey = prey_map(scratch_path("orders"));
	enemy_seed(seed);
	if (seed % 2)
		enemy_change_words(prey.bytes, from, to ? to : prey.size,
				   1 + (int)(enemy_any() % 3));
	peer_start(&peer, victim, &seed);
	peer_await(&peer, 1);
	if (seed % 2 == 0)
		enemy_change_words(prey.bytes, from, to ? to : prey.size,
				   1 + (int)(enemy_any() % 3));
	enemy_victim_ends(&peer, seed);
	prey_unmap(&prey);
	forget_prey();
}

static void attack(size_t from, size_t to)
{
	for (uint64_t i = enemy_first_seed(); i <= enemy_last_seed(20, 5000); i++) {
		attack_while_in_use(i, from, to);
		attack_once(i, from, to);
	}
}

static void c9_scribbled_header_crashes_nobody(void)
{
	attack(0, HEADER);
}

static void c9_scribbled_start_of_the_header_crashes_nobody(void)
{
	attack(0, 192);
}

static void c9_scribbled_member_table_crashes_nobody(void)
{
	attack(HEADER, HEADER + 64 * SLOTS);
}

static void c9_scribbled_mailbox_crashes_nobody(void)
{
	attack(HEADER + 64 * SLOTS, HEADER + 64 * SLOTS + 8192);
	attack(HEADER + 64 * SLOTS, 0);
}

static void c9_scribbled_anywhere_crashes_nobody(void)
{
	attack(0, 0);
}

static void c9_truncated_while_in_use_crashes_nobody(void)
{
	for (uint64_t seed = enemy_first_seed(); seed <= enemy_last_seed(35, 5000); seed++) {
		struct prey prey;
		struct peer peer;

		make_prey();
		prey = prey_map(scratch_path("orders"));
		prey_unmap(&prey);
		enemy_seed(seed);
		peer_start(&peer, victim, &seed);
		peer_await(&peer, 1);
		await(atomic_load(&peer.stage->value[0]) >= (int64_t)(enemy_any() % 40) ||
		      process_state(peer.pid) == 'Z');
		check_eq(truncate(scratch_path("orders"),
				  enemy_any() % 3 ? (off_t)(enemy_any() % prey.size) : 0),
			 0);
		enemy_victim_ends(&peer, seed);
		forget_prey();
	}
}

static void c9_truncated_and_grown_again_crashes_nobody(void)
{
	for (uint64_t seed = enemy_first_seed(); seed <= enemy_last_seed(20, 5000); seed++) {
		struct prey prey;
		struct peer peer;

		make_prey();
		prey = prey_map(scratch_path("orders"));
		prey_unmap(&prey);
		enemy_seed(seed);
		peer_start(&peer, victim, &seed);
		peer_await(&peer, 1);
		for (int i = 0; i < 10; i++) {
			check_eq(truncate(scratch_path("orders"), (off_t)(enemy_any() % prey.size)),
				 0);
			check_eq(truncate(scratch_path("orders"), (off_t)prey.size), 0);
		}
		enemy_victim_ends(&peer, seed);
		forget_prey();
	}
}

static void c9_holes_punched_into_the_file_crash_nobody(void)
{
	for (uint64_t seed = enemy_first_seed(); seed <= enemy_last_seed(15, 2000); seed++) {
		struct prey prey;
		struct peer peer;
		int fd;

		make_prey();
		prey = prey_map(scratch_path("orders"));
		prey_unmap(&prey);
		fd = open(scratch_path("orders"), O_RDWR | O_CLOEXEC);
		enemy_seed(seed);
		peer_start(&peer, victim, &seed);
		peer_await(&peer, 1);
		for (int i = 0; i < 3; i++)
			check_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					   (off_t)(enemy_any() % prey.size),
					   1 + (off_t)(enemy_any() % 9000)),
				 0);
		close(fd);
		enemy_victim_ends(&peer, seed);
		forget_prey();
	}
}

/* Wait for ever; the file is cut meanwhile. */
static void wait_for_ever(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.spin = -1));
	static const unsigned char data[MAX];
	unsigned char got[MAX];
	int64_t r = 0;

	alarm(25);
	stage_reach(stage, 1);
	if (argument)
		while (r >= 0)
			r = ferry_mailbox_send(box, data, MAX, FERRY_FOREVER);
	else
		while (r >= 0)
			r = ferry_mailbox_receive(box, got, MAX, FERRY_FOREVER);
	check(r == -FERRY_ECORRUPT || r == -FERRY_ETRUNCATED);
	enemy_known(ferry_mailbox_send(box, data, 1, FERRY_NOW));
	ferry_mailbox_close(box);
}

static void truncated_under(const void *sending, off_t size)
{
	struct peer peer;

	make_prey();
	peer_start(&peer, wait_for_ever, sending);
	peer_await(&peer, 1);
	await(box_look("orders").members_alive == 1 && process_asleep(peer.pid));
	check_eq(truncate(scratch_path("orders"), size), 0);
	peer_join(&peer);
	check_eq(unlink(scratch_path("orders")), 0);
}

static void c9_blocked_receiver_learns_that_the_file_was_cut(void)
{
	truncated_under(NULL, 0);
	truncated_under(NULL, 4096);
}

static void c9_blocked_sender_learns_that_the_file_was_cut(void)
{
	truncated_under("sending", 0);
	truncated_under("sending", 4096);
}

static void c9_taken_message_of_a_cut_file_can_still_be_touched(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message message;

	check_eq(box_send_pattern(box, 1, 50000, FERRY_NOW), 0);
	check_eq(ferry_mailbox_take(box, &message, FERRY_NOW), 0);
	check_eq(truncate(scratch_path("orders"), 0), 0);
	for (size_t i = 0; i < message.size; i++)
		sink = ((unsigned char *)message.data)[i];
	memset(message.data, 1, message.size);
	enemy_known(ferry_mailbox_done(box, &message));
	check_eq(ferry_mailbox_send(box, "x", 1, FERRY_NOW), -FERRY_ECORRUPT);
	check_eq(ferry_mailbox_receive(box, NULL, 0, FERRY_NOW), -FERRY_ECORRUPT);
	ferry_mailbox_close(box);
	check_eq(unlink(scratch_path("orders")), 0);
}

static void c9_one_cut_mailbox_leaves_the_others_alone(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	ferry_mailbox *other = box_open("other", NULL);
	struct ferry_mailbox_stat stat;

	box_send(other, 1);
	check_eq(truncate(scratch_path("orders"), 0), 0);
	check_eq(ferry_mailbox_send(box, "x", 1, FERRY_NOW), -FERRY_ECORRUPT);
	check(ferry_mailbox_stat(box, &stat) < 0);
	box_expect(other, 1);
	box_send(other, 2);
	box_expect(other, 2);
	ferry_mailbox_close(box);
	check_eq(unlink(scratch_path("orders")), 0);
	box_end(other, "other");
}

/* Memory of our own whose file is cut: touching it is our own fault. */
static volatile unsigned char *foreign_cut_memory(void)
{
	const int fd = memfd_create("foreign", MFD_CLOEXEC);
	volatile unsigned char *bytes;

	check_eq(ftruncate(fd, 4096), 0);
	bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check_eq(ftruncate(fd, 0), 0);
	close(fd);
	return bytes;
}

static void touch_foreign(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", NULL);
	volatile unsigned char *bytes = foreign_cut_memory();

	(void)argument;
	box_send(box, 1);
	stage_reach(stage, 1);
	bytes[100] = 1;
}

static void c9_sigbus_of_foreign_memory_still_kills(void)
{
	struct peer peer;
	int status;

	peer_start(&peer, touch_foreign, NULL);
	status = peer_join_status(&peer);
	check(WIFSIGNALED(status));
	check_eq(WTERMSIG(status), SIGBUS);
	box_remove("orders");
}

static volatile unsigned char *volatile expected;

static void plain_handler(int signal_number)
{
	_exit(signal_number == SIGBUS ? 42 : 1);
}

static void detailed_handler(int signal_number, siginfo_t *info, void *context)
{
	(void)context;
	_exit(signal_number == SIGBUS && info->si_addr == (const void *)(uintptr_t)expected ? 43
											    : 1);
}

static void touch_foreign_with_handler(struct stage *stage, const void *argument)
{
	struct sigaction action = { .sa_handler = plain_handler };

	(void)stage;
	if (argument) {
		action.sa_sigaction = detailed_handler;
		action.sa_flags = SA_SIGINFO;
	}
	check_eq(sigaction(SIGBUS, &action, NULL), 0);
	box_open("orders", NULL);
	expected = foreign_cut_memory() + 64;
	*expected = 1;
}

static void c9_sigbus_of_foreign_memory_reaches_the_programs_own_handler(void)
{
	struct peer peer;

	peer_start(&peer, touch_foreign_with_handler, NULL);
	check_eq(WEXITSTATUS(peer_join_status(&peer)), 42);
	peer_start(&peer, touch_foreign_with_handler, "detailed");
	check_eq(WEXITSTATUS(peer_join_status(&peer)), 43);
	box_remove("orders");
}

static void raise_bus(struct stage *stage, const void *argument)
{
	(void)stage;
	if (argument)
		signal(SIGBUS, SIG_IGN);
	box_open("orders", NULL);
	kill(getpid(), SIGBUS);
}

static void c9_sigbus_that_was_sent_does_what_it_did_before(void)
{
	struct peer peer;

	peer_start(&peer, raise_bus, NULL);
	check_eq(WTERMSIG(peer_join_status(&peer)), SIGBUS);
	peer_start(&peer, raise_bus, "ignored");
	peer_join(&peer);
	box_remove("orders");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c9_scribbled_header_crashes_nobody),
		claim(c9_scribbled_start_of_the_header_crashes_nobody),
		claim(c9_scribbled_member_table_crashes_nobody),
		claim(c9_scribbled_mailbox_crashes_nobody),
		claim(c9_scribbled_anywhere_crashes_nobody),
		claim(c9_truncated_while_in_use_crashes_nobody),
		claim(c9_truncated_and_grown_again_crashes_nobody),
		claim(c9_holes_punched_into_the_file_crash_nobody),
		claim(c9_blocked_receiver_learns_that_the_file_was_cut),
		claim(c9_blocked_sender_learns_that_the_file_was_cut),
		claim(c9_taken_message_of_a_cut_file_can_still_be_touched),
		claim(c9_one_cut_mailbox_leaves_the_others_alone),
		claim(c9_sigbus_of_foreign_memory_still_kills),
		claim(c9_sigbus_of_foreign_memory_reaches_the_programs_own_handler),
		claim(c9_sigbus_that_was_sent_does_what_it_did_before),
	};

	return claim_run_all(claims);
}
