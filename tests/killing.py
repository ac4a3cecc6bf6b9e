"""A process that is killed by -9 at a chosen moment, for tests of what it leaves behind."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path


def killed_at(event: int, root: Path, work: Callable[[], object]) -> bool:
    """Do work in a child killed by -9 before its event-th file operation; False: it got through.

    Only operations on something below root count.
    """
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(name: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            if not any(str(root) in str(each) for each in arguments):
                return
            seen += 1
            if seen == event:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0
    return False
