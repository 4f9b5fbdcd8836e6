# SPDX-License-Identifier: MIT
"""ferry lock: a command in a critical section, whoever is killed or stopped in it."""
import os
import pty
import signal
import stat
import subprocess
import time

from lock_actor import Actor
from tap import case, check, check_equal, ended, main, until

TOLD = 'the last owner died in the section'


def hold(tool, location='a', script='exec sleep 1000', trap=':'):
    """A command that has the lock, has set its trap, and runs."""
    process = tool.start('lock', location, '--', 'sh', '-c', f'{trap}; echo in; {script}')
    check_equal(process.stdout.readline(), b'in\n', 'the command')
    return process


def kill(process):
    process.kill()
    process.wait()


@case
def the_exit_status_is_that_of_the_command(tool):
    for status in (0, 1, 3, 7, 255):
        tool.run('lock', 'a', '--', 'sh', '-c', f'exit {status}', status=status)


@case
def the_command_has_the_standard_descriptors_and_all_of_its_words(tool):
    result = tool.run('lock', 'a', '--', 'sh', '-c', 'cat; echo "$@"', 'sh', '--try', '--', '-x',
                      stdin=b'in\n')
    check_equal(result.out, b'in\n--try -- -x\n')
    check_equal(tool.run('lock', '--try', 'a', 'echo', '--timeout', '-E').out, b'--timeout -E\n')
    check_equal(tool.run('lock', 'a', '--try', 'echo', '-n', 'x').out, b'x')


@case
def the_command_gets_no_descriptor_of_ferry(tool):
    out = tool.run('lock', 'a', '--', 'ls', '-l', '/proc/self/fd').out.decode()
    check(str(tool.dir) not in out, out)


@case
def one_at_a_time_is_in_the_section(tool):
    count = tool.dir / '.count'
    count.write_text('0\n')
    script = f'read n <{count}; sleep 0.01; echo $((n + 1)) >{count}'
    processes = [tool.start('lock', 'a', '--', 'sh', '-c', script) for _ in range(20)]
    for process in processes:
        check_equal(ended(process), (0, b'', b''))
    check_equal(count.read_text(), '20\n')


@case
def two_locks_do_not_wait_for_each_other(tool):
    hold(tool, 'a')
    tool.run('lock', '--try', 'b', 'true')


@case
def try_does_not_wait(tool):
    hold(tool)
    tool.fails(3, 'lock', '--try', 'a', 'echo', 'no', says=['lock a: somebody has it', 'ferry why a'])
    tool.fails(75, 'lock', '-n', '-E', '75', 'a', 'echo', 'no', says=['lock a: '])


@case
def a_timeout_ends_the_wait(tool):
    hold(tool)
    begun = time.monotonic()
    result = tool.fails(3, 'lock', '--timeout', '200ms', 'a', 'echo', 'no',
                        says=['could not be had within 200 ms'])
    check(time.monotonic() - begun >= 0.2, 'it gave up too early')
    check_equal(result.out, b'')
    tool.run('lock', '--timeout', '0', 'a', 'true', status=3, err='ferry: lock a: ')


@case
def who_waits_gets_it_when_the_owner_is_done(tool):
    owner = hold(tool, script='read x')
    waiter = tool.start('lock', 'a', '--', 'echo', 'mine')
    check_equal(ended(owner)[0], 1)  # end of file
    check_equal(ended(waiter), (0, b'mine\n', b''))


@case
def a_command_that_cannot_be_run_is_told_from_one_that_fails(tool):
    tool.fails(127, 'lock', 'a', '--', 'no-such-command', says=['cannot run no-such-command'])
    tool.fails(126, 'lock', 'a', '--', str(tool.dir), says=['cannot run'])
    tool.run('lock', '--try', 'a', 'true')


@case
def what_is_no_lock_is_a_failure_of_its_own(tool):
    tool.run('create', 'mailbox', 'box')
    tool.fails(125, 'lock', 'box', 'true', says=['lock box: '])
    tool.fails(125, 'lock', 'no:name', 'true', says=['give a name, a path, or key:NUMBER'])


@case
def the_lock_is_made_with_the_mode_that_was_asked_for(tool):
    tool.run('lock', 'a', 'true')
    tool.run('lock', '--mode', '0660', 'b', 'true')
    modes = [stat.S_IMODE(os.stat(tool.dir / name).st_mode) for name in 'ab']
    check_equal(modes, [0o600, 0o660])


@case
def the_command_has_the_umask_of_its_caller_whatever_the_mode(tool):
    for options in ([], ['--mode', '0666']):
        result = tool.run('lock', *options, 'a', '--', 'sh', '-c', 'umask', umask=0o027)
        check_equal(result.out, b'0027\n', options)


@case
def whoever_is_done_is_no_member_any_more(tool):
    owner = hold(tool)
    tool.run('lock', '--try', 'a', 'true', status=3, err='ferry: lock a: ')
    tool.run('lock', '--timeout', '1ms', 'a', 'true', status=3, err='ferry: lock a: ')
    check_equal([member['pid'] for member in tool.stat('a')['members']], [owner.pid])
    kill(owner)
    tool.run('lock', '--on-owner-died', 'exit 1', 'a', 'true', status=125, err='ferry: lock a: ')
    tool.run('lock', 'a', '--', 'sh', '-c', 'kill -9 $$', status=-signal.SIGKILL, err='ferry: lock a: ')
    tool.run('lock', 'a', 'no-such-command', status=127, err='ferry: lock a: ')
    check_equal([member['pid'] for member in tool.stat('a')['members'] if member['pid'] != owner.pid], [])


@case
def signals_are_passed_on(tool):
    for name in ('TERM', 'INT', 'HUP', 'QUIT', 'USR1', 'USR2'):
        owner = hold(tool, trap=f'trap "exit 9" {name}', script='while :; do sleep 0.02; done')
        owner.send_signal(signal.Signals[f'SIG{name}'])
        check_equal(ended(owner), (9, b'', b''), name)
    tool.run('lock', '--try', 'a', 'true')


@case
def an_interrupt_at_the_terminal_comes_once(tool):
    script = ("n=0; trap 'n=$((n + 1))' INT; echo ready; "
              "while [ $n = 0 ]; do sleep 0.02; done; sleep 0.2; echo n=$n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(tool.exe, ['ferry', 'lock', 'a', '--', 'sh', '-c', script],
                  tool.env)
    seen = b''
    try:
        while b'ready' not in seen:
            seen += os.read(terminal, 100)
        os.write(terminal, b'\x03')
        while b'n=' not in seen:
            seen += os.read(terminal, 100)
        until(lambda: os.waitpid(pid, os.WNOHANG)[0], 'ferry ended')
        check(b'n=1' in seen, seen)
    finally:
        os.close(terminal)


@case
def a_command_that_is_killed_leaves_the_section_to_the_next_owner(tool):
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        tool.run('lock', 'a', '--', 'sh', '-c', f'kill -{int(number)} $$', status=-number)
        tool.run('lock', 'a', 'true', err='ferry: lock a: ' + TOLD)
        tool.run('lock', 'a', 'true')


@case
def the_command_of_a_killed_ferry_is_killed(tool):
    owner = tool.start('lock', 'a', '--', 'sh', '-c', 'echo $$; exec sleep 1000')
    command = int(owner.stdout.readline())
    kill(owner)
    until(lambda: not os.path.exists(f'/proc/{command}') or 'Z' in open(f'/proc/{command}/stat').read(),
          'the command ended')
    result = tool.run('lock', '--try', 'a', 'echo', 'mine', err='ferry: lock a: ' + TOLD)
    check_equal(result.out, b'mine\n')


@case
def a_waiter_is_told_when_the_owner_is_killed(tool):
    owner = hold(tool)
    waiter = tool.start('lock', 'a', '--', 'echo', 'mine')
    until(lambda: b'waits' in tool.run('why', 'a').out, 'it waits')
    kill(owner)
    status, out, err = ended(waiter)
    check_equal((status, out), (0, b'mine\n'))
    check(TOLD in err.decode(), err)


@case
def a_killed_waiter_leaves_nothing(tool):
    owner = hold(tool, trap='trap "exit 0" TERM', script='while :; do sleep 0.02; done')
    waiter = tool.start('lock', 'a', '--', 'echo', 'mine')
    until(lambda: b'waits' in tool.run('why', 'a').out, 'it waits')
    kill(waiter)
    owner.terminate()
    check_equal(ended(owner)[0], 0)
    tool.run('lock', 'a', 'true')


@case
def a_repair_runs_once_before_the_command(tool):
    kill(hold(tool))
    command = ['lock', '--on-owner-died', 'echo repair', 'a', '--', 'echo', 'work']
    check_equal(tool.run(*command, err='ferry: lock a: ' + TOLD).out, b'repair\nwork\n')
    check_equal(tool.run(*command).out, b'work\n')


@case
def a_repair_that_fails_is_left_to_the_next_owner(tool):
    kill(hold(tool))
    for repair in ('exit 3', 'no-such-command 2>/dev/null'):
        result = tool.run('lock', '--on-owner-died', repair, 'a', '--', 'echo', 'no', status=125,
                          err='ferry: lock a: ' + TOLD)
        check('the repair failed' in result.err and not result.out, result)
    result = tool.run('lock', '--on-owner-died', 'kill -KILL $$', 'a', '--', 'echo', 'no', status=-9,
                      err='ferry: lock a: ' + TOLD)
    check_equal(result.out, b'')
    result = tool.run('lock', '--on-owner-died', 'true', 'a', '--', 'echo', 'yes',
                      err='ferry: lock a: ' + TOLD)
    check_equal(result.out, b'yes\n')


@case
def a_stopped_owner_holds_on(tool):
    owner = hold(tool)
    owner.send_signal(signal.SIGSTOP)
    tool.run('lock', '--timeout', '300ms', 'a', 'true', status=3, err='ferry: lock a: ')


@case
def a_lock_that_nobody_repaired_is_explained(tool):
    tool.run('lock', 'a', 'true')
    first, second = Actor(tool, 'a'), Actor(tool, 'a')
    first.do('acquire 0 0')
    first.kill()
    check_equal(second.do('acquire 0 0', wanted=1), 1)
    second.do('release 0 0')
    tool.fails(125, 'lock', 'a', 'true', says=['gave up repairing', 'ferry rm'])


@case
def ignored_children_are_waited_for_all_the_same(tool):
    done = subprocess.run(['sh', '-c', 'trap "" CHLD; exec "$@"', 'sh', tool.exe, 'lock', 'a', '--',
                           'sh', '-c', 'exit 6'], env=tool.env, check=False)
    check_equal(done.returncode, 6)


if __name__ == '__main__':
    main()
