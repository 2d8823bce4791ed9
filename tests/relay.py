#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands between a client and a server, and breaks single connections.

relay.py LISTEN UPSTREAM DIR: Unix sockets. When there is a file DIR/cut, the
connection whose place it names (0: the oldest that lives) is closed on both
sides, and the file removed. DIR/live has how many live.
"""
import os
import socket
import sys
import threading
import time

listen, upstream, folder = sys.argv[1:]
lock = threading.Lock()
live = []


def note():
    with open(folder + "/live.new", "w") as f:
        print(len(live), file=f)
    os.rename(folder + "/live.new", folder + "/live")


def end(pair):
    with lock:
        if pair in live:
            live.remove(pair)
            note()
    for s in pair:
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def copy(pair, source, sink):
    try:
        while True:
            data = source.recv(1 << 18)
            if not data:
                break
            sink.sendall(data)
    except OSError:
        pass
    end(pair)


def watch():
    while True:
        time.sleep(0.01)
        try:
            with open(folder + "/cut") as f:
                place = int(f.read() or 0)
        except (OSError, ValueError):
            continue
        with lock:
            pair = live[place] if place < len(live) else None
        if pair:
            end(pair)
            os.unlink(folder + "/cut")


def main():
    threading.Thread(target=watch, daemon=True).start()
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
            pair = (client, server)
            with lock:
                live.append(pair)
                note()
            for ends in (pair, (server, client)):
                threading.Thread(target=copy, args=(pair, *ends),
                                 daemon=True).start()


main()
