"""The small pieces that every page is made of. All text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

from portal import release

STYLE = """
body{margin:0;font:16px/1.5 system-ui,sans-serif;color:#1f2933;background:#f4f6f8}
header{display:flex;gap:1.2rem;align-items:center;padding:.8rem 1.5rem;background:#12344d}
header a,header b{color:#fff;text-decoration:none}
header form{margin-left:auto}
main{max-width:52rem;margin:2rem auto;padding:1.5rem 2rem;background:#fff;border-radius:.5rem;
box-shadow:0 1px 4px #0002}
h1{margin-top:0;font-size:1.5rem}
table{width:100%;border-collapse:collapse}
th,td{text-align:left;padding:.45rem .6rem;border-bottom:1px solid #e4e7eb}
label{display:block;margin:.8rem 0}
input{display:block;padding:.45rem;width:18rem;max-width:100%;border:1px solid #cbd2d9;
border-radius:.3rem;font:inherit}
td input{width:9rem}
td form{display:flex;gap:.5rem}
button{padding:.4rem 1rem;border:0;border-radius:.3rem;background:#1f7a8c;color:#fff;font:inherit;
cursor:pointer}
.error{color:#b00020}
footer{text-align:center;color:#7b8794;font-size:.85rem}
""".strip()

MENU = (
    '<a href="/dashboard">Dashboard</a><a href="/invoices">Invoices</a>'
    '<a href="/subscriptions">Subscriptions</a><a href="/catalogue">Catalogue</a>'
    '<form method="post" action="/logout"><button>Sign out</button></form>'
)


def page(title: str, content: str, signed_in: bool = True) -> str:
    """Return a whole page around content that is already HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} - Portal</title><style>{STYLE}</style></head>"
        f"<body><header><b>Portal</b>{MENU if signed_in else ''}</header>"
        f"<main><h1>{escape(title)}</h1>{content}</main>"
        f"<footer>release {escape(release.version())}</footer></body></html>"
    )


def paragraph(text: str, style: str = "") -> str:
    """Return a paragraph of plain text."""
    named = f' class="{escape(style)}"' if style else ""
    return f"<p{named}>{escape(text)}</p>"


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of plain text."""
    return raw_table(headings, ([escape(cell) for cell in row] for row in rows))


def raw_table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table whose cells are already HTML."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def yen(amount: int) -> str:
    """Return an amount as a customer reads it."""
    return f"\u00a5{amount:,}"


def day(milliseconds: int) -> str:
    """Return the day of a time given in milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d")
