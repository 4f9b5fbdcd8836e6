/* SPDX-License-Identifier: MIT */
/* tls.c - finding libferry-tls: beside this library, or where the system keeps libraries. */
#include "tls.h"

#include <dlfcn.h>
#include <ferry/error.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "../base/why.h"

#define LIBRARY "libferry-tls.so.0"

static const struct fy_tls_provider *provider;
static char problem[160];

/* In a program that is linked with the static library, "us" is what its caller says that its name
 * is: not to be believed by one that has more rights than the caller. */
static void *open_beside_us(void)
{
	char path[PATH_MAX];
	Dl_info us;

	if (getauxval(AT_SECURE) || !dladdr((const void *)&provider, &us) || !us.dli_fname)
		return NULL;
	const char *slash = strrchr(us.dli_fname, '/');
	if (!slash)
		return NULL;
	int n = snprintf(path, sizeof(path), "%.*s/" LIBRARY, (int)(slash - us.dli_fname),
			 us.dli_fname);
	return n > 0 && (size_t)n < sizeof(path) ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

static void load(void)
{
	void *library = open_beside_us();

	if (!library)
		library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		const char *text = dlerror();
		(void)snprintf(problem, sizeof(problem), "%.150s", text ? text : "not found");
		return;
	}
	void *symbol = dlsym(library, FY_TLS_SYMBOL);
	fy_tls_entry *entry;
	memcpy(&entry, &symbol, sizeof(entry));
	const struct fy_tls_provider *found = symbol ? entry() : NULL;
	if (found && found->abi == FY_TLS_ABI)
		provider = found;
	else
		(void)snprintf(problem, sizeof(problem),
			       "%s is of another release: its interface is %u, this one %u",
			       LIBRARY, found ? found->abi : 0, FY_TLS_ABI);
}

int fy_tls_load(struct ferry_why *why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, load);
	if (provider)
		return 0;
	return fy_why(why, -FERRY_ENOTLS, "no TLS here: %s", problem);
}

const struct fy_tls_provider *fy_tls_use(void)
{
	return provider;
}
