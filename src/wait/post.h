/* SPDX-License-Identifier: MIT */
/*
 * post.h - a descriptor at which a thread waits for bells, kept from one wait to the next.
 *
 * It watches files (os/touch.h), so that a ringer's touch makes it readable. What is not in use is
 * kept, with its watches, as long as the process has an object open: making and ending them costs
 * more than a wait does.
 */
#ifndef FY_POST_H
#define FY_POST_H

struct fy_post {
	int fd; /* readable when something was touched */
	struct fy_posted *posted;
	unsigned n;
	unsigned room;
	unsigned generation; /* of the process that made it (os/fork.h) */
};

/* One for this thread; NULL: there are no more descriptors, or no memory. */
struct fy_post *fy_post_take(void);

/* Watch the file behind fd, from now until the object with this tag is closed. 0 or -errno. */
int fy_post_watch(struct fy_post *post, const void *tag, int fd);

/* What made it readable has been seen. */
void fy_post_clear(struct fy_post *post);

void fy_post_give_back(struct fy_post *post);

/* The object with this tag is being closed; last: and it is the only one. */
void fy_post_forget(const void *tag, int last);

#endif
