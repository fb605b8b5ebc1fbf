"""From a table to training examples: which column is what, and each row in one of a few plain forms.

| task | a row |
|---|---|
| CAUSAL_LM | `{"prompt", "completion"}`, `{"messages": [{"role", "content"}]}`, `{"text"}` to learn whole |
| SEQ_CLS | `{"text", "label"}`, with `"text_pair"` where there are two |
| TOKEN_CLS | `{"tokens": [word], "tags": [tag]}` |
| SEQ_2_SEQ_LM | `{"prompt", "completion"}` |
| QUESTION_ANS | `{"question", "context", "answers": [text], "answer_start"}`, the place of the first answer |

Knows nothing of tokens, chat templates or models.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from adapter_ui.domain import Table
from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.cells import UnusableRow, optional_text, text_of, words_of
from adapter_ui.training.conversations import conversation
from adapter_ui.training.reading import EXPLAINED
from adapter_ui.training.squad import answers_of, placed, without_blanks

MAX_LABELS = 1_000
MOST_DIGITS = 30
ROWS_THAT_REPEAT_LABELS = 10
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "messages": ("messages", "conversations", "conversation", "chat", "dialog", "dialogue"),
    "prompt": (
        "prompt",
        "instruction",
        "question",
        "query",
        "request",
        "user",
        "source",
        "input",
        "document",
    ),
    "input": ("input", "context"),
    "completion": ("completion", "output", "response", "answer", "reply", "assistant", "target", "summary"),
    "system": ("system", "system_prompt"),
    "text": ("text", "sentence", "content", "review", "comment", "document", "sentence1", "premise", "body"),
    "text_pair": ("text_pair", "sentence2", "hypothesis"),
    "label": ("label", "labels", "sentiment", "category", "class", "intent", "target"),
    "tokens": ("tokens", "words"),
    "tags": ("tags", "ner_tags", "labels"),
    "question": ("question", "query"),
    "context": ("context", "passage", "paragraph"),
    "answer": ("answer", "answers"),
    "answer_start": ("answer_start",),
}
FORMS: Mapping[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = {
    # the forms of each task in order of preference: the roles needed, and the roles allowed beside them
    "CAUSAL_LM": (
        (("messages",), ("system",)),
        (("prompt", "completion"), ("input", "system")),
        (("text",), ()),
    ),
    "SEQ_CLS": ((("text", "label"), ("text_pair",)),),
    "TOKEN_CLS": ((("tokens", "tags"), ()),),
    "SEQ_2_SEQ_LM": ((("prompt", "completion"), ("input",)),),
    "QUESTION_ANS": ((("question", "context", "answer"), ("answer_start",)),),
}


@dataclass(frozen=True)
class Examples:
    """Normalised rows. `labels` names the classes in the order of their ids; `problems` explains the first
    rows left out, of `dropped` in all. `places` are where the rows stood in the data; a run does not keep
    them.
    """

    task_type: str
    columns: Mapping[str, str]
    rows: tuple[Mapping[str, Any], ...]
    labels: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    dropped: int = 0
    places: tuple[str, ...] = field(default=(), compare=False)


def guess_columns(
    table: Table, task_type: str = "CAUSAL_LM", among: Collection[str] = tuple(SYNONYMS)
) -> dict[str, str]:
    """What each column is, from its name: role -> column. Empty when no form of the task that needs only
    roles `among` these is recognised.
    """
    by_name = {column.strip().lower(): column for column in reversed(table.columns)}
    for needed, optional in FORMS[task_type]:
        if not set(needed) <= set(among):
            continue
        roles: dict[str, str] = {}
        for role in (*needed, *optional):
            free = (
                name for name in SYNONYMS[role] if name in by_name and by_name[name] not in roles.values()
            )
            if found := next(free, None):
                roles[role] = by_name[found]
        if all(role in roles for role in needed):
            return roles
    return {}


def to_examples(table: Table, columns: Mapping[str, str], task_type: str) -> Examples:
    """Bring every row into its task's form; `columns` (role -> column) is guessed when empty.

    Rows that cannot be used are left out and explained. Raises InvalidRecipe (field "columns" or "data") when
    the columns do not fit the task, when fewer than two rows remain, or when there is only one class to tell.
    """
    columns = dict(columns) or guess_columns(table, task_type)
    refuse_wrong_columns(columns, table, task_type)
    to_row = READERS[task_type]
    rows: list[Mapping[str, Any]] = []
    places: list[str] = []
    problems: list[str] = []
    for place, row in zip(table.places, table.rows, strict=True):
        try:
            rows.append(to_row(row, columns))
            places.append(place)
        except UnusableRow as problem:
            problems.append(f"{place}: {problem}")
    if len(rows) < 2:
        why = f"; {problems[0]}" if problems else ""
        refuse(
            "data",
            f"{len(rows)} usable row{'' if len(rows) == 1 else 's'}, and training needs at least 2{why}.",
        )
    explained = tuple([*table.dropped, *problems][:EXPLAINED])
    return Examples(
        task_type,
        columns,
        tuple(rows),
        label_names(rows, task_type),
        explained,
        table.dropped_rows + len(problems),
        tuple(places),
    )


def refuse_wrong_columns(columns: Mapping[str, str], table: Table, task_type: str) -> None:
    there = ", ".join(name[:40] for name in table.columns[:12])
    forms = " or ".join(" and ".join(needed) for needed, _ in FORMS[task_type])
    if not columns:
        refuse("columns", f"{task_type} needs {forms}; the data has {there}: say in columns which is which.")
    for role, column in columns.items():
        if role not in SYNONYMS:
            refuse("columns", f"columns has no role “{role[:40]}”; the roles are {', '.join(SYNONYMS)}.")
        if column not in table.columns:
            refuse("columns", f"The data has no column “{column[:40]}” for {role}; it has {there}.")
    if not any(set(needed) <= set(columns) <= {*needed, *optional} for needed, optional in FORMS[task_type]):
        refuse("columns", f"{task_type} needs {forms}; columns says {', '.join(columns)}.")


def causal_row(row: Mapping[str, Any], columns: Mapping[str, str]) -> Mapping[str, Any]:
    if "messages" in columns:
        system = optional_text(row, columns, "system")
        return {"messages": conversation(row.get(columns["messages"]), system)}
    if "text" in columns:
        return {"text": text_of(row, columns["text"])}
    asked = prompted_row(row, columns)
    if system := optional_text(row, columns, "system"):
        turns = (("system", system), ("user", asked["prompt"]), ("assistant", asked["completion"]))
        return {"messages": [{"role": role, "content": content} for role, content in turns]}
    return asked


def classified_row(row: Mapping[str, Any], columns: Mapping[str, str]) -> Mapping[str, Any]:
    label = row.get(columns["label"])
    if isinstance(label, (list, dict)):
        raise UnusableRow(f"“{columns['label']}” is a list or an object, not one label")
    pair = optional_text(row, columns, "text_pair")
    usable = {"text": text_of(row, columns["text"]), "label": text_of(row, columns["label"]).strip()}
    return {**usable, "text_pair": pair} if pair else usable


def tagged_row(row: Mapping[str, Any], columns: Mapping[str, str]) -> Mapping[str, Any]:
    tokens, tags = (words_of(row.get(columns[role]), columns[role]) for role in ("tokens", "tags"))
    if len(tokens) != len(tags):
        raise UnusableRow(f"{len(tokens)} tokens but {len(tags)} tags")
    return {"tokens": tokens, "tags": tags}


def prompted_row(row: Mapping[str, Any], columns: Mapping[str, str]) -> Mapping[str, Any]:
    prompt, completion = text_of(row, columns["prompt"]), text_of(row, columns["completion"])
    extra = optional_text(row, columns, "input")
    return {"prompt": f"{prompt}\n\n{extra}" if extra else prompt, "completion": completion}


def answered_row(row: Mapping[str, Any], columns: Mapping[str, str]) -> Mapping[str, Any]:
    context = text_of(row, columns["context"])
    start = row.get(columns["answer_start"]) if "answer_start" in columns else None
    found = [
        (text, at)
        for text, begin in map(without_blanks, answers_of(row.get(columns["answer"]), start))
        if text and (at := placed(context, text, begin)) is not None
    ]
    if not found:
        raise UnusableRow("the answer is not in the context")
    answers = list(dict.fromkeys(text for text, _ in found))
    question = text_of(row, columns["question"])
    return {"question": question, "context": context, "answers": answers, "answer_start": found[0][1]}


READERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, str]], Mapping[str, Any]]] = {
    "CAUSAL_LM": causal_row,
    "SEQ_CLS": classified_row,
    "TOKEN_CLS": tagged_row,
    "SEQ_2_SEQ_LM": prompted_row,
    "QUESTION_ANS": answered_row,
}


def label_names(rows: Sequence[Mapping[str, Any]], task_type: str) -> tuple[str, ...]:
    """The classes in a stable order: numbers by value, names by alphabet. Empty where no classes are told."""
    if task_type not in ("SEQ_CLS", "TOKEN_CLS"):
        return ()
    found = {label for row in rows for label in ([row["label"]] if "label" in row else row["tags"])}
    if not 2 <= len(found) <= MAX_LABELS:
        refuse(
            "data", f"The data has {len(found)} different labels; a classifier needs from 2 to {MAX_LABELS}."
        )
    if task_type == "SEQ_CLS" and ROWS_THAT_REPEAT_LABELS <= len(rows) == len(found):
        refuse(
            "data", f"Each of the {len(rows)} rows has a label of its own; choose a column with few classes."
        )
    return tuple(sorted(found, key=in_order))


def in_order(label: str) -> tuple[bool, int, str]:
    """Numbers by value, then names by alphabet. Python reads no number of thousands of digits."""
    is_number = label.isdecimal() and len(label) <= MOST_DIGITS
    return not is_number, int(label) if is_number else 0, label


def refuse(field: str, message: str) -> NoReturn:
    raise InvalidRecipe(message, field=field)
