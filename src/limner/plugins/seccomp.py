"""System calls that this process may not make from now on (seccomp, Linux): those of the network, and of new programs.

    problem = deny(network=True, programs=True)

A call that is denied fails with EACCES, as if there were no permission. It cannot be undone, and holds for all
processes that this one starts. Call it before there are other threads, as it binds the calling one.

The filter is a classic BPF program over `struct seccomp_data` (`linux/seccomp.h`, `linux/filter.h`; see
https://docs.kernel.org/userspace-api/seccomp_filter.html). Sockets within the machine stay: AF_UNIX and AF_NETLINK.
Calls by which one process reaches into another are denied in any case.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from .landlock import forbid_new_privileges

SET_SECCOMP, FILTER_MODE = 22, 2
LOAD_WORD, JUMP_EQUAL, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
"""Offsets in `struct seccomp_data` (little-endian machines)."""
LOCAL_FAMILIES = (1, 16)
"""AF_UNIX, AF_NETLINK."""
X32 = 0x40000000
"""Numbers from here on are calls of x86's other interface."""
IO_URING_SETUP = 425


@dataclass(frozen=True, slots=True)
class Machine:
    """The numbers of the calls on one architecture (`audit`: its AUDIT_ARCH)."""

    audit: int
    socket: int
    execute: tuple[int, int]
    reaching: tuple[int, int, int]
    """ptrace, process_vm_readv, process_vm_writev."""


MACHINES: Mapping[str, Machine] = MappingProxyType(
    {
        "x86_64": Machine(0xC000003E, 41, (59, 322), (101, 310, 311)),
        "aarch64": Machine(0xC00000B7, 198, (221, 281), (117, 270, 271)),
    }
)


def is_there() -> bool:
    """Whether this system can deny calls: asked for a filter at no address, it says that there is nothing."""
    if MACHINES.get(platform.machine()) is None or not sys.platform.startswith("linux"):
        return False
    refused = ctypes.CDLL(None, use_errno=True).prctl(SET_SECCOMP, FILTER_MODE, None, 0, 0)
    return bool(refused) and ctypes.get_errno() == errno.EFAULT


def deny(*, network: bool, programs: bool) -> str:
    """Deny connections to and from the network, and starting programs; returns why not, or nothing when it holds."""
    machine = MACHINES.get(platform.machine())
    if machine is None or not sys.platform.startswith("linux"):
        return "this system has no seccomp filter that Limner knows"
    program = b"".join(_program(machine, network=network, programs=programs))
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count, and a pointer to the instructions.
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    try:
        forbid_new_privileges()
        if ctypes.CDLL(None, use_errno=True).prctl(SET_SECCOMP, FILTER_MODE, described, 0, 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    except OSError as error:
        return f"seccomp refused: {error.strerror}"
    return ""


def _program(machine: Machine, *, network: bool, programs: bool) -> Sequence[bytes]:
    """Instructions: each test that fails falls through to the next, and what passes all is allowed."""
    refuse = _instruction(RETURN, FAIL | errno.EACCES)
    denied = [*machine.reaching, *(machine.execute if programs else ()), *([IO_URING_SETUP] if network else [])]
    program = [
        _instruction(LOAD_WORD, ARCHITECTURE),
        _instruction(JUMP_EQUAL, machine.audit, yes=1),
        refuse,
        _instruction(LOAD_WORD, NUMBER),
        _instruction(JUMP_AT_LEAST, X32, no=1),
        refuse,
    ]
    for number in denied:
        program += [_instruction(JUMP_EQUAL, number, no=1), refuse]
    if network:
        families = [_instruction(JUMP_EQUAL, family, yes=len(LOCAL_FAMILIES) - place) for place, family in _numbered()]
        program += [
            _instruction(JUMP_EQUAL, machine.socket, no=len(families) + 2),
            _instruction(LOAD_WORD, FIRST_ARGUMENT),
            *families,
            refuse,
        ]
    return [*program, _instruction(RETURN, ALLOW)]


def _numbered() -> Sequence[tuple[int, int]]:
    return list(enumerate(LOCAL_FAMILIES))


def _instruction(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """`struct sock_filter`; `yes` and `no` are how many instructions are passed over."""
    return struct.pack("=HBBI", code, yes, no, value)
