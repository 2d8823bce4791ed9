#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands between a client and a server, and breaks single connections.

relay.py LISTEN UPSTREAM DIR: Unix sockets. When there is a file DIR/cut, the
connection whose place it names (0: the oldest that lives) is closed on both
sides, and the file removed. DIR/live has how many live.
"""
import os
import sys
import threading
import time

import between

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
    between.end(*pair)


def copy(pair, source, sink):
    between.copy(source, sink)
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
    between.start(watch)
    for pair in between.pairs(listen, upstream):
        with lock:
            live.append(pair)
            note()
        between.start(copy, pair, *pair)
        between.start(copy, pair, *reversed(pair))


main()
