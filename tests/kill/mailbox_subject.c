/* SPDX-License-Identifier: MIT */
/* ferry's mailbox as the subject of the attack. */
#include "mailbox_subject.h"

static int ferry_open(void **ret_box, const char *name, const struct ferry_mailbox_options *options)
{
	ferry_mailbox *box;
	int result = ferry_mailbox_open(&box, name, options);

	if (result == 0)
		*ret_box = box;
	return result;
}

static void ferry_close(void *box)
{
	ferry_mailbox_close(box);
}

static int ferry_send(void *box, const void *data, size_t size,
		      const struct ferry_send_options *options, ferry_deadline deadline)
{
	return ferry_mailbox_send_with(box, data, size, options, deadline);
}

static ssize_t ferry_receive(void *box, void *buffer, size_t room, struct ferry_message *ret_info,
			     ferry_deadline deadline)
{
	return ferry_mailbox_receive_with(box, buffer, room, ret_info, deadline);
}

static int ferry_stat(void *box, struct ferry_mailbox_stat *ret_stat)
{
	return ferry_mailbox_stat(box, ret_stat);
}

static int ferry_repair_all(const char *name)
{
	struct ferry_repair repair;

	return ferry_object_repair(name, 0, &repair, NULL);
}

static int ferry_remove_it(const char *name)
{
	return ferry_remove(name, NULL);
}

const struct subject subject_ferry = {
	.open = ferry_open,
	.close = ferry_close,
	.send = ferry_send,
	.receive = ferry_receive,
	.stat = ferry_stat,
	.repair = ferry_repair_all,
	.remove = ferry_remove_it,
};
