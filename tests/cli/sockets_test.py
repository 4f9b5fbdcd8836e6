# SPDX-License-Identifier: MIT
"""ferry connect and ferry listen: with each other, and with plain sockets at the other end."""
import json
import os
import pathlib
import resource
import signal
import socket
import struct
import subprocess
import tempfile

from tap import HANG, case, check, check_equal, ended, main, until


def listening(tool, *args, **options):
    """Start a listener; it and the address that it tells."""
    process = tool.start('listen', '--verbose', *args, **options)
    line = process.stderr.readline().decode()
    check(line.startswith('ferry: listening at '), line)
    return process, line.split()[-1]


def plain(address):
    """A plain socket connected to a tcp or unix address."""
    if address.startswith('tcp://'):
        host, port = address[6:].rsplit(':', 1)
        return socket.create_connection((host.strip('[]'), int(port)), timeout=HANG)
    connected = socket.socket(socket.AF_UNIX)
    connected.settimeout(HANG)
    path = address[5:]
    connected.connect('\0' + path[1:] if path.startswith('@') else path)
    return connected


def read_all(connected):
    data = b''
    while piece := connected.recv(65536):
        data += piece
    return data


def streams(tool):
    return ['tcp://127.0.0.1:0', 'tcp://[::1]:0', f'unix:{tool.dir}/s', 'unix:@']


@case
def bytes_go_through_and_end(tool):
    data = os.urandom(3_000_000)
    for kind in streams(tool):
        listener, address = listening(tool, kind)
        with tempfile.TemporaryFile(dir='/dev/shm') as file:
            file.write(data)
            file.seek(0)
            client = tool.start('connect', address, stdin=file)
        status, out, _ = ended(listener)
        check_equal((status, out == data), (0, True), kind)
        check_equal(ended(client), (0, b'', b''), kind)
        check_equal(list(tool.dir.iterdir()), [])


@case
def the_other_way_too(tool):
    for kind in streams(tool) + [f'unix-seqpacket:{tool.dir}/p']:
        listener, address = listening(tool, kind, stdin=subprocess.PIPE)
        listener.stdin.write(b'from the listener')
        listener.stdin.close()
        listener.stdin = None
        check_equal(tool.run('connect', address).out, b'from the listener')
        check_equal(ended(listener)[0], 0)


@case
def lines_are_messages(tool):
    listener, address = listening(tool, '--messages', 'unix:@')
    tool.run('connect', '--messages', address, stdin=b'one\n\nthree and more\nlast')
    check_equal(ended(listener)[1], b'one\n\nthree and more\nlast\n')


@case
def a_plain_client_sees_nothing_but_the_bytes(tool):
    for kind in streams(tool):
        listener, address = listening(tool, kind, stdin=subprocess.PIPE)
        with plain(address) as client:
            client.sendall(b'question')
            client.shutdown(socket.SHUT_WR)
            listener.stdin.write(b'answer')
            listener.stdin.close()
            listener.stdin = None
            check_equal(read_all(client), b'answer', kind)
        check_equal(ended(listener)[:2], (0, b'question'), kind)


@case
def a_plain_server_sees_nothing_but_the_bytes(tool):
    with socket.create_server(('127.0.0.1', 0)) as server:
        server.settimeout(HANG)
        client = tool.start('connect', f'tcp://localhost:{server.getsockname()[1]}',
                            stdin=subprocess.PIPE)
        peer, _ = server.accept()
        with peer:
            client.stdin.write(b'to plain')
            client.stdin.close()
            client.stdin = None
            check_equal(read_all(peer), b'to plain')
            peer.sendall(b'from plain')
    check_equal(ended(client), (0, b'from plain', b''))


@case
def a_plain_client_sends_messages(tool):
    listener, address = listening(tool, '--messages', 'tcp://127.0.0.1:0')
    with plain(address) as client:
        for text in b'one', b'', b'two':
            client.sendall(struct.pack('>I', len(text)) + text)
        client.shutdown(socket.SHUT_WR)
        check_equal(read_all(client), b'')
    check_equal(ended(listener)[:2], (0, b'one\n\ntwo\n'))
    listener, address = listening(tool, '--messages', '--max-size', '1K', 'tcp://127.0.0.1:0')
    with plain(address) as client:
        client.sendall(struct.pack('>I', 1025))
        status, out, err = ended(listener)
        check_equal((status, out), (1, b''))
        check(b'ferry: listen' in err, err)


@case
def a_command_for_each_connection(tool):
    listener, address = listening(tool, '--exec', f'unix:{tool.dir}/s', 'sh', '-c',
                                  'read line; echo "$FERRY_PEER said $line"')
    clients = [plain(address) for _ in range(10)]
    for number, client in enumerate(clients):
        client.sendall(b'%d\n' % number)
    for number, client in enumerate(clients):
        check_equal(read_all(client), b'unix: said %d\n' % number)
        client.close()
    listener.send_signal(signal.SIGTERM)
    check_equal(ended(listener)[0], -signal.SIGTERM)
    check_equal(list(tool.dir.iterdir()), [])


@case
def a_command_has_the_umask_of_its_caller_whatever_the_mode(tool):
    listener, address = listening(tool, '--exec', '--mode', '0666', f'unix:{tool.dir}/s', 'sh',
                                  '-c', 'umask', umask=0o027)
    check_equal(tool.run('connect', address).out, b'0027\n')
    check_equal(os.stat(tool.dir / 's').st_mode & 0o777, 0o666)
    listener.send_signal(signal.SIGTERM)
    check_equal(ended(listener)[0], -signal.SIGTERM)


@case
def no_more_commands_than_allowed(tool):
    listener, address = listening(tool, '--exec', '--most', '1', 'unix:@', 'cat')
    with plain(address) as first, plain(address) as second:
        second.sendall(b'second')
        first.sendall(b'first')
        check_equal(first.recv(100), b'first')
        second.setblocking(False)
        try:
            check(False, second.recv(100))
        except BlockingIOError:
            pass
        first.close()
        second.setblocking(True)
        second.settimeout(HANG)
        check_equal(second.recv(100), b'second')
    listener.send_signal(signal.SIGINT)
    check_equal(ended(listener)[0], -signal.SIGINT)


@case
def few_descriptors_make_others_wait(tool):
    few = {'preexec_fn': lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))}
    listener, address = listening(tool, '--exec', 'unix:@', 'cat', **few)
    clients = [plain(address) for _ in range(60)]
    # Until it has taken all that it wants.
    until(lambda: 'poll' in pathlib.Path(f'/proc/{listener.pid}/wchan').read_text()
          or listener.poll() is not None, 'it waits')
    for number, client in enumerate(clients):
        client.settimeout(HANG)
        client.sendall(b'%d' % number)
        check_equal(client.recv(100), b'%d' % number)
        client.close()
    listener.send_signal(signal.SIGTERM)
    check_equal(ended(listener)[0], -signal.SIGTERM)


@case
def keep_takes_one_after_another(tool):
    listener, address = listening(tool, '--keep', 'unix:@')
    for word in b'one ', b'two ', b'three':
        with plain(address) as client:
            client.sendall(word)
            client.shutdown(socket.SHUT_WR)
            check_equal(read_all(client), b'')
        check_equal(os.read(listener.stdout.fileno(), 100), word)
    listener.send_signal(signal.SIGTERM)
    check_equal(ended(listener)[:2], (-signal.SIGTERM, b''))


@case
def keep_gives_standard_input_to_the_first_and_closes_the_others(tool):
    listener, address = listening(tool, '--keep', 'unix:@', stdin=subprocess.PIPE)
    with plain(address) as first:
        listener.stdin.write(b'for the first')
        listener.stdin.flush()
        check_equal(first.recv(100), b'for the first')
        first.shutdown(socket.SHUT_RDWR)
    for _ in range(3):
        with plain(address) as client:
            check_equal(read_all(client), b'')
            client.sendall(b'x')
    check_equal(os.read(listener.stdout.fileno(), 100)[:1], b'x')
    listener.send_signal(signal.SIGTERM)
    check_equal(ended(listener)[0], -signal.SIGTERM)


@case
def a_command_for_each_datagram(tool):
    answer = 'read line; echo "$FERRY_PEER said $line"'
    listener, address = listening(tool, '--exec', 'udp://127.0.0.1:0', 'sh', '-c', answer)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(HANG)
        client.connect(('127.0.0.1', int(address.rsplit(':', 1)[1])))
        for number in range(5):
            client.send(b'%d\n' % number)
            check_equal(client.recv(200), b'udp://127.0.0.1:%d said %d\n'
                        % (client.getsockname()[1], number))
    listener.send_signal(signal.SIGTERM)
    check_equal(ended(listener)[0], -signal.SIGTERM)


@case
def a_datagram_without_a_sender_gets_no_answer(tool):
    listener, address = listening(tool, '--exec', f'unix-dgram:{tool.dir}/d', 'sh', '-c',
                                  'cat > "$0"; echo unheard', str(tool.dir / 'got'))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(b'word', str(tool.dir / 'd'))
    got = tool.dir / 'got'
    until(lambda: got.exists() and got.read_bytes() == b'word', 'the command has it')
    listener.send_signal(signal.SIGTERM)
    check_equal(ended(listener)[0], -signal.SIGTERM)
    check(address.startswith('unix-dgram:'), address)


@case
def datagrams(tool):
    for kind in 'udp://127.0.0.1:0', f'unix-dgram:{tool.dir}/d':
        listener, address = listening(tool, '--messages', '--idle', '5', kind)
        tool.run('connect', '--messages', address, stdin=b'one\ntwo\n')
        check_equal(ended(listener)[:2], (0, b'one\ntwo\n'), kind)


@case
def a_stale_file_is_taken_over_and_a_live_one_is_not(tool):
    address = f'unix:{tool.dir}/s'
    listener, _ = listening(tool, address)
    tool.fails(1, 'listen', address, says=['listen', 'in use'])
    listener.kill()
    listener.wait()
    listener, _ = listening(tool, address)
    tool.run('connect', address, stdin=b'again')
    check_equal(ended(listener)[1], b'again')
    (tool.dir / 'file').write_bytes(b'precious')
    tool.fails(1, 'listen', f'unix:{tool.dir}/file', says=['no socket'])
    check_equal((tool.dir / 'file').read_bytes(), b'precious')


@case
def ls_shows_listeners_and_connections(tool):
    def listed():
        return json.loads(tool.run('ls', '--sockets', '--json').out)

    def ends(rows):
        return [{process['pid'] for process in row['processes']} for row in rows
                if row['what'] == 'connection']

    for kind in 'tcp://127.0.0.1:0', f'unix:{tool.dir}/s', 'unix:@':
        listener, address = listening(tool, kind, stdin=subprocess.PIPE)
        mine = [row for row in listed() if row.get('address') == address]
        check_equal([(row['what'], row['processes'][0]['pid']) for row in mine],
                    [('listener', listener.pid)], kind)
        check(address in tool.run('ls', '--sockets').out.decode(), kind)
        client = tool.start('connect', address, stdin=subprocess.PIPE)
        until(lambda: {listener.pid, client.pid} in ends(listed()), 'the connection is listed')
        check_equal([row['address'] for row in listed() if row['what'] == 'connection' and
                     client.pid in (process['pid'] for process in row['processes'])], [address])
        for process in client, listener:
            process.stdin.close()
            process.stdin = None
        check_equal((ended(client)[0], ended(listener)[0]), (0, 0))
        check(not any(listener.pid in pids for pids in ends(listed())), kind)
    tool.misused('ls', '--sockets', str(tool.dir), says='DIRECTORY')


@case
def time_limits(tool):
    for options in ([], ['--keep']):
        tool.fails(3, 'listen', '--timeout', '50ms', *options, 'unix:@',
                   says=['listen unix:@: nobody came within 50 ms'])
    tool.fails(2, 'listen', '--timeout', '50ms', 'udp://127.0.0.1:0', says=['--idle'])
    listener, address = listening(tool, 'unix:@', stdin=subprocess.PIPE)
    client = tool.start('connect', '--idle', '50ms', address, stdin=subprocess.PIPE)
    check_equal(client.wait(HANG), 0)
    listener.stdin.close()
    listener.stdin = None
    check_equal(ended(listener)[0], 0)


@case
def what_makes_no_sense_is_refused(tool):
    tool.misused('connect', says='address')
    tool.misused('listen', says='address')
    tool.misused('listen', '--exec', 'unix:@', says='command')
    tool.misused('listen', 'unix:@', 'cat', says='--exec')
    for option in ('--messages', '--keep', '--quit', '--timeout=1', '--idle=1'):
        tool.misused('listen', '--exec', option, 'unix:@', 'cat', says='exclude')
    tool.fails(2, 'connect', 'tcp://localhost:http', says=['character 17', 'number'])
    tool.fails(2, 'listen', 'http://x:1', says=['character 1', 'tcp://'])
    tool.fails(1, 'connect', 'unix:@ferry-nobody', says=['connect', 'refused'])
    tool.fails(4, 'connect', f'unix:{tool.dir}/nothing', says=['No such file'])


if __name__ == '__main__':
    main()
