"""Orders: the backend accepts them, the worker carries them out."""

from __future__ import annotations

import uuid
from typing import Any

from portal.database import Database, Row, now_ms
from portal.jobs import Job, Queue
from portal.problems import Problem
from portal.sessions import Customer

LATEST = 5
LONGEST_NOTE = 500


def create(database: Database, queue: Queue, customer: Customer, body: dict[str, Any]) -> Row:
    """Store an order and queue the job that carries it out."""
    product = str(body.get("product", ""))
    if not database.one("SELECT id FROM products WHERE id = ?", (product,)):
        raise Problem(422, "there is no such product")
    note = str(body.get("note") or "").strip()[:LONGEST_NOTE] or None
    order = uuid.uuid4().hex
    job = Job("activate order", {"order": order})
    with database.transaction():
        database.run(
            "INSERT INTO orders (id, customer_id, product_id, status, created_at, note)"
            " VALUES (?, ?, ?, 'received', ?, ?)",
            (order, customer.id, product, now_ms(), note),
        )
        if queue.in_database:
            queue.put(job)
    if not queue.in_database:
        queue.put(job)
    return {"id": order, "product": product, "status": "received", "note": note}


def latest(database: Database, customer: Customer) -> list[Row]:
    """Return the newest orders of a customer."""
    return database.all(
        "SELECT orders.id, products.name AS product, orders.status, orders.created_at, orders.note"
        " FROM orders JOIN products ON products.id = orders.product_id"
        " WHERE customer_id = ? ORDER BY created_at DESC LIMIT ?",
        (customer.id, LATEST),
    )


def activate(database: Database, order: str) -> None:
    """Turn an order into a subscription and an invoice; safe to repeat."""
    with database.transaction():
        changed = database.run(
            "UPDATE orders SET status = 'active' WHERE id = ? AND status = 'received'", (order,)
        )
        if not changed:
            return
        database.run(
            "INSERT INTO subscriptions (id, customer_id, product_id, status, started_at)"
            " SELECT id, customer_id, product_id, 'active', ? FROM orders WHERE id = ?",
            (now_ms(), order),
        )
        database.run(
            "INSERT INTO invoices (id, customer_id, description, amount, status, issued_at)"
            " SELECT orders.id, customer_id, name, price, 'unpaid', ?"
            " FROM orders JOIN products ON products.id = product_id WHERE orders.id = ?",
            (now_ms(), order),
        )
