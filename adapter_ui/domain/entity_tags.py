"""Tags of words that mark entities, told in one scheme (pure).

In BIO, B- begins an entity and I- continues one. BIOES and BILOU also tell an entity's last word (E-, L-) and
an entity of one word (S-, U-), and some write M- for a word in the middle. As in conlleval, what follows a
last word begins another entity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

OUTSIDE = "O"
BEGIN, INSIDE = "B-", "I-"
BEGINS, CONTINUES, ENDS = frozenset("BSU"), frozenset("IMEL"), frozenset("SUEL")


def in_bio(tags: Sequence[str], known: Iterable[str]) -> list[str]:
    """A sentence's tags in BIO. Where none of all that are `known` begins with B-, they stay as they are: an
    E-MAIL is a type there.
    """
    if not any(tag.startswith(BEGIN) for tag in known):
        return list(tags)
    found, ended = [], False
    for tag in tags:
        mark, _, kind = tag.partition("-")
        marked = bool(kind) and mark in BEGINS | CONTINUES
        begins = ended or mark in BEGINS
        found.append(f"{BEGIN if begins else INSIDE}{kind}" if marked else tag)
        ended = marked and mark in ENDS
    return found
