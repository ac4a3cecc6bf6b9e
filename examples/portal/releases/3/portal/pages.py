"""The pages of the portal, made from what the backend answers."""

from __future__ import annotations

from portal.database import Row
from portal.html import day, page, paragraph, table, yen

LOGIN_FORM = (
    '<form method="post" action="/login">'
    '<label>Email <input type="email" name="email" autocomplete="username" required></label>'
    '<label>Password <input type="password" name="password" autocomplete="current-password"'
    " required></label><button>Sign in</button></form>"
)


def login(error: str = "") -> str:
    """Return the form to sign in."""
    note = paragraph(error, "error") if error else ""
    return page("Sign in", note + LOGIN_FORM, signed_in=False)


def dashboard(data: Row) -> str:
    """Return the overview of the account."""
    orders = [
        (o["product"], o["status"], day(o["created_at"]), o.get("note") or "")
        for o in data["orders"]
    ]
    return page(
        "Dashboard",
        paragraph(f"Welcome, {data['customer']['name']}.")
        + paragraph(f"Active subscriptions: {data['active_subscriptions']}")
        + paragraph(f"Unpaid invoices: {data['unpaid_invoices']}")
        + "<h2>Latest orders</h2>"
        + table(("Product", "Status", "Ordered", "Note"), orders),
    )


def subscriptions(data: Row) -> str:
    """Return the list of subscriptions."""
    rows = [
        (s["product"], yen(s["price"]), s["status"], day(s["started_at"]))
        for s in data["subscriptions"]
    ]
    return page("Subscriptions", table(("Product", "Each month", "Status", "Since"), rows))


def failure(message: str) -> str:
    """Return the page for something that went wrong."""
    return page("Something went wrong", paragraph(message, "error"), signed_in=False)
