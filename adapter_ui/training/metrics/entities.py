"""Entity F1 as the CoNLL shared tasks count it: an entity is right when its words and its type are.

The rules are those of conlleval (Tjong Kim Sang and Buchholz 2000; Tjong Kim Sang and De Meulder 2003): an
entity begins at B-, after O, or where the type changes, so that an I- may begin one too. A tag without B- or
I- is an entity of one word, as with conlleval's option for raw tags. Other schemes are told in this one
before, by `adapter_ui.domain.entity_tags`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapter_ui.domain.entity_tags import BEGIN, INSIDE, OUTSIDE

Entity = tuple[int, int, str]


def entities_of(tags: Sequence[str]) -> set[Entity]:
    """The entities of one sentence: first word, the word after the last, type."""
    found: set[Entity] = set()
    begin, current = 0, ""
    for at, tag in enumerate((*tags, OUTSIDE)):
        begins, kind = parts(tag)
        if current and (begins or kind != current):
            found.add((begin, at, current))
        if kind and (begins or kind != current):
            begin = at
        current = kind
    return found


def parts(tag: str) -> tuple[bool, str]:
    """Whether the tag always begins an entity, and its type; the type of O is empty."""
    if tag == OUTSIDE:
        return False, ""
    if tag.startswith((BEGIN, INSIDE)):
        return tag.startswith(BEGIN), tag[2:]
    return True, tag


def mark_entities(tags: Iterable[str]) -> bool:
    """Whether these tags tell entities from other words; numbers and parts of speech do not."""
    return any(tag == OUTSIDE or tag.startswith((BEGIN, INSIDE)) for tag in tags)


def entity_f1(expected: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> float:
    """F1 over the entities of all sentences together; 0 where none is expected and none predicted."""
    hits = total = 0
    for tags, guessed in zip(expected, predicted, strict=True):
        gold, found = entities_of(tags), entities_of(guessed)
        hits += len(gold & found)
        total += len(gold) + len(found)
    return 2 * hits / total if total else 0.0
