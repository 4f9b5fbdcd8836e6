# SPDX-License-Identifier: MIT
"""A server around asyncio's loop: a mailbox through ferry_fd(), a timer, a socket. It does what
served.c does, and sees ferry through ctypes alone."""
import asyncio
import ctypes
import errno
import os
import resource
import struct
import sys

SOCKET = 3
TICK_S = 0.005
AT_ONCE = 64
RECEIVE_ONLY = 1 << 3
CAN_READ = 1 << 0
ITEM_MAILBOX = 2


class Options(ctypes.Structure):
    """Of struct ferry_mailbox_options: its beginning. The rest is default where size ends."""
    _fields_ = [('size', ctypes.c_size_t), ('flags', ctypes.c_uint32)]


class Item(ctypes.Structure):
    """struct ferry_item."""
    _fields_ = [('kind', ctypes.c_int), ('events', ctypes.c_uint32), ('happened', ctypes.c_uint32),
                ('error', ctypes.c_int), ('fd', ctypes.c_int), ('signo', ctypes.c_int),
                ('handle', ctypes.c_void_p), ('at', ctypes.c_void_p), ('value', ctypes.c_uint64)]


class Server:
    """Everything that is served."""

    def __init__(self, loop):
        self.loop = loop
        self.over = loop.create_future()
        self.messages = self.wrong = self.ticks = self.calls = self.empty = 0
        self.number = ctypes.c_uint64()

    def open_mailbox(self):
        ferry = ctypes.CDLL(os.environ['FERRY_LIBRARY'])
        ferry.ferry_mailbox_receive.argtypes = [
            ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64]
        ferry.ferry_mailbox_receive.restype = ctypes.c_ssize_t
        ferry.ferry_mailbox_close.argtypes = [ctypes.c_void_p]
        self.ferry, self.box = ferry, ctypes.c_void_p()
        options = Options(ctypes.sizeof(Options), RECEIVE_ONLY)
        self.must(ferry.ferry_mailbox_open(ctypes.byref(self.box), b'orders',
                                           ctypes.byref(options)))
        item = Item(kind=ITEM_MAILBOX, events=CAN_READ, handle=self.box)
        self.fd = self.must(ferry.ferry_fd(ctypes.byref(item)))
        self.loop.add_reader(self.fd, self.receive)

    def close_mailbox(self):
        self.loop.remove_reader(self.fd)
        self.must(self.ferry.ferry_fd_close(self.fd))
        self.ferry.ferry_mailbox_close(self.box)

    @staticmethod
    def must(result):
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result

    def receive(self):
        self.calls += 1
        for got in range(AT_ONCE):
            n = self.ferry.ferry_mailbox_receive(self.box, ctypes.byref(self.number), 8, 0)
            if n < 0:
                if n != -errno.EAGAIN:
                    self.must(n)
                self.empty += got == 0
                break
            self.messages += 1
            self.wrong += self.number.value != self.messages
        self.must(self.ferry.ferry_fd_clear(self.fd))

    def tick(self):
        self.ticks += 1
        self.loop.call_later(TICK_S, self.tick)

    def word(self):
        word = os.read(SOCKET, 1)
        if word in (b'', b'q'):
            self.over.set_result(None)
        elif word == b'r':
            usage = resource.getrusage(resource.RUSAGE_SELF)
            os.write(SOCKET, struct.pack(
                '6Q', self.messages, self.wrong, self.ticks, self.calls, self.empty,
                int((usage.ru_utime + usage.ru_stime) * 1e6)))
        else:
            os.write(SOCKET, word)


async def serve():
    server = Server(asyncio.get_running_loop())
    server.loop.add_reader(SOCKET, server.word)
    server.tick()
    if len(sys.argv) > 1:
        server.open_mailbox()
    await server.over
    if len(sys.argv) > 1:
        server.close_mailbox()


asyncio.run(serve())
