#!/usr/bin/env python3
"""Numbered frames for a network card in QEMU, at a steady rate.

    lab/frames.py FILE [--rate N] [--frames N] [--seconds N]

UDP on loopback, each datagram a frame, as QEMU's -netdev socket,udp=...,localaddr=...
has it. The two ports for that line, ours and QEMU's, are written to FILE. The guest
says when it wants frames, and when it has had enough; the last one it gets says how
many there were. What is there is in tools/testing/selftests/vfio/frame.h, too.

A frame that QEMU does not take in time is lost: there is no waiting for it, and what
is late is not made up for.
"""

import argparse
import os
import select
import socket
import struct
import sys
import time

HEADER = bytes(6 * [0xff]) + bytes([2, 0, 0, 0, 0, 1]) + b"\x88\xb5"
DATA, BEGIN, END = 1, 2, 3
MIN_WORDS, LENGTHS = 6, 9
MASK = (1 << 64) - 1


def word(seed, index):
    """luo_word() of the selftests."""
    x = (seed * 0x9e3779b97f4a7c15 + index) & MASK
    x ^= x >> 30
    x = (x * 0xbf58476d1ce4e5b9) & MASK
    return x ^ (x >> 27)


def frame(kind, number):
    words = MIN_WORDS + number % LENGTHS
    return HEADER + struct.pack("<HQ%dQ" % words, kind, number,
                                *(word(number, i) for i in range(words)))


def kind_of(datagram):
    if len(datagram) < 16 or datagram[12:14] != HEADER[12:14]:
        return None
    return struct.unpack_from("<H", datagram, 14)[0]


class Link:
    """The wire between us and the card."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        # One that is free now: QEMU can't be asked which one it has taken.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            self.peer = other.getsockname()

    def tell(self, path):
        with open(path + ".new", "w", encoding="ascii") as file:
            print(self.socket.getsockname()[1], self.peer[1], file=file)
        os.rename(path + ".new", path)

    def send(self, kind, number):
        self.socket.sendto(frame(kind, number), self.peer)

    def receive(self, seconds):
        """What kind of frame has come within that time; None if none of ours has."""
        ready, _, _ = select.select([self.socket], [], [], max(seconds, 0))
        return kind_of(self.socket.recv(2048)) if ready else None


def run(link, arguments):
    end = time.monotonic() + arguments.seconds
    while link.receive(1) != BEGIN:
        if time.monotonic() > end:
            sys.exit("frames: nobody has asked for any")
    start = due = time.monotonic()
    sent = latest = 0
    while True:
        kind = link.receive(due - time.monotonic())
        if kind == END:
            link.send(END, sent)
            break
        now = time.monotonic()
        if now < due:
            continue
        if now > end or sent == arguments.frames:
            sys.exit("frames: after %d in %.1f s nobody has said that it is enough" %
                     (sent, now - start))
        link.send(DATA, sent)
        sent += 1
        latest = max(latest, now - due)
        due = max(due + 1 / arguments.rate, now)
    print("frames: %d sent in %.1f s, the latest of them by %.0f ms" %
          (sent, time.monotonic() - start, latest * 1000))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("file")
    parser.add_argument("--rate", type=int, default=500, help="frames a second")
    parser.add_argument("--frames", type=int, default=200000, help="no more than that")
    parser.add_argument("--seconds", type=int, default=600, help="no longer than that")
    arguments = parser.parse_args()
    link = Link()
    link.tell(arguments.file)
    run(link, arguments)


if __name__ == "__main__":
    main()
