# SPDX-License-Identifier: MIT
"""ferry create, ls, stat, rm and gc: what is there, who uses it, and what the dead left."""
import json
import os
import pathlib
import re
import signal
import stat
import struct
import subprocess

from lock_actor import Actor
from tap import HANG, Skip, case, check, check_equal, ended, main, until

NOBODY = 65534


def listing(tool, *args):
    return {entry['name']: entry for entry in json.loads(tool.run('ls', '--json', *args).out)}


def rows(tool, *args):
    """The rows of ls, each as a dictionary. Columns are at least two spaces apart."""
    lines = tool.run('ls', *args).out.decode().splitlines()
    header, *cells = [re.split(' {2,}', line) for line in lines]
    return [dict(zip(header, row, strict=True)) for row in cells]


@case
def a_mistyped_ferry_dir_is_not_an_empty_one(tool):
    tool.dir.rmdir()
    for command in ('ls', 'gc', 'why'):
        tool.fails(4, command, says=[f"{command}: FERRY_DIR is '{tool.dir}'", 'no such directory'])
    tool.run('create', 'mailbox', 'box')  # makes it
    check_equal(tool.run('ls', '--names').out, b'box\n')


@case
def create_makes_a_file_of_mode_0600_and_says_nothing(tool):
    check_equal(tool.run('create', 'mailbox', 'box').out, b'')
    status = os.stat(tool.dir / 'box')
    check_equal(stat.S_IMODE(status.st_mode), 0o600)
    figures = tool.stat('box')
    check_equal((figures['max_size'], figures['capacity'], figures['priorities']), (65536, 256, 1))
    check_equal(figures['file_bytes'], status.st_size)


@case
def create_gives_what_was_asked_for(tool):
    tool.run('create', 'mailbox', 'box', '--max-size=1.5M', '--messages=10', '--priorities=3',
             '--memory=4M', '--members=7', '--drop-oldest')
    figures = tool.stat('box')
    check_equal(figures['max_size'], 3 << 19)
    check(figures['capacity'] >= 10, figures)
    check(figures['memory'] >= 4 << 20, figures)
    check_equal((figures['priorities'], figures['drop_oldest']), (3, True))
    check_equal(figures['one_to_one'], False)


@case
def one_to_one_says_who_has_the_roles(tool):
    tool.run('create', 'mailbox', 'box', '--one-to-one')
    figures = tool.stat('box')
    check_equal((figures['one_to_one'], figures['sender'], figures['receiver']), (True, 0, 0))
    check('nobody sends, nobody receives' in tool.run('stat', 'box').out.decode())


@case
def sizes_may_be_written_in_several_ways(tool):
    for number, (text, size) in enumerate({'4096': 4096, '4K': 4096, '4k': 4096, '4KiB': 4096, '4KB': 4096,
                                           '4096B': 4096, '0.5M': 1 << 19, '1m': 1 << 20}.items()):
        tool.run('create', 'mailbox', f'box{number}', f'--max-size={text}')
        check_equal(tool.stat(f'box{number}')['max_size'], size, text)


@case
def the_mode_is_what_was_asked_for_whatever_the_umask(tool):
    for mode in ('0660', '644', '0600'):
        tool.run('create', 'mailbox', f'box{mode}', '--mode', mode, umask=0o077)
        check_equal(stat.S_IMODE(os.stat(tool.dir / f'box{mode}').st_mode), int(mode, 8))


@case
def create_in_a_directory_that_is_not_there_says_so(tool):
    tool.fails(4, 'create', 'mailbox', f'{tool.dir}/no/box', says=['make the directory first'])


@case
def create_leaves_an_existing_mailbox_as_it_is(tool):
    tool.run('create', 'mailbox', 'box', '--max-size=1000')
    tool.run('send', 'box', 'kept')
    tool.run('create', 'mailbox', 'box', '--max-size=500')
    check_equal(tool.stat('box')['max_size'], 1000)
    tool.fails(1, 'create', 'mailbox', 'box', '--exclusive',
               says=['create mailbox box: ', 'exists already', 'leave out --exclusive'])
    tool.fails(1, 'create', 'mailbox', 'box', '--max-size=2000', says=['2000', '1000', '`ferry rm`'])
    check_equal(tool.data('box'), ['kept'])


@case
def create_that_finds_no_room_leaves_nothing(tool):
    tool.fails(1, 'create', 'mailbox', 'box', '--max-size=1T', '--memory=2T',
               says=['No space left on device', 'ask for less with --messages'])
    check_equal(os.listdir(tool.dir), [])


@case
def paths_and_keys_are_locations_too(tool):
    path = tool.dir / 'folder' / 'box'
    path.parent.mkdir()
    for location, file in ((str(path), path), ('key:0x1234', tool.dir / 'key:0x00001234')):
        tool.run('create', 'mailbox', location)
        tool.run('send', location, 'hello')
        check_equal(tool.data(location), ['hello'])
        check_equal(tool.stat(location)['file'], str(file))
    tool.run('send', './folder/box', 'hello', cwd=tool.dir)
    check_equal(tool.data(str(path)), ['hello'])
    check_equal(list(listing(tool)), ['key:0x00001234'])
    check_equal(list(listing(tool, str(path.parent))), ['box'])
    check_equal(listing(tool, str(path.parent))['box']['location'], str(path))


@case
def a_file_that_is_no_object_is_refused_and_left_alone(tool):
    file = tool.dir / 'note'
    file.write_bytes(b'dear diary, ' * 1000)
    for args in (['stat', 'note'], ['rm', 'note'], ['send', 'note', 'm'], ['receive', 'note'],
                 ['peek', 'note'], ['create', 'mailbox', 'note']):
        tool.fails(1, *args, says=['note: ', 'is not a ferry object', 'leaves other files alone'])
    check_equal(tool.run('ls').out, b'')
    check_equal(tool.run('gc').out, b'nothing to clean up\n')
    check_equal(file.read_bytes(), b'dear diary, ' * 1000)


def patch(path, offset, data):
    with open(path, 'r+b') as file:
        file.seek(offset)
        file.write(data)


@case
def another_layout_is_refused_with_both_numbers(tool):
    tool.run('create', 'mailbox', 'box')
    layout = tool.stat('box')['layout']
    patch(tool.dir / 'box', 12, struct.pack('=I', 99))
    for args in (['send', 'box', 'm'], ['stat', 'box'], ['rm', 'box'], ['gc']):
        tool.fails(1, *args, says=['box: ', '99', str(layout), 'use the version of ferry that made it'])
    check_equal(listing(tool)['box']['error'], 'FERRY_EVERSION')
    check_equal([row['NAME'] for row in rows(tool)], ['box'])
    check(b'version that this library cannot read' in tool.run('ls').out, 'no reason')


@case
def a_file_cut_short_is_refused(tool):
    tool.run('create', 'mailbox', 'box')
    os.truncate(tool.dir / 'box', 100000)
    for args in (['receive', 'box'], ['stat', 'box']):
        tool.fails(1, *args, says=['box: ', 'delete the file and create it again'])
    check_equal(listing(tool)['box']['error'], 'FERRY_ETRUNCATED')


@case
def a_symbolic_link_is_refused_and_not_listed(tool):
    tool.run('create', 'mailbox', 'box')
    os.symlink('box', tool.dir / 'link')
    tool.fails(1, 'stat', 'link', says=['is a symbolic link'])
    check_equal(list(listing(tool)), ['box'])


def somebody_else(tool):
    """What makes a command run as another user."""
    if os.getuid() != 0:
        raise Skip('only root can become somebody else')
    other = {'user': NOBODY, 'group': NOBODY, 'extra_groups': []}
    try:
        subprocess.run([tool.exe, '--version'], capture_output=True, check=True, **other)
    except (OSError, subprocess.CalledProcessError):
        raise Skip('another user cannot run the tool where it is built') from None
    return other


@case
def somebody_else_s_mailbox_is_refused_as_its_mode_says(tool):
    other = somebody_else(tool)
    path = str(tool.dir / 'box')
    os.chmod(tool.dir, 0o755)
    tool.run('create', 'mailbox', path)
    for args in (['send', path, 'm'], ['stat', path], ['rm', path], ['gc', str(tool.dir)]):
        tool.fails(1, *args, says=['Permission denied', 'ask its owner'], **other)
    entry, = json.loads(tool.run('ls', '--json', str(tool.dir), **other).out)
    check_equal(entry['error'], 'EACCES')
    check_equal(tool.stat(path)['members_alive'], 0)
    os.chmod(path, 0o644)
    tool.run('send', path, 'hello')
    check_equal(tool.run('peek', path, **other).out, b'hello\n')
    check_equal(json.loads(tool.run('stat', path, '--json', **other).out)['messages'], 1)
    tool.fails(1, 'receive', path, says=['Permission denied'], **other)


@case
def no_place_for_one_more_member_is_told(tool):
    tool.run('create', 'mailbox', 'box', '--members=1')
    tool.start('receive', 'box', '--follow')
    tool.until_waiting('box')
    tool.fails(1, 'send', 'box', 'm', says=['send box: ', '1 place', 'with more --members'])


@case
def ls_shows_fill_members_and_who_waits(tool):
    tool.run('create', 'mailbox', 'empty')
    tool.run('create', 'mailbox', 'full', '--priorities=2', '--messages=3')
    tool.run('send', 'full', 'x' * 1000, 'y' * 24)
    tool.run('send', 'full', 'z', '-p1')
    tool.start('receive', 'empty', '--follow')
    tool.until_waiting('empty')
    empty, full = until(lambda: (r := rows(tool))[0]['WAITING'] != '-' and r, 'ls shows who waits')
    check_equal((empty['NAME'], empty['KIND'], empty['MODE']), ('empty', 'mailbox', 'rw-------'))
    check_equal((empty['MESSAGES'], empty['ALIVE'], empty['DEAD']), ('0/256', '1', '0'))
    check_equal(empty['WAITING'], '1 receiver')
    check_equal((full['NAME'], full['ALIVE'], full['WAITING']), ('full', '0', '-'))
    capacity = tool.stat('full')['capacity'] * 2
    check_equal(full['MESSAGES'], f'3/{capacity}')
    both = listing(tool)
    check_equal((both['full']['messages'], both['full']['bytes']), (3, 1025))
    check_equal((both['full']['capacity'] * 2, both['empty']['members_alive']), (capacity, 1))


@case
def ls_writes_sizes_for_people_and_aligns_its_columns(tool):
    tool.run('create', 'mailbox', 'a')
    tool.run('create', 'mailbox', 'long-name-\u00e9', '--max-size=20M')
    tool.run('send', 'a', '--whole', stdin=b'x' * 1536)
    tool.run('send', 'long-name-\u00e9', '--whole', stdin=b'x' * (10 << 20))
    lines = tool.run('ls').out.decode().splitlines()
    check_equal(len(lines), 3)
    for word in ('1/256', '1.5 KiB', '10 MiB'):
        check_equal(len([line for line in lines if word in line]), 2 if word == '1/256' else 1, word)
    check_equal(len({line.index('mailbox') for line in lines[1:]}), 1, 'where the kind begins')
    check_equal(len({line.index('1/256') for line in lines[1:]}), 1, 'where the fill begins')


@case
def ls_sorts_by_name_and_lists_names_alone(tool):
    names = ['b', 'a', 'B', 'a b', '\u00fc', '10', '9']
    for name in names:
        tool.run('create', 'mailbox', name)
    wanted = sorted(names, key=str.encode)
    check_equal(list(listing(tool)), wanted)
    check_equal(tool.run('ls', '--names').out.decode().splitlines(), wanted)


@case
def ls_of_nothing_is_nothing_and_of_no_directory_status_4(tool):
    check_equal(tool.run('ls').out, b'')
    check_equal(tool.run('ls', '--names').out, b'')
    check_equal(listing(tool), {})
    for command in ('ls', 'gc'):
        tool.fails(4, command, str(tool.dir / 'nix'), says=['there is no such directory'])
    (tool.dir / 'file').write_bytes(b'')
    tool.fails(1, 'ls', str(tool.dir / 'file'), says=['Not a directory'])
    os.remove(tool.dir / 'file')


@case
def ls_can_be_of_one_kind(tool):
    tool.run('create', 'mailbox', 'box')
    tool.run('create', 'pipe', 'pipe')
    tool.run('create', 'mailbox', 'second')
    (tool.dir / 'file').write_bytes(b'')
    check_equal(tool.run('ls', '--kind=mailbox', '--names').out, b'box\nsecond\n')
    check_equal(list(listing(tool, '--kind=pipe')), ['pipe'])
    check_equal([row['NAME'] for row in rows(tool, '--kind', 'mailbox')], ['box', 'second'])
    check_equal(tool.run('ls', '--kind=segment').out, b'')
    tool.misused('ls', '--kind=pope', says="'pope'")
    tool.misused('ls', '--kind=pipe', '--sockets', says='--kind')


@case
def a_number_is_decimal_or_hexadecimal(tool):
    for text, number in (('010', 10), ('0x10', 16), ('08', 8)):
        tool.run('create', 'mailbox', f'box{text}', f'--messages={text}')
        check_equal(tool.stat(f'box{text}')['capacity'], number, text)
    tool.misused('create', 'mailbox', 'box', '--messages=1_0', says='1_0')


@case
def advice_is_of_use_for_the_command_at_hand(tool):
    tool.fails(4, 'stat', 'box', says=['`ferry ls` shows what there is'])
    for args in (('stat', 'box'), ('peek', 'box'), ('rm', 'box'), ('signal', '@box', 'TERM')):
        check('ferry create' not in tool.fails(4, *args, says=['`ferry ls`']).err, args)
    tool.fails(4, 'send', 'box', 'x', says=['`ferry create` makes one'])


@case
def a_name_that_is_not_utf_8_makes_valid_json(tool):
    tool.run('create', 'mailbox', b'b\xff')
    check_equal(list(listing(tool)), ['b?'])
    check_equal(tool.run('ls', '--names').out, b'b\xff\n')
    json.loads(tool.run('stat', b'b\xff', '--json').out)


@case
def stat_has_every_figure(tool):
    tool.run('create', 'mailbox', 'box', '--priorities=2')
    tool.run('send', 'box', 'x' * 1000, 'y', 'z')
    tool.run('receive', 'box')
    figures = tool.stat('box')
    header = pathlib.Path(__file__).resolve().parents[2] / 'include/ferry/mailbox.h'
    text = header.read_text(encoding='utf-8').split('struct ferry_mailbox_stat {')[1].split('};')[0]
    fields = re.findall(r'^\s*u?int(?:\d+_t)? (\w+);', text, re.MULTILINE)
    check(len(fields) >= 20, fields)
    for field in fields:
        check(field in figures or f'{field}_ns' in figures, f'{field} is missing')
    wanted = {'messages': 2, 'bytes': 2, 'sent': 3, 'received': 1, 'taken': 0, 'priorities': 2,
              'dropped': 0, 'expired': 0, 'redelivered': 0, 'recovered': 0, 'members': [],
              'kind': 'mailbox', 'location': 'box', 'mode': '0600', 'removed': False,
              'memory_free': figures['memory']}
    check_equal({key: figures[key] for key in wanted}, wanted)
    check(figures['oldest_age_ns'] >= 0, figures['oldest_age_ns'])
    text = tool.run('stat', 'box').out.decode()
    for words in ('box: mailbox, layout 1', str(tool.dir / 'box'), '0600', 'of 512 wait (2 B), 0 taken',
                  '3 sent, 1 received', '2 priorities of 256 messages', '0 alive, 0 dead'):
        check(words in text, f'{words!r} is missing in {text}')


@case
def the_age_of_the_oldest_is_null_when_nothing_waits(tool):
    tool.run('create', 'mailbox', 'box')
    check_equal(tool.stat('box')['oldest_age_ns'], None)
    check(b'oldest ' not in tool.run('stat', 'box').out, 'an oldest message')


@case
def stat_lists_the_members(tool):
    tool.run('create', 'mailbox', 'box')
    receivers = [tool.start('receive', 'box', '--follow') for _ in range(3)]
    until(lambda: tool.stat('box')['waiting_receivers'] == 3, 'three wait')
    members = tool.stat('box')['members']
    check_equal({m['pid'] for m in members}, {p.pid for p in receivers})
    check_equal({(m['program'], *m['command'][1:], m['alive'], m['same_namespace'])
                 for m in members}, {('ferry', 'receive', 'box', '--follow', True, True)})
    check_equal(len({m['number'] for m in members}), 3)
    text = until(lambda: (t := tool.run('stat', 'box').out.decode()).count('1 receiver') == 3 and t,
                 'stat shows that each waits')
    for receiver in receivers:
        check(f' {receiver.pid}  ferry receive box --follow  alive ' in text, text)


@case
def everything_can_be_looked_at_while_a_member_is_stopped(tool):
    tool.run('create', 'mailbox', 'box')
    receiver = tool.start('receive', 'box', '--follow')
    tool.until_waiting('box')
    receiver.send_signal(signal.SIGSTOP)
    os.waitpid(receiver.pid, os.WUNTRACED)
    check_equal([(m['pid'], m['alive'], m['stopped']) for m in tool.stat('box')['members']],
                [(receiver.pid, True, True)])
    text = tool.run('stat', 'box').out.decode()
    check(f' {receiver.pid}  ferry receive box --follow  stopped ' in text, text)
    check_equal(listing(tool)['box']['members_alive'], 1)
    tool.fails(3, 'peek', 'box', says=['no message'])
    check_equal(tool.run('gc').out, b'nothing to clean up\n')
    receiver.send_signal(signal.SIGCONT)
    tool.run('send', 'box', 'after')
    check_equal(receiver.stdout.readline(), b'after\n')


def leave_a_dead_member(tool, box='box'):
    """A receiver that is killed with a message of 1,000,000 bytes taken."""
    tool.run('create', 'mailbox', box, '--max-size=1M')
    tool.run('send', box, '--whole', stdin=b'x' * 1000000)
    receiver = tool.start('receive', box)
    until(lambda: tool.stat(box)['taken'] == 1, 'the message is taken')
    receiver.kill()
    receiver.wait(HANG)
    return receiver


@case
def the_dead_are_shown_until_somebody_cleans_up(tool):
    dead = leave_a_dead_member(tool)
    figures = tool.stat('box')
    check_equal((figures['members_alive'], figures['members_dead']), (0, 1))
    check_equal([(m['pid'], m['alive']) for m in figures['members']], [(dead.pid, False)])
    row, = rows(tool)
    check_equal((row['ALIVE'], row['DEAD']), ('0', '1'))
    check(f'{dead.pid}  ferry    dead' in tool.run('stat', 'box').out.decode(), 'the dead member')


@case
def gc_cleans_up_after_the_dead_and_says_what(tool):
    leave_a_dead_member(tool)
    tool.run('create', 'mailbox', 'clean')
    would = tool.run('gc', '--dry-run').out
    check(would.startswith(b'box: would clean up: 1 dead member, 1 message waits again'), would)
    check_equal(would.count(b'\n'), 1)
    check_equal(tool.stat('box')['members_dead'], 1, 'after --dry-run')
    did = tool.run('gc').out
    check(did.startswith(b'box: 1 dead member, 1 message waits again'), did)
    figures = tool.stat('box')
    check_equal((figures['members_dead'], figures['messages'], figures['taken']), (0, 1, 0))
    check_equal(tool.run('gc').out, b'nothing to clean up\n')
    check_equal(tool.drain('box')[0]['deliveries'], 2)


@case
def gc_works_in_a_given_directory_and_goes_on_after_a_failure(tool):
    folder = tool.dir / 'folder'
    folder.mkdir()
    leave_a_dead_member(tool, str(folder / 'box'))
    tool.run('create', 'mailbox', str(folder / 'alien'))
    patch(folder / 'alien', 12, struct.pack('=I', 99))
    result = tool.fails(1, 'gc', str(folder), says=['alien', '99'])
    check(result.out.startswith(b'box: 1 dead member'), result.out)


@case
def a_leftover_of_a_removal_is_shown_and_cleaned_away(tool):
    tool.run('create', 'mailbox', 'box')
    patch(tool.dir / 'box', 64, struct.pack('=I', 2))  # as if rm had been killed half-way
    check('removed' in rows(tool)[0]['WAITING'], 'ls does not tell')
    check(listing(tool)['box']['removed'], 'ls --json does not tell')
    check_equal(tool.run('ls', '--names').out, b'')
    check(tool.stat('box')['removed'], 'stat --json does not tell')
    check(tool.run('stat', 'box').out.startswith(b'box: mailbox, layout 1, removed\n'), 'stat')
    check_equal(tool.run('gc', '-n').out, b'box: would clean up: the name that a removed object left\n')
    check_equal(tool.run('gc').out, b'box: cleaned up the name that a removed object left\n')
    check_equal(os.listdir(tool.dir), [])


@case
def rm_removes_and_the_first_failure_decides(tool):
    for name in ('a', 'b', 'c'):
        tool.run('create', 'mailbox', name)
    tool.run('rm', 'a')
    result = tool.run('rm', 'b', 'nix', 'c', status=4, err='ferry: rm nix: ')
    check_equal(result.err.count('\n'), 1)
    check_equal(os.listdir(tool.dir), [])
    (tool.dir / 'file').write_bytes(b'text')
    tool.run('rm', 'file', 'nix', status=1, err='ferry: rm file: ')
    tool.run('rm', 'nix', 'file', status=4, err='ferry: rm nix: ')


@case
def rm_force_says_nothing_about_what_does_not_exist(tool):
    tool.run('create', 'mailbox', 'a')
    tool.run('rm', '-f', 'nix', 'a', 'key:5')
    check_equal(os.listdir(tool.dir), [])
    (tool.dir / 'file').write_bytes(b'text')
    tool.fails(1, 'rm', '--force', 'file', says=['is not a ferry object'])


@case
def a_directory_that_others_could_plant_names_in_is_refused(tool):
    folder = tool.dir / 'open'
    folder.mkdir()
    os.chmod(folder, 0o777)
    env = dict(tool.env, FERRY_DIR=str(folder))
    done = subprocess.run([tool.exe, 'create', 'mailbox', 'box'], env=env, capture_output=True,
                          timeout=HANG, check=False)
    check_equal(done.returncode, 1)
    check(b'writable by everybody' in done.stderr and b'only its users' in done.stderr, done.stderr)
    check_equal(os.listdir(folder), [])


# ---- segments ----

@case
def create_segment_gives_the_memory_that_was_asked_for(tool):
    check_equal(tool.run('create', 'segment', 'table', '--bytes', '5000').out, b'')
    figures = tool.stat('table')
    check_equal((figures['kind'], figures['bytes'], figures['max_bytes']), ('segment', 8192, 8192))
    check_equal((figures['arena'], figures['locks']), (False, 0))
    check_equal(os.stat(tool.dir / 'table').st_blocks * 512, figures['file_bytes'])
    tool.run('create', 'segment', 'heap', '--bytes=64K', '--max-bytes=1M', '--arena', '--mode=0640')
    figures = tool.stat('heap')
    check_equal((figures['bytes'], figures['max_bytes'], figures['arena']), (65536, 1 << 20, True))
    check_equal((figures['mode'], figures['free_bytes'], figures['blocks']), ('0640', 65536, 0))


@case
def a_segment_that_exists_follows_the_rules_of_shmget(tool):
    tool.run('create', 'segment', 'key:0x1234', '--bytes', '8K')
    check_equal(os.listdir(tool.dir), ['key:0x00001234'])
    tool.run('create', 'segment', 'key:4660', '--bytes', '4K')
    check_equal(tool.stat('key:0x1234')['bytes'], 8192)
    tool.fails(1, 'create', 'segment', 'key:0x1234', '--bytes', '16K', says=['8192', '16384'])
    tool.fails(1, 'create', 'segment', 'key:0x1234', '--bytes', '8K', '--exclusive', says=['exist'])
    tool.misused('create', 'segment', 'none')


@case
def create_segment_that_finds_no_room_leaves_nothing(tool):
    tool.fails(1, 'create', 'segment', 'huge', '--bytes', '1024G', says=['huge'])
    check_equal(os.listdir(tool.dir), [])


@case
def dump_shows_what_xxd_shows(tool):
    tool.run('create', 'segment', 'table', '--bytes', '4K')
    text = bytes(range(256)) + b'ferry' * 100
    with open(tool.dir / 'table', 'r+b') as file:
        at = os.path.getsize(tool.dir / 'table') - 4096
        file.seek(at)
        file.write(text)
    memory = text.ljust(4096, b'\0')
    check_equal(tool.run('dump', 'table', '--raw').out, memory)
    check_equal(tool.run('dump', 'table', '--raw', '--offset=250', '-n', '11').out, memory[250:261])
    lines = []
    for offset in range(0, 4096, 16):
        row = memory[offset:offset + 16]
        pairs = ' '.join(row[i:i + 2].hex() for i in range(0, 16, 2))
        shown = ''.join(chr(b) if 32 <= b < 127 else '.' for b in row)
        lines.append(f'{offset:08x}: {pairs}  {shown}\n')
    check_equal(tool.run('dump', 'table').out.decode(), ''.join(lines))
    part = tool.run('dump', 'table', '-o', '48', '-n', '5').out.decode()
    check(part.startswith('00000030: 3031 3233 34') and part.endswith('01234\n'), part)
    tool.fails(1, 'dump', 'table', '--offset', '8K', says=['table'])
    tool.run('create', 'mailbox', 'box')
    tool.fails(1, 'dump', 'box', says=['box', 'mailbox', 'segment'])


@case
def dump_needs_read_permission_only(tool):
    tool.run('create', 'segment', 'table', '--bytes', '4K', '--mode', '0444')
    if os.getuid() != 0:
        check_equal(len(tool.run('dump', 'table', '--raw').out), 4096)
        return
    os.chmod(tool.dir, 0o755)
    other = somebody_else(tool)
    check_equal(len(tool.run('dump', str(tool.dir / 'table'), '--raw', **other).out), 4096)


@case
def segments_in_ls_and_rm(tool):
    tool.run('create', 'segment', 'table', '--bytes', '64K')
    tool.run('create', 'mailbox', 'box')
    table = {row['NAME']: row for row in rows(tool)}['table']
    check_equal((table['KIND'], table['BYTES'], table['ALIVE']), ('segment', '64 KiB', '0'))
    check_equal(listing(tool)['table']['bytes'], 65536)
    tool.run('rm', 'table')
    check_equal(list(listing(tool)), ['box'])


@case
def stat_of_a_segment_tells_members_locks_holders_and_who_waits(tool):
    owner = Actor(tool, 'table')
    owner.do('make-lock 0 0', 'make-semaphore 0 1 1', 'acquire 0 0')
    waiter = Actor(tool, 'table')
    waiter.ask('acquire 0 0')
    figures = until(lambda: (s := tool.stat('table'))['lock_waiters'] and s, 'one waits')
    check_equal((figures['locks'], figures['lock_holders'], figures['lock_waiters']), (2, 1, 1))
    check_equal((figures['members_alive'], len(figures['members'])), (2, 2))
    text = tool.run('stat', 'table').out.decode()
    check('2 and the like, held by 1' in text and '1 for a lock' in text, text)
    check_equal(rows(tool)[0]['WAITING'], '1 for a lock')
    # It works while all who use it are stopped.
    owner.stop()
    waiter.stop()
    check_equal(tool.stat('table')['lock_holders'], 1)


@case
def gc_cleans_up_after_the_dead_of_a_segment(tool):
    dead = Actor(tool, 'table')
    dead.do('make-lock 0 0', 'acquire 0 0')
    dead.kill()
    check_equal(tool.stat('table')['members_dead'], 1)
    check('table: would clean up: 1 dead member' in tool.run('gc', '--dry-run').out.decode())
    check('table: 1 dead member' in tool.run('gc').out.decode())
    figures = tool.stat('table')
    check_equal((figures['members_dead'], figures['recovered']), (0, 1))
    next_one = Actor(tool, 'table')
    next_one.do('acquire 0 0', wanted=1)


if __name__ == '__main__':
    main()
