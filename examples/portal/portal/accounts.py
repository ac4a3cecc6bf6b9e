"""What a customer sees of the account: overview, subscriptions and catalogue."""

from __future__ import annotations

from portal import orders
from portal.database import Database, Row
from portal.sessions import Customer

MOST_ROWS = 50


def dashboard(database: Database, customer: Customer) -> Row:
    """Return the overview that greets a customer."""
    counts = database.one(
        "SELECT (SELECT COUNT(*) FROM subscriptions"
        " WHERE customer_id = ? AND status = 'active') AS active_subscriptions,"
        " (SELECT COUNT(*) FROM invoices"
        " WHERE customer_id = ? AND status = 'unpaid') AS unpaid_invoices",
        (customer.id, customer.id),
    )
    return {
        "customer": {"name": customer.name, "email": customer.email},
        **(counts or {}),
        "orders": orders.latest(database, customer),
    }


def subscriptions(database: Database, customer: Customer) -> Row:
    """Return the newest subscriptions of a customer."""
    rows = database.all(
        "SELECT subscriptions.id, products.name AS product, products.price,"
        " subscriptions.status, subscriptions.started_at"
        " FROM subscriptions JOIN products ON products.id = subscriptions.product_id"
        " WHERE customer_id = ? ORDER BY started_at DESC LIMIT ?",
        (customer.id, MOST_ROWS),
    )
    return {"subscriptions": rows}


def catalogue(database: Database) -> Row:
    """Return everything that can be ordered."""
    rows = database.all("SELECT id, name, description, price FROM products ORDER BY price")
    return {"products": rows}
