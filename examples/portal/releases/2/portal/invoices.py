"""The invoices of a customer, and what is still to pay."""

from __future__ import annotations

from portal.database import Database, Row
from portal.sessions import Customer

MOST_ROWS = 50


def listing(database: Database, customer: Customer) -> Row:
    """Return the newest invoices of a customer, and the unpaid total of all of them."""
    rows = database.all(
        "SELECT id, description, amount, status, issued_at FROM invoices"
        " WHERE customer_id = ? ORDER BY issued_at DESC LIMIT ?",
        (customer.id, MOST_ROWS),
    )
    total = database.value(
        "SELECT COALESCE(SUM(amount), 0) AS total FROM invoices"
        " WHERE customer_id = ? AND status = 'unpaid'",
        (customer.id,),
    )
    return {"invoices": rows, "total": int(total)}
