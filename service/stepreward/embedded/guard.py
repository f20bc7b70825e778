"""Starts one child so that its whole process group ends when the supervisor does, even by `kill -9`.

    python -I -S guard.py ALIVE_FD PROGRAM [ARGUMENT …]

ALIVE_FD is the read end of a pipe whose only write end the supervisor holds. The guard leaves a watcher behind, then
becomes PROGRAM, so the pid that the supervisor started is PROGRAM's. The watcher sits in the same process group, reads
the pipe, and at its end kills the group: PROGRAM, whatever it started, and the watcher itself. It needs no list of
pids, and as a member it keeps the group's number from being given to anyone else.

Not covered: a grandchild that moves to a session of its own (setsid) and outlives its parent.
Standard library only, and nothing of this package, so that it starts in some 20 ms.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
CANNOT_RUN = 127  # as a shell says it


def main(alive_fd: int, argv: list[str]) -> int:
    if os.fork() == 0:
        # Forked twice, so that PROGRAM does not find a child that it never started.
        if os.fork() == 0:
            _kill_group_at_end_of(alive_fd)
        os._exit(0)
    os.wait()
    os.close(alive_fd)
    # For PROGRAM alone, should the watcher have been killed; exec keeps it.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.execvp(argv[0], argv)  # noqa: S606  (no shell is wanted)
    except OSError as error:
        sys.stderr.write(f"cannot run {argv[0]}: {error.strerror}\n")
    return CANNOT_RUN


def _kill_group_at_end_of(alive_fd: int) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.read(alive_fd, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
