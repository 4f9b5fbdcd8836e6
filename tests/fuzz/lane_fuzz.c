/* SPDX-License-Identifier: MIT */
/*
 * A connection in shared memory whose other end is hostile. The input says what that end does to
 * the memory and to the socket, and what the victim calls: one part of it is done between the
 * victim's calls; the other whenever the victim is about to access the lanes' words (trap.h), so
 * that whatever it looked at before may be different when it looks again.
 *
 * The victim must touch nothing but its memory, keep to the buffers of its callers, come back, with
 * counts that can be and errors that have names, and lose no descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/socket/socket.h"
#include "fuzz.h"
#include "trap.h"

enum {
	GUARD = 1 << 20,  /* bytes around the memory that nobody may touch */
	CANARY = 64,      /* and behind each buffer, for builds without AddressSanitizer */
	ACCESSES = 50000, /* more than any call that does not wait can need */
	BUFFERS = 5,
	MESSAGES = 1000, /* the largest */
};

static void must(int condition)
{
	if (!condition)
		abort();
}

/* ---- the input ---- */

struct input {
	const unsigned char *next, *end;
	const unsigned char *again; /* NULL: it is zeros when it has ended; or goes on from here */
};

static struct input calls, between;

static unsigned take(struct input *input)
{
	if (input->next == input->end && input->again)
		input->next = input->again;
	return input->next < input->end ? *input->next++ : 0;
}

/* ---- who is who ---- */

static unsigned char *arena;  /* guard, the victim's memory, guard */
static unsigned char *memory; /* the same memory, of the hostile end */
static int hostile;           /* its end of the socket; -1: closed */
static int passed[2];         /* a pipe: what can be passed along, and who sees whether it lives */
static ferry_socket *victim;
static unsigned accesses;

/* ---- the hostile end ---- */

/* The words of a lane that mean something. */
static const struct word {
	unsigned at, size;
} words[] = {
	{ 0, 8 },   { 64, 8 },  { 128, 8 }, { 192, 8 }, { 256, 8 }, { 320, 8 }, { 384, 8 },
	{ 448, 8 }, { 512, 8 }, { 520, 8 }, { 576, 8 }, { 640, 8 }, { 704, 8 }, { 712, 8 },
	{ 720, 8 }, { 728, 8 }, { 736, 8 }, { 744, 8 }, { 752, 4 }, { 756, 4 }, { 760, 4 },
	{ 764, 4 }, { 768, 4 }, { 772, 4 }, { 776, 4 }, { 780, 4 },
};

enum { WORDS = sizeof(words) / sizeof(words[0]), LANES = 64, LANE = 832 };

/* One of those of either lane, or any other of the first page. */
static struct word choose_word(struct input *input)
{
	const unsigned which = take(input);

	if (which < 2 * WORDS * 4) {
		struct word word = words[which % WORDS];
		word.at += LANES + (which / WORDS % 2) * LANE;
		return word;
	}
	return (struct word){ (which % 2 * 256 + take(input)) * 8, 8 };
}

static uint64_t load(struct word word)
{
	uint64_t value = 0;

	memcpy(&value, memory + word.at, word.size);
	return value;
}

static uint64_t choose_value(struct input *input, uint64_t now)
{
	const unsigned how = take(input);
	const uint64_t n = how / 8;

	switch (how % 8) {
	case 0:
		return n;
	case 1:
		return ~n;
	case 2:
		return now + n + 1;
	case 3:
		return now - n - 1;
	case 4:
		return now ^ UINT64_C(1) << (n * 2 + take(input) % 2);
	case 5:
		return load(choose_word(input));
	case 6:
		return now + FY_LANE_RING - 16 + n;
	default:
		return now + n * 5000 + take(input);
	}
}

static void change_word(struct input *input)
{
	const struct word word = choose_word(input);
	const uint64_t value = choose_value(input, load(word));

	memcpy(memory + word.at, &value, word.size);
}

static void change_bytes(struct input *input)
{
	const unsigned at = (take(input) << 8 | take(input)) * 4;
	const unsigned char value = (unsigned char)take(input);

	for (unsigned i = take(input); i > 0; i--)
		memory[(at + i) % FY_LANES_ALL] = value;
}

static void send_to_victim(struct input *input, int with_descriptor)
{
	static unsigned char bytes[256 * 64];
	struct iovec one = { bytes, 1 };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1 };
	const unsigned n = take(input);

	one.iov_len = n < 128 ? n + 1 : (n - 127) * 64;
	if (with_descriptor) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.room);
		control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
						   .cmsg_level = SOL_SOCKET,
						   .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.header), &passed[1], sizeof(int));
	}
	(void)sendmsg(hostile, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void drain(struct input *input)
{
	static unsigned char bytes[1 << 18];
	const unsigned n = take(input);

	(void)recv(hostile, bytes, n < 128 ? n + 1 : sizeof(bytes), MSG_DONTWAIT);
}

static void hang_up(struct input *input)
{
	const unsigned how = take(input);

	if (how < 192) {
		(void)shutdown(hostile, (int)(how % 3));
	} else if (hostile >= 0) {
		(void)close(hostile);
		hostile = -1;
	}
}

/* The victim is about to access a word. */
static void meanwhile(void)
{
	must(++accesses < ACCESSES);
	for (unsigned what = take(&between); what % 4 != 0; what /= 4)
		switch (what % 4) {
		case 1:
		case 2:
			change_word(&between);
			break;
		default:
			if (what / 4 % 4 == 3)
				drain(&between);
			else
				send_to_victim(&between, what / 4 % 4 == 2);
		}
}

/* ---- the victim ---- */

static void is_known(int64_t r)
{
	must(r >= 0 || strcmp(ferry_error_name((int)r), "E?") != 0);
}

static size_t choose_size(void)
{
	const unsigned n = take(&calls);

	/* An end that never tires may hand over a large piece byte by byte. */
	return n < 128 || between.again ? n + 1 : (size_t)(n - 127) * 700;
}

static uint64_t moved_by(const struct fy_moved_way *way)
{
	return way->lane.side->position + way->lane.side->count;
}

/* Exactly as large as its user is told, behind it bytes that must stay. */
static unsigned char *buffer_of(size_t size)
{
	unsigned char *buffer = malloc(size + CANARY);

	must(buffer != NULL);
	memset(buffer, 'v', size);
	memset(buffer + size, '#', CANARY);
	return buffer;
}

static void buffer_done(unsigned char *buffer, size_t size)
{
	for (size_t i = 0; i < CANARY; i++)
		must(buffer[size + i] == '#');
	free(buffer);
}

/* No more than was asked for, and than has come or gone by the victim's own books. */
static void is_possible(ssize_t r, size_t size, const struct fy_moved_way *way, uint64_t before)
{
	is_known(r);
	must(r <= (ssize_t)size);
	must(r <= 0 || (uint64_t)r <= moved_by(way) - before);
}

static void write_bytes(ferry_deadline deadline)
{
	const size_t size = choose_size();
	const struct fy_moved_way *out = &victim->moved->out;
	const uint64_t before = moved_by(out);
	unsigned char *buffer = buffer_of(size);

	ssize_t r = ferry_socket_write(victim, buffer, size, deadline);
	is_possible(r, size, out, before);
	must(r != 0);
	buffer_done(buffer, size);
}

static void read_bytes(ferry_deadline deadline)
{
	const size_t size = choose_size();
	const struct fy_moved_way *in = &victim->moved->in;
	const uint64_t before = moved_by(in);
	unsigned char *buffer = buffer_of(size);

	is_possible(ferry_socket_read(victim, buffer, size, deadline), size, in, before);
	buffer_done(buffer, size);
}

static void read_buffers(void)
{
	struct iovec buffers[BUFFERS];
	const struct fy_moved_way *in = &victim->moved->in;
	const uint64_t before = moved_by(in);
	size_t size = 0;

	for (int i = 0; i < BUFFERS; i++) {
		const size_t n = choose_size() - 1;
		buffers[i] = (struct iovec){ buffer_of(n), n };
		size += n;
	}
	is_possible(ferry_socket_readv(victim, buffers, BUFFERS, FERRY_NOW), size, in, before);
	for (int i = 0; i < BUFFERS; i++)
		buffer_done(buffers[i].iov_base, buffers[i].iov_len);
}

static void receive_message(void)
{
	const size_t size = choose_size();
	unsigned char *buffer = buffer_of(size);
	const ssize_t r = ferry_socket_receive(victim, buffer, size, FERRY_NOW);

	is_known(r);
	must(r <= (ssize_t)size || r == -EMSGSIZE);
	buffer_done(buffer, size);
}

static void send_message(void)
{
	const size_t size = choose_size();
	unsigned char *buffer = buffer_of(size);
	const int r = ferry_socket_send(victim, buffer, size, FERRY_NOW);

	is_known(r);
	must(r <= 0);
	buffer_done(buffer, size);
}

static void receive_descriptors(void)
{
	int fds[2], n = 0;
	const size_t size = choose_size();
	unsigned char *buffer = buffer_of(size);
	const ssize_t r =
	    ferry_socket_receive_descriptors(victim, buffer, size, fds, 2, &n, FERRY_NOW);

	is_known(r);
	must(r <= (ssize_t)size && n >= 0 && n <= FERRY_DESCRIPTORS_MAX);
	for (int i = 0; r >= 0 && i < n && i < 2; i++)
		must(close(fds[i]) == 0);
	buffer_done(buffer, size);
}

static void send_descriptor(void)
{
	const ssize_t r = ferry_socket_send_descriptors(victim, "d", 1, &passed[1], 1, FERRY_NOW);

	is_known(r);
	must(r <= 1 && r != 0);
}

static void tell(void)
{
	struct ferry_socket_stat stat = { 0 };
	int in_socket = 0;

	is_known(ferry_socket_stat(victim, &stat));
	(void)ioctl(victim->fd, FIONREAD, &in_socket);
	must(stat.readable <= FY_LANE_RING + (uint64_t)in_socket);
	must((stat.shared_memory & ~(uint32_t)(FERRY_READ | FERRY_WRITE)) == 0);
}

/* The kernel, too, must get at the words of who waits: nothing happens meanwhile. */
static void wait_a_little(void (*what)(ferry_deadline))
{
	trap_disarm();
	what(ferry_in_ns(200000));
	trap_arm();
}

static void act(unsigned what)
{
	accesses = 0;
	switch (what % 16) {
	case 0:
	case 1:
		change_word(&calls);
		break;
	case 2:
		change_bytes(&calls);
		break;
	case 3:
		send_to_victim(&calls, what / 16 % 4 == 3);
		break;
	case 4:
		drain(&calls);
		break;
	case 5:
	case 6:
		write_bytes(FERRY_NOW);
		break;
	case 7:
	case 8:
		read_bytes(FERRY_NOW);
		break;
	case 9:
		wait_a_little(what / 16 % 2 ? read_bytes : write_bytes);
		break;
	case 10:
		what / 16 % 2 ? read_buffers() : tell();
		break;
	case 11:
		receive_message();
		break;
	case 12:
		send_message();
		break;
	case 13:
		what / 16 % 2 ? send_descriptor() : receive_descriptors();
		break;
	case 14:
		if (what / 16 % 2)
			(void)ferry_socket_fd(victim);
		else
			is_known(ferry_socket_shutdown(victim, 1 + what / 32 % 2));
		break;
	default:
		hang_up(&calls);
	}
}

/* ---- the stage ---- */

static void *map(void *at, size_t size, int fd)
{
	const int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
				 : MAP_SHARED | (at ? MAP_FIXED : 0);
	void *memory_at = mmap(at, size, fd < 0 ? PROT_NONE : PROT_READ | PROT_WRITE, flags, fd, 0);

	must(memory_at != MAP_FAILED);
	return memory_at;
}

/* Put the victim's memory where nothing is beside it. */
static void surround(struct fy_moved *moved, int fd)
{
	const size_t from = (size_t)moved->shm;

	arena = map(NULL, 2 * GUARD + FY_LANES_ALL, -1);
	unsigned char *to = map(arena + GUARD, FY_LANES_ALL, fd);
	for (int out = 0; out < 2; out++) {
		struct fy_lane *lane = out ? &moved->out.lane : &moved->in.lane;
		lane->shm = (struct fy_lane_shm *)(void *)(to + ((size_t)lane->shm - from));
		lane->ring = to + ((size_t)lane->ring - from);
	}
	must(munmap(moved->shm, FY_LANES_ALL) == 0);
	moved->shm = (struct fy_lanes_shm *)(void *)to;
}

static void set_stage(unsigned how)
{
	int ends[2];
	const int fd = fy_moved_memory("unix:@");

	must(fd >= 0 && pipe2(passed, O_CLOEXEC | O_NONBLOCK) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	hostile = ends[0];
	memory = map(NULL, FY_LANES_ALL, fd);
	must(ferry_socket_adopt(&victim, ends[1], FERRY_SOCKET_OPTIONS(.message_max = MESSAGES)) ==
	     0);
	must(fy_moved_begin(&victim->moved, fd, how & 1, ends[1], how & 2 ? FERRY_TCP : FERRY_UNIX,
			    0) == 0);
	surround(victim->moved, fd);
	must(close(fd) == 0);
	trap_set(arena + GUARD, meanwhile);
	trap_arm();
	if (how & 4)
		(void)ferry_socket_fd(victim);
}

static void clear_stage(void)
{
	char byte;

	accesses = 0;
	ferry_socket_close(victim); /* unmaps what lies between the guards */
	if (hostile >= 0)
		must(close(hostile) == 0);
	must(close(passed[1]) == 0);
	must(read(passed[0], &byte, 1) == 0); /* nobody has kept the other end */
	must(close(passed[0]) == 0);
	must(munmap(arena, GUARD) == 0 && munmap(arena + GUARD + FY_LANES_ALL, GUARD) == 0);
	must(munmap(memory, FY_LANES_ALL) == 0);
}

/* The first byte: how the connection is made; the second: how much of the rest says what is done
 * between calls. */
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	if (size < 3)
		return 0;
	const size_t n = (size - 2) * (data[1] + 1u) / 256;
	calls = (struct input){ data + 2, data + 2 + n, NULL };
	between = (struct input){ data + 2 + n, data + size, NULL };
	if (data[0] & 8 && between.next < between.end)
		between.again = between.next;
	set_stage(data[0]);
	while (calls.next < calls.end)
		act(take(&calls));
	clear_stage();
	return 0;
}
