"""Cards as strangers write them."""

from __future__ import annotations

import time

import pytest

from adapter_ui.catalog.profiles.card import CARD_BYTES, card_base, card_license, card_title, read_card


@pytest.mark.parametrize(
    ("text", "card"),
    [
        ("---\nlicense: mit\n---\n# A\n\nb", "# A\n\nb"),
        ("---\r\nlicense: mit\r\n---\r\n# A", "# A"),
        ("\ufeff---\na: b\n---\n# A", "# A"),
        ("---\n---\n# A", "# A"),
        ("# A\n---\nb: c\n---\n", "# A\n---\nb: c\n---"),
        ("---\nnever closed", "---\nnever closed"),
        ("", ""),
    ],
)
def test_the_front_matter_is_taken_off(text, card):
    assert read_card(text.encode()) == card


@pytest.mark.parametrize(
    ("front", "base"),
    [
        ("base_model: org/base", "org/base"),
        ('base_model: "org/base"', "org/base"),
        ("base_model: 'gpt2'", "gpt2"),
        ("license: mit\nbase_model: org/base\ntags: [x]", "org/base"),
        ("base_model: /home/me/x", None),
        ("base_model:\n- a/b", None),
        ("x_base_model: a/b", None),
    ],
)
def test_the_base_is_read_from_one_line(front, base):
    assert card_base(f"---\n{front}\n---\nbase_model: other/base\n".encode()) == base


def test_no_front_matter_names_no_base():
    assert card_base(b"base_model: a/b") is None


@pytest.mark.parametrize(
    ("text", "title"), [("x\n# The title #\n# other", "The title"), ("#\n# ", None), ("text", None)]
)
def test_the_title_is_the_first_heading(text, title):
    assert card_title(text) == title


@pytest.mark.parametrize(
    "data", [b"---\n" * 50_000, b"---" + b" " * 199_000, b"# " + b"#" * 199_000, b"\xff" * 300_000]
)
def test_no_card_takes_long(data):
    started = time.monotonic()
    card = read_card(data)
    card_base(data)
    card_license(data)
    card_title(card)
    assert time.monotonic() - started < 1
    assert len(card) <= CARD_BYTES


@pytest.mark.parametrize(
    ("front", "license_name"),
    [
        ("license: mit", "mit"),
        ("license: 'apache-2.0'\r", "apache-2.0"),
        ("license:\n- cc-by-4.0\n- mit", "cc-by-4.0"),
        ("license: other\nlicense_name: tiny-terms", "tiny-terms"),
        ("license: other", "other"),
        ("license: mit\nlicense_name: ignored", "mit"),
        ("license:\nbase_model: a/b", None),
        ("license: <b>mit</b>", None),
        ("license: " + "x" * 65, None),
        ("x_license: mit", None),
    ],
)
def test_the_license_is_read_from_the_front_matter(front, license_name):
    assert card_license(f"---\n{front}\n---\nlicense: gpl-3.0\n".encode()) == license_name
