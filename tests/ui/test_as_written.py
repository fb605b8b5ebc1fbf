"""What is drawn of a message: Markdown and code as before, markup and images as the text that they are."""

from __future__ import annotations

import pytest

from adapter_ui.ui.generating.answering import chats_of
from adapter_ui.ui.generating.as_written import UNSEEN, inert
from adapter_ui.ui.state import ADAPTER_ARM, Conversation

STARTS = ("<form", "<img", "<answer", "</answer", "![", "&lt;", "<!--")
CODE = '```html\n<img src="x">\n![a](b)\n```'


@pytest.mark.parametrize(
    "text",
    [
        "<answer>42</answer>",
        '<img src="https://evil.example">',
        "see ![a](https://evil.example/?q=1) and ![a][b]\n\n[b]: https://evil.example",
        "<!-- hidden --> &lt;",
        "- a list\n  ```html\n  <form>\n  ```",
        "> ```\n<img src=x>\n```",
        "[a]:\n```\n<img src=x>\n```",
        "[a]: /b 'c\n```\n<img src=x>\n'",
        "[\n```\na]: b\n<img src=x>",
        "a\n```<img src=x>",
        "$$\n```\n$$\n<img src=x>",
        "a\n````$$<img src=x>\n\n```js",
        "```\na\r```\r<img src=x>\n```",
        "```mermaid\n<img src=x>\n```",
        "```\n<think>\n<img src=x>\n```",
    ],
)
def test_what_begins_markup_or_an_image_is_made_plain_text(text: str) -> None:
    shown = inert(text)
    assert not any(start in shown.split("$$")[-1] for start in STARTS)
    assert shown.replace(UNSEEN, "") == text


@pytest.mark.parametrize(
    "text",
    [
        "Plain *text*, a [link](https://a.example), 1 < 2 and a & b",
        f"Here:\n{CODE}\nDone.",
        f"{CODE}\n\nAnd\n{CODE}",
        '```html\n<img src="x"',  # still being written
        "$$ a<b $$",
        "```python\nwhile a[1]:\n    pass\n```",
        "<think>Hm.</think>Paris.",
    ],
)
def test_markdown_code_formulas_and_thoughts_stay_as_they_are(text: str) -> None:
    assert inert(text) == text


def test_a_diagram_stays_code_for_it_could_ask_another_machine_for_images() -> None:
    assert inert("```mermaid\nA\n```") == f"```{UNSEEN}mermaid\nA\n```"


def test_only_the_page_gets_the_unseen_character_and_indentation_stays() -> None:
    said = Conversation.fresh("org/a").ask("  <b>?").answer(ADAPTER_ARM, "<answer>\n  42")
    question, answer = chats_of(said)[0]
    assert question["content"]["text"] == f"  <{UNSEEN}b>?"
    assert answer["content"]["text"] == f"<{UNSEEN}answer>\n  42"
    assert [one.content for one in said.for_model(ADAPTER_ARM, "")] == ["  <b>?", "<answer>\n  42"]
