"""Who works: a process named so that its death can be proved.

`machine/boot/pid/start`: the process number alone is used again by others, so its start time is
part of the name; and process numbers mean something only within one boot of one machine (and one
process namespace: containers may share a machine's name).
"""

from __future__ import annotations

import os
import socket
from pathlib import Path


def this_worker() -> str:
    """The name of this process as a worker."""
    start = _start_time(os.getpid()) or "0"
    return f"{_machine()}/{_boot()}/{os.getpid()}/{start}"


def worker_alive(worker: str) -> bool | None:
    """True or False when that can be proved from here; None when it cannot."""
    parts = worker.rsplit("/", 3)
    if len(parts) != 4 or not parts[2].isdigit() or parts[3] == "0":
        return None
    machine, boot, pid, start = parts
    if machine != _machine() or boot != _boot() or not boot:
        return None
    return _start_time(int(pid)) == start


def _machine() -> str:
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}:{namespace}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _start_time(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The name, in brackets, may hold spaces and brackets: count from the last one.
    fields = text.rpartition(")")[2].split()
    state, start = fields[0], fields[19]
    return None if state in ("Z", "X") else start
