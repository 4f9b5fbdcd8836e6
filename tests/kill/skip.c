/* SPDX-License-Identifier: MIT */
/* ferry-kill where it cannot step a process: it says so, and its tests count as skipped. */
#include <stdio.h>

int main(void)
{
	puts("skipped: only x86-64 can be stepped");
	return 77;
}
