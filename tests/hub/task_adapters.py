"""Tiny adapters for the tasks that do not chat, with named labels, and one whose config tells no task.

They answer nonsense, but always the same nonsense: the seeds are fixed.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.hub.server import LoopbackHub
from tests.hub.tiny_models import BERT_ID

TAGGER_ID = "tagger-org/tiny-bert-entities"
READER_ID = "reader-org/tiny-bert-answers"
ENCODER_ID = "encoder-org/tiny-bert-embeddings"
UNTOLD_ID = "barbara/untold-bert-topics"
"""The classifier of the catalogue without a word on its task or class."""
AUTO_CLASSES = {
    TAGGER_ID: ("TOKEN_CLS", "AutoModelForTokenClassification"),
    READER_ID: ("QUESTION_ANS", "AutoModelForQuestionAnswering"),
    ENCODER_ID: ("FEATURE_EXTRACTION", "AutoModel"),
}
LABELS = ["O", "PERSON", "PLACE"]


def add_task_adapters(hub: LoopbackHub, tiny_models: Path, folder: Path) -> None:
    """Build them in `folder`, and serve them beside the catalogue's real repositories."""
    for repo_id, (task_type, auto_class) in AUTO_CLASSES.items():
        adapter = build_adapter(tiny_models / "bert", folder / task_type, task_type, auto_class)
        if task_type == "TOKEN_CLS":
            (adapter / "label_names.json").write_text(json.dumps(LABELS))
        hub.add_repo(repo_id, adapter)
    hub.add_repo(UNTOLD_ID, untold(tiny_models / "classifier", folder / "untold"))


def untold(adapter: Path, folder: Path) -> Path:
    """A copy of an adapter whose config tells neither task nor class."""
    shutil.copytree(adapter, folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    config |= {"task_type": None, "auto_mapping": None}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def build_adapter(base: Path, folder: Path, task_type: str, auto_class: str) -> Path:
    import torch
    import transformers
    from peft import LoraConfig, get_peft_model

    labels = {"num_labels": len(LABELS)} if task_type == "TOKEN_CLS" else {}
    config = LoraConfig(task_type=task_type, r=8, target_modules=["query", "value"], init_lora_weights=False)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = getattr(transformers, auto_class).from_pretrained(base, **labels)
        model.name_or_path = model.config._name_or_path = BERT_ID
        adapted = get_peft_model(model, config)
    adapted.save_pretrained(folder, save_embedding_layers=False)
    return folder
