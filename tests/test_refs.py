"""How adapters are named: every form reads back as it is written, and nothing else is a name."""

from __future__ import annotations

import pytest

from adapter_ui.domain import AdapterRef, Source
from adapter_ui.errors import InvalidRef


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("org/name", AdapterRef(Source.HUB, "org/name")),
        ("legacy", AdapterRef(Source.HUB, "legacy")),
        ("org/name@v1.0", AdapterRef(Source.HUB, "org/name", "v1.0")),
        ("org/name@refs/pr/3", AdapterRef(Source.HUB, "org/name", "refs/pr/3")),
        ("org/name:checkpoint-100", AdapterRef(Source.HUB, "org/name", None, "checkpoint-100")),
        ("org/name:a/b_2/r=8+c.1", AdapterRef(Source.HUB, "org/name", None, "a/b_2/r=8+c.1")),
        ("org/name@dev/x:en/sql", AdapterRef(Source.HUB, "org/name", "dev/x", "en/sql")),
        ("folder/name:run", AdapterRef(Source.HUB, "folder/name", None, "run")),
        ("run:20250101-ab", AdapterRef(Source.RUN, "20250101-ab")),
        ("starter:pirate", AdapterRef(Source.STARTER, "pirate")),
        ("mix:both", AdapterRef(Source.MIX, "both")),
        ("folder:mine", AdapterRef(Source.FOLDER, "mine")),
        ("folder:Llama-3.1-8B-lora", AdapterRef(Source.FOLDER, "Llama-3.1-8B-lora")),
    ],
)
def test_a_name_reads_back_as_it_is_written(text, ref):
    assert AdapterRef.parse(f"  {text}\n") == ref
    assert str(ref) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "@", "org/name:", "org/name@", "org/name@:x", "org/name@v1:", "legacy:folder", "hub:x"),
        *(
            "org/name:../up",
            "org/name:a/../b",
            "org/name:/a",
            "org/name:a/",
            "org/name:a//b",
            "org/name:.git",
        ),
        *("org/name:a:b", "org/name:a b", "org/name:a\\b", "org/name:a\0", "org/name:a\nb", "org/name:é"),
        *("org/name:a..b", "org/name:-a", "org/name:" + "a/" * 8 + "a", "org/name:" + "a" * 97),
        *("starter:a/b", "run:..", "folder:x@y", "org/name@a..b:c", "org/name@v 1", "a/b/c", "a/b/c:d"),
        *("folder:..", "folder:.a", "folder:a..b", "folder:a/b", "run:a.b", "mix:a.b"),
        *("https://hub/org/name", "name@x/y:folder", "sarter:pirate"),
    ],
)
def test_what_is_no_name_is_refused_with_the_forms_that_are(text):
    with pytest.raises(InvalidRef, match=r"use org/name, org/name@revision, org/name:folder") as raised:
        AdapterRef.parse(text)
    assert raised.value.field == "adapter"
