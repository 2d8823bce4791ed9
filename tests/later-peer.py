#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands between a primary and its target, and makes the one look to the other
like one of a version to come.

later-peer.py LISTEN UPSTREAM FILE: Unix sockets. What stands in FILE when a
connection comes: "hello", the headers that go to the target are of another
version; "header", those that come from there; "features", these need features
that nobody knows yet; else nothing is changed.
"""
import signal
import struct
import sys

import between
from plugin_client import later

MAGIC, SLOT = b"dmReplHd", 4096
listen, upstream, file = sys.argv[1:]
signal.alarm(0)


def change(slot, what):
    if what == "features":
        return later(slot, 16, struct.pack("<Q", 1 << 40))
    return later(slot)


def begins_header(data):
    """How many of its last bytes may be the beginning of a header."""
    return next((n for n in range(len(MAGIC) - 1, 0, -1)
                 if data.endswith(MAGIC[:n])), 0)


def split(data, what):
    """What goes on, and what is kept until more has come."""
    out = b""
    while (at := data.find(MAGIC)) >= 0 and len(data) - at >= SLOT:
        out += data[:at] + change(data[at:at + SLOT], what)
        data = data[at + SLOT:]
    if at < 0:
        at = len(data) - begins_header(data)
    return out + data[:at], data[at:]


def copy(source, sink, what):
    kept = b""

    def changed(data):
        nonlocal kept
        data, kept = split(kept + data, what)
        return data

    between.copy(source, sink, *([changed] if what else []))
    between.end(source, sink)


def main():
    for client, server in between.pairs(listen, upstream):
        with open(file) as f:
            what = f.read().strip()
        to, back = (what, "") if what == "hello" else ("", what)
        between.start(copy, client, server, to)
        between.start(copy, server, client, back)


main()
