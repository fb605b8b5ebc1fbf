"""The parts of an exported training script, as Python text.

They say again, without this app, what `adapter_ui.models` does when it trains: the same tokens, labels, model
and Trainer. A test runs the scripts and compares their losses with those of the runs. `$names` are filled in
by `adapter_ui.training.script`, never with what a stranger wrote.
"""

from __future__ import annotations

from string import Template

OPENING = Template('''
"""Trains a LoRA adapter with transformers and PEFT on the rows of data.jsonl beside this file.

    pip install $requirements

    python train.py
    accelerate launch --num_processes 2 train.py     several processes share each batch (on a CPU, add --cpu)

The base is fetched from the Hub; `--base FOLDER` takes it from this machine. The adapter, and the losses in
trainer_state.json, are written to `--output`, a folder.
"""
''')

ENCODE_TEXT = '''
def encode(row, tokenizer, max_length):
    """Tokens of a row, labelled where they begin inside a span of the text that is to be learned."""
    text, spans, special_tokens = learned_text(row, tokenizer)
    encoded = tokenizer(text, add_special_tokens=special_tokens, return_offsets_mapping=True)
    labels = [
        token if begin < end and any(start <= begin < stop for start, stop in spans) else IGNORED
        for token, (begin, end) in zip(encoded["input_ids"], encoded["offset_mapping"])
    ]
    whole = {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"], "labels": labels}
    return {name: values[:max_length] for name, values in whole.items()}


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
    template = tokenizer.chat_template
    if isinstance(template, str) and len(template) <= 64_000:
        text = tokenizer.apply_chat_template(turns, tokenize=False)
        answers = [at for at, turn in enumerate(turns) if turn["role"] == "assistant"]
        return text, [answer_span(text, turns, at, tokenizer) for at in answers], False
    prompt = "\\n\\n".join(turn["content"] for turn in turns[:-1])
    text = prompt + "\\n\\n" + turns[-1]["content"] + end
    return text, [(len(prompt), len(text))], True


def answer_span(text, turns, at, tokenizer):
    """Where the answer of turn `at` lies in the whole conversation."""
    asked = tokenizer.apply_chat_template(turns[:at], tokenize=False, add_generation_prompt=True)
    answered = tokenizer.apply_chat_template(turns[: at + 1], tokenize=False)
    return len(os.path.commonprefix([text, asked])), len(os.path.commonprefix([text, answered]))
'''

ENCODE_CLASSIFIED = '''
def encode(row, tokenizer, max_length):
    """Tokens of a text, or of two, and the number of its class."""
    encoded = tokenizer(row["text"], row.get("text_pair"), truncation=True, max_length=max_length)
    return {**encoded, "labels": LABELS.index(row["label"])}
'''

ENCODE_TAGGED = '''
def encode(row, tokenizer, max_length):
    """Tokens of the words; a word's tag is learned on its first piece."""
    encoded = tokenizer(row["tokens"], is_split_into_words=True, truncation=True, max_length=max_length)
    words = encoded.word_ids()
    labels = [
        IGNORED if word is None or (at and words[at - 1] == word) else LABELS.index(row["tags"][word])
        for at, word in enumerate(words)
    ]
    return {**encoded, "labels": labels}
'''

ROWS = '''
def read_rows(tokenizer, max_length):
    """Rows to train on, and rows held back to measure with: the same ones for the same seed."""
    lines = (Path(__file__).parent / "data.jsonl").read_text(encoding="utf-8").split("\\n")
    encoded = [encode(json.loads(line), tokenizer, max_length) for line in lines if line]
    rows = [row for row in encoded if is_learnable(row["labels"])]
    held = max(1, int(len(rows) * VALIDATION_FRACTION)) if VALIDATION_FRACTION else 0
    held_back = set(random.Random(TRAINER["seed"]).sample(range(len(rows)), held))
    return (
        [row for at, row in enumerate(rows) if at not in held_back],
        [row for at, row in enumerate(rows) if at in held_back],
    )


def is_learnable(labels):
    return isinstance(labels, int) or any(label != IGNORED for label in labels[1:])


def row_limit(model, tokenizer):
    """Tokens of a row that are asked for and that the base can read."""
    config = model.config.get_text_config()
    context = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 2048
    return min(MAX_LENGTH, context, tokenizer.model_max_length)
'''

LOAD = Template('''
def load(base, revision):
    """The frozen base under a new adapter, and the tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(base, revision=revision)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    config = AutoConfig.from_pretrained(base, revision=revision)$head
    set_seed(TRAINER["seed"])
    model = MODEL_CLASS.from_pretrained(
        base, revision=revision, config=config, dtype=DTYPE, use_safetensors=True$quantization
    )
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id$prepared
    model = get_peft_model(model, LoraConfig(**LORA$targets))
    adapter = model.peft_config["default"]
    adapter.base_model_name_or_path, adapter.revision = BASE, REVISION
    return model, tokenizer
''')

HEAD = """
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: at for at, label in enumerate(LABELS)}"""

QUANTIZATION = {
    "int8": "BitsAndBytesConfig(load_in_8bit=True)",
    **{
        kind: f'''BitsAndBytesConfig(
    load_in_4bit=True, bnb_4bit_quant_type="{kind}", bnb_4bit_compute_dtype=torch.bfloat16
)'''
        for kind in ("nf4", "fp4")
    },
}

PREPARED = """
    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False  # that kernel repacks weights and cannot train them
    model = prepare_model_for_kbit_training(model, gradient_checkpointing_kwargs={"use_reentrant": False})"""

IMPORT_USUAL_TARGETS = (
    "from peft.utils.constants import (\n"
    "    TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as USUAL_TARGETS,\n"
    ")"
)

USUAL_TARGETS = '''
def usual_targets(model):
    """PEFT's own choice of modules for this kind of model, or all linear ones where it has none."""
    return None if model.config.model_type in USUAL_TARGETS else "all-linear"
'''

ACCURACY = """
def accuracy(prediction):
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}
"""

TRAIN = Template("""
def train(base, revision, output):
    model, tokenizer = load(base, revision)
    rows, held_back = read_rows(tokenizer, row_limit(model, tokenizer))
    share = max(1, BATCH_SIZE // int(os.getenv("WORLD_SIZE", "1")))  # of each process in a batch
    arguments = TrainingArguments(
        output_dir=output,
        **TRAINER,
        per_device_train_batch_size=share,
        per_device_eval_batch_size=share,
        eval_strategy="epoch" if held_back else "no",
        save_strategy="no",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        remove_unused_columns=False,
        dataloader_pin_memory=not ON_CPU,
        use_cpu=ON_CPU,
        fp16=$fp16,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=held_back or None,
        processing_class=tokenizer,
        data_collator=$collator(tokenizer),
        compute_metrics=$metrics,
    )
    trainer.train()
    if trainer.is_world_process_zero():
        trainer.save_state()
        model.save_pretrained(output, save_embedding_layers=False)$labelled


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", help="a folder with the base, instead of the Hub")
    parser.add_argument("--output", default="adapter")
    given = parser.parse_args()
    train(given.base or BASE, None if given.base else REVISION, given.output)
""")

LABELLED = """
        names = json.dumps(LABELS, ensure_ascii=False)
        (Path(output) / "label_names.json").write_text(names, encoding="utf-8")"""
