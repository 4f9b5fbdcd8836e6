/* SPDX-License-Identifier: MIT */
/* kitchen.c - one loop serves a mailbox, a socket, Ctrl-C and its children. */
#include <ferry/ferry.h>
#include <signal.h>
#include <stdio.h>

static void guest(ferry_loop *loop, const struct ferry_loop_event *event, void *door)
{
	ferry_socket *socket;
	if (ferry_accept(&socket, door, FERRY_NOW) < 0)
		return;
	ferry_socket_write(socket, "welcome", 7, FERRY_NOW);
	ferry_socket_close(socket);
	(void)loop, (void)event;
}

static void cooked(ferry_loop *loop, const struct ferry_loop_event *event, void *cook)
{
	struct ferry_process_end end;
	if (ferry_process_wait(cook, &end, FERRY_NOW) == 0)
		printf("a cook ended with %d\n", end.code);
	ferry_loop_forget(loop, event->id);
	ferry_process_close(cook);
	raise(SIGINT); /* what Ctrl-C does: this one closes after the first meal */
}

static void order(ferry_loop *loop, const struct ferry_loop_event *event, void *orders)
{
	char recipe[32] = "", sh[] = "sh", c[] = "-c", *cook[] = { sh, c, recipe, NULL };
	ferry_process *child;
	if (ferry_mailbox_receive(orders, recipe, sizeof(recipe) - 1, FERRY_NOW) > 0 &&
	    ferry_spawn(&child, FERRY_SPAWN_OPTIONS(.program = sh, .arguments = cook)) == 0)
		ferry_loop_watch(loop, ferry_on_process(child), cooked, child);
	(void)event;
}

static int interrupt(const struct ferry_signal_info *info, void *loop)
{
	return ferry_loop_stop(loop, info->signo);
}

int main(void)
{
	ferry_mailbox *orders;
	ferry_listener *door;
	ferry_loop *loop;
	if (ferry_loop_open(&loop, NULL) < 0 || ferry_mailbox_open(&orders, "orders", NULL) < 0 ||
	    ferry_listen(&door, "unix:@", NULL, FERRY_NOW) < 0 ||
	    ferry_signal_catch(SIGINT, interrupt, loop, NULL) < 0)
		return 1;
	ferry_loop_watch(loop, ferry_on_mailbox(orders, FERRY_CAN_READ), order, orders);
	ferry_loop_watch(loop, ferry_on_listener(door), guest, door);
	ferry_loop_watch(loop, ferry_on_handlers(), NULL, NULL);
	ferry_mailbox_send(orders, "exit 3", 6, FERRY_NOW); /* somebody orders */
	printf("%s\n", ferry_signal_name(ferry_loop_run(loop, FERRY_FOREVER)));
	ferry_loop_close(loop);
	ferry_listener_close(door);
	ferry_mailbox_close(orders);
	return ferry_remove("orders", NULL);
}
