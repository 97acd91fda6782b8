"""Run a command as an ordinary user when we are root, because PostgreSQL refuses to run as root.

Usage: python unprivileged.py UID GID COMMAND ARGUMENT...   (replaces itself with the command: the pid stays)
"""

import ctypes
import os
import sys

PR_SET_NO_NEW_PRIVS = 38


def become(user: int, group: int) -> None:
    """Become the user, with this group only. The kernel drops every capability; on Linux no program regains any."""
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        sys.exit("cannot give up the rights of programs that run as their owner")


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]))
    os.execv(sys.argv[3], sys.argv[3:])
