"""The page of invoices."""

from __future__ import annotations

from portal.database import Row
from portal.html import day, page, table, yen


def invoices(data: Row) -> str:
    """Return the list of invoices."""
    rows = [
        (i["description"], yen(i["amount"]), i["status"], day(i["issued_at"]))
        for i in data["invoices"]
    ]
    return page("Invoices", table(("Description", "Amount", "Status", "Issued"), rows))
