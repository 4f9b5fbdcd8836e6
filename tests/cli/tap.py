# SPDX-License-Identifier: MIT
"""What the tests of the tool share: cases that are claims, and the tool run in a folder of its own.

A test program defines functions marked @case and ends with main(). Each case gets a Tool, whose
ferry directory is new and empty. Results are written as TAP.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HANG = 60  # seconds until something that should end counts as hanging

cases = []


def case(function):
    cases.append(function)
    return function


class Skip(Exception):
    """Raised by a case that cannot be tried here, with the reason."""


def check(condition, *what):
    """An assertion that shows what it saw, whatever the optimisation."""
    if not condition:
        raise AssertionError(' '.join(repr(w) if isinstance(w, bytes) else str(w) for w in what))


def check_equal(got, wanted, what=''):
    check(got == wanted, f'{what}: got {got!r:.300}, wanted {wanted!r:.300}')


def until(condition, what):
    """Wait until the condition holds; give what it gave."""
    end = time.monotonic() + HANG
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.005)
    raise AssertionError(f'waited {HANG} s in vain until {what}')


class Result:
    def __init__(self, args, status, out, err):
        self.args, self.status, self.out, self.err = args, status, out, err.decode()

    def __str__(self):
        return f'{self.args}: status {self.status}, out {self.out[:300]!r}, err {self.err!r}'


class Tool:
    """The ferry tool, with a ferry directory of its own below the test's folder."""

    def __init__(self, exe, folder):
        self.exe = exe
        self.dir = pathlib.Path(tempfile.mkdtemp(dir=folder))
        self.env = dict(os.environ, FERRY_DIR=str(self.dir), LC_ALL='C.UTF-8')
        self.started = []

    def run(self, *args, status=0, stdin=b'', err='', **options):
        """Run to the end; check the exit status, and what standard error begins with ('' = all)."""
        done = subprocess.run([self.exe, *args], input=stdin, capture_output=True, env=self.env,
                              timeout=HANG, check=False, **options)
        result = Result(args, done.returncode, done.stdout, done.stderr)
        check_equal(result.status, status, f'exit status of {result}')
        check(result.err.startswith(err) if err else not result.err, f'standard error of {result}')
        return result

    def fails(self, status, *args, says, **options):
        """Run something that fails with one line on standard error that holds all of says."""
        result = self.run(*args, status=status, err='ferry: ', **options)
        check_equal(result.err.count('\n'), 1, f'lines of {result}')
        for words in says:
            check(words in result.err, f'{words!r} is missing in {result.err!r}')
        return result

    def misused(self, *args, says=''):
        """Run something that is a usage error."""
        result = self.run(*args, status=2, err='ferry')
        check(says in result.err, f'{says!r} is missing in {result.err!r}')
        check('--help' in result.err, f'no way out in {result.err!r}')
        check_equal(result.out, b'')

    def start(self, *args, **options):
        options = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.PIPE,
                   'stderr': subprocess.PIPE, 'env': self.env} | options
        process = subprocess.Popen([self.exe, *args], **options)
        self.started.append(process)
        return process

    def stat(self, location):
        return json.loads(self.run('stat', location, '--json').out)

    def drain(self, location):
        """All messages with what is known of them."""
        out = self.run('receive', location, '--all', '--json').out
        return [json.loads(line) for line in out.splitlines()]

    def data(self, location):
        return [message['data'] for message in self.drain(location)]

    def until_waiting(self, location, who='receivers'):
        until(lambda: self.stat(location)[f'waiting_{who}'], f'one of the {who} of {location} waits')

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()


def ended(process):
    """Wait for a process that was started; give status, output and errors."""
    out, err = process.communicate(timeout=HANG)
    return process.returncode, out, err


def hangs(*_):
    raise TimeoutError('the case hangs')


def run_case(number, function, exe, folder):
    name = function.__name__
    tool = Tool(exe, folder)
    signal.alarm(3 * HANG)
    try:
        function(tool)
        print(f'ok {number} - {name}', flush=True)
        return True
    except Skip as reason:
        print(f'ok {number} - {name} # SKIP {reason}', flush=True)
        return True
    except Exception:  # a case that breaks in any way has failed, and the next one runs
        print(f'not ok {number} - {name}')
        print(''.join(f'# {line}\n' for line in traceback.format_exc().splitlines()), flush=True)
        return False
    finally:
        signal.alarm(0)
        tool.close()


def main():
    """Run all cases, or those whose names contain one of the words behind the tool's path."""
    exe, words = os.path.abspath(sys.argv[1]), sys.argv[2:]
    if not os.access(exe, os.X_OK):
        sys.exit(f'Bail out! {exe} is not there')
    chosen = [c for c in cases if not words or any(word in c.__name__ for word in words)]
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # whoever started us in the background may ignore it
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    signal.signal(signal.SIGALRM, hangs)
    folder = tempfile.mkdtemp(prefix='ferry-cli-test-', dir='/dev/shm')
    try:
        os.chmod(folder, 0o711)  # so that another user can get to a file in it
        print(f'1..{len(chosen)}', flush=True)
        good = [run_case(n, function, exe, folder) for n, function in enumerate(chosen, 1)]
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if all(good) else 1)
