# SPDX-License-Identifier: GPL-2.0-or-later
"""plugin_storm.py KILLS LOG COMMAND...: kills the server that COMMAND starts, again
and again, under a primary that writes on three connections, and looks at all that
is served after each kill. Exits with 1 and a sentence at the first thing wrong.

N1 what was answered as committed is there; of what was under way, all or nothing:
   the newest image is that of epoch k, or, if its commit was under way, of k+1.
N2 VOL, VOL@latest and each epoch that is listed show exactly their epoch. None is
   missing between the oldest that is listed and the newest.
N3 partial epochs survive as they were answered, unseen until a clean one; an epoch
   that was open or given up leaves nothing.

The volume is of CHUNKS chunks. An image is a list of what each is filled with:
the number of an epoch, 0 for zeros. DMR_SEED chooses what is done, and when it is
killed; what is under way then is not the same each time."""
import os
import random
import socket
import subprocess
import sys
import threading
import time

from plugin_client import *

CHUNKS = 256
NR_CONNS = 3
PATIENCE = 60
# moments of a kill: anywhere, about a commit, while it starts
ANYWHERE, COMMIT, START = range(3)
signal.alarm(0)


def content(chunk, fill):
    return struct.pack("<QQ", fill, chunk if fill else 0) * (CHUNK // 16)


def wrong(text):
    sys.exit("wrong: " + text)


class Server:
    def __init__(self, log, command):
        self.log, self.command = open(log, "a"), command

    def start(self):
        if os.path.exists(SOCKET):
            os.unlink(SOCKET)
        self.process = subprocess.Popen(self.command, stdout=self.log,
                                        stderr=self.log)

    def wait(self):
        """until it listens"""
        end = time.monotonic() + PATIENCE
        while socket.socket(socket.AF_UNIX).connect_ex(SOCKET):
            if self.process.poll() is not None or time.monotonic() > end:
                wrong("the server does not start")
            time.sleep(0.002)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Epoch:
    """One that is under way: what it makes of the image before it"""
    def __init__(self, nr, kind, image):
        self.nr, self.kind, self.image = nr, kind, list(image)


def state_of(clean, partial):
    """A partial epoch counts until there is a clean one above it."""
    return clean, partial if partial > clean else 0


class Model:
    def __init__(self):
        self.images = {0: [0] * CHUNKS}     # of clean epochs, by number
        self.clean = self.partial = 0       # the newest that were answered
        self.tip = self.images[0]           # with the partial ones
        self.last = 0                       # the last number in use
        self.under_way = None

    def committed(self):
        e, self.under_way = self.under_way, None
        self.tip = e.image
        if e.kind == CLEAN:
            self.clean = e.nr
            self.images[e.nr] = e.image
        else:
            self.partial = e.nr

    def find(self, header):
        """N1, N3: what the header says is what we know, or what was under way.
        True: that was committed."""
        e = self.under_way
        there = state_of(header.last_clean, header.last_partial)
        if there == self.state():
            self.under_way = None
            return False
        if e is None:
            wrong("clean, partial are %s, not %s" % (there, self.state()))
        before = self.state()
        self.committed()
        if there != self.state():
            wrong("clean, partial are %s; they were %s, epoch %d was being "
                  "committed" % (there, before, e.nr))
        return True

    def state(self):
        return state_of(self.clean, self.partial)


# --- what is served --------------------------------------------------------------
def listed():
    names = []
    h = nbd.NBD()
    h.set_opt_mode(True)
    h.connect_unix(SOCKET)
    h.opt_list(lambda name, text: names.append(name))
    h.opt_abort()
    return sorted(int(n[4:]) for n in names if n[4:].isdigit())


def look_at(name, image):
    h = connect(name)
    for chunk, fill in enumerate(image):
        got = h.pread(CHUNK, chunk * CHUNK)
        if got != content(chunk, fill):
            wrong("%s: chunk %d is %s, not of epoch %d" % (
                name, chunk, struct.unpack("<QQ", got[:16]), fill))
    h.shutdown()


def look_at_epoch(epoch, image):
    """It may have left the history since it was listed, then it is no more."""
    try:
        look_at("vol@%d" % epoch, image)
    except nbd.Error as e:
        if epoch in listed():
            wrong("epoch %d is listed; %s" % (epoch, e))
        return 0
    return 1


def look(model):
    """N2; how many epochs were seen"""
    epochs = listed()
    known = sorted(e for e in model.images if e and e >= min(epochs or [0]))
    if model.clean and (not epochs or epochs != known[-len(epochs):]):
        wrong("epochs %s are listed, there should be %s" % (epochs, known))
    look_at("vol", model.images[model.clean])
    if model.clean:
        look_at("vol@latest", model.images[model.clean])
    for e in [e for e in model.images if e < min(epochs or [0])]:
        del model.images[e]                 # it has left the history
    return sum(look_at_epoch(e, model.images[e]) for e in epochs)


# --- the primary -----------------------------------------------------------------
class Writer(threading.Thread):
    """The requests of one connection for one epoch: (chunk, nr, is_zero)"""
    def __init__(self, primary, epoch, requests):
        super().__init__()
        self.primary, self.epoch, self.requests = primary, epoch, requests
        self.error = None

    def run(self):
        p = self.primary
        p.count = p.digest = 0
        try:
            for chunk, nr, is_zero in self.requests:
                if is_zero:
                    p.zero(chunk, nr)
                else:
                    p.write_data(chunk, b"".join(
                        content(c, self.epoch) for c in range(chunk, chunk + nr)))
        except nbd.Error as e:
            self.error = e


def choose_requests(rng, nr_conn):
    """Of a third of the volume, so that no two connections write a chunk"""
    size = CHUNKS // NR_CONNS
    requests = []
    for _ in range(rng.randrange(1, 4)):
        nr = rng.randrange(1, 5)
        chunk = nr_conn * size + rng.randrange(size - nr)
        requests.append((chunk, nr, rng.random() < 0.2))
    return requests


def put_data(rng, conns, epoch):
    writers = [Writer(p, epoch.nr, choose_requests(rng, i))
               for i, p in enumerate(conns)]
    for w in writers:
        w.start()
    for w in writers:
        w.join()
        if w.error:
            raise w.error
        for chunk, nr, is_zero in w.requests:
            epoch.image[chunk:chunk + nr] = [0 if is_zero else epoch.nr] * nr


def one_epoch(rng, model, conns, killer):
    model.last += 1
    epoch = Epoch(model.last, PARTIAL if rng.random() < 0.3 else CLEAN,
                  model.tip)
    conns[0].open(epoch.nr)
    put_data(rng, conns, epoch)
    if rng.random() < 0.1:
        return                              # given up: the next open drops it
    first = conns[0]
    for p in conns[1:]:
        first.count += p.count
        first.digest += p.digest
    model.under_way = epoch
    killer.at_commit()
    first.commit(epoch.nr, epoch.kind)
    model.committed()


class Killer(threading.Thread):
    """Kills at a moment: some time after the start, or after a commit began"""
    def __init__(self, rng, server, moment):
        super().__init__()
        self.server, self.moment = server, moment
        self.epochs = rng.randrange(1, 4)
        self.pause = rng.random() * (0.002 if moment == COMMIT else 0.06)
        self.go = threading.Event()
        if moment == ANYWHERE:
            self.go.set()

    def at_commit(self):
        self.epochs -= 1
        if not self.epochs:
            self.go.set()

    def run(self):
        self.go.wait(PATIENCE)
        time.sleep(self.pause)
        self.server.kill()


def write_until_killed(rng, model, server, session, moment):
    conns = [Primary(session=(session, 1)) for _ in range(NR_CONNS)]
    for p in conns:
        p.hello()
    killer = Killer(rng, server, moment)
    killer.start()
    try:
        while True:
            one_epoch(rng, model, conns, killer)
    except nbd.Error as e:
        killer.go.set()
        killer.join()
        if server.process.returncode != -signal.SIGKILL:
            wrong("the server ended with %d" % server.process.returncode)
        if e.errno not in (None, "ENOTCONN", "ESHUTDOWN", "ECONNRESET", "EPIPE"):
            wrong("refused: %s" % e)


# --- the storm -------------------------------------------------------------------
def storm(kills, server, seed):
    rng, model = random.Random(seed), Model()
    nr = dict(open=0, commit=0, committed=0, start=0, looks=0)
    for n in range(kills):
        server.start()
        moment = rng.choice((ANYWHERE, COMMIT, COMMIT, START))
        if moment == START:
            time.sleep(rng.random() * 0.05)
            server.kill()
            nr["start"] += 1
            continue
        server.wait()
        was_under_way = model.under_way
        is_committed = model.find(Primary().header())
        nr["commit"] += was_under_way is not None
        nr["committed"] += is_committed
        nr["looks"] += look(model)
        write_until_killed(rng, model, server, n + 1, moment)
        nr["open"] += model.under_way is None
    server.start()
    server.wait()
    model.find(Primary().header())
    nr["looks"] += look(model)
    server.process.terminate()
    if server.process.wait():
        wrong("at last, the server ended with %d" % server.process.returncode)
    print("%d kills, %d epochs: %d with an epoch open, %d in a commit (%d of them "
          "were there), %d while starting; %d looks at epochs" % (
              kills, model.last, nr["open"], nr["commit"], nr["committed"],
              nr["start"], nr["looks"]))
    return nr


if __name__ == "__main__":
    seen = storm(int(sys.argv[1]), Server(sys.argv[2], sys.argv[3:]),
                 int(os.environ.get("DMR_SEED", 1)))
    if not (seen["open"] and seen["commit"] and seen["looks"]):
        wrong("too little was seen")
