/* SPDX-License-Identifier: MIT */
/* visitor.c - see visitor.h. */
#include "visitor.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#define MAGIC 0x31437946u
#define RING  131072

socklen_t visitor_name(struct sockaddr_un *ret_name, const char *address)
{
	struct stat file;
	char text[64];

	if (strncmp(address, "unix:", 5) == 0) {
		check_eq(stat(address + 5, &file), 0);
		snprintf(text, sizeof text, "file:%llx:%llx", (unsigned long long)file.st_dev,
			 (unsigned long long)file.st_ino);
		address = text;
	}
	*ret_name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	const int n = snprintf(ret_name->sun_path + 1, sizeof ret_name->sun_path - 1,
			       "ferry-desk-1:%s", address);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int visitor_knock(const struct sockaddr_un *name, socklen_t size)
{
	const int visit = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	check(visit >= 0);
	check_eq(connect(visit, (const struct sockaddr *)name, size), 0);
	return visit;
}

int visitor_come(const char *address)
{
	struct sockaddr_un name;
	const socklen_t size = visitor_name(&name, address);

	return visitor_knock(&name, size);
}

void visitor_leave(int visit, const void *packet, size_t size, const int *descriptors, int n)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} control = { 0 };
	struct iovec one = { (void *)(uintptr_t)packet, size };
	struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1 };

	if (n > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(header), descriptors, (size_t)n * sizeof(int));
	}
	check_eq(sendmsg(visit, &message, 0), size);
}

void visitor_offer(int visit, int client, int memory)
{
	struct {
		uint32_t magic, version;
		uint64_t inode;
	} packet = { MAGIC, 1, 0 };
	struct stat file;

	check_eq(fstat(client, &file), 0);
	packet.inode = file.st_ino;
	visitor_leave(visit, &packet, sizeof packet, &memory, 1);
}

int visitor_memory_of(off_t size, int seals, unsigned version)
{
	const int fd = memfd_create("visitor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const struct {
		uint32_t magic, version;
		uint64_t ring;
	} first = { MAGIC, version, RING };

	check(fd >= 0);
	check_eq(ftruncate(fd, size), 0);
	check_eq(pwrite(fd, &first, sizeof first, 0), sizeof first);
	check_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

int visitor_memory(void)
{
	return visitor_memory_of(4096 + 2 * RING, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, 1);
}
