"""`python -m adapter_ui.models.merging FOLDER` merges an adapter into its base, and ends.

The base is loaded afresh in the precision of its files: 4-bit weights that have answered once are repacked,
and merging into quantised ones would round them again. The merged model is kept only if it answers as base
and adapter did. Reads `job.json` in the folder and writes there, with the reason when it cannot be done;
knows nothing of where the result goes.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftModel, PromptLearningConfig
from peft.tuners.tuners_utils import BaseTuner
from transformers import AutoTokenizer
from transformers.utils import logging

from adapter_ui.domain import Precision
from adapter_ui.engine.protocol import failure_of
from adapter_ui.errors import AdapterUIError, BadAdapter, UnsupportedAdapter
from adapter_ui.models.adapters import attach, first_line, read_json
from adapter_ui.models.heads import LABELS_FILE, labels_of, says_one_class
from adapter_ui.models.loading import LoadedModel, load_base
from adapter_ui.models.resident import TASKS_WITH_HEADS
from adapter_ui.training.card import merged_card
from adapter_ui.training.merge_folder import MergeFolder, MergeReport

ADAPTER_NAME = "merged"
LARGEST_FILE = "5GB"
GENERATION_CONFIG = "generation_config.json"
PROMPTS = (
    "The capital of France is",
    "Once upon a time there was a ship that",
    "def add(a, b):\n    return",
    "The film was far too long, and yet I liked it.",
)
OUTPUTS = ("logits", "start_logits", "end_logits", "last_hidden_state")
# The root mean square of the difference, in standard deviations of the outputs. Merging rounds the sum of
# base and update to the dtype once more: over a 135M Llama 1e-6, 0.003 and 0.03 were measured.
TOLERANCES = {Precision.FP32: 1e-4, Precision.FP16: 0.01, Precision.BF16: 0.08}


def merge(folder: MergeFolder) -> None:
    """Raises UnsupportedAdapter for what cannot be merged, BadAdapter when the merged model differs."""
    job = folder.read_job()
    adapter = Path(job.adapter_folder)
    refuse_virtual_tokens(adapter)
    folder.tell(f"Loading {job.base} in {job.precision}")
    labels = labels_of(adapter, Path(job.base_folder)) if job.task_type in TASKS_WITH_HEADS else ()
    loaded = load_base(
        Path(job.base_folder),
        job.precision,
        job.model_class,
        labels=labels,
        one_class=says_one_class(adapter),
    )
    model, _ = attach(loaded.model, adapter, ADAPTER_NAME)
    folder.tell("Measuring base and adapter")
    before = outputs(model, loaded)
    folder.tell("Merging the adapter into the base")
    merged = merged_model(model)
    folder.tell("Measuring the merged model")
    difference = spread_apart(before, outputs(merged, loaded))
    refuse_difference(difference, job.precision)
    folder.tell("Writing the merged model")
    report = MergeReport(job, difference, TOLERANCES[job.precision])
    write_model(folder.model, merged, report)
    folder.write_report(report)


def refuse_virtual_tokens(adapter: Path) -> None:
    method = str(read_json(adapter).get("peft_type"))
    config = PEFT_TYPE_TO_CONFIG_MAPPING.get(method)
    if config is not None and issubclass(config, PromptLearningConfig):
        raise UnsupportedAdapter(
            f"{method} adapters are learned tokens in front of the text and change no weight, so there is "
            "nothing to merge; take the adapter itself."
        )


def merged_model(model: PeftModel) -> torch.nn.Module:
    """The base with the adapter in its weights; PEFT checks on the way that they stay finite."""
    method = model.peft_config[ADAPTER_NAME].peft_type.value
    if not isinstance(model.base_model, BaseTuner):
        raise UnsupportedAdapter(
            f"{method} adapters add parts to the layers and change no weight, so there is nothing to merge; "
            "take the adapter itself."
        )
    try:
        return model.merge_and_unload(safe_merge=True)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UnsupportedAdapter(
            f"PEFT cannot merge this {method} adapter ({first_line(error)}); take the adapter itself."
        ) from error


def outputs(model: torch.nn.Module, loaded: LoadedModel) -> torch.Tensor:
    """What the model says to a few prompts, one after the other, in one row."""
    found = []
    for prompt in PROMPTS:
        tokens = loaded.tokenizer(prompt, return_tensors="pt").to(loaded.device)
        asked = {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}
        if model.config.is_encoder_decoder:
            asked["decoder_input_ids"] = tokens["input_ids"]
        with torch.inference_mode():
            said = model(**asked)
        found += [said[name].float().flatten() for name in OUTPUTS if said.get(name) is not None]
    return torch.cat(found)


def spread_apart(before: torch.Tensor, after: torch.Tensor) -> float:
    """The root mean square of the difference, in standard deviations of `before`."""
    return float((after - before).square().mean().sqrt() / before.std())


def refuse_difference(difference: float, precision: Precision) -> None:
    if not difference <= TOLERANCES[precision]:  # nor what is no number
        raise BadAdapter(
            f"The merged model does not answer as the adapter does: its outputs differ by {difference:.2g} "
            f"of their spread, and {TOLERANCES[precision]:g} is the most for {precision}. Nothing was kept; "
            "take the adapter itself."
        )


def write_model(model_folder: Path, merged: torch.nn.Module, report: MergeReport) -> None:
    """A folder that transformers loads by itself, with the base's tokenizer and way to decode."""
    base, adapter = Path(report.job.base_folder), Path(report.job.adapter_folder)
    merged.save_pretrained(model_folder, max_shard_size=LARGEST_FILE)
    tokenizer = AutoTokenizer.from_pretrained(base, trust_remote_code=False, local_files_only=True)
    tokenizer.save_pretrained(model_folder)
    for source, name in ((base, GENERATION_CONFIG), (adapter, LABELS_FILE)):
        if (source / name).is_file():
            shutil.copyfile(source / name, model_folder / name)
    (model_folder / "README.md").write_text(merged_card(report), encoding="utf-8")


def main(path: Path) -> None:
    logging.set_verbosity_error()
    folder = MergeFolder(path)
    try:
        merge(folder)
    except AdapterUIError as error:
        folder.failure.write_text(json.dumps(asdict(failure_of(error))), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
