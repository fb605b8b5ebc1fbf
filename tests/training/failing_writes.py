"""Lets the kernel fail a process's own writes, whatever language they are written in, from now to its end.

A seccomp filter, which needs no privileges and cannot be taken back, so it is for a fork. What is standard
output and standard error goes through, and so does what is short: a file's head is written, its body is not.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

# <linux/filter.h>, <linux/seccomp.h>, <linux/prctl.h>
LOAD, EQUAL, GREATER, GIVE = 0x20, 0x15, 0x25, 0x06
ALLOW, KILL, FAIL = 0x7FFF0000, 0x80000000, 0x00050000 | errno.ENOSPC
NUMBER, FIRST, THIRD = 0, 16, 32
SET_NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
LAST_STANDARD_STREAM = 2
CALLS = {
    "x86_64": {"write": 1, "pwrite": 18, "writev": 20, "copy": 326, "sendfile": 40},
    "aarch64": {"write": 64, "pwrite": 68, "writev": 66, "copy": 285, "sendfile": 71},
}


def fail_writes(*, kill: bool, longest: int) -> None:
    """From now on a write of more than `longest` bytes finds the disk full, or kills this process."""
    calls = CALLS[platform.machine()]
    # After each test: how many lines to pass over when it holds, and when it does not.
    program = [
        (LOAD, 0, 0, NUMBER),
        (EQUAL, 5, 0, calls["write"]),
        (EQUAL, 4, 0, calls["pwrite"]),
        (EQUAL, 5, 0, calls["writev"]),
        (EQUAL, 4, 0, calls["copy"]),
        (EQUAL, 3, 0, calls["sendfile"]),
        (GIVE, 0, 0, ALLOW),
        (LOAD, 0, 0, THIRD),
        (GREATER, 0, 3, longest),
        (LOAD, 0, 0, FIRST),
        (GREATER, 0, 1, LAST_STANDARD_STREAM),
        (GIVE, 0, 0, KILL if kill else FAIL),
        (GIVE, 0, 0, ALLOW),
    ]
    install(program)


def install(program: list[tuple[int, int, int, int]]) -> None:
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code)
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for arguments in ((SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (SET_SECCOMP, FILTER, header, 0, 0)):
        if prctl(*(ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments)) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
