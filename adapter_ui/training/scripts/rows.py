"""The parts of an exported script that read its rows: one encoder for each task, and the split.

They say again what `adapter_ui.models.tuning.data` and `windows` do: the same tokens and labels. `$names` are
filled in by `adapter_ui.training.scripts.script`, never with what a stranger wrote.
"""

from __future__ import annotations

from string import Template

from adapter_ui.training.recipe import Recipe

ENCODE_TEXT = Template('''
def encode(row, tokenizer, max_length):
    """Tokens of a row, labelled where they begin inside a span of the text that is to be learned."""
    text, spans, special_tokens = learned_text(row, tokenizer)
$everything    encoded = tokenizer(text, add_special_tokens=special_tokens, return_offsets_mapping=True)
    labels = [
        token if begin < end and any(start <= begin < stop for start, stop in spans) else IGNORED
        for token, (begin, end) in zip(encoded["input_ids"], encoded["offset_mapping"])
    ]
    whole = {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"], "labels": labels}
    return [{name: values[:max_length] for name, values in whole.items()}]


def learned_text(row, tokenizer):
    """The text of a row, its spans to learn, and whether the tokenizer adds its special tokens around it."""
    end = tokenizer.eos_token or ""
    if "text" in row:
        text = row["text"] + end
        return text, [(0, len(text))], True
    turns = row.get("messages") or [
        {"role": "user", "content": row["prompt"]},
        {"role": "assistant", "content": row["completion"]},
    ]
$by_base    text, spans = joined(turns)
    text += end
    return text, [*spans[:-1], (spans[-1][0], len(text))], True


$joined
''')

EVERYTHING = """    spans = [(0, len(text))]  # prompts too
"""

BY_BASE = """    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if isinstance(template, str) and len(template) <= 64_000:
        answers = [at for at, turn in enumerate(turns) if turn["role"] == "assistant"]
        try:
            text = tokenizer.apply_chat_template(turns, tokenize=False)
            return text, [answer_span(text, turns, at, tokenizer) for at in answers], False
        except TemplateError:
            return "", [], False  # the template refuses these turns; a row without tokens is left out
"""

JOINED = '''
def joined(turns):
    """The conversation without any template, and where each answer lies in it, with the break before."""
    text, spans = "", []
    for turn in turns:
        begin = len(text)
        text += ("\\n\\n" if text else "") + turn["content"]
        if turn["role"] == "assistant":
            spans.append((begin, len(text)))
    return text, spans


def answer_span(text, turns, at, tokenizer):
    """Where the answer of turn `at` lies in the whole conversation, with the end of its turn.

    A template may write a turn differently once others follow it. Then what changes with the answer is the
    answer, and its turn ends as it does where nothing follows.
    """
    asked = tokenizer.apply_chat_template(turns[:at], tokenize=False, add_generation_prompt=True)
    answered = tokenizer.apply_chat_template(turns[: at + 1], tokenize=False)
    if text.startswith(asked) and text.startswith(answered):
        return len(asked), len(answered)
    changed = [*turns[:at], {**turns[at], "content": "\\ue000"}, *turns[at + 1 :]]
    other = tokenizer.apply_chat_template(changed, tokenize=False)
    begin, end = shared_length(text, other), len(text) - shared_length(text[::-1], other[::-1])
    said = text[begin:end]
    ending = answered[answered.rfind(said) + len(said) :]
    end += shared_length(text[end:], ending)
    return len(asked) if text.startswith(asked) else begin, end


def shared_length(text, other):
    return len(os.path.commonprefix([text, other]))
'''

IN_TEMPLATE = '''
def joined(turns):
    """The conversation in PROMPT_TEMPLATE, exchange by exchange, and where each answer lies in it, the blanks
    before it included.
    """
    before, _, ending = PROMPT_TEMPLATE.partition("{completion}")
    text, spans, asked = "", [], []
    system = "\\n\\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    if system and "{system}" not in PROMPT_TEMPLATE:
        text, system = system + "\\n\\n", ""
    for turn in turns:
        if turn["role"] == "user":
            asked.append(turn["content"])
        elif turn["role"] == "assistant":
            values = {"{system}": system, "{prompt}": "\\n\\n".join(asked)}
            parts = re.split(r"({system}|{prompt})", before)
            text += ("\\n\\n" if spans else "") + "".join(values.get(part, part) for part in parts)
            begin = len(text.rstrip(" "))
            text += turn["content"] + ending
            spans.append((begin, len(text)))
            system, asked = "", []
    return text, spans
'''

ENCODE_PAIR = '''
def encode(row, tokenizer, max_length):
    """A prompt for the encoder, and its answer for the decoder."""
    asked = tokenizer(row["prompt"], truncation=True, max_length=max_length)
    answer = tokenizer(text_target=row["completion"])["input_ids"]
    if answer[-1:] != [tokenizer.eos_token_id]:
        answer = [*answer, tokenizer.eos_token_id]
    tokens = {name: asked[name] for name in ("input_ids", "attention_mask")}
    return [{**tokens, "labels": answer[:max_length]}]
'''

ENCODE_CLASSIFIED = '''
def encode(row, tokenizer, max_length):
    """Tokens of a text, or of two, and the number of its class."""
    encoded = tokenizer(row["text"], row.get("text_pair"), truncation=True, max_length=max_length)
    return [{**encoded, "labels": LABELS.index(row["label"])}]
'''

ENCODE_TAGGED = '''
def encode(row, tokenizer, max_length):
    """Tokens of the words; a word's tag is learned on its first piece."""
    text = " ".join(row["tokens"])
    encoded = tokenizer(text, truncation=True, max_length=max_length, return_offsets_mapping=True)
    begins = [0]
    for word in row["tokens"]:
        begins.append(begins[-1] + len(word) + 1)
    words = [
        None if begin == end else bisect_right(begins, end - 1) - 1
        for begin, end in encoded.pop("offset_mapping")
    ]
    labels = [
        IGNORED if word is None or (at and words[at - 1] == word) else LABELS.index(row["tags"][word])
        for at, word in enumerate(words)
    ]
    return [{**encoded, "labels": labels}]
'''

ENCODE_QUESTION = '''
def encode(row, tokenizer, max_length):
    """The question with its context, which is read in windows that overlap where it is long."""
    room = max_length - len(tokenizer(row["question"], "")["input_ids"])
    if room < 8:
        return []
    encoded = tokenizer(
        row["question"],
        row["context"],
        truncation="only_second",
        max_length=max_length,
        stride=min(128, room // 2),
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in encoded]
    windows = []
    for at, offsets in enumerate(encoded["offset_mapping"]):
        places = [place if side == 1 else None for place, side in zip(offsets, encoded.sequence_ids(at))]
        first, last = answer_tokens(row, places)
        window = {name: encoded[name][at] for name in names}
        windows.append({**window, "start_positions": first, "end_positions": last})
    return windows


def answer_tokens(row, places):
    """The first and the last token of the answer, where all of it stands in the window."""
    start = row["answer_start"]
    end = start + len(row["answers"][0])
    touching = [at for at, place in enumerate(places) if place and place[0] < end and place[1] > start]
    if not touching or places[touching[0]][0] > start or places[touching[-1]][1] < end:
        return NOT_HERE, NOT_HERE
    return touching[0], touching[-1]
'''

ENCODERS = {
    "SEQ_CLS": ENCODE_CLASSIFIED,
    "TOKEN_CLS": ENCODE_TAGGED,
    "SEQ_2_SEQ_LM": ENCODE_PAIR,
    "QUESTION_ANS": ENCODE_QUESTION,
}


def encoder(recipe: Recipe) -> str:
    """The encoder of the recipe's rows."""
    if recipe.task_type in ENCODERS:
        return ENCODERS[recipe.task_type]
    return ENCODE_TEXT.substitute(
        everything="" if recipe.completion_only_loss else EVERYTHING,
        by_base="" if recipe.prompt_template else BY_BASE,
        joined=(IN_TEMPLATE if recipe.prompt_template else JOINED).strip("\n"),
    )


ROWS = Template('''
def read_rows(tokenizer, max_length):
    """Rows to train on, and rows held back to measure with: the same ones for the same seed."""
    lines = (Path(__file__).parent / "data.jsonl").read_text(encoding="utf-8").split("\\n")
    examples = [encode(json.loads(line), tokenizer, max_length) for line in lines if line]
    examples = [rows for rows in examples if any(map(is_learnable, rows))]
    held = max(1, int(len(examples) * VALIDATION_FRACTION)) if VALIDATION_FRACTION else 0
    held_back = set(random.Random(TRAINER["seed"]).sample(range(len(examples)), held))
    return (
        [row for at, rows in enumerate(examples) if at not in held_back for row in rows],
        [row for at, rows in enumerate(examples) if at in held_back for row in rows],
    )

$is_learnable

def row_limit(model, tokenizer):
    """Tokens of a row that are asked for and that the base can read."""
    config = model.config.get_text_config()
    context = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 2048
    tables = [module for name, module in model.named_modules() if name.endswith("position_embeddings")]
    paddings = [getattr(table, "padding_idx", None) for table in tables]
    unused = max([padding + 1 for padding in paddings if padding is not None], default=0)  # RoBERTa's
    return min(MAX_LENGTH, context - unused$virtual_tokens, tokenizer.model_max_length)
''')

LEARNABLE_TEXT = """
def is_learnable(row):
    return any(label != IGNORED for label in row["labels"][1:])
"""

LEARNABLE_LABELS = """
def is_learnable(row):
    labels = row["labels"]
    return isinstance(labels, int) or any(label != IGNORED for label in labels)
"""

LEARNABLE_PLACES = """
def is_learnable(row):
    return row["end_positions"] != NOT_HERE
"""

LEARNABLE = {"CAUSAL_LM": LEARNABLE_TEXT, "QUESTION_ANS": LEARNABLE_PLACES}
