"""What a browser would make of some markup, for tests that look at what is drawn."""

from __future__ import annotations

from html.parser import HTMLParser


class Drawn(HTMLParser):
    """What a browser would make of some markup: its elements, their attributes, and its text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def attributes(self, tag: str, name: str) -> list[str]:
        return [attributes[name] for one, attributes in self.elements if one == tag and name in attributes]

    def cells(self) -> list[str]:
        return [attributes.get("title", "") for tag, attributes in self.elements if tag == "td"]
