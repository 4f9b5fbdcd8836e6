# SPDX-License-Identifier: MIT
"""ferry why: who waits for whom, with real processes that are really stuck."""
import json
import os
import pathlib
import subprocess

from lock_actor import Actor
from tap import HANG, case, check, check_equal, ended, main, until

DEADLOCK = 5
NOBODY = b'Nobody waits.\n'


def why(tool, *args, status=None):
    """What it says as JSON. The status is what the deadlocks in it say."""
    done = subprocess.run([tool.exe, 'why', '--json', *args], env=tool.env, capture_output=True,
                          check=False)
    seen = json.loads(done.stdout)
    check_equal(done.returncode, DEADLOCK if seen['deadlocks'] else 0, done.stderr)
    if status is not None:
        check_equal(done.returncode, status, seen)
    return seen


def until_waiting(tool, n, *args):
    """Wait until so many wait, and say what is seen then."""
    def look():
        seen = why(tool, *args)
        return seen if seen['waiting'] == n else None
    return until(look, f'{n} wait')


def cycles(seen):
    """Each deadlock as the set of (who, whose)."""
    return [{(step['pid'], step['held_by']['pid']) for step in deadlock}
            for deadlock in seen['deadlocks']]


def roles(seen, pid):
    return {(place['location'], place['kind'], who['role'])
            for place in seen['places'] for who in place['who'] if who['pid'] == pid}


def deadlock_of(seen, pid):
    return {who['deadlock'] for place in seen['places'] for who in place['who']
            if who['pid'] == pid}


def embrace(tool):
    """Two processes in a deadly embrace over locks of two segments."""
    one, two = Actor(tool, 'a', 'b'), Actor(tool, 'a', 'b')
    one.do('make-lock 0 0', 'make-lock 1 5', 'acquire 0 0')
    two.do('acquire 1 5')
    one.ask('acquire 1 5')
    two.ask('acquire 0 0')
    return one, two


@case
def nobody_waits(tool):
    check_equal(tool.run('why').out, NOBODY)
    check_equal(why(tool), {'waiting': 0, 'places': [], 'deadlocks': [], 'queues': []})
    actor = Actor(tool, 'a')
    actor.do('make-lock 0 0', 'acquire 0 0')
    out = tool.run('why').out.decode()
    check(NOBODY.decode() in out and '1 held' in out, out)
    check_equal(why(tool)['places'], [])


@case
def all_shows_what_nobody_waits_for(tool):
    actor = Actor(tool, 'a')
    actor.do('make-lock 0 0', 'make-semaphore 0 1 3', 'acquire 0 0')
    seen = why(tool, '--all', 'a')
    check_equal(roles(seen, actor.pid), {('a', 'lock', 'holds')})
    check_equal([place['value'] for place in seen['places'] if place['kind'] == 'semaphore'], [3])
    out = tool.run('why', '--all').out.decode()
    check(f'{actor.pid} lock_actor' in out and 'value 3' in out, out)


@case
def who_waits_and_who_holds_is_told(tool):
    owner, waiter = Actor(tool, 'a'), Actor(tool, 'a')
    owner.do('make-lock 0 2', 'acquire 0 2')
    waiter.ask('acquire 0 2')
    seen = until_waiting(tool, 1)
    check_equal(roles(seen, owner.pid), {('a', 'lock', 'holds')})
    check_equal(roles(seen, waiter.pid), {('a', 'lock', 'waits')})
    check(all(who['for_ns'] >= 0 and who['alive'] and who['program'] == 'lock_actor'
              for who in seen['places'][0]['who']), seen)
    out = tool.run('why', 'a').out.decode()
    check(f'{waiter.pid} lock_actor a  waits' in out, out)
    check(f'{owner.pid} lock_actor a  holds' in out, out)
    owner.do('release 0 2')
    check_equal(waiter.answer(), 0)
    until_waiting(tool, 0)


@case
def a_deadlock_across_two_segments_is_found(tool):
    one, two = embrace(tool)
    seen = until_waiting(tool, 2)
    check_equal(cycles(seen), [{(one.pid, two.pid), (two.pid, one.pid)}])
    steps = {step['pid']: (step['location'], step['kind']) for step in seen['deadlocks'][0]}
    check_equal(steps, {one.pid: ('b', 'lock'), two.pid: ('a', 'lock')})
    out = tool.run('why', status=DEADLOCK).out.decode()
    check('Deadlock 1:' in out and f'{one.pid} lock_actor a b waits for b, lock' in out, out)
    check_equal(cycles(why(tool, 'a', 'b')), cycles(seen))
    check_equal(cycles(why(tool, 'a', status=0)), [])  # half of it is no deadlock


@case
def who_waits_for_a_deadlock_is_behind_it(tool):
    one, _ = embrace(tool)
    third, fourth = Actor(tool, 'a'), Actor(tool, 'a')
    third.do('make-lock 0 9', 'acquire 0 9')
    third.ask('acquire 0 0')
    fourth.ask('acquire 0 9')
    seen = until_waiting(tool, 4)
    check_equal(len(seen['deadlocks']), 1)
    check_equal(len(seen['deadlocks'][0]), 2)
    check_equal([deadlock_of(seen, a.pid) for a in (one, third, fourth)], [{1}, {1}, {1}])
    out = tool.run('why', status=DEADLOCK).out.decode()
    check_equal(out.count('behind deadlock 1'), 3, out)  # third twice: it holds and waits


@case
def it_works_while_everybody_is_stopped(tool):
    one, two = embrace(tool)
    until_waiting(tool, 2)
    one.stop()
    two.stop()
    until(lambda: tool.run('why', status=DEADLOCK).out.count(b'stopped') == 4, 'both are stopped')
    check_equal(len(why(tool)['deadlocks']), 1)


@case
def killing_one_of_them_ends_a_deadlock(tool):
    one, two = embrace(tool)
    until_waiting(tool, 2)
    one.kill()
    check_equal(two.answer(), 1)  # FERRY_OWNER_DIED
    check_equal(until_waiting(tool, 0)['deadlocks'], [])


@case
def two_deadlocks_are_told_apart(tool):
    one, two = embrace(tool)
    three, four = Actor(tool, 'c'), Actor(tool, 'c')
    three.do('make-lock 0 0', 'make-lock 0 1', 'acquire 0 0')
    four.do('acquire 0 1')
    three.ask('acquire 0 1')
    four.ask('acquire 0 0')
    found = cycles(until_waiting(tool, 4))
    check_equal(len(found), 2)
    for a, b in ((one, two), (three, four)):
        check({(a.pid, b.pid), (b.pid, a.pid)} in found, found)


@case
def a_long_cycle_is_found(tool):
    n = 7
    actors = [Actor(tool, 'a') for _ in range(n)]
    for i, actor in enumerate(actors):
        actor.do(f'make-lock 0 {i}', f'acquire 0 {i}')
    for i, actor in enumerate(actors):
        actor.ask(f'acquire 0 {(i + 1) % n}')
    found = cycles(until_waiting(tool, n))
    check_equal(found, [{(actors[i].pid, actors[(i + 1) % n].pid) for i in range(n)}])


@case
def readers_and_writers_wait_for_each_other(tool):
    one, two = Actor(tool, 'a'), Actor(tool, 'a')
    one.do('make-rwlock 0 0', 'make-rwlock 0 1', 'read 0 0')
    two.do('read 0 1')
    one.ask('write 0 1')
    two.ask('write 0 0')
    seen = until_waiting(tool, 2)
    check_equal(cycles(seen), [{(one.pid, two.pid), (two.pid, one.pid)}])
    check_equal(roles(seen, one.pid), {('a', 'rwlock', 'shares'), ('a', 'rwlock', 'waits'),
                                       ('a', 'rwlock', 'holds')})
    check(b'holds' not in tool.run('why', status=DEADLOCK).out, 'a writer that waits does not hold')


@case
def readers_behind_a_waiting_writer_are_no_deadlock(tool):
    one, two, three = (Actor(tool, 'a') for _ in range(3))
    one.do('make-rwlock 0 0', 'read 0 0')
    two.ask('write 0 0')
    until_waiting(tool, 1)
    three.ask('read 0 0')
    check_equal(until_waiting(tool, 2)['deadlocks'], [])


@case
def a_barrier_waits_for_those_who_have_not_arrived(tool):
    one, two = Actor(tool, 'a'), Actor(tool, 'a')
    one.do('make-barrier 0 0 2', 'make-lock 0 1', 'acquire 0 1')
    two.do('join 0 0')
    one.ask('arrive 0 0')
    check_equal(until_waiting(tool, 1)['deadlocks'], [])  # two can arrive any time
    two.ask('acquire 0 1')
    found = cycles(until_waiting(tool, 2))
    check_equal(found, [{(one.pid, two.pid), (two.pid, one.pid)}])
    check(b'has not arrived' in tool.run('why', status=DEADLOCK).out, 'who is missing')


@case
def a_semaphore_waits_for_any_of_those_who_have_units(tool):
    one, two, three = (Actor(tool, 'a') for _ in range(3))
    one.do('make-pool 0 0 2', 'make-lock 0 1', 'take 0 0')
    two.do('take 0 0')
    three.do('acquire 0 1')
    three.ask('take 0 0')
    one.ask('acquire 0 1')
    check_equal(until_waiting(tool, 2)['deadlocks'], [])  # two can give back its unit
    two.ask('acquire 0 1')
    seen = until_waiting(tool, 3)
    check_equal(len(seen['deadlocks']), 1)
    check(1 in deadlock_of(seen, two.pid), seen)


@case
def a_process_with_another_thread_is_not_stuck_with_its_units(tool):
    one, two = Actor(tool, 'a'), Actor(tool, 'a')
    one.do('make-pool 0 0 1', 'make-lock 0 1', 'take 0 0')
    two.do('acquire 0 1')
    two.ask('take 0 0')
    one.ask('&acquire 0 1')  # its first thread can still post
    check_equal(until_waiting(tool, 2)['deadlocks'], [])
    one.ask('acquire 0 1')
    check_equal(len(until_waiting(tool, 3)['deadlocks']), 1)


@case
def threads_of_one_process_are_told_apart(tool):
    one = Actor(tool, 'a')
    one.do('make-lock 0 0', 'make-lock 0 1', 'acquire 0 0')
    one.do('&acquire 0 1')
    one.ask('acquire 0 1')
    seen = until_waiting(tool, 1)
    check_equal(seen['deadlocks'], [])
    check_equal(len({who['thread'] for place in seen['places'] for who in place['who']}), 2)


@case
def waiting_for_a_signal_or_a_post_is_no_deadlock(tool):
    one, two = Actor(tool, 'a'), Actor(tool, 'a')
    one.do('make-lock 0 0', 'make-condition 0 1', 'make-semaphore 0 2 0', 'acquire 0 0')
    one.ask('await 0 1 0')
    two.ask('take 0 2')
    seen = until_waiting(tool, 2)
    check_equal(seen['deadlocks'], [])
    check_equal({place['kind'] for place in seen['places']}, {'condition', 'semaphore'})


@case
def who_waits_for_a_once_is_told(tool):
    one, two = Actor(tool, 'a'), Actor(tool, 'a')
    one.do('make-once 0 0')
    one.do('begin 0 0', wanted=1)
    two.ask('begin 0 0')
    seen = until_waiting(tool, 1)
    check_equal(roles(seen, one.pid), {('a', 'once', 'holds')})


@case
def a_dead_owner_is_shown(tool):
    one = Actor(tool, 'a')
    one.do('make-lock 0 0', 'acquire 0 0')
    one.kill()
    seen = why(tool, '--all')
    check_equal([who['state'] for who in seen['places'][0]['who']], ['dead'])


@case
def lost_and_abandoned_locks_are_shown(tool):
    one, two = Actor(tool, 'a'), Actor(tool, 'a')
    one.do('make-lock 0 0', 'acquire 0 0')
    one.kill()
    two.do('acquire 0 0', wanted=1)
    two.do('release 0 0')
    check_equal([place['lost'] for place in why(tool)['places']], [True])
    check(b'lost' in tool.run('why').out, 'the word')


@case
def a_segment_can_be_looked_at_with_read_permission(tool):
    embrace(tool)
    until_waiting(tool, 2)
    for name in 'ab':
        os.chmod(tool.dir / name, 0o400)
    check_equal(len(why(tool)['deadlocks']), 1)


@case
def what_is_no_object_is_passed_over_or_refused_by_name(tool):
    (tool.dir / 'file').write_bytes(b'no object')
    check_equal(tool.run('why').out, NOBODY)
    tool.fails(1, 'why', 'file', says=['why file: '])
    tool.fails(4, 'why', 'nothing', says=['why nothing: '])


class Nested:
    """`ferry lock` that runs a shell, which runs a script once it is told to. $0 is ferry."""

    def __init__(self, tool, lock, script):
        self.process = tool.start('lock', lock, '--', 'sh', '-c', f'echo; read _; {script}',
                                  tool.exe, stdin=subprocess.PIPE)
        self.pid = self.process.pid
        self.process.stdout.readline()

    def go_on(self):
        self.process.stdin.write(b'\n')
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        check_equal(self.process.wait(HANG), 0, 'status of the command')


def nested_in_each_other(tool, script_of_one):
    """One has a, two has b; two then waits for a, and one does something."""
    one, two = Nested(tool, 'a', script_of_one), Nested(tool, 'b', '"$0" lock a true; :')
    one.go_on()
    two.go_on()
    return one, two


def parents(pid):
    """The process, its parent, and so on."""
    while pid > 1:
        yield pid
        pid = int(pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1])


def until_deadlock(tool):
    """A child may wait for its lock a moment before its shell waits for it."""
    def look():
        seen = why(tool)
        return seen if seen['deadlocks'] else None
    return until(look, 'there is a deadlock')


@case
def a_deadlock_through_nested_commands_is_found(tool):
    one, two = nested_in_each_other(tool, '"$0" lock b true; :')
    seen = until_deadlock(tool)
    steps = {step['held_by']['pid']: step for step in seen['deadlocks'][0]}
    check_equal(set(steps), {one.pid, two.pid})
    for holder, other, wanted in ((one, two, 'b'), (two, one, 'a')):
        child = steps[holder.pid]['through']
        check(holder.pid in parents(child['pid']), child)
        check_equal(child['command'][1:], ['lock', wanted, 'true'])
        check_equal(steps[other.pid]['pid'], child['pid'], 'the child is the next one that waits')
        check_equal(deadlock_of(seen, holder.pid), {1})
    out = tool.run('why', status=DEADLOCK).out.decode()
    check(f', through its child {steps[one.pid]["through"]["pid"]} (ferry lock b true)\n' in out, out)
    check_equal(out.count('  deadlock 1\n'), 4, out)


@case
def a_command_that_waits_for_the_lock_it_runs_under_is_a_deadlock(tool):
    holder = tool.start('lock', 'a', '--', tool.exe, 'lock', 'a', 'true')
    (step,), = until_deadlock(tool)['deadlocks']
    check_equal((step['held_by']['pid'], step['through']['pid']), (holder.pid, step['pid']))


def goes_on(tool, script_of_one):
    """Both wait, no deadlock is seen, and there is none: one ends when its input does."""
    one, two = nested_in_each_other(tool, script_of_one)
    check_equal(until_waiting(tool, 2)['deadlocks'], [])
    one.end()
    two.end()
    until_waiting(tool, 0)


@case
def a_command_with_another_child_that_may_end_is_no_deadlock(tool):
    goes_on(tool, '"$0" lock b true & cat; :')


@case
def a_command_that_does_not_wait_for_its_child_is_no_deadlock(tool):
    goes_on(tool, '"$0" lock b true & read _; :')


@case
def the_command_of_a_lock_is_shown_as_a_shell_reads_it(tool):
    words = ['lock', 'a', '--', 'sh', '-c', "echo; read x # it's\n\x1b[1mhere"]
    holder = tool.start(*words, stdin=subprocess.PIPE)
    holder.stdout.readline()
    place, = why(tool, '--all')['places']
    check_equal([who['command'] for who in place['who']], [[tool.exe, *words]])
    shown = "ferry lock a -- sh -c 'echo; read x # it'\\''s??[1mhere'"
    for out in (tool.run('why', '--all').out.decode(), tool.run('stat', 'a').out.decode()):
        check(f'{holder.pid}' in out and f' {shown} ' in out, out)


@case
def a_command_that_is_too_long_is_cut(tool):
    word = 'h\u00e4' * 50
    holder = tool.start('lock', 'a', '--', 'sh', '-c', 'echo; read x', word, stdin=subprocess.PIPE)
    holder.stdout.readline()
    out = tool.run('why', '--all').out.decode()  # what is no UTF-8 raises
    check('... ' in out and word not in out, out)


def waiting_in(seen):
    return {(queue['location'], queue['kind'], who['pid'], who['waiting_receivers'],
             who['waiting_senders']) for queue in seen['queues'] for who in queue['who']}


@case
def who_waits_in_mailboxes_and_pipes_is_shown_too(tool):
    tool.run('create', 'mailbox', 'box')
    tool.run('create', 'mailbox', 'full', '--messages=1')
    tool.run('create', 'pipe', 'pipe')
    while tool.stat('full')['messages'] < tool.stat('full')['capacity']:
        tool.run('send', 'full', 'x')
    receiver, sender = tool.start('receive', 'box'), tool.start('send', 'full', 'y')
    writer = tool.start('write', 'pipe', stdin=subprocess.PIPE)
    reader = tool.start('read', 'pipe')
    wanted = {('box', 'mailbox', receiver.pid, 1, 0), ('full', 'mailbox', sender.pid, 0, 1),
              ('pipe', 'pipe', reader.pid, 1, 0)}
    until(lambda: waiting_in(why(tool, status=0)) == wanted, 'all three wait')
    out = tool.run('why').out.decode()
    for who, what in ((receiver, 'receive box  waits to receive'), (reader, 'read pipe  waits to read'),
                      (sender, 'send full y  waits to send')):
        check(f'  {who.pid} ferry {what}' in out, out)
    check('box, mailbox: 0 of ' in out and 'Nobody' not in out, out)
    check_equal(waiting_in(why(tool, 'box')), {('box', 'mailbox', receiver.pid, 1, 0)})
    tool.run('send', 'box', 'x')
    check_equal(ended(receiver)[0], 0)
    check_equal(waiting_in(why(tool, 'box')), set())
    writer.stdin.close()
    check_equal(ended(reader)[0], 0)


if __name__ == '__main__':
    main()
