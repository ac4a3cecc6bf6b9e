"""Sample customers for a demonstration: customer1@example.com and so on."""

from __future__ import annotations

import os

from portal import passwords
from portal.database import Database, now_ms

COUNT = 10
DAY_MS = 24 * 60 * 60 * 1000
PRODUCTS = (("sim-5gb", 990), ("sim-20gb", 1980), ("fibre-1g", 4980))


def add_customers(database: Database) -> int:
    """Add the sample customers that are not there yet; return how many were added.

    Their password is $SEED_PASSWORD, or "portal-demo".
    """
    password = os.environ.get("SEED_PASSWORD", "") or "portal-demo"
    return sum(_add(database, number, password) for number in range(1, COUNT + 1))


def _add(database: Database, number: int, password: str) -> bool:
    customer = f"customer-{number}"
    with database.transaction():
        if database.one("SELECT id FROM customers WHERE id = ?", (customer,)):
            return False
        database.run(
            "INSERT INTO customers (id, email, name, password_hash, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (
                customer,
                f"customer{number}@example.com",
                f"Customer {number}",
                passwords.hash_password(password),
                now_ms(),
            ),
        )
        _add_subscriptions(database, customer, number)
        _add_invoices(database, customer, number)
    return True


def _add_subscriptions(database: Database, customer: str, number: int) -> None:
    for offset in range(2):
        product, _ = PRODUCTS[(number + offset) % len(PRODUCTS)]
        database.run(
            "INSERT INTO subscriptions (id, customer_id, product_id, status, started_at)"
            " VALUES (?, ?, ?, 'active', ?)",
            (f"{customer}-{product}", customer, product, now_ms() - 200 * DAY_MS),
        )


def _add_invoices(database: Database, customer: str, number: int) -> None:
    for month in range(6):
        product, price = PRODUCTS[(number + month) % len(PRODUCTS)]
        database.run(
            "INSERT INTO invoices (id, customer_id, description, amount, status, issued_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                f"{customer}-invoice-{month}",
                customer,
                f"Monthly fee {product}",
                price,
                "unpaid" if month == 0 else "paid",
                now_ms() - month * 30 * DAY_MS,
            ),
        )
