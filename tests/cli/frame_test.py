# SPDX-License-Identifier: MIT
"""The frame of the tool: help, version, usage errors, man pages, completion, standard descriptors."""
import os
import pathlib
import re
import shutil
import subprocess

from tap import HANG, Skip, case, check, check_equal, main

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COMMANDS = ['create', 'send', 'receive', 'peek', 'write', 'read', 'tap', 'ls', 'stat', 'dump', 'rm', 'gc',
            'connect', 'listen', 'lock', 'why', 'signal', 'signals', 'spawn', 'supervise', 'demo', 'torture', 'bench']


def help_options(text):
    """The long options that a --help text lists, less those that argp adds everywhere."""
    found = re.findall(r'^ {2,6}(?:-., *)? *--([a-z][a-z-]*)', text, re.MULTILINE)
    return {o for o in found if o not in ('help', 'usage', 'version')}


@case
def help_lists_every_command(tool):
    out = tool.run('--help').out.decode()
    check_equal(re.findall(r'^  ([a-z]+) ', out.split('Commands:')[1].split('\n\n')[0], re.MULTILINE), COMMANDS)
    check('Examples:' in out, out)


@case
def every_command_has_help_with_examples(tool):
    for command in COMMANDS:
        out = tool.run(command, '--help').out.decode()
        check(out.startswith(f'Usage: ferry {command}'), f'{command} --help begins {out[:80]!r}')
        check('Examples:' in out and f'  ferry {command}' in out, f'no examples for {command}')


@case
def help_fits_a_terminal(tool):
    for command in COMMANDS:
        for line in tool.run(command, '--help').out.decode().splitlines():
            check(len(line) <= 80, f'{command} --help: {line!r}')


@case
def version_is_told_by_the_tool_and_by_each_command(tool):
    version = tool.run('--version').out
    check(re.fullmatch(rb'ferry \d+\.\d+\.\d+\n', version), version)
    for command in COMMANDS:
        check_equal(tool.run(command, '--version').out, version, command)


@case
def no_command_is_a_usage_error(tool):
    tool.run(status=2, err='Usage: ferry')


@case
def an_unknown_command_is_a_usage_error(tool):
    tool.misused('snd', says="there is no command 'snd'")


@case
def unknown_options_are_usage_errors(tool):
    for args in (['--foo'], *([command, '--foo'] for command in COMMANDS)):
        tool.misused(*args, says='--foo')


@case
def missing_arguments_are_usage_errors(tool):
    for command in ('create', 'send', 'receive', 'peek', 'stat', 'rm', 'lock'):
        tool.misused(command, says=f'ferry {command}: ')
    tool.misused('create', 'mailbox')
    tool.misused('lock', 'a', '--')


@case
def too_many_arguments_are_usage_errors(tool):
    tool.misused('create', 'mailbox', 'a', 'b')
    for command in ('receive', 'peek', 'stat', 'ls', 'gc'):
        tool.misused(command, 'a', 'b')


@case
def another_kind_is_a_usage_error(tool):
    tool.misused('create', 'teapot', 'a', says="'teapot' is not a kind")


@case
def options_that_exclude_each_other_are_usage_errors(tool):
    for args in (['send', 'a', '--try', '--timeout', '1'], ['send', 'a', 'm', '--file', 'f'],
                 ['send', 'a', 'm', '--whole'], ['send', 'a', 'm', '--lines'],
                 ['send', 'a', '--lines', '--whole'],
                 ['lock', 'a', '--try', '--timeout', '1', '--', 'true'],
                 ['receive', 'a', '--try', '--timeout', '1'], ['receive', 'a', '-n', '2', '--all'],
                 ['receive', 'a', '--follow', '--all'], ['receive', 'a', '--follow', '-n', '2'],
                 ['receive', 'a', '--all', '--try'], ['receive', 'a', '--all', '--timeout', '1'],
                 ['receive', 'a', '--follow', '--try'], ['receive', 'a', '--raw', '--json'],
                 ['peek', 'a', '--raw', '--json'], ['ls', '--json', '--names']):
        tool.misused(*args)


@case
def bad_sizes_are_usage_errors(tool):
    for size in ('', '0', 'x', '-1', '1X', '1.3', '1KK', '16E', '0x10', '1e3', ' 1', '1.', '.5K'):
        tool.misused('create', 'mailbox', 'a', f'--max-size={size}', says='--max-size')
    tool.misused('create', 'mailbox', 'a', '--memory=lots', says='--memory')


@case
def bad_times_are_usage_errors(tool):
    for time in ('', 'x', '-1', '1y', '1 s', '99999999999999', '1e3', '0x1'):
        tool.misused('receive', 'a', f'--timeout={time}', says='--timeout')
        tool.misused('send', 'a', 'm', f'--ttl={time}', says='--ttl')
    tool.misused('send', 'a', 'm', '--ttl=0', says='--ttl')


@case
def bad_counts_are_usage_errors(tool):
    for count in ('', '0', '-1', 'x', '1x', '1.5', '4294967296'):
        for option in ('--messages', '--priorities', '--members'):
            tool.misused('create', 'mailbox', 'a', f'{option}={count}', says=option)
    tool.misused('send', 'a', 'm', '--priority=32', says='--priority')
    tool.misused('receive', 'a', '--number=0', says='--number')


@case
def bad_modes_are_usage_errors(tool):
    for mode in ('', '0', '8', '1777', '00777', 'u+rw', '-1'):
        tool.misused('create', 'mailbox', 'a', f'--mode={mode}', says='--mode')


@case
def counts_out_of_the_library_s_range_are_usage_errors(tool):
    for option in ('--messages=1048577', '--priorities=33', '--members=4095'):
        tool.fails(2, 'create', 'mailbox', 'a', option, says=['create mailbox a: '])


@case
def what_is_no_location_is_a_usage_error(tool):
    for location in ('', '.hidden', 'a:b', 'key:zzz', 'a\nb'):
        for args in (['create', 'mailbox', location], ['send', location, 'm'], ['stat', location],
                     ['rm', location], ['peek', location], ['receive', '--try', location]):
            tool.fails(2, *args, says=['give a name, a path, or key:NUMBER'])


@case
def an_error_is_one_line_without_control_bytes(tool):
    result = tool.fails(2, 'stat', 'a\x1b[31m\nb\u009bx', says=['a?[31m?b'])
    check('\x1b' not in result.err and '\u009b' not in result.err, result.err)


@case
def output_that_cannot_be_written_is_a_failure(tool):
    tool.run('create', 'mailbox', 'a')
    for args in (['ls'], ['ls', '--json'], ['stat', 'a'], ['stat', 'a', '--json'], ['gc']):
        with open('/dev/full', 'wb') as full:
            done = subprocess.run([tool.exe, *args], stdout=full, stderr=subprocess.PIPE,
                                  env=tool.env, timeout=HANG, check=False)
        check_equal(done.returncode, 1, args)
        check(b'cannot write to standard output: No space left' in done.stderr, done.stderr)


@case
def closed_standard_descriptors_do_not_reach_the_mailbox(tool):
    tool.run('create', 'mailbox', 'a')
    tool.run('send', 'a', 'kept')
    for redirect, command in (('>&-', 'receive a'), ('>&- 2>&-', 'receive a'), ('>&-', 'ls'),
                              ('<&-', 'send a'), ('<&- >&- 2>&-', 'receive a --try')):
        done = subprocess.run(['sh', '-c', f'exec "$0" {command} {redirect}', tool.exe],
                              env=tool.env, capture_output=True, timeout=HANG, check=False)
        check_equal(done.returncode, 1, f'{command} {redirect} {done.stderr}')
    check_equal(tool.data('a'), ['kept'])


@case
def the_man_pages_name_every_option(tool):
    for command in COMMANDS:
        page = (ROOT / f'docs/man/ferry-{command}.1').read_text(encoding='utf-8')
        named = set(re.findall(r'(?:^|[ |])Fl -([a-z][a-z-]*)', page, re.MULTILINE))
        named |= set(re.findall(r'(?:^|[ |])-([a-z][a-z-]*) Ns', page, re.MULTILINE))
        named |= set(re.findall(r'^\.It Fl .*?, -([a-z][a-z-]*)', page, re.MULTILINE))
        options = help_options(tool.run(command, '--help').out.decode())
        check(options <= named, f'ferry-{command}(1) lacks {sorted(options - named)}')


@case
def the_man_page_has_every_exit_status(tool):
    page = (ROOT / 'docs/man/ferry.1').read_text(encoding='utf-8')
    table = page.split('.Sh EXIT STATUS')[1].split('.Sh ')[0]
    header = (ROOT / 'cli/cli.h').read_text(encoding='utf-8')
    statuses = re.findall(r'\bSTATUS_\w+ = (\d+)', header)
    check(len(statuses) >= 5, statuses)
    for status in statuses:
        check(f'.It {status}\n' in table, f'status {status} is not in ferry(1)')
    check_equal(tool.run('stat', 'nothing', status=4, err='ferry: ').status, 4)


def complete(tool, line):
    """What the shell would offer for a command line; its last word is being typed."""
    words = [w for word in line.split(' ') for w in re.split(r'(?<=.)(=)', word) if w or not word]
    script = '''
        source "$0" && complete -p ferry >/dev/null || exit
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _ferry
        printf '%s\\n' "${COMPREPLY[@]}"
    '''
    bash = shutil.which('bash')
    if not bash:
        raise Skip('there is no bash')
    done = subprocess.run([bash, '-uc', script, ROOT / 'data/completions/ferry', tool.exe, *words],
                          env=tool.env, capture_output=True, timeout=HANG, check=False, cwd=tool.dir)
    check_equal((done.returncode, done.stderr), (0, b''), line)
    return set(done.stdout.decode().split('\n')) - {''}


@case
def torture_says_first_what_else_it_can_torture(tool):
    text = tool.run('torture', '--help').out.decode()
    check_equal(text.count('What can be tortured: mailbox lock pipe segment'), 1)
    check(text.index('What can be tortured') < text.index('--seconds'), text)


@case
def completion_offers_commands(tool):
    check_equal(complete(tool, ''), set(COMMANDS))
    check_equal(complete(tool, 'st'), {'stat'})
    check_equal(complete(tool, 'nothing'), set())


@case
def completion_offers_the_options_of_each_command(tool):
    check_equal(complete(tool, '--v'), {'--version'})
    for command in COMMANDS:
        wanted = help_options(tool.run(command, '--help').out.decode())
        offered = {o[2:] for o in complete(tool, f'{command} --')}
        check_equal(offered - {'help', 'usage', 'version'}, wanted, command)
    check_equal(complete(tool, 'receive --ti'), {'--timeout'})


@case
def completion_offers_mailboxes(tool):
    for name in ('orders', 'orders 2', 'jobs'):
        tool.run('create', 'mailbox', name)
    for command in ('send', 'receive', 'peek', 'stat', 'rm', 'why'):
        check_equal(complete(tool, f'{command} '), {'orders', 'orders\\ 2', 'jobs'}, command)
    check_equal(complete(tool, 'torture '),
                {'orders', 'orders\\ 2', 'jobs', 'mailbox', 'lock', 'pipe', 'segment'})
    check_equal(complete(tool, 'torture lock '), {'orders', 'orders\\ 2', 'jobs'})
    check_equal(complete(tool, 'send or'), {'orders', 'orders\\ 2'})
    check_equal(complete(tool, 'send "or'), {'orders', 'orders 2'})
    check_equal(complete(tool, 'send orders\\'), {'orders\\ 2'})
    check_equal(complete(tool, 'rm jobs or'), {'orders', 'orders\\ 2'})


@case
def completion_offers_objects_of_the_kind_that_fits(tool):
    tool.run('create', 'mailbox', 'box')
    tool.run('create', 'pipe', 'pipe')
    tool.run('create', 'segment', 'seg', '--bytes=4K')
    for kind, commands in (('box', ('send', 'receive', 'peek')), ('pipe', ('read', 'write')),
                           ('seg', ('dump', 'lock'))):
        for command in commands:
            check_equal(complete(tool, f'{command} '), {kind}, command)
    for command in ('stat', 'why', 'rm'):
        check_equal(complete(tool, f'{command} '), {'box', 'pipe', 'seg'}, command)
    check_equal(complete(tool, 'signal '), {'@box', '@pipe', '@seg'})
    check_equal(complete(tool, 'signal @b'), {'@box'})


@case
def completion_offers_the_values_of_options(tool):
    check_equal(complete(tool, 'ls --kind '), {'mailbox', 'pipe', 'segment'})
    check_equal(complete(tool, 'supervise --restart '), {'never', 'on-failure', 'always'})
    check_equal(complete(tool, 'supervise -r a'), {'always'})
    check('memory=' in complete(tool, 'spawn --limit '), 'limits')
    check_equal(complete(tool, 'supervise --limit=mem'), {'memory='})


@case
def completion_passes_over_the_values_of_options(tool):
    tool.run('create', 'mailbox', 'orders')
    for line in ('receive -n 3 ', 'receive --number 3 ', 'receive --number=3 ', 'receive --try ',
                 'send -p 1 --timeout 2 o'):
        check_equal(complete(tool, line), {'orders'}, line)
    for line in ('send orders ', 'receive orders ', 'receive -n ', 'receive --number=', 'send -p '):
        check_equal(complete(tool, line), set(), line)


@case
def completion_offers_kinds_directories_and_files(tool):
    os.mkdir(tool.dir / 'folder')
    (tool.dir / 'file').write_bytes(b'')
    check_equal(complete(tool, 'create '), {'mailbox', 'segment', 'pipe'})
    check_equal(complete(tool, 'ls f'), {'folder'})
    check_equal(complete(tool, 'gc f'), {'folder'})
    check_equal(complete(tool, 'stat ./fi'), {'./file'})
    for line in ('send --file f', 'send --file=f', 'send -f f', 'send a --file f'):
        check_equal(complete(tool, line), {'folder', 'file'}, line)


if __name__ == '__main__':
    main()
