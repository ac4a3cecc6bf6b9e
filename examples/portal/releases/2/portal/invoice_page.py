"""The page of invoices, with what is still to pay."""

from __future__ import annotations

from portal.database import Row
from portal.html import day, page, paragraph, table, yen


def invoices(data: Row) -> str:
    """Return the list of invoices; a backend of release 1 sends no total."""
    rows = [
        (i["description"], yen(i["amount"]), i["status"], day(i["issued_at"]))
        for i in data["invoices"]
    ]
    total = paragraph(f"Total to pay: {yen(data['total'])}") if "total" in data else ""
    return page("Invoices", table(("Description", "Amount", "Status", "Issued"), rows) + total)
