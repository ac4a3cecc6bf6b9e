"""No secret survives, in whatever way a program writes it."""

from __future__ import annotations

import base64
import html
import json
import shlex
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gonogo.model.redaction import MASK, Redactor, encodings
from gonogo.model.secret import Secret

SECRETS = st.text(min_size=4, max_size=40).filter(lambda text: text.strip() and "•" not in text)
UTF8 = SECRETS.filter(lambda text: not any(0xD800 <= ord(letter) < 0xE000 for letter in text))
AROUND = st.text(max_size=20).filter(lambda text: "•" not in text)

WAYS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "url": quote,
    "url whole": lambda text: quote(text, safe=""),
    "url plus": quote_plus,
    "url lower": lambda text: _lower_escapes(quote(text, safe="")),
    "query": lambda text: urlencode({"a": text})[2:],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 url": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 unpadded": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "hex": lambda text: text.encode().hex(),
    "hex upper": lambda text: text.encode().hex().upper(),
    "json": lambda text: json.dumps(text)[1:-1],
    "json unicode": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json in json": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "repr": lambda text: repr(text)[1:-1],
    "bytes": lambda text: repr(text.encode())[2:-1],
    "shell": shlex.quote,
    "html": html.escape,
    "html text": lambda text: html.escape(text, quote=False),
}


def _lower_escapes(text: str) -> str:
    pieces = text.split("%")
    return "%".join([pieces[0], *(piece[:2].lower() + piece[2:] for piece in pieces[1:])])


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=40)
@given(secret=UTF8, before=AROUND, after=AROUND)
def test_no_secret_survives(way: str, secret: str, before: str, after: str) -> None:
    written = WAYS[way](secret)
    redacted = Redactor([secret]).text(f"{before}{written}{after}")
    assert written not in redacted
    assert MASK in redacted


@given(SECRETS, AROUND)
def test_every_text_may_be_a_secret_even_one_that_is_not_unicode(secret: str, after: str) -> None:
    assert secret not in Redactor([secret]).text(f"{secret}{after}")


@given(
    st.binary(min_size=12, max_size=40),
    st.binary(max_size=9),
    st.binary(max_size=9),
    st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]),
)
def test_base64_of_a_longer_text(
    raw: bytes, before: bytes, after: bytes, encode: Callable[[bytes], bytes]
) -> None:
    secret = raw.hex()[:24]
    written = encode(before + secret.encode() + after).decode()
    redacted = Redactor([secret]).text(written)
    assert MASK in redacted
    assert len(written) - len(redacted.replace(MASK, "")) >= len(secret) * 8 // 6 - 4


@settings(deadline=None)
@given(st.lists(UTF8, min_size=1, max_size=6), AROUND)
def test_many_secrets_that_overlap(many: list[str], around: str) -> None:
    redacted = Redactor(many).text(around.join(many) + around)
    for secret in many:
        assert secret not in redacted


def test_overlap_leaves_no_tail() -> None:
    redactor = Redactor(["abcdefgh", "fgh-the-long-one"])
    assert redactor.text("x abcdefgh-the-long-one y") == f"x {MASK} y"


def test_the_longest_wins() -> None:
    assert Redactor(["hunter2", "hunter2-and-more"]).text("hunter2-and-more") == MASK


@given(st.lists(UTF8, max_size=4), st.text())
def test_what_holds_no_secret_is_left_as_it_is(many: list[str], text: str) -> None:
    forms = {form for secret in many for form in encodings(secret)}
    assume(not any(form in text for form in forms))
    assert Redactor(many).text(text) == text


def test_more_can_be_learned_and_nothing_is_forgotten() -> None:
    redactor = Redactor()
    assert redactor.text("hunter2 and hunter3") == "hunter2 and hunter3"
    for secret in ("hunter2", "hunter3", "hunter2"):
        redactor.learn([secret])
        assert redactor.text(secret) == MASK
    assert redactor.text("hunter2 and hunter3") == f"{MASK} and {MASK}"


def test_short_and_blank_secrets_hide_nothing() -> None:
    assert Redactor(["abc", "", "     "]).text("abc      ") == "abc      "


def test_lines_of_a_key() -> None:
    key = "-----BEGIN-----\nMIIEvQIBADANBgkqhkiG\r\nabc\n-----END-----\n"
    redactor = Redactor([key])
    assert redactor.text("  MIIEvQIBADANBgkqhkiG") == f"  {MASK}"
    assert redactor.text("abc") == "abc"
    assert redactor.text(json.dumps(key)) == f'"{MASK}"'


def test_values_are_redacted_in_depth() -> None:
    redactor = Redactor(["hunter2!", "12345678"])
    value = {
        "hunter2!": ["hunter2!", {"a": 12345678}, None, True, 5],
        "b": ("x hunter2!",),
        "c": Secret("anything"),
    }
    assert redactor.value(value) == {
        MASK: [MASK, {"a": MASK}, None, True, 5],
        "b": [f"x {MASK}"],
        "c": MASK,
    }


def test_keys_that_become_equal_are_kept() -> None:
    value: Any = Redactor(["secret-1", "secret-2"]).value({"secret-1": 1, "secret-2": 2})
    assert sorted(value.values()) == [1, 2]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | UTF8,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(UTF8, inner, max_size=4),
    max_leaves=15,
)


@given(JSON, st.text(alphabet="ghijkmpqz", min_size=4, max_size=40))
def test_no_secret_survives_in_json(value: Any, secret: str) -> None:
    redacted = Redactor([secret]).value({"a": value, secret: secret, "text": f"<{secret}>"})
    assert secret not in json.dumps(redacted, ensure_ascii=False)


def test_not_json_is_refused() -> None:
    with pytest.raises(TypeError):
        Redactor(["hunter2!"]).value({"a": object()})
