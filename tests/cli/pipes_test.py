# SPDX-License-Identifier: MIT
"""ferry write, read and tap, and pipes in create, ls, stat and gc."""
import json
import os
import random
import select
import signal
import subprocess

from tap import HANG, case, check, check_equal, ended, main, until


def reading(tool, *options, **how):
    """A `ferry read p` that waits for a writer."""
    process = tool.start('read', 'p', *options, **how)
    until(lambda: (tool.dir / 'p').exists() and tool.stat('p')['has_reader'], 'it reads')
    return process


@case
def what_is_written_is_read(tool):
    big = random.Random(1).randbytes(5_000_000)
    for data in (b'', b'x', b'line\n' * 1000, bytes(range(256)) * 99, big):
        with open(tool.dir / '.out', 'wb') as out:  # nobody has to empty it meanwhile
            reader = reading(tool, stdout=out)
        tool.run('write', 'p', stdin=data)
        check_equal(ended(reader)[0], 0)
        check((tool.dir / '.out').read_bytes() == data, f'{len(data)} bytes came out changed')


@case
def a_tree_passes_through_tar(tool):
    (tool.dir / 'tree').mkdir()
    for i in range(50):
        (tool.dir / 'tree' / str(i)).write_bytes(random.Random(i).randbytes(i * 1000))
    (tool.dir / 'out').mkdir()
    line = f'tar c -C {tool.dir}/tree . | {tool.exe} write p & {tool.exe} read p | tar x -C {tool.dir}/out; wait'
    done = subprocess.run(['bash', '-o', 'pipefail', '-c', line], env=tool.env, timeout=HANG, check=False)
    check_equal(done.returncode, 0)
    check_equal(subprocess.run(['diff', '-r', tool.dir / 'tree', tool.dir / 'out'], check=False).returncode, 0)


@case
def each_end_waits_for_the_other_and_gives_up_in_time(tool):
    tool.fails(3, 'write', 'p', '--timeout', '50ms', says=['write p: nobody opened it to read'])
    tool.fails(3, 'read', 'p', '--timeout', '50ms', says=['read p: nobody opened it to write'])


@case
def a_full_pipe_and_an_empty_one_end_in_time(tool):
    tool.run('create', 'pipe', 'p', '--capacity', '4K')
    reader = reading(tool)
    os.kill(reader.pid, signal.SIGSTOP)
    tool.fails(3, 'write', 'p', '--timeout', '100ms', stdin=b'x' * 100000, says=['nobody made room'])
    os.kill(reader.pid, signal.SIGCONT)
    check_equal(ended(reader)[0], 0)


@case
def a_pipe_is_made_unless_it_must_exist_and_stays_unless_told(tool):
    for command in 'read', 'write', 'tap':
        option = [] if command == 'tap' else ['--existing']
        tool.fails(4, command, 'p', *option, says=[f'{command} p: '])
    reader = reading(tool)
    tool.run('write', 'p', stdin=b'1')
    ended(reader)
    check((tool.dir / 'p').exists(), 'it is gone')
    reader = reading(tool, '--remove')
    tool.run('write', 'p', stdin=b'1')
    ended(reader)
    check(not (tool.dir / 'p').exists(), 'it is still there')


@case
def what_nobody_read_stays_for_the_next(tool):
    reader = reading(tool)
    writer = tool.start('write', 'p', stdin=subprocess.PIPE)
    until(lambda: tool.stat('p')['writers'], 'it writes')
    os.kill(reader.pid, signal.SIGSTOP)
    check_equal(writer.communicate(b'kept', timeout=HANG), (b'', b''))
    check_equal(tool.stat('p')['bytes'], 4)
    reader.kill()
    reader.wait()
    check_equal(tool.run('read', 'p', '--all').out, b'kept')
    check_equal(tool.run('read', 'p', '--all').out, b'')


@case
def a_writer_without_readers_dies_of_sigpipe(tool):
    reader = reading(tool)
    writer = tool.start('write', 'p', stdin=subprocess.PIPE)
    until(lambda: tool.stat('p')['writers'], 'it writes')
    reader.kill()
    reader.wait()
    out, err = writer.communicate(b'x' * 3_000_000, timeout=HANG)
    check_equal((writer.returncode, out, err), (-signal.SIGPIPE, b'', b''))


@case
def a_reader_whose_output_closes_dies_of_sigpipe_and_leaves_the_rest(tool):
    read_end, write_end = os.pipe()
    reader = tool.start('read', 'p', stdout=write_end)
    os.close(write_end)
    os.close(read_end)
    writer = tool.start('write', 'p', stdin=subprocess.PIPE)
    writer.stdin.write(b'rest')
    writer.stdin.flush()
    check_equal(reader.wait(HANG), -signal.SIGPIPE)
    writer.stdin.close()
    writer.wait(HANG)


@case
def an_interrupt_ends_both_where_they_wait(tool):
    for command in 'read', 'write':
        process = tool.start(command, 'p')
        until(lambda: (tool.dir / 'p').exists() and tool.stat('p')[{'read': 'has_reader', 'write': 'has_writer'}[command]], 'it waits')
        process.send_signal(signal.SIGINT)
        check_equal(ended(process), (-signal.SIGINT, b'', b''))


@case
def several_writers_lose_nothing(tool):
    reader = reading(tool)
    data = [bytes([65 + i]) * 700_000 for i in range(3)]
    keep = tool.start('write', 'p', stdin=subprocess.PIPE)
    until(lambda: tool.stat('p')['writers'], 'one writes')
    for i, piece in enumerate(data):
        (tool.dir / f'.{i}').write_bytes(piece)
    for i in range(len(data)):
        with open(tool.dir / f'.{i}', 'rb') as file:
            tool.start('write', 'p', stdin=file)
    until(lambda: tool.stat('p')['written'] > 0, 'they write')
    for writer in tool.started[2:]:
        until(lambda w=writer: w.poll() is not None or tool.stat('p')['writers'] > 1, 'it writes')
    keep.stdin.close()
    out = reader.communicate(timeout=HANG)[0]
    check_equal([writer.wait(HANG) for writer in tool.started[2:]], [0] * 3)
    check_equal([out.count(bytes([65 + i])) for i in range(3)], [700_000] * 3)


@case
def no_progress_is_shown_where_there_is_no_terminal(tool):
    reader = reading(tool, '--progress')
    tool.run('write', 'p', '--progress', stdin=b'1' * 100000)
    check_equal(ended(reader)[2], b'')


@case
def progress_is_shown_on_a_terminal(tool):
    ours, theirs = os.openpty()
    reader = reading(tool)
    writer = tool.start('write', 'p', '--progress', stdin=subprocess.PIPE, stderr=theirs)
    writer.communicate(b'1' * 102400, timeout=HANG)
    os.close(theirs)
    shown = os.read(ours, 1000)
    os.close(ours)
    ended(reader)
    check(b'100 KiB' in shown and b'fill' in shown and b'/s' in shown, shown)


@case
def pipes_are_created_listed_and_described(tool):
    tool.run('create', 'pipe', 'p', '--capacity', '100K', '--mode', '640')
    tool.run('create', 'pipe', 'p')
    tool.fails(1, 'create', 'pipe', 'p', '--exclusive', says=['exists already'])
    tool.fails(1, 'create', 'pipe', 'p', '--capacity', '1G', says=['102400'])
    tool.misused('create', 'pipe', 'q', '--messages', '3', says='--messages is for mailboxes')
    tool.misused('create', 'mailbox', 'q', '--capacity', '3', says='--capacity is for pipes')
    check(b'0 B/100 KiB' in tool.run('ls').out, 'no fill')
    check(b'0 B of 100 KiB' in tool.run('stat', 'p').out, 'no fill')
    stat = tool.stat('p')
    check_equal((stat['kind'], stat['capacity'], stat['mode'], stat['has_reader']), ('pipe', 102400, '0640', False))
    reader = reading(tool)
    check_equal(tool.stat('p')['readers'], 1)
    check(b'1 reader, 0 writers' in tool.run('stat', 'p').out, 'no reader')
    reader.kill()
    reader.wait()
    check(b'1 dead member' in tool.run('gc').out, 'nothing cleaned up')
    tool.run('rm', 'p')


@case
def creating_one_that_is_there_wakes_nobody_who_waits_for_a_reader(tool):
    writer = tool.start('write', 'p', stdin=subprocess.PIPE)
    until(lambda: (tool.dir / 'p').exists() and tool.stat('p')['has_writer'], 'it waits')
    tool.run('create', 'pipe', 'p')
    check_equal(tool.stat('p')['readers'], 0)
    reader = tool.start('read', 'p')
    check_equal(writer.communicate(b'hello', timeout=HANG), (b'', b''))
    check_equal(ended(reader), (0, b'hello', b''))


@case
def a_tap_shows_messages_and_leaves_them(tool):
    tool.run('create', 'mailbox', 'box')
    tool.run('send', 'box', 'before')
    tap = tool.start('tap', 'box', '--json', '--number', '2')
    lines = []
    number = 0
    while tap.poll() is None:  # it may not have begun yet
        tool.run('send', 'box', str(number))
        number += 1
    lines = [json.loads(line)['data'] for line in ended(tap)[1].splitlines()]
    check_equal(len(lines), 2)
    check_equal(int(lines[1]), int(lines[0]) + 1)
    check_equal(tool.data('box'), ['before'] + [str(i) for i in range(number)])


@case
def a_tap_of_a_mailbox_counts_what_it_missed_and_ends_with_the_object(tool):
    tool.run('create', 'mailbox', 'box', '--messages', '10')
    tap = tool.start('tap', 'box', '--json')
    sent = 0

    def pass_through(n):
        nonlocal sent
        tool.run('send', 'box', *[str(sent + i) for i in range(n)])
        sent += n
        tool.run('receive', 'box', '--all')

    while not select.select([tap.stdout], [], [], 0)[0]:  # it may not have begun yet
        pass_through(1)
    first = int(json.loads(tap.stdout.readline())['data'])
    os.kill(tap.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, tap.pid, os.WSTOPPED)
    for _ in range(30):  # four times as many as can still be seen afterwards
        pass_through(10)
    os.kill(tap.pid, signal.SIGCONT)
    last = sent
    pass_through(1)
    seen, missed = [first], 0
    while seen[-1] != last:
        line = json.loads(tap.stdout.readline())
        missed += line.get('missed', 0)
        seen += [int(line['data'])] if 'data' in line else []
    check_equal(seen, sorted(set(seen)), 'each once, in order')
    check_equal(len(seen) + missed, sent - first, 'shown or missed')
    check(missed > 100, missed)
    tool.run('rm', 'box')
    status, _, err = ended(tap)
    check_equal(status, 4)
    check(f'tap box: missed {missed} messages\n'.encode() in err, err)


@case
def a_tap_of_a_pipe_shows_its_bytes(tool):
    tool.run('create', 'pipe', 'p', '--capacity', '1M')
    tap = tool.start('tap', 'p', '--timeout', '5s')
    writer = tool.start('write', 'p', stdin=subprocess.PIPE)
    reader = tool.start('read', 'p')
    seen = b''
    os.set_blocking(tap.stdout.fileno(), False)
    sent = 0
    while len(seen) < 100:  # it may not have begun yet
        writer.stdin.write(b'%010d' % sent)
        writer.stdin.flush()
        sent += 1
        seen += tap.stdout.read() or b''
    writer.stdin.close()
    check_equal(reader.communicate(timeout=HANG)[0], b''.join(b'%010d' % i for i in range(sent)))
    os.set_blocking(tap.stdout.fileno(), True)
    seen += ended(tap)[1]
    check(b''.join(b'%010d' % i for i in range(sent)).endswith(seen[-100:]), 'not what was written')
    tool.run('tap', 'p', '--json', status=2, err='ferry: tap p: it is a pipe')


if __name__ == '__main__':
    main()
