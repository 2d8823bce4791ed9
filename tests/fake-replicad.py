#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Plays replicad for the tests of replicactl.

fake-replicad.py SOCKET ANSWERS: ANSWERS is a JSON object, method -> what to do:
  {"result": ...}, {"error": {...}}, {"raw": "text"} (sent as it is),
  {"silence": true}, {"hangup": true}; "notify": [...] lines follow a result.
It is read anew for each request; each request is appended to SOCKET.log.
"""
import json
import os
import socket
import sys


def answer(conn, request, what):
    reply = {"jsonrpc": "2.0", "id": request.get("id")}
    if "raw" in what:
        conn.sendall(what["raw"].encode())
        return
    if "silence" in what:
        return
    reply.update({k: what[k] for k in ("result", "error") if k in what})
    data = json.dumps(reply)
    # In two pieces, with a notification nobody asked for in front.
    conn.sendall(b'{"jsonrpc":"2.0","method":"noise","params":{}}\n')
    conn.sendall(data[:7].encode())
    conn.sendall(data[7:].encode() + b"\n")
    for note in what.get("notify", []):
        conn.sendall(json.dumps({"jsonrpc": "2.0", "method": "event",
                                 "params": note}).encode() + b"\n")


def serve(conn, path, answers):
    for line in conn.makefile():
        with open(path + ".log", "a") as log:
            log.write(line)
        request = json.loads(line)
        with open(answers) as f:
            what = json.load(f).get(request["method"], {"hangup": True})
        if "hangup" in what:
            return
        answer(conn, request, what)
        if what.get("notify"):
            return


def main():
    path, answers = sys.argv[1:]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path + ".new")
        listener.listen()
        os.rename(path + ".new", path)
        while True:
            conn, _ = listener.accept()
            with conn:
                try:
                    serve(conn, path, answers)
                except (BrokenPipeError, ConnectionResetError):
                    pass


main()
