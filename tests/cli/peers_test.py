# SPDX-License-Identifier: MIT
"""Well-known programs at the other end: they get what any socket would give them, and no byte more."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading

from tap import HANG, Skip, case, check, check_equal, ended, main, until


# Debian has another one too, which has no -N and no -U, and may be nc.
NC = shutil.which('nc.openbsd') or 'nc'


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f'needs {program}')


def listening(tool, *args, **options):
    """Start a ferry listener; it and the address that it tells."""
    process = tool.start('listen', '--verbose', *args, **options)
    line = process.stderr.readline().decode()
    check(line.startswith('ferry: listening at '), line)
    return process, line.split()[-1]


def port_of(address):
    return address.rsplit(':', 1)[1]


@contextlib.contextmanager
def running(*args, **options):
    """A program that is ended, by its id, when the test is done with it."""
    with subprocess.Popen(args, **{'stdin': subprocess.DEVNULL, 'stdout': subprocess.PIPE,
                                   'stderr': subprocess.STDOUT} | options) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(HANG)
            except subprocess.TimeoutExpired:
                process.kill()


def output_of(*args, stdin=b''):
    done = subprocess.run(args, input=stdin, capture_output=True, timeout=HANG, check=False)
    check_equal(done.returncode, 0, f'{args}: {done.stderr!r}')
    return done.stdout


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


@case
def netcat_connects(tool):
    needs(NC)
    data = os.urandom(50_000)  # what a pipe holds that nobody reads yet
    for kind in 'tcp://127.0.0.1:0', f'unix:{tool.dir}/s':
        listener, address = listening(tool, kind, stdin=subprocess.PIPE)
        where = ['-U', address[5:]] if kind.startswith('unix') else ['127.0.0.1', port_of(address)]
        listener.stdin.write(b'to netcat')
        listener.stdin.close()
        listener.stdin = None
        check_equal(output_of(NC, '-N', *where, stdin=data), b'to netcat', kind)
        status, out, _ = ended(listener)
        check_equal((status, out == data), (0, True), kind)


@case
def netcat_listens(tool):
    needs(NC)
    data = os.urandom(50_000)  # what a pipe holds that nobody reads yet
    path = tool.dir / 's'
    with running(NC, '-N', '-l', '-U', str(path)) as netcat:
        until(path.exists, 'netcat listens')
        check_equal(tool.run('connect', f'unix:{path}', stdin=data).out, b'')
        check(netcat.communicate(timeout=HANG)[0] == data)
    port = free_port()
    with running(NC, '-N', '-l', '127.0.0.1', str(port), stdin=subprocess.PIPE) as netcat:
        netcat.stdin.write(b'from netcat')
        netcat.stdin.close()
        netcat.stdin = None
        # Its port may not be open yet.
        until(lambda: f':{port:04X} ' in pathlib.Path('/proc/net/tcp').read_text('ascii'),
              'netcat listens')
        check_equal(tool.run('connect', f'tcp://127.0.0.1:{port}', stdin=data).out, b'from netcat')
        check(netcat.communicate(timeout=HANG)[0] == data)


ANSWER = r'''
length=0
while read -r line; do
    case $line in
    Content-Length:*) length=$(printf %s "${line#*: }" | tr -d '\r');;
    "$(printf '\r')") break;;
    esac
done
body=$(head -c "$length")
printf 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nyou sent %s' "$body"
'''


@case
def curl_connects(tool):
    needs('curl')
    for kind in 'tcp://127.0.0.1:0', f'unix:{tool.dir}/s':
        listener, address = listening(tool, '--exec', kind, 'sh', '-c', ANSWER)
        if kind.startswith('unix'):
            where = ['--unix-socket', address[5:], 'http://localhost/']
        else:
            where = [f'http://127.0.0.1:{port_of(address)}/']
        for number in range(5):
            out = output_of('curl', '--silent', '--show-error', '--noproxy', '*',
                            '--max-time', str(HANG), '--data', f'request {number}', *where)
            check_equal(out, f'you sent request {number}'.encode(), kind)
        listener.send_signal(signal.SIGTERM)
        check_equal(ended(listener)[0], -signal.SIGTERM)


@contextlib.contextmanager
def redis(tool):
    """A redis server with a socket file and a free port.

    It is in Debian's redis-tools too, as one program with another name. The package redis-server
    would start one for the whole machine when it is installed.
    """
    program = shutil.which('redis-server') or shutil.which('redis-check-rdb')
    if not program:
        raise Skip('needs a redis server')
    path, port = tool.dir / 'redis', free_port()
    with running('redis-server', '--port', str(port), '--bind', '127.0.0.1', '--unixsocket',
                 str(path), '--save', '', '--appendonly', 'no', '--dir', str(tool.dir),
                 executable=program) as server:
        until(path.exists, 'redis listens')
        yield path, port, server


@case
def redis_server_answers(tool):
    with redis(tool) as (path, port, _):
        for address in f'unix:{path}', f'tcp://127.0.0.1:{port}':
            out = tool.run('connect', address,
                           stdin=b'SET word ferry\r\nGET word\r\nPING\r\nQUIT\r\n').out
            check_equal(out, b'+OK\r\n$5\r\nferry\r\n+PONG\r\n+OK\r\n', address)


@case
def redis_client_through_ferry_in_the_middle(tool):
    """redis-cli talks to ferry listen, which runs ferry connect to the real server."""
    needs('redis-cli')
    with redis(tool) as (path, _, _):
        listener, address = listening(tool, '--exec', 'tcp://127.0.0.1:0', tool.exe, 'connect',
                                      '--quit', f'unix:{path}')
        for number in range(3):
            big = 'x' * 100_000
            out = output_of('redis-cli', '-p', port_of(address), '-x', 'SET', f'key{number}',
                            stdin=big.encode())
            check_equal(out.strip(), b'OK')
            out = output_of('redis-cli', '-p', port_of(address), 'GET', f'key{number}')
            check_equal(out.strip(), big.encode())
        listener.send_signal(signal.SIGTERM)
        check_equal(ended(listener)[0], -signal.SIGTERM)


def certificate(tool):
    needs('openssl')
    certificate_file, key = tool.dir / 'certificate', tool.dir / 'key'
    output_of('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
              '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext',
              'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', str(key), '-out',
              str(certificate_file))
    return str(certificate_file), str(key)


def needs_tls(tool):
    process = tool.start('connect', '--timeout', '1', 'tls://127.0.0.1:1')
    if b'TLS' in ended(process)[2]:
        raise Skip('built without TLS')


@case
def python_connects_over_tls(tool):
    needs_tls(tool)
    certificate_file, key = certificate(tool)
    listener, address = listening(tool, '--tls-certificate', certificate_file, '--tls-key', key,
                                  'tls://127.0.0.1:0', stdin=subprocess.PIPE)
    context = ssl.create_default_context(cafile=certificate_file)
    with socket.create_connection(('127.0.0.1', int(port_of(address))), timeout=HANG) as plain:
        with context.wrap_socket(plain, server_hostname='localhost') as client:
            client.sendall(b'question')
            listener.stdin.write(b'answer')
            listener.stdin.close()
            listener.stdin = None
            data = b''
            while piece := client.recv(100):
                data += piece
            check_equal(data, b'answer')
            client.unwrap()
    check_equal(ended(listener)[:2], (0, b'question'))


@case
def who_cannot_agree_about_tls_does_not_end_a_listener_that_keeps_on(tool):
    needs_tls(tool)
    certificate_file, key = certificate(tool)
    listener, address = listening(tool, '--tls-certificate', certificate_file, '--tls-key', key,
                                  '--keep', 'tls://127.0.0.1:0', stdin=subprocess.PIPE)
    listener.stdin.write(b'for the first that agrees')
    listener.stdin.close()
    listener.stdin = None
    with socket.create_connection(('127.0.0.1', int(port_of(address))), HANG) as stranger:
        stranger.sendall(b'GET / HTTP/1.0\r\n\r\n')
    result = tool.run('connect', '--tls-ca', certificate_file, address)
    check_equal(result.out, b'for the first that agrees')
    listener.send_signal(signal.SIGTERM)
    check_equal(ended(listener)[0], -signal.SIGTERM)


@case
def a_command_for_each_connection_over_tls(tool):
    needs_tls(tool)
    certificate_file, key = certificate(tool)
    listener, address = listening(tool, '--tls-certificate', certificate_file, '--tls-key', key,
                                  '--exec', 'tls://127.0.0.1:0', 'sh', '-c',
                                  'echo "hello $FERRY_PEER"; exec cat')
    context = ssl.create_default_context(cafile=certificate_file)
    # One that never says a word holds up nobody.
    with socket.create_connection(('127.0.0.1', int(port_of(address)))):
        clients = []
        for _ in range(4):
            connected = socket.create_connection(('127.0.0.1', int(port_of(address))), HANG)
            clients.append(context.wrap_socket(connected, server_hostname='localhost'))
        for client in clients:
            wanted = b'hello tls://127.0.0.1:%d\n' % client.getsockname()[1]
            # In turn: two threads of Python's must not use one connection of OpenSSL's at once.
            for _ in range(10):
                data = os.urandom(20_000)
                client.sendall(data)
                wanted += data
                got = b''
                while len(got) < len(wanted):
                    piece = client.recv(65536)
                    check(piece, 'ended early')
                    got += piece
                check(got == wanted, 'other bytes came back')
                wanted = b''
            with client.unwrap():  # says that nothing more comes, so that cat ends
                pass
        data = os.urandom(1_000_000)
        out = tool.run('connect', '--tls-ca', certificate_file, address, stdin=data).out
        check(out.endswith(b'\n' + data), 'both ways at once: other bytes came back')
    listener.send_signal(signal.SIGTERM)
    check_equal(ended(listener)[0], -signal.SIGTERM)


@case
def python_listens_over_tls(tool):
    needs_tls(tool)
    certificate_file, key = certificate(tool)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate_file, key)
    heard = []

    def serve(server):
        plain, _ = server.accept()
        with plain:
            plain.settimeout(HANG)
            with context.wrap_socket(plain, server_side=True) as peer:
                heard.append(peer.recv(100))
                peer.sendall(b'answer')

    with socket.create_server(('127.0.0.1', 0)) as server:
        server.settimeout(HANG)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        done = tool.start('connect', '--tls-ca', certificate_file, '--quit',
                          f'tls://localhost:{server.getsockname()[1]}', stdin=subprocess.PIPE)
        done.stdin.write(b'question')
        done.stdin.flush()
        # Its standard input stays open: a farewell that the peer has not read when it closes would
        # make a reset of the close, and the kernel may then drop the answer.
        done.wait(HANG)
        out, err = done.stdout.read(), done.stderr.read()
        thread.join(HANG)
    check_equal((heard, out), ([b'question'], b'answer'), err)


if __name__ == '__main__':
    main()
