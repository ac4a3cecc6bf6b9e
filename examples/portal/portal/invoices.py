"""The invoices of a customer."""

from __future__ import annotations

from portal.database import Database, Row
from portal.sessions import Customer

MOST_ROWS = 50


def listing(database: Database, customer: Customer) -> Row:
    """Return the newest invoices of a customer."""
    rows = database.all(
        "SELECT id, description, amount, status, issued_at FROM invoices"
        " WHERE customer_id = ? ORDER BY issued_at DESC LIMIT ?",
        (customer.id, MOST_ROWS),
    )
    return {"invoices": rows}
