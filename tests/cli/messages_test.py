# SPDX-License-Identifier: MIT
"""ferry send, receive and peek: what goes in comes out, and nothing is lost on the way."""
import base64
import json
import os
import random
import signal
import subprocess
import time

from tap import HANG, case, check, check_equal, ended, main, until

BYTES = bytes(range(256))


def make(tool, *options, name='box'):
    tool.run('create', 'mailbox', name, *options)
    return name


@case
def arguments_are_messages_in_order(tool):
    box = make(tool)
    tool.run('send', box, 'one', 'two words', '', 'four')
    check_equal(tool.data(box), ['one', 'two words', '', 'four'])


@case
def lines_of_standard_input_are_messages(tool):
    box = make(tool)
    tool.run('send', box, stdin=b'one\n\n  three \r\nfour')
    check_equal(tool.data(box), ['one', '', '  three \r', 'four'])


@case
def a_line_is_sent_as_soon_as_it_is_there(tool):
    box = make(tool)
    sender = tool.start('send', box, stdin=subprocess.PIPE)
    sender.stdin.write(b'first\nsec')
    sender.stdin.flush()
    check_equal(tool.run('receive', box, '--timeout', str(HANG)).out, b'first\n')
    check_equal(ended_with(sender, b'ond\n'), (0, b'', b''))
    check_equal(tool.data(box), ['second'])


def ended_with(process, last):
    out, err = process.communicate(last, timeout=HANG)
    return process.returncode, out, err


@case
def no_input_is_no_line_but_an_empty_whole(tool):
    box = make(tool)
    tool.run('send', box)
    tool.run('send', box, '--lines', stdin=b'')
    check_equal(tool.drain(box), [])
    tool.run('send', box, '--whole')
    check_equal(tool.data(box), [''])


@case
def the_whole_input_is_one_message(tool):
    box = make(tool)
    tool.run('send', box, '--whole', stdin=b'one\ntwo\n')
    check_equal(tool.data(box), ['one\ntwo\n'])


@case
def a_file_is_one_message_or_its_lines(tool):
    box = make(tool)
    (tool.dir / 'file').write_bytes(b'one\ntwo\n')
    file = f'--file={tool.dir}/file'
    tool.run('send', box, file)
    tool.run('send', box, file, '--lines')
    tool.run('send', file, '--whole', box)
    check_equal(tool.data(box), ['one\ntwo\n', 'one', 'two', 'one\ntwo\n'])


@case
def a_message_may_begin_with_a_dash(tool):
    box = make(tool)
    tool.run('send', box, '--', '-5', '--', '--file')
    check_equal(tool.data(box), ['-5', '--', '--file'])


@case
def all_bytes_pass_raw(tool):
    box = make(tool)
    tool.run('send', box, '--whole', stdin=BYTES * 3)
    check_equal(tool.run('peek', box, '--raw').out, BYTES * 3)
    check_equal(tool.run('receive', box, '--raw').out, BYTES * 3)


@case
def all_bytes_but_the_newline_pass_in_a_line(tool):
    box = make(tool)
    line = BYTES.replace(b'\n', b'')
    tool.run('send', box, stdin=line + b'\n' + line)
    check_equal(tool.run('receive', box, '-n', '2').out, (line + b'\n') * 2)


@case
def sizes_around_every_boundary_pass(tool):
    box = make(tool)
    random_bytes = random.Random(7).randbytes(65536)
    for size in (0, 1, 103, 104, 105, 111, 112, 113, 4095, 4096, 65535, 65536):
        tool.run('send', box, '--whole', stdin=random_bytes[:size])
        check_equal(tool.run('receive', box, '--raw', '--try').out, random_bytes[:size], size)


@case
def a_message_of_64_mib_passes_through_a_file_and_a_pipe(tool):
    box = make(tool, '--max-size=64M', '--memory=128M')
    big = random.Random(8).randbytes(1 << 20) * 64
    (tool.dir / 'big').write_bytes(big)
    tool.run('send', box, '--file', str(tool.dir / 'big'))
    tool.run('send', box, '--whole', stdin=big)
    check_equal(tool.stat(box)['bytes'], 2 * len(big))
    check(tool.run('receive', box, '--raw').out == big, 'the file came out changed')
    check(tool.run('receive', box, '--raw').out == big, 'the input came out changed')


@case
def many_lines_pass_in_order_through_a_pipeline(tool):
    box = make(tool)
    lines = b''.join(b'line %d %s\n' % (i, b'x' * (i % 300)) for i in range(20000))
    receiver = tool.start('receive', box, '-n', '20000')
    (tool.dir / 'lines').write_bytes(lines)
    sender = tool.start('send', box, '--lines', '--file', str(tool.dir / 'lines'))
    check_equal(ended(receiver), (0, lines, b''))
    check_equal(sender.wait(HANG), 0)


@case
def json_tells_size_priority_deliveries_and_data(tool):
    box = make(tool, '--priorities=4')
    tool.run('send', box, '--priority', '3', 'tea \u2615 "two"\n\t\x01')
    wanted = {'size': 16, 'priority': 3, 'deliveries': 1, 'encoding': 'utf-8',
              'data': 'tea \u2615 "two"\n\t\x01'}
    check_equal(json.loads(tool.run('peek', box, '--json').out), wanted)
    line = tool.run('receive', box, '--json').out
    check_equal(line.count(b'\n'), 1, 'newlines')
    check_equal(json.loads(line), wanted)


@case
def json_writes_what_is_not_utf_8_in_base64(tool):
    box = make(tool)
    parts = [BYTES, b'\xff', b'a\xff', b'ab\xff', b'abc\xff', b'\xed\xa0\x80', b'\xc0\x80', b'\xf4\x90\x80\x80',
             b'\xe2\x98']
    for part in parts:
        tool.run('send', box, '--whole', stdin=part)
    for part, message in zip(parts, tool.drain(box), strict=True):
        check_equal(message['encoding'], 'base64', part)
        check_equal(base64.b64decode(message['data'], validate=True), part)


@case
def json_keeps_the_byte_0_in_a_string(tool):
    box = make(tool)
    tool.run('send', box, '--whole', stdin=b'a\0b\0')
    check_equal(tool.drain(box), [{'size': 4, 'priority': 0, 'deliveries': 1,
                                   'encoding': 'utf-8', 'data': 'a\0b\0'}])


@case
def json_tells_the_time_that_is_left(tool):
    box = make(tool)
    tool.run('send', box, '--ttl=1h', 'a')
    left = tool.drain(box)[0]['ttl_ns']
    check(3000e9 < left <= 3600e9, left)


@case
def higher_priorities_come_first(tool):
    box = make(tool, '--priorities=3')
    for priority, message in (('0', 'a'), ('2', 'b'), ('1', 'c'), ('2', 'd'), ('0', 'e')):
        tool.run('send', box, '-p', priority, message)
    check_equal(tool.data(box), ['b', 'd', 'c', 'a', 'e'])


@case
def a_message_whose_time_is_over_is_not_received(tool):
    box = make(tool)
    tool.run('send', box, '--ttl=1ms', 'old')
    tool.run('send', box, 'new')
    time.sleep(0.1)  # the message's own time, nobody is waited for
    check_equal(tool.data(box), ['new'])
    check_equal(tool.stat(box)['expired'], 1)


@case
def receive_takes_one_message_by_default(tool):
    box = make(tool)
    tool.run('send', box, 'a', 'b', 'c')
    check_equal(tool.run('receive', box).out, b'a\n')
    check_equal(tool.run('receive', box, '-n', '1', '--raw').out, b'b')
    check_equal(tool.stat(box)['messages'], 1)


@case
def receive_waits_for_a_message(tool):
    box = make(tool)
    receiver = tool.start('receive', box)
    tool.until_waiting(box)
    tool.run('send', box, 'hello')
    check_equal(ended(receiver), (0, b'hello\n', b''))


@case
def receive_all_drains_and_an_empty_mailbox_is_no_error(tool):
    box = make(tool)
    tool.run('send', box, *map(str, range(100)))
    check_equal(tool.run('receive', box, '--all').out.split(), [b'%d' % i for i in range(100)])
    check_equal(tool.run('receive', box, '--all').out, b'')


@case
def peek_leaves_the_message_and_the_figures_as_they_are(tool):
    box = make(tool)
    tool.run('send', box, 'a' * 50000, 'b')
    before = tool.stat(box)
    for _ in range(3):
        check_equal(tool.run('peek', box).out, b'a' * 50000 + b'\n')
    after = tool.stat(box)
    for figures in (before, after):
        del figures['oldest_age_ns']
    check_equal(after, before)


@case
def nothing_within_the_time_is_status_3(tool):
    box = make(tool)
    tool.fails(3, 'receive', box, '--try', says=['receive box: no message', '--timeout'])
    tool.fails(3, 'receive', box, '--timeout', '20ms', says=['no message came within 20 ms'])
    tool.fails(3, 'receive', box, '--timeout=0', says=['no message came within 0 ns'])
    tool.fails(3, 'receive', box, '--follow', '--timeout=1us', says=['no message came'])
    tool.fails(3, 'peek', box, says=['peek box: no message is there'])


@case
def fewer_messages_than_wanted_are_written_and_status_3(tool):
    box = make(tool)
    tool.run('send', box, 'a', 'b')
    result = tool.fails(3, 'receive', box, '-n', '3', '--try', says=['no message is there'])
    check_equal(result.out, b'a\nb\n')


@case
def a_full_mailbox_is_status_3_and_says_what_to_do(tool):
    box = make(tool, '--messages=2')
    tool.run('send', box, 'a', 'b')
    tool.fails(3, 'send', box, 'c', '--try',
               says=['send box: the mailbox is full (2 messages); wait with --timeout, or receive some'])
    tool.fails(3, 'send', box, 'c', '--timeout=20ms', says=['full (2 messages); receive some'])
    tool.fails(3, 'send', box, '--try', stdin=b'c\n', says=['full (2 messages)'])
    check_equal(tool.data(box), ['a', 'b'])


@case
def no_memory_for_a_message_is_status_3_and_says_so(tool):
    box = make(tool, '--max-size=64K', '--memory=64K')
    tool.run('send', box, '--whole', stdin=b'x' * 65536)
    tool.fails(3, 'send', box, '--whole', '--try', stdin=b'y' * 60000,
               says=['no memory for a message of 58.6 KiB', 'receive some'])


@case
def send_waits_for_room(tool):
    box = make(tool, '--messages=1')
    tool.run('send', box, 'a')
    sender = tool.start('send', box, 'b')
    tool.until_waiting(box, 'senders')
    check_equal(tool.run('receive', box).out, b'a\n')
    check_equal(ended(sender), (0, b'', b''))
    check_equal(tool.data(box), ['b'])


@case
def a_full_mailbox_that_drops_the_oldest_takes_every_message(tool):
    box = make(tool, '--messages=2', '--drop-oldest')
    tool.run('send', box, '--try', 'a', 'b', 'c', 'd')
    check_equal(tool.data(box), ['c', 'd'])
    check_equal(tool.stat(box)['dropped'], 2)


@case
def too_large_a_message_says_how_large_it_may_be(tool):
    box = make(tool, '--max-size=1000')
    (tool.dir / 'file').write_bytes(b'x' * 1001)
    advice = 'larger --max-size'
    tool.fails(1, 'send', box, 'x' * 1001, says=['send box: ', '1001 bytes', 'up to 1000', advice])
    tool.fails(1, 'send', box, '--file', str(tool.dir / 'file'), says=['file is larger', '1000', advice])
    tool.fails(1, 'send', box, '--whole', stdin=b'x' * 1001, says=['standard input is larger', advice])
    tool.fails(1, 'send', box, stdin=b'a\nb\n' + b'x' * 1001 + b'\nc\n', says=['line 3', advice])
    check_equal(tool.data(box), ['a', 'b'])
    tool.run('send', box, '--whole', stdin=b'x' * 1000)


@case
def an_endless_line_is_refused_without_reading_it_all(tool):
    box = make(tool)
    with open('/dev/zero', 'rb') as zero:
        sender = tool.start('send', box, stdin=zero)
        status, _, err = ended(sender)
    check_equal(status, 1)
    check(b'line 1 of standard input is larger' in err, err)


@case
def a_priority_that_does_not_exist_is_named(tool):
    box = make(tool, '--priorities=2')
    tool.fails(2, 'send', box, '-p', '2', 'm', says=['there is no priority 2, the highest is 1'])


@case
def a_file_that_cannot_be_read_is_named(tool):
    box = make(tool)
    tool.fails(1, 'send', box, '--file', '/nonexistent', says=['cannot open /nonexistent: No such'])
    tool.fails(1, 'send', box, '--file', '/', says=['cannot read /: Is a directory'])
    check_equal(tool.drain(box), [])


@case
def a_mailbox_that_does_not_exist_is_status_4(tool):
    for args in (['send', 'nix', 'm'], ['receive', 'nix']):
        tool.fails(4, *args, says=[f'{args[0]} nix: ', '`ferry create` makes one'])
    tool.fails(4, 'peek', 'nix', says=['peek nix: ', '`ferry ls` shows what there is'])
    check_equal(tool.run('ls').out, b'')


@case
def create_makes_the_mailbox_if_need_be(tool):
    tool.run('send', 'new', '--create', 'a')
    tool.run('send', 'new', '--create', 'b')
    check_equal(tool.run('receive', 'new', '--create', '-n', '2').out, b'a\nb\n')
    tool.fails(3, 'receive', 'newer', '--create', '--try', says=['no message'])
    check_equal([e['name'] for e in json.loads(tool.run('ls', '--json').out)], ['new', 'newer'])


@case
def removal_ends_those_who_wait_with_status_4(tool):
    box = make(tool, '--messages=1')
    receiver = tool.start('receive', box, '--follow')
    tool.until_waiting(box)
    tool.run('rm', box)
    status, out, err = ended(receiver)
    check_equal((status, out), (4, b''), err)
    check(err.startswith(b'ferry: receive box: ') and b'`ferry create`' in err, err)
    make(tool, '--messages=1')
    tool.run('send', box, 'a')
    sender = tool.start('send', box, 'b')
    tool.until_waiting(box, 'senders')
    tool.run('rm', box)
    check_equal(ended(sender)[0], 4)


def nobody_left(tool, box):
    figures = tool.stat(box)
    check_equal((figures['members_alive'], figures['members_dead']), (0, 0), 'members')
    return figures


@case
def a_signal_ends_follow_cleanly_and_by_that_signal(tool):
    box = make(tool)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        receiver = tool.start('receive', box, '--follow')
        tool.until_waiting(box)
        tool.run('send', box, 'a', 'b')
        check_equal(receiver.stdout.readline() + receiver.stdout.readline(), b'a\nb\n')
        tool.until_waiting(box)
        receiver.send_signal(number)
        check_equal(ended(receiver), (-number, b'', b''))
        figures = nobody_left(tool, box)
        check_equal((figures['messages'], figures['taken'], figures['redelivered']), (0, 0, 0))


@case
def a_signal_while_output_is_blocked_puts_the_message_back(tool):
    box = make(tool, '--max-size=1M')
    big = b'x' * 1000000
    for json_option in ([], ['--json']):
        tool.run('send', box, '--whole', stdin=big)
        receiver = tool.start('receive', box, '--follow', *json_option)
        until(lambda: tool.stat(box)['taken'] == 1, 'the message is taken')
        receiver.send_signal(signal.SIGINT)
        check_equal(receiver.wait(HANG), -signal.SIGINT)
        check_equal(nobody_left(tool, box)['messages'], 1)
        message = tool.drain(box)[0]
        check_equal((message['size'], message['deliveries']), (len(big), 2))


@case
def a_message_comes_again_when_its_receiver_is_killed(tool):
    box = make(tool, '--max-size=1M')
    tool.run('send', box, '--whole', stdin=b'x' * 1000000)
    tool.run('send', box, 'next')
    receiver = tool.start('receive', box)
    until(lambda: tool.stat(box)['taken'] == 1, 'the message is taken')
    receiver.kill()
    receiver.wait(HANG)
    lines = tool.run('receive', box, '--json', '-n', '2', '--timeout', str(HANG)).out.splitlines()
    came = {(m['size'], m['deliveries']) for m in map(json.loads, lines)}
    check_equal(came, {(1000000, 2), (4, 1)})


@case
def an_ignored_signal_stays_ignored(tool):
    box = make(tool)
    receiver = tool.start('receive', box,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    tool.until_waiting(box)
    receiver.send_signal(signal.SIGINT)
    tool.run('send', box, 'a')
    check_equal(ended(receiver), (0, b'a\n', b''))


@case
def a_signal_ends_send_while_it_waits_for_input_or_room(tool):
    box = make(tool, '--messages=1')
    sender = tool.start('send', box, stdin=subprocess.PIPE)
    sender.stdin.write(b'a\n')
    sender.stdin.flush()
    until(lambda: tool.stat(box)['messages'] == 1, 'the line is sent')
    sender.send_signal(signal.SIGINT)
    check_equal(sender.wait(HANG), -signal.SIGINT)
    sender = tool.start('send', box, 'b')
    tool.until_waiting(box, 'senders')
    sender.send_signal(signal.SIGTERM)
    check_equal(sender.wait(HANG), -signal.SIGTERM)
    nobody_left(tool, box)
    check_equal(tool.data(box), ['a'])


@case
def follow_ends_quietly_when_its_reader_is_gone(tool):
    box = make(tool)
    receiver = tool.start('receive', box, '--follow')
    tool.until_waiting(box)
    receiver.stdout.close()
    check_equal(receiver.wait(HANG), -signal.SIGPIPE)
    check_equal(receiver.stderr.read(), b'')
    nobody_left(tool, box)


@case
def what_a_reader_did_not_take_stays_in_the_mailbox(tool):
    box = make(tool, '--memory=2M')
    for i in range(50):
        tool.run('send', box, '%02d' % i + 'x' * 30000)
    script = '"$0" receive box --all; echo $? >&2'
    done = subprocess.run(['sh', '-c', f'({script}) | head -c 2', tool.exe], env=tool.env,
                          capture_output=True, timeout=HANG, check=False)
    check_equal((done.stdout, done.stderr), (b'00', b'141\n'))
    left = tool.drain(box)
    numbers = [int(message['data'][:2]) for message in left]
    check_equal(numbers, list(range(numbers[0], 50)), 'what is left')
    # The pipe holds two of them, and the reader took some more before it closed.
    check(1 <= numbers[0] < 40, numbers)
    check(left[0]['deliveries'] <= 2, left[0]['deliveries'])
    check_equal({message['deliveries'] for message in left[1:]}, {1})


@case
def head_gets_its_line_and_the_rest_is_not_taken_after_it_left(tool):
    box = make(tool)
    tool.run('send', box, 'first')
    done = subprocess.run(['sh', '-c', '"$0" receive box --follow | head -n 1', tool.exe],
                          env=tool.env, capture_output=True, timeout=HANG, check=False)
    check_equal((done.stdout, done.stderr), (b'first\n', b''))
    tool.run('send', box, 'second')
    check_equal(tool.data(box), ['second'])
    nobody_left(tool, box)


@case
def a_full_disk_puts_the_message_back(tool):
    box = make(tool)
    tool.run('send', box, 'kept')
    for args in ([], ['--all'], ['--json'], ['--raw', '--follow']):
        with open('/dev/full', 'wb') as full:
            receiver = tool.start('receive', box, *args, stdout=full)
            err = receiver.communicate(timeout=HANG)[1]
        check_equal(receiver.returncode, 1, args)
        check(b'No space left on device; the message is still in the mailbox' in err, err)
    message = tool.drain(box)
    check_equal([(m['data'], m['deliveries']) for m in message], [('kept', 5)])


@case
def help_that_cannot_be_written_is_a_failure(tool):
    for args in (['--help'], ['--version'], ['send', '--help'], ['ls', '--usage']):
        with open('/dev/full', 'wb') as full:
            process = tool.start(*args, stdout=full)
            err = process.communicate(timeout=HANG)[1]
        check_equal(process.returncode, 1, args)
        check(b'cannot write to standard output' in err, err)


@case
def a_slow_non_blocking_reader_gets_everything(tool):
    box = make(tool, '--max-size=1M')
    big = random.Random(9).randbytes(1000000)
    tool.run('send', box, '--whole', stdin=big)
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    receiver = tool.start('receive', box, '--raw', stdout=write_end)
    os.close(write_end)
    with os.fdopen(read_end, 'rb') as stream:
        check(stream.read() == big, 'the message came out changed')
    check_equal(receiver.wait(HANG), 0)


@case
def two_followers_share_the_messages(tool):
    box = make(tool)
    followers = [tool.start('receive', box, '--follow') for _ in range(2)]
    until(lambda: tool.stat(box)['waiting_receivers'] == 2, 'both wait')
    tool.run('send', box, stdin=b''.join(b'%d\n' % i for i in range(2000)))
    until(lambda: (s := tool.stat(box))['received'] == 2000 and not s['taken'], 'all are received')
    got = []
    for follower in followers:
        follower.send_signal(signal.SIGINT)
        got += ended(follower)[1].split()
    check_equal(sorted(map(int, got)), list(range(2000)))


if __name__ == '__main__':
    main()
