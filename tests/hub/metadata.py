"""What the Hub reads out of a repository's files: card, config, library, task, tags, bases, parameters."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import yaml

from tests.hub.content import TrackedFile

JsonObject = dict[str, Any]

FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n---\s*(?:\n|\Z)", re.DOTALL)
REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
LIBRARY_FILES = {
    "adapter_config.json": "peft",
    "model_index.json": "diffusers",
    "modules.json": "sentence-transformers",
    "config.json": "transformers",
}
FORMAT_SUFFIXES = {".safetensors": "safetensors", ".gguf": "gguf", ".onnx": "onnx"}
TASK_OF_ARCHITECTURE = {
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "ForConditionalGeneration": "text2text-generation",
}
CONFIG_KEYS = ("architectures", "model_type", "quantization_config", "auto_map")
TOKENIZER_KEYS = ("bos_token", "eos_token", "pad_token", "unk_token", "chat_template")


@dataclass(frozen=True)
class DerivedMetadata:
    card_data: JsonObject | None = None
    config: JsonObject | None = None
    library_name: str | None = None
    pipeline_tag: str | None = None
    tags: list[str] = field(default_factory=list)
    base_model_ids: tuple[str, ...] = ()
    base_model_relation: str | None = None
    safetensors: JsonObject | None = None


def derive_metadata(files: Mapping[str, TrackedFile]) -> DerivedMetadata:
    card = read_card(files)
    config = read_config(files)
    library = card.get("library_name") or next(
        (lib for name, lib in LIBRARY_FILES.items() if name in files), None
    )
    task = card.get("pipeline_tag") or task_of(config)
    bases = tuple(base for base in as_list(card.get("base_model")) if REPO_ID.fullmatch(base))
    relation = (card.get("base_model_relation") or relation_of(files)) if bases else None
    metadata = DerivedMetadata(
        card_data=card or None,
        config=config or None,
        library_name=library,
        pipeline_tag=task,
        base_model_ids=bases,
        base_model_relation=relation,
        safetensors=count_parameters(files),
    )
    metadata.tags.extend(tags_of(files, metadata))
    return metadata


def read_card(files: Mapping[str, TrackedFile]) -> JsonObject:
    if "README.md" not in files:
        return {}
    return parse_front_matter(files["README.md"].content.read().decode(errors="replace"))


def parse_front_matter(text: str) -> JsonObject:
    match = FRONT_MATTER.match(text)
    if not match:
        return {}
    try:
        card = yaml.safe_load(match[1])
    except yaml.YAMLError:
        return {}
    # Dates and other YAML types have no JSON form: the Hub shows them as text.
    return json.loads(json.dumps(card, default=str)) if isinstance(card, dict) else {}


def read_config(files: Mapping[str, TrackedFile]) -> JsonObject:
    model = read_json(files, "config.json")
    config: JsonObject = {key: model[key] for key in CONFIG_KEYS if key in model}
    if tokenizer := read_json(files, "tokenizer_config.json"):
        config["tokenizer_config"] = {key: tokenizer[key] for key in TOKENIZER_KEYS if key in tokenizer}
    if "chat_template.jinja" in files:
        config["chat_template_jinja"] = files["chat_template.jinja"].content.read().decode(errors="replace")
    if "adapter_config.json" in files:
        adapter = read_json(files, "adapter_config.json")
        config["peft"] = {key: adapter.get(key) for key in ("base_model_name_or_path", "task_type")}
    return config


def read_json(files: Mapping[str, TrackedFile], path: str) -> JsonObject:
    if path not in files:
        return {}
    try:
        value = json.loads(files[path].content.read())
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def task_of(config: JsonObject) -> str | None:
    for architecture in config.get("architectures") or ():
        for suffix, task in TASK_OF_ARCHITECTURE.items():
            if architecture.endswith(suffix):
                return task
    return None


def relation_of(files: Mapping[str, TrackedFile]) -> str:
    if "adapter_config.json" in files:
        return "adapter"
    if any(path.endswith(".gguf") for path in files) or "quantization_config" in read_config(files):
        return "quantized"
    return "finetune"


def tags_of(files: Mapping[str, TrackedFile], metadata: DerivedMetadata) -> list[str]:
    card = metadata.card_data or {}
    tags: list[str | None] = [metadata.library_name]
    tags += [tag for suffix, tag in FORMAT_SUFFIXES.items() if any(path.endswith(suffix) for path in files)]
    tags += ["pytorch"] if "pytorch_model.bin" in files else []
    tags.append((metadata.config or {}).get("model_type"))
    tags += as_list(card.get("tags"))
    tags.append(metadata.pipeline_tag)
    tags += as_list(card.get("language"))
    tags += [f"dataset:{dataset}" for dataset in as_list(card.get("datasets"))]
    for base in metadata.base_model_ids:
        tags += [f"base_model:{base}", f"base_model:{metadata.base_model_relation}:{base}"]
    tags += [f"license:{licence}" for licence in as_list(card.get("license"))]
    tags.append("region:us")
    return list(dict.fromkeys(tag for tag in tags if tag))


def count_parameters(files: Mapping[str, TrackedFile]) -> JsonObject | None:
    """Parameters per dtype of a full checkpoint; adapters alone have no such count on the Hub."""
    index = read_json(files, "model.safetensors.index.json")
    shards = set(index.get("weight_map", {}).values()) or {"model.safetensors"}
    if not shards <= files.keys():
        return None
    parameters: dict[str, int] = {}
    for shard in shards:
        for tensor in read_safetensors_header(files[shard]).values():
            parameters[tensor["dtype"]] = parameters.get(tensor["dtype"], 0) + prod(tensor["shape"])
    counted: JsonObject = {"parameters": parameters, "total": sum(parameters.values())}
    return counted | {"sharded": True} if len(shards) > 1 else counted


def read_safetensors_header(file: TrackedFile) -> JsonObject:
    length = int.from_bytes(file.content.read(0, 8), "little")
    try:
        header = json.loads(file.content.read(8, 8 + min(length, file.content.size)))
    except ValueError:
        return {}
    header.pop("__metadata__", None)
    return header


def as_list(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
