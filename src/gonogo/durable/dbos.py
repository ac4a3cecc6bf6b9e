"""DBOS behind the Worker and Durable ports.

DBOS keeps the position of a run and its pauses; the journal keeps what happened. The caller holds
the environment's worker lock, so at most one process has DBOS launched on a database: a run that
is found pending belonged to a process that is gone, and is put back on the queue by name.
"""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, Serializer, SetWorkflowID

from gonogo.model.errors import Refused
from gonogo.model.plan import Plan
from gonogo.ports import Act, Durable

_QUEUE = "gonogo"
_TOPIC = "wake"
_POLL = 0.2

Interpret = Callable[[dict[str, Any], Durable], Awaitable[dict[str, Any]]]


class _Json(Serializer):
    """Plain JSON in every column: readable, portable, and unable to carry a Secret."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data)

    def deserialize(self, serialized_data: str) -> Any:
        return json.loads(serialized_data)

    def name(self) -> str:
        return "gonogo_json"


class DbosDurable:
    """ports.Durable inside a DBOS workflow."""

    async def step(self, name: str, act: Act) -> dict[str, Any]:
        """One checkpointed step. A refusal is remembered as a value, for errors are not JSON."""

        async def remembered() -> dict[str, Any]:
            try:
                return {"value": await act()}
            except Refused as error:
                return {"refused": [error.message, error.next_step]}

        answer = await DBOS.run_step_async({"name": name}, remembered)
        if "refused" in answer:
            message, next_step = answer["refused"]
            raise Refused(message, next_step=next_step)
        value: dict[str, Any] = answer["value"]
        return value

    async def pause(self, seconds: float) -> None:
        """A durable wait that a message ends early."""
        await DBOS.recv_async(_TOPIC, timeout_seconds=seconds)


class DbosWorker:
    """ports.Worker: launches DBOS in this process. One at a time in a process and on a database."""

    def __init__(self, url: str, schema: str, interpret: Interpret) -> None:
        config: DBOSConfig = {
            "name": "gonogo",
            "system_database_url": url,
            "dbos_system_schema": schema,
            "executor_id": f"gonogo-{uuid.uuid4()}",
            "application_version": "gonogo",
            "serializer": _Json(),
            "log_level": "CRITICAL",
            "notification_listener_polling_interval_sec": _POLL,
            "scheduler_polling_interval_sec": 3600.0,
            "enable_otlp": False,
        }
        DBOS(config=config)

        @DBOS.workflow(name="interpret", max_recovery_attempts=None)
        async def run(plan: dict[str, Any]) -> dict[str, Any]:
            return await interpret(plan, DbosDurable())

        self._run = run
        DBOS.launch()
        DBOS.register_queue(_QUEUE, polling_interval_sec=_POLL)

    def work(self, plan: Plan) -> None:
        """Start a run, or put one that was interrupted back on the queue."""
        if DBOS.get_workflow_status(plan.run) is not None:
            DBOS.resume_workflow(plan.run, queue_name=_QUEUE)
            return
        with SetWorkflowID(plan.run):
            DBOS.enqueue_workflow(_QUEUE, self._run, plan.to_json())

    def wake(self, run: str) -> None:
        """End the pause of a run that this process works on."""
        DBOS.send(run, "look", topic=_TOPIC)

    def close(self) -> None:
        """Cancel what is under way in this process and leave; runs stay resumable."""
        DBOS.destroy(destroy_registry=True)


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite system database in WAL mode, made 0600 if it is not there."""
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
    return f"sqlite:///{path}"
