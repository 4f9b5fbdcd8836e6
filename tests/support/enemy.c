/* SPDX-License-Identifier: MIT */
/* Writes what nobody should into an object, and sees that its victims end well. */
#include "enemy.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static uint64_t state = 1;

void enemy_seed(uint64_t seed)
{
	state = seed * 2 + 1;
}

uint64_t enemy_any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

uint64_t enemy_first_seed(void)
{
	const char *first = getenv("FERRY_SEED");

	return first ? strtoull(first, NULL, 0) : 1;
}

uint64_t enemy_last_seed(int few, int many)
{
	return enemy_first_seed() + (uint64_t)(check_is_long() ? many : few) - 1;
}

ferry_deadline enemy_deadline(void)
{
	return enemy_any() % 8 ? FERRY_NOW : ferry_in_ms(2);
}

void enemy_known(int64_t result)
{
	if (result < 0 && !strcmp(ferry_error_name((int)result), "E?"))
		check_failed(__FILE__, __LINE__, "result %jd is no error", (intmax_t)result);
}

struct prey prey_map_descriptor(int fd)
{
	struct prey prey;
	struct stat st;

	check_eq(fstat(fd, &st), 0);
	prey.size = (size_t)st.st_size;
	prey.bytes = mmap(NULL, prey.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(prey.bytes != MAP_FAILED);
	return prey;
}

struct prey prey_map(const char *path)
{
	const int fd = open(path, O_RDWR | O_CLOEXEC);
	struct prey prey;

	check(fd >= 0);
	prey = prey_map_descriptor(fd);
	close(fd);
	return prey;
}

void prey_unmap(const struct prey *prey)
{
	munmap(prey->bytes, prey->size);
}

/* What may stand in the place of a word. */
static uint64_t another_word(uint64_t word)
{
	switch (enemy_any() % 8) {
	case 0:
		return 0;
	case 1:
		return ~(uint64_t)0;
	case 2:
		return word + 1;
	case 3:
		return word - 1;
	case 4:
	case 5:
		return word ^ ((uint64_t)1 << enemy_any() % 64);
	case 6:
		return word << 1;
	default:
		return enemy_any();
	}
}

void enemy_change_words(unsigned char *bytes, size_t from, size_t to, int n)
{
	for (int i = 0; i < n; i++) {
		const size_t at = (from + enemy_any() % (to - from)) & ~(size_t)7;
		uint64_t word;

		memcpy(&word, bytes + at, sizeof word);
		word = another_word(word);
		memcpy(bytes + at, &word, sizeof word);
	}
}

static void change_range(unsigned char *bytes, size_t from, size_t to)
{
	const size_t at = from + enemy_any() % (to - from);
	const size_t most = to - at < 4096 ? to - at : 4096;

	for (size_t i = 0, n = 1 + enemy_any() % most; i < n; i++)
		bytes[at + i] = (unsigned char)enemy_any();
}

void enemy_scribble(const struct prey *prey, size_t from, size_t to)
{
	if (enemy_any() % 4)
		enemy_change_words(prey->bytes, from, to, 1 + (int)(enemy_any() % 8));
	else
		change_range(prey->bytes, from, to);
}

void enemy_victim_ends(struct peer *victim, uint64_t seed)
{
	const int status = peer_join_status(victim);

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		check_failed(__FILE__, __LINE__, "seed %ju hangs it", (uintmax_t)seed);
	if (WIFSIGNALED(status))
		check_failed(__FILE__, __LINE__, "seed %ju kills it with signal %d",
			     (uintmax_t)seed, WTERMSIG(status));
	if (WEXITSTATUS(status))
		check_failed(__FILE__, __LINE__, "seed %ju", (uintmax_t)seed);
}
