"""The page of products, each with a form to order it and leave a note."""

from __future__ import annotations

from html import escape

from portal.database import Row
from portal.html import page, raw_table, yen


def catalogue(data: Row) -> str:
    """Return the list of products."""
    rows = [
        (
            escape(product["name"]),
            escape(product["description"]),
            yen(product["price"]),
            _order_form(product["id"]),
        )
        for product in data["products"]
    ]
    return page("Catalogue", raw_table(("Product", "What it is", "Each month", ""), rows))


def _order_form(product: str) -> str:
    return (
        '<form method="post" action="/orders">'
        f'<input type="hidden" name="product" value="{escape(product)}">'
        '<input name="note" placeholder="Note" maxlength="500"><button>Order</button></form>'
    )
