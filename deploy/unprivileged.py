"""Run a command as an ordinary user when we are root, because PostgreSQL refuses to run as root.

Usage: python unprivileged.py UID GID COMMAND ARGUMENT...   (replaces itself with the command: the pid stays)
"""

import ctypes
import os
import sys

CAP_DAC_OVERRIDE = 1
PR_SET_KEEPCAPS, PR_SET_SECUREBITS = 8, 28
# Without it access(), with which PostgreSQL looks for its own program, takes no notice of capabilities.
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAPABILITY_VERSION_3 = 0x20080522


def keep_access_to_files() -> None:
    """Carry root's right to open any file across exec, and nothing else of root.

    The project may lie under /root or another closed folder. Opening those folders to everybody would outlive
    us, so the one process gets the right instead. Where the kernel refuses (a container without the
    capability), this does nothing, and the command itself reports what it cannot reach.
    """
    libc = ctypes.CDLL(None)
    mask = 1 << CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)  # effective, permitted, inheritable
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, sets) == 0:
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)
    elif libc.capset(header, nothing) != 0:
        sys.exit("cannot give up root's capabilities")


def become(user: int, group: int) -> None:
    """Drop to the user, with this group only."""
    on_linux = sys.platform == "linux"
    if on_linux:
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    if on_linux:
        keep_access_to_files()


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]))
    os.execv(sys.argv[3], sys.argv[3:])
