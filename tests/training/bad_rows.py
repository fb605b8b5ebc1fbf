"""Files whose rows are wrong: JSON of the wrong shape, turns, labels and tags that cannot be used."""

from __future__ import annotations

import json
from typing import Any

from tests.training.bad_files import AB, CD, CHAT, TURNS, TWO, Case, Kept, Refused, lines, rows

JSON = {
    "a number": Case(b"42", Refused("The data has no rows; give a header line")),
    "null": Case(b"null", Refused("does not start with { or [; is it JSON?"), "data.json"),
    "an empty list": Case(b"[]", Refused("The data has no rows")),
    "an empty object": Case(b"{}", Refused("line 1: an object without fields")),
    "numbers": Case(b"[1, 2]", Refused("row 1: not an object with named fields")),
    "lists": Case(b'[["prompt"], ["a"]]', Refused("row 1: not an object with named fields")),
    "mixed types": Case(
        rows(AB, 7, None, "x", CD), Kept([AB, CD], 3, "row 2: not an object with named fields")
    ),
    "one object": Case(rows(AB)[1:-1], Refused("1 usable row, and training needs at least 2")),
    "rows beside a version": Case(json.dumps({"version": 1, "data": [AB, CD]}).encode(), TWO),
    "two lists of rows": Case(
        json.dumps({"train": [AB], "test": [CD]}).encode(),
        Refused("several lists of rows (“train”, “test”); give one of them"),
    ),
    "depth bomb": Case(b"[" * 200_000, Refused("The JSON list cannot be read: nested too deeply")),
    "depth bomb, a line": Case(
        b'{"prompt":' * 50_000, Refused("(line 1: no JSON (nested too deeply)); mend")
    ),
    "deep but whole": Case(
        b'[{"prompt": %s1%s}]' % (b"[" * 500, b"]" * 500), Refused("nested more than 20 deep")
    ),
    "list bomb": Case(b"[" + b"[[[]]]," * 400_000 + b"1]", Refused("more than 1,000,000 lists and objects")),
    "NaN": Case(b'[{"prompt": NaN}]', Refused("cannot be read: NaN is no JSON number")),
    "Infinity, a line": Case(
        lines(json.dumps(AB), '{"prompt": Infinity}', json.dumps(CD)),
        Kept([AB, CD], 1, "line 2: no JSON (Infinity is no JSON number)"),
    ),
    "too large a number": Case(
        b'[{"prompt": 1e999, "completion": "x"}, %s' % rows(AB, CD)[1:],
        Kept([AB, CD], 1, "row 1: “prompt” is no finite number"),
    ),
    "too many digits": Case(
        b'[{"prompt": %s}]' % (b"9" * 4_000), Refused("a number has 4,000 digits; the limit")
    ),
    "trailing comma": Case(
        b'[{"prompt": "a"},\n]', Refused("Expecting value at line 2, column 1; mend it there")
    ),
    "commas between lines": Case(
        lines(json.dumps(AB) + ",", json.dumps(CD) + ","),
        Refused("(line 1: no JSON (Extra data at column 35)); mend"),
    ),
    "python's quotes": Case(
        b"{'prompt': 'a'}\n{'prompt': 'c'}", Refused("line 1: no JSON (Expecting property")
    ),
    "a bad line in the middle": Case(
        lines(json.dumps(AB), '{"prompt": "x', json.dumps(CD)),
        Kept([AB, CD], 1, "line 2: no JSON (Unterminated string at column 12)"),
    ),
    "objects over several lines": Case(
        lines(json.dumps(CHAT, indent=1), json.dumps(CHAT, indent=1)),
        Refused("The object of line 1 goes on in the next lines; write each row on one line"),
    ),
    "carriage returns, json": Case(lines(json.dumps(AB), json.dumps(CD)).replace(b"\n", b"\r"), TWO),
    "a name twice, json": Case(
        lines(json.dumps(AB), '{"prompt": 1, "prompt": 2}', json.dumps(CD)),
        Kept([AB, CD], 1, "line 2: no JSON (an object names “prompt” twice)"),
    ),
    "ten thousand fields": Case(
        rows({str(at): at for at in range(10_000)}),
        Refused("row 1: the data has more than 256 columns; keep only"),
    ),
    "ever new fields": Case(
        lines(*(f'{{"k{at}": 1}}' for at in range(400))),
        Refused("line 257: the data has more than 256 columns"),
    ),
    "an object for a text": Case(
        rows(AB, {"prompt": {"x": 1}, "completion": "y"}, CD),
        Kept([AB, CD], 1, "row 2: “prompt” is a list or an object, not a text"),
    ),
    "a list cut short": Case(
        rows(AB, CD)[:-1], Refused("The JSON list cannot be read: Expecting ',' delimiter")
    ),
}
CHATS = {
    "no roles": Case(
        rows(CHAT, {"messages": [{"content": "a"}]}, CHAT),
        Kept([CHAT, CHAT], 1, "row 2: a turn's role is “None”; it must be system, user or assistant"),
    ),
    "an unknown role": Case(
        rows(CHAT, {"messages": [{"role": "tool", "content": "a"}]}, CHAT),
        Kept([CHAT, CHAT], 1, "row 2: a turn's role is “tool”"),
    ),
    "an empty answer": Case(
        rows(CHAT, {"messages": [TURNS[0], {"role": "assistant", "content": ""}]}, CHAT),
        Kept([CHAT, CHAT], 1, "row 2: “content” is empty"),
    ),
    "no answer": Case(
        rows(CHAT, {"messages": TURNS[:1]}, CHAT),
        Kept([CHAT, CHAT], 1, "row 2: the conversation has no question with an answer after it"),
    ),
    "a text for turns": Case(
        rows(CHAT, {"messages": "hello"}, CHAT), Kept([CHAT, CHAT], 1, "row 2: the cell is no JSON list")
    ),
    "NaN in a cell": Case(
        b'messages\n"[NaN]"\n', Refused("line 2: the cell is no JSON list (NaN is no JSON")
    ),
}
LABEL_ROWS = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]
TAG_ROWS = [{"tokens": ["a", "b"], "tags": ["O", "PER"]}] * 2


def labelled(content: bytes, result: Refused | Kept) -> Case:
    return Case(content, result, task_type="SEQ_CLS")


def tagged(extra: dict[str, Any], reason: str) -> Case:
    return Case(rows(*TAG_ROWS, extra), Kept(TAG_ROWS, 1, f"row 3: {reason}"), task_type="TOKEN_CLS")


CLASSES = {
    "a label missing": labelled(
        b"text,label\na,x\nc,\nb,y\n", Kept(LABEL_ROWS, 1, "line 3: “label” is empty")
    ),
    "a label null": labelled(
        rows(*LABEL_ROWS, {"text": "c", "label": None}), Kept(LABEL_ROWS, 1, "row 3: “label” is empty")
    ),
    "no label column": labelled(b"text\na\nb\n", Refused("SEQ_CLS needs text and label", "columns")),
    "one label": labelled(
        b"text,label\na,x\nb,x\n", Refused("1 different labels; a classifier needs from 2")
    ),
    "labels as floats": labelled(
        rows({"text": "a", "label": 0.0}, {"text": "b", "label": 1.0}),
        Kept([{"text": "a", "label": "0.0"}, {"text": "b", "label": "1.0"}]),
    ),
    "labels as booleans": labelled(
        rows({"text": "a", "label": True}, {"text": "b", "label": False}),
        Kept([{"text": "a", "label": "true"}, {"text": "b", "label": "false"}]),
    ),
    "scores for labels": labelled(
        rows(*({"text": "a", "label": at / 7} for at in range(1, 20))),
        Refused("Each of the 19 rows has a label of its own; choose a column with few classes"),
    ),
    "too many labels": labelled(
        rows(*({"text": "a", "label": at // 2} for at in range(2_400))),
        Refused("1200 different labels; a classifier needs from 2 to 1000"),
    ),
    "a label that is a list": labelled(
        rows(*LABEL_ROWS, {"text": "c", "label": ["x"]}),
        Kept(LABEL_ROWS, 1, "row 3: “label” is a list or an object, not one label"),
    ),
    "fewer tags than tokens": tagged({"tokens": ["a", "b"], "tags": ["O"]}, "2 tokens but 1 tags"),
    "tags that are no list": tagged({"tokens": ["a"], "tags": 7}, "“tags” is no list of words"),
    "an empty word": tagged({"tokens": ["a", ""], "tags": ["O", "O"]}, "“tokens” is empty"),
    "no words": tagged({"tokens": [], "tags": []}, "“tokens” is no list of words"),
}
