"""A model card as HTML that is safe to show: raw HTML left out, images as their text, links made plain.

A card is a stranger's text. Nothing in it may run, load from elsewhere or look like a part of this page.
"""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markupsafe import Markup, escape

LONGEST_CARD = 100_000
SAFE_LINKS = ("https://", "http://")


class CardRenderer(RendererHTML):
    """markdown-it's HTML without what a card does not need."""

    def html_block(self, tokens, index, options, env) -> str:
        return ""

    def html_inline(self, tokens, index, options, env) -> str:
        return ""

    def image(self, tokens, index, options, env) -> str:
        return f'<span class="image-text">{escape(tokens[index].content or "image")}</span>'

    def link_open(self, tokens, index, options, env) -> str:
        address = str(tokens[index].attrGet("href") or "")
        if not address.startswith(SAFE_LINKS):
            return "<a>"
        return f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer nofollow">'


def render_card(text: str) -> Markup:
    """The card's Markdown as HTML; empty when there is none."""
    # html=True so that raw HTML is recognised, and then left out by the renderer, instead of shown as text
    parser = MarkdownIt("commonmark", {"html": True, "linkify": False}, renderer_cls=CardRenderer).enable(
        "table"
    )
    return Markup(parser.render(text[:LONGEST_CARD]))
