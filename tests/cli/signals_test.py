# SPDX-License-Identifier: MIT
"""ferry signal, signals, spawn and supervise: who is hit, what is seen, and how a command ends."""
import json
import os
import pathlib
import signal
import subprocess
import sys

from tap import HANG, Skip, case, check, check_equal, ended, main, until

# Notes each signal that comes, with its payload, until SIGTERM.
NOTER = '''
import signal, sys
wanted = {signal.SIGUSR1, signal.SIGRTMIN + 1, signal.SIGTERM, signal.SIGHUP}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
print('ready', flush=True)
while True:
    info = signal.sigwaitinfo(wanted)
    print(info.si_signo, info.si_code, info.si_pid, flush=True)
    if info.si_signo == signal.SIGTERM:
        sys.exit(7)
'''


def noter(**options):
    process = subprocess.Popen([sys.executable, '-c', NOTER], stdout=subprocess.PIPE, text=True, **options)
    check_equal(process.stdout.readline(), 'ready\n')
    return process


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()


def start_time(pid):
    return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]


@case
def a_signal_reaches_a_process_as_if_queued(tool):
    process = noter()
    try:
        tool.run('signal', str(process.pid), 'usr1')
        got = process.stdout.readline().split()
        check_equal(got[:2], [str(int(signal.SIGUSR1)), '-1'], 'number and SI_QUEUE')
        tool.run('signal', f'{process.pid}:{start_time(process.pid)}', 'SIGTERM', '--payload', '-3')
        process.stdout.readline()
        check_equal(process.wait(HANG), 7)
    finally:
        end(process)


@case
def a_start_time_that_is_not_its_own_hits_nobody(tool):
    process = noter()
    try:
        later = int(start_time(process.pid)) + 1
        tool.fails(4, 'signal', f'{process.pid}:{later}', 'TERM', says=['signal'])
        check_equal(process.poll(), None)
    finally:
        end(process)


@case
def who_is_gone_is_absent(tool):
    process = subprocess.Popen(['true'])
    process.wait()
    tool.fails(4, 'signal', str(process.pid), 'TERM', says=['signal', str(process.pid)])
    tool.fails(4, 'signal', str(process.pid), '0', says=['signal'])


@case
def every_member_of_an_object_is_hit_once(tool):
    receivers = [tool.start('receive', 'box', '--create', '--follow') for _ in range(3)]
    until(lambda: os.path.exists(tool.dir / 'box') and tool.stat('box')['members_alive'] == 3, 'all are there')
    out = tool.run('signal', '@box', '0', '--verbose').out.decode()
    check('sent' not in out and out.count('may be signalled') == out.count('\n') > 0, out)
    out = tool.run('signal', '@box', 'TERM', '--verbose').out.decode()
    check_equal(sorted(out.splitlines()), sorted(f'{r.pid}: sent' for r in receivers))
    for receiver in receivers:
        check_equal(ended(receiver)[0], -signal.SIGTERM)
    tool.fails(4, 'signal', '@box', 'TERM', says=['box', 'no living member'])
    tool.fails(4, 'signal', '@nothing', 'TERM', says=['nothing'])


@case
def a_group_is_hit_as_a_whole(tool):
    leader = noter(start_new_session=True)
    try:
        tool.run('signal', f'group:{leader.pid}', 'HUP')
        check_equal(leader.stdout.readline().split()[0], str(int(signal.SIGHUP)))
    finally:
        end(leader)
    tool.run('signal', f'group:{leader.pid}', 'HUP', status=4, err='ferry: ')


@case
def what_makes_no_sense_is_refused(tool):
    tool.misused('signal', says='which')
    tool.misused('signal', '1', 'NOSUCH', says='NOSUCH')
    tool.misused('signal', '1', 'TERM', 'x')
    tool.misused('signal', '1', 'TERM', '--payload', 'many', says='many')
    tool.misused('signal', 'x1', 'TERM', says='x1')
    tool.misused('signal', 'group:x', 'TERM', says='x')
    tool.misused('signals', 'x', says='x')
    tool.misused('spawn', says='command')
    tool.misused('spawn', '--limit', 'speed=1', 'true', says='speed')
    tool.misused('supervise', '--restart', 'maybe', 'true', says='maybe')


@case
def signals_shows_what_a_process_does_with_them(tool):
    code = ('import signal, time; signal.signal(signal.SIGUSR1, lambda *_: 0); '
            'signal.signal(signal.SIGHUP, signal.SIG_IGN); '
            'signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGRTMIN + 2]); '
            'print("ready", flush=True); time.sleep(1000)')
    process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
    try:
        process.stdout.readline()
        os.kill(process.pid, signal.SIGUSR2)
        process.send_signal(signal.SIGSTOP)
        seen = json.loads(tool.run('signals', str(process.pid), '--json').out)
        check('SIGUSR1' in seen['caught'], seen)
        check('SIGHUP' in seen['ignored'], seen)
        check_equal(seen['blocked'], ['SIGUSR2', 'SIGRTMIN+2'])
        check_equal(seen['pending'], ['SIGUSR2'])
        text = tool.run('signals', str(process.pid)).out.decode()
        line = next(line for line in text.splitlines() if line.startswith('SIGUSR2'))
        check('blocked' in line and 'pending' in line and 'whatever the program' in line, line)
        check('SIGALRM' not in text, text)
        check_equal(len(tool.run('signals', str(process.pid), '--all').out.splitlines()), 66)
    finally:
        end(process)
    tool.fails(4, 'signals', str(process.pid), says=[str(process.pid)])


@case
def spawn_ends_as_the_command_does(tool):
    check_equal(tool.run('spawn', 'sh', '-c', 'echo out; exit 5', status=5).out, b'out\n')
    tool.run('spawn', '--', 'sh', '-c', 'kill -9 $$', status=137)
    tool.fails(127, 'spawn', 'no-such-program-at-all', says=['no-such-program-at-all'])
    tool.fails(126, 'spawn', '/', says=['/'])
    tool.fails(1, 'spawn', '--directory', '/no/such/place', 'true', says=['/no/such/place'])


@case
def spawn_starts_cleanly(tool):
    def spoil():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    read, write = os.pipe()
    try:
        out = tool.run('spawn', '--directory', '/proc', '--env', 'A=b c', '--env', 'HOME', '--limit', 'open=40', 'sh',
                       '-c', 'pwd; echo "$A"; echo "${HOME-none}"; ulimit -n; ls /proc/self/fd; '
                       'grep -E "^Sig(Blk|Ign)" /proc/self/status', preexec_fn=spoil,
                       pass_fds=[read, write]).out.decode().splitlines()
    finally:
        os.close(read)
        os.close(write)
    check_equal(out[:4], ['/proc', 'b c', 'none', '40'])
    check_equal(out[4:8], ['0', '1', '2', '3'], 'descriptors of ls')
    check_equal([line.split()[1].strip('0') for line in out[8:]], ['', ''], 'blocked, ignored')


@case
def spawn_reports(tool):
    result = tool.run('spawn', '--report', 'sh', '-c', 'exit 3', status=3, err='ended with code 3')
    check('memory' in result.err, result)
    tool.run('spawn', '--report', 'sh', '-c', 'kill -TERM $$', status=143, err='ended by SIGTERM')


@case
def signals_are_passed_on_to_the_command(tool):
    process = tool.start('spawn', sys.executable, '-uc', NOTER)
    check_equal(process.stdout.readline(), b'ready\n')
    process.send_signal(signal.SIGUSR1)
    check_equal(process.stdout.readline().split()[0], str(int(signal.SIGUSR1)).encode())
    process.send_signal(signal.SIGTERM)
    check_equal(ended(process)[0], 7)


def supervised(tool, script, *options, status=0, err='ferry: supervise'):
    return tool.run('supervise', '--delay', '1ms', *options, 'sh', '-c', script, status=status, err=err)


@case
def supervise_starts_it_again_until_it_succeeds(tool):
    count = tool.dir / 'count'
    script = f'echo x >>{count}; [ $(wc -l <{count}) -ge 4 ] || exit 9'
    result = supervised(tool, script)
    check_equal(count.read_text(), 'x\n' * 4)
    check_equal(result.err.count('ended with code 9'), 3)
    check_equal(supervised(tool, 'exit 0', err='').out, b'')


@case
def supervise_tells_a_code_above_128_from_a_signal(tool):
    result = supervised(tool, 'exit 130', '--max-restarts', '1', status=130)
    check('ended with code 130' in result.err, result.err)
    result = supervised(tool, 'kill -INT $$', '--max-restarts', '1', status=130)
    check('ended by SIGINT' in result.err, result.err)


@case
def supervise_gives_up_when_told(tool):
    count = tool.dir / 'count'
    result = supervised(tool, f'echo x >>{count}; kill -SEGV $$', '--max-restarts', '2', status=139)
    check_equal(count.read_text(), 'x\n' * 3)
    check('SIGSEGV' in result.err and 'giving up' in result.err, result)
    supervised(tool, 'exit 4', '--restart', 'never', status=4, err='')
    result = supervised(tool, 'exit 0', '--restart', 'always', '--max-restarts', '2')
    check_equal(result.err.count('again in'), 2)
    check("'sh' ended 3 times in a row" in result.err, result)


@case
def a_program_that_is_not_there_is_tried_again_too(tool):
    result = tool.run('supervise', '--delay', '1ms', '--max-restarts', '1', 'no-such-program-at-all', status=127,
                      err='ferry: supervise')
    check_equal(result.err.count('cannot start'), 2)


@case
def the_delay_doubles_up_to_its_limit(tool):
    result = supervised(tool, 'exit 1', '--max-delay', '3ms', '--max-restarts', '4', status=1)
    check_equal([line.rpartition('again in ')[2] for line in result.err.splitlines()[:4]],
                ['1 ms', '2 ms', '3 ms', '3 ms'])
    tool.misused('supervise', '--delay', '5s', '--max-delay', '1s', 'true',
                 says='--max-delay is less than --delay')


@case
def asked_to_end_it_ends_with_its_command(tool):
    process = tool.start('supervise', '--restart', 'always', sys.executable, '-uc', NOTER)
    check_equal(process.stdout.readline(), b'ready\n')
    process.send_signal(signal.SIGTERM)
    check_equal(ended(process)[0], 7)


@case
def who_does_not_end_within_the_grace_is_killed(tool):
    process = tool.start('supervise', '--grace', '10ms', 'sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 1; done')
    check_equal(process.stdout.readline(), b'ready\n')
    process.send_signal(signal.SIGTERM)
    check_equal(process.wait(HANG), 137)


@case
def orphans_are_adopted_and_reaped(tool):
    # The middle process ends at once, so its child becomes an orphan, and ends.
    script = 'sh -c "sleep 0.01 & echo \\$!"; read line'
    process = tool.start('supervise', '--restart', 'never', 'sh', '-c', script, stdin=subprocess.PIPE)
    orphan = int(process.stdout.readline())
    until(lambda: not os.path.exists(f'/proc/{orphan}'), 'the orphan is reaped')
    check_equal(process.poll(), None, 'still supervising')
    process.stdin.write(b'\n')
    check_equal(ended(process)[0], 0)


@case
def supervise_can_be_the_first_process_of_a_container(tool):
    if os.geteuid() != 0:
        raise Skip('PID namespaces need root')
    # Two orphans: with a process 1 that does not reap, their numbers would never go.
    script = ('for orphan in $(sh -c "true & echo \\$!; true & echo \\$!"); do '
              'while [ -e /proc/$orphan ]; do sleep 0.01; done; done; exit 5')
    container = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc']
    if subprocess.run([*container, 'true'], capture_output=True, check=False).returncode != 0:
        raise Skip('there is no /proc of its own to be had here, as where / is no mount')
    inside = subprocess.run([*container, tool.exe, 'supervise', '--restart', 'never', 'sh', '-c', script],
                            capture_output=True, text=True, timeout=HANG, check=False)
    check_equal(inside.returncode, 5, inside.stderr)


@case
def die_with_parent_ends_the_command_when_ferry_is_killed(tool):
    process = tool.start('spawn', '--die-with-parent', 'sh', '-c', 'echo $$; exec sleep 1000')
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    until(lambda: not os.path.exists(f'/proc/{child}') or
          pathlib.Path(f'/proc/{child}/stat').read_text().rpartition(')')[2].split()[0] == 'Z', 'the command is gone')


if __name__ == '__main__':
    main()
