# SPDX-License-Identifier: GPL-2.0-or-later
"""For programs that stand between a client and a server, on Unix sockets."""
import socket
import threading


def pairs(listen, upstream):
    """Each connection: the client, and a socket to the server, which is there."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(listen)
        listener.listen(64)
        while True:
            client, _ = listener.accept()
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(upstream)
            except OSError:
                client.close()
                continue
            yield client, server


def copy(source, sink, change=lambda data: data):
    """Until one of them ends. What goes on is what "change" makes of it."""
    try:
        while data := source.recv(1 << 18):
            sink.sendall(change(data))
    except OSError:
        pass


def end(*sockets):
    for s in sockets:
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def start(target, *args):
    threading.Thread(target=target, args=args, daemon=True).start()
