# SPDX-License-Identifier: MIT
"""examples/editor.c at a real terminal: Ctrl-C asks, and what is answered is done."""
import os
import pty
import select
import signal
import sys
import time

from tap import HANG, case, check, check_equal, main

EDITOR = sys.argv.pop(2)


class Terminal:
    """The editor with a terminal of its own, as its session's leader and foreground process."""

    def __init__(self, path):
        self.seen = ''
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(EDITOR, [EDITOR, str(path)])

    def until(self, words):
        """Read what it shows until the words come."""
        end = time.monotonic() + HANG
        while words not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            check(ready, f'{words!r} never came; it showed {self.seen!r}')
            try:
                self.seen += os.read(self.fd, 4096).decode()
            except OSError:  # the terminal is gone
                check(words in self.seen, f'{words!r} never came; it showed {self.seen!r}')
        self.seen = self.seen.partition(words)[2]

    def type(self, text):
        os.write(self.fd, text.encode())

    def ended(self):
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return status


def write(terminal, line, size):
    """A line; and wait until the editor has it, since Ctrl-C throws away what waits in the terminal."""
    terminal.type(line)
    terminal.until(f'{size} bytes')


def opened(path):
    terminal = Terminal(path)
    terminal.until('editing')
    write(terminal, 'one line\n', 9)
    return terminal


@case
def ctrl_c_and_yes_saves_and_ends_by_sigint(tool):
    path = tool.dir / 'text'
    terminal = opened(path)
    write(terminal, 'another\n', 17)
    terminal.type('\x03')
    terminal.until('Save your changes')
    terminal.type('y\n')
    terminal.until('saved')
    status = terminal.ended()
    check(os.WIFSIGNALED(status), status)
    check_equal(os.WTERMSIG(status), signal.SIGINT)
    check_equal(path.read_text(), 'one line\nanother\n')


@case
def ctrl_c_and_no_saves_nothing_and_ends_by_sigint(tool):
    path = tool.dir / 'text'
    terminal = opened(path)
    terminal.type('\x03')
    terminal.until('Save your changes')
    terminal.type('n\n')
    terminal.until('not saved')
    check_equal(os.WTERMSIG(terminal.ended()), signal.SIGINT)
    check(not path.exists())


@case
def ctrl_c_and_cancel_goes_on(tool):
    path = tool.dir / 'text'
    terminal = opened(path)
    for _ in range(3):
        terminal.type('\x03')
        terminal.until('Save your changes')
        terminal.type('c\n')
        terminal.until('going on')
    write(terminal, 'more\n', 14)
    terminal.type('\x03')
    terminal.until('Save your changes')
    terminal.type('y\n')
    check_equal(os.WTERMSIG(terminal.ended()), signal.SIGINT)
    check_equal(path.read_text(), 'one line\nmore\n')


@case
def end_of_input_saves_and_ends_well(tool):
    path = tool.dir / 'text'
    terminal = opened(path)
    terminal.type('\x04')
    check_equal(terminal.ended(), 0)
    check_equal(path.read_text(), 'one line\n')


if __name__ == '__main__':
    main()
