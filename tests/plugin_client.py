# SPDX-License-Identifier: GPL-2.0-or-later
"""A primary by hand, for test-native-plugin-*.sh: the headers and the data of
epochs, over libnbd (Documentation/protocol.rst)."""
import os
import signal
import struct

import nbd
from crc32c import crc32c

MIB = 1 << 20
CHUNK = 4096
HELLO, OPEN, PARTIAL, CLEAN, HANDOVER, HEARTBEAT = range(1, 7)
SOCKET = os.environ.get("PLUGIN_SOCKET")
signal.alarm(300)


def later(block, at=8, value=struct.pack("<I", 77)):
    """A header, or a block of the stage, of a version to come."""
    body = block[:at] + value + block[at + len(value):-4]
    return body + struct.pack("<I", crc32c(body))


def tail_of(volume_bytes):
    return (volume_bytes + MIB - 1) // MIB * MIB


def connect(export, socket=None):
    h = nbd.NBD()
    h.add_meta_context("base:allocation")
    h.set_export_name(export)
    h.set_strict_mode(0)
    h.connect_unix(socket or SOCKET)
    return h


def read_all(export, socket=None):
    h = connect(export, socket)
    size, data = h.get_size(), b""
    while len(data) < size:
        part = min(size - len(data), 65536)
        data += h.pread(part, len(data))
    h.shutdown()
    return data


def list_pairs(data, epoch):
    """(offset, length) of a list about @epoch: plugin-list.h"""
    magic, version, at, size, about, nr, total, crc = struct.unpack_from(
        "<8sIIQQQQI", data)
    body = data[at:at + 16 * nr]
    assert (magic, version, at, size) == (b"dmReplEx", 1, 4096, 8 * MIB)
    assert about == epoch and crc == crc32c(body), about
    assert struct.unpack_from("<I", data, 4092)[0] == crc32c(data[:4092])
    assert len(data) % 512 == 0 and not any(data[at + 16 * nr:])
    found = list(struct.iter_unpack("<QQ", body))
    assert sum(n for _, n in found) == total
    ends = [off + n for off, n in found]
    assert all(e < f[0] for e, f in zip(ends, found[1:]))
    return found


def error_of(fn, *args, **named):
    """The errno's name that fn is refused with; "" if it is not."""
    try:
        fn(*args, **named)
    except nbd.Error as e:
        return e.errno or "?"
    return ""


class Header:
    """The newest of the two slots, by name."""
    def __init__(self, slots):
        good = [s for s in (slots[:4096], slots[4096:]) if s[:8] != bytes(8)]
        slot = max(good, key=lambda s: struct.unpack_from("<Q", s, 216),
                   default=bytes(4096))
        self.kind, = struct.unpack_from("<I", slot, 12)
        self.generation, = struct.unpack_from("<Q", slot, 88)
        self.session = struct.unpack_from("<QQ", slot, 104)
        self.state, = struct.unpack_from("<I", slot, 132)
        (self.epoch, self.last_clean, self.last_partial, self.highest_seen,
         _, self.cut_time, _, _, _, self.seq) = struct.unpack_from(
             "<10Q", slot, 144)


class Primary:
    """One connection of a writer. Keywords of header() replace what a header
    would say; what is sent is counted for the commit (W2)."""
    def __init__(self, export="vol", session=(1, 1), generation=0x11,
                 pair=b"p" * 16, volume=b"v" * 16, socket=None, members=1,
                 ancestors=()):
        self.h = connect(export, socket)
        self.bytes = self.volume_bytes()
        self.fields = dict(session=session + (7,), generation=generation,
                           pair=pair, volume=volume, members=members,
                           ancestors=ancestors)
        self.count = self.digest = 0

    def volume_bytes(self):
        return (self.h.get_size() - 65536) // MIB * MIB

    def header(self):
        return Header(self.h.pread(8192, tail_of(self.bytes)))

    def encode(self, kind, epoch, seq, **named):
        f = dict(self.fields, records=0, digest=0, chunk=CHUNK, role=1,
                 bytes=self.bytes, cut_time=1000 * seq,
                 clean=epoch * (kind == CLEAN),
                 partial=epoch * (kind == PARTIAL))
        f.update(named)
        slot = struct.pack(
            "<8sIIQ16s16s16sQIIQQQQQIIIIQQQQQQQQQQ", b"dmReplHd", 1, kind, 0,
            f["pair"], f["volume"], bytes(16), 1, f["members"],
            len(f["ancestors"]), f["generation"], 0x22, *f["session"], f["role"], 1, f["chunk"], 0,
            epoch, f["clean"], f["partial"], epoch, 0,
            f["cut_time"], f["bytes"], f["records"], f["digest"], seq)
        for generation, end in f["ancestors"]:
            slot += struct.pack("<QQ", generation, end)
        slot = slot.ljust(4092, b"\0")
        return slot + struct.pack("<I", crc32c(slot))

    def send(self, kind, epoch=0, at=None, seq=None, **named):
        seq = seq or self.header().seq + 1
        if at is None:
            at = tail_of(self.bytes) + seq % 2 * 4096
        self.h.pwrite(self.encode(kind, epoch, seq, **named), at,
                      nbd.CMD_FLAG_FUA)

    def hello(self, **named):
        self.send(HELLO, seq=self.header().seq + 3, **named)
        return self

    def open(self, epoch, **named):
        self.send(OPEN, epoch, **named)
        self.count = self.digest = 0

    def note(self, off, data):
        self.count += 1
        self.digest += crc32c(struct.pack("<Q", off) + data)

    def write(self, chunk, fill, nr=1):
        """nr chunks of a byte, in one request"""
        self.write_data(chunk, bytes([fill]) * (CHUNK * nr))

    def write_data(self, chunk, data):
        self.h.pwrite(data, chunk * CHUNK)
        self.note(chunk * CHUNK, data)

    def zero(self, chunk, nr=1, fn=None):
        (fn or self.h.zero)(nr * CHUNK, chunk * CHUNK)
        self.note(chunk * CHUNK, struct.pack("<Q", nr * CHUNK))

    def commit(self, epoch, kind=CLEAN, **named):
        self.send(kind, epoch, **{**dict(
            records=self.count, digest=self.digest % (1 << 64)), **named})

    def whole(self, epoch, chunk, fill, nr=1, kind=CLEAN):
        """An epoch of one write"""
        self.open(epoch)
        self.write(chunk, fill, nr)
        self.commit(epoch, kind)

    def at(self, chunk):
        """The byte that a chunk is full of, or None"""
        data = self.h.pread(CHUNK, chunk * CHUNK)
        return data[0] if data == data[:1] * CHUNK else None
