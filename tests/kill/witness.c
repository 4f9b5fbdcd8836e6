/* SPDX-License-Identifier: MIT */
/* How survivors of any family look at a scene: who is done, how long it took; see scene.h. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "scene.h"

void scene_phase(struct scene *scene, const char *phase)
{
	snprintf(scene->outcome->phase, sizeof(scene->outcome->phase), "%s", phase);
}

static void see_end(struct scene *scene, uint32_t i)
{
	int status = 0;

	if (!scene->sleepers[i].pid || waitpid(scene->sleepers[i].pid, &status, WNOHANG) <= 0)
		return;
	scene->sleepers[i].pid = 0;
	if (status)
		fault(scene->faults, "C5: a sleeper ended with status %#x", (unsigned)status);
}

uint32_t scene_unfinished(struct scene *scene, uint32_t kind)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < scene->n_sleepers; i++) {
		see_end(scene, i);
		n += scene->sleepers[i].pid && scene->sleepers[i].kind == kind;
	}
	return n;
}

uint32_t scene_all_unfinished(struct scene *scene)
{
	uint32_t n = 0;

	for (uint32_t kind = 0; kind < SLEEPER_KINDS; kind++)
		n += scene_unfinished(scene, kind);
	return n;
}

bool scene_victim_is_over(const struct scene *scene)
{
	return scene->victim.state == VICTIM_OVER || scene->victim.state == VICTIM_BROKEN;
}

void scene_took(struct scene *scene, int64_t since)
{
	int64_t took = now_ns() - since;

	if (took > scene->outcome->slowest)
		scene->outcome->slowest = took;
}

void scene_recovered(struct scene *scene)
{
	scene_took(scene, scene->struck_at);
}

void scene_pause(void)
{
	struct timespec time = { .tv_nsec = 100000 };

	nanosleep(&time, NULL);
}

bool scene_out_of_patience(int64_t since)
{
	return now_ns() - since > SCENE_PATIENCE * 1000000L;
}

void scene_expect_no_litter(struct scene *scene)
{
	DIR *directory = opendir(scene->run->directory);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			fault(scene->faults, "C8: '%s' is left behind", entry->d_name);
	if (directory)
		closedir(directory);
}
