# SPDX-License-Identifier: MIT
"""Processes that do with locks and the like what a test tells them: see lock_actor.c."""
import os
import signal
import subprocess

from tap import check_equal


class Actor:
    """One such process, with a segment at each location."""

    def __init__(self, tool, *locations):
        self.process = subprocess.Popen([os.environ['FERRY_LOCK_ACTOR'], *locations], env=tool.env,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None)
        tool.started.append(self.process)
        self.pid = self.process.pid

    def ask(self, *deeds):
        """Have things done that may take long."""
        self.process.stdin.write(''.join(deed + '\n' for deed in deeds).encode())
        self.process.stdin.flush()

    def answer(self):
        """The result of what was asked for."""
        return int(self.process.stdout.readline())

    def do(self, *deeds, wanted=0):
        """Have things done one by one."""
        for deed in deeds:
            self.ask(deed)
            check_equal(self.answer(), wanted, deed)
        return wanted

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def kill(self):
        self.process.kill()
        self.process.wait()
