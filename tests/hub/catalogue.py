"""The demo catalogue: tiny real repositories, plus the awkward ones that a Hub full of adapters has.

`add_real_repos` needs torch; everything else does not.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from tests.hub.light_adapters import (
    adapter_files,
    add_light_adapters,
    add_light_bases,
    light_adapter_files,
    lora,
)
from tests.hub.server import LoopbackHub, files_of
from tests.hub.tiny_models import BERT_ID, LLAMA_ID, build_tiny_models

__all__ = [
    "add_awkward_repos",
    "add_demo_catalogue",
    "add_light_adapters",
    "add_light_bases",
    "add_light_catalogue",
    "add_real_repos",
    "build_tiny_models",
]

LORA_ID = "ada/tiny-llama-lora"
WIDE_LORA_ID = "grace/tiny-llama-lora-all-linear"
DORA_ID = "grace/tiny-llama-dora"
IA3_ID = "linus/tiny-llama-ia3"
PICKLE_ID = "ken/tiny-llama-lora-pickle"
CLASSIFIER_ID = "barbara/tiny-bert-topics"
GATED_ID = "secretive/gated-lora"
PRIVATE_ID = "ada/private-lora"
DISABLED_ID = "banned/disabled-lora"
MISSING_BASE_ID = "ken/orphan-lora"
NEWER_PEFT_ID = "future/quantum-lora"
LOCAL_BASE_ID = "linus/trained-at-home"
HOME_BASE = "/home/linus/models/my-finetune"
NO_CARD_ID = "linus/no-card-lora"
SUBFOLDER_ID = "grace/checkpoints-in-folders"
OLD_LLAMA_ID = "tiny-org/tiny-llama-preview"

OWNER_TOKEN = "hf_ada"
MEMBER_TOKEN = "hf_member"
STRANGER_TOKEN = "hf_stranger"


def add_users(hub: LoopbackHub) -> None:
    """`ada` owns repositories, `member` was let into the gated one, `stranger` only has a token."""
    hub.add_user(OWNER_TOKEN, "ada")
    hub.add_user(MEMBER_TOKEN, "member", access=[GATED_ID])
    hub.add_user(STRANGER_TOKEN, "stranger")


def add_real_repos(hub: LoopbackHub, folder: Path) -> None:
    """Build the tiny models in `folder` (or take them from an earlier build) and serve them."""
    build_tiny_models(folder)
    created = datetime(2025, 6, 1, tzinfo=UTC)
    folders = {
        LLAMA_ID: "llama",
        BERT_ID: "bert",
        LORA_ID: "lora",
        WIDE_LORA_ID: "lora-wide",
        DORA_ID: "dora",
        IA3_ID: "ia3",
        PICKLE_ID: "lora-bin",
        CLASSIFIER_ID: "classifier",
    }
    for number, (repo_id, name) in enumerate(folders.items()):
        hub.add_repo(
            repo_id,
            folder / name,
            downloads=20_000 - 1000 * number,
            likes=200 - 10 * number,
            trending_score=100 - number,
            created=created + timedelta(days=number),
        )
    hub.rename(OLD_LLAMA_ID, LLAMA_ID)
    files = files_of(folder / "lora")
    hub.add_repo(GATED_ID, files, gated="manual", downloads=900, likes=9)
    hub.add_repo(PRIVATE_ID, files, private=True)


def trained_at_home(folder: Path) -> dict[str, Path | str]:
    """The files of a sound adapter, whose config names a path on its author's machine as its base."""
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = HOME_BASE
    return {**files_of(folder), "adapter_config.json": json.dumps(config), "README.md": "# At home\n"}


def add_awkward_repos(hub: LoopbackHub) -> None:
    """Adapters that cannot simply be loaded, each for another reason."""
    hub.add_repo(DISABLED_ID, light_adapter_files(0, LLAMA_ID), disabled=True)
    hub.add_repo(MISSING_BASE_ID, light_adapter_files(3, "gone-org/vanished-base"), downloads=12)
    base = {"base_model_name_or_path": LLAMA_ID, "task_type": "CAUSAL_LM"}
    card = {"base_model": LLAMA_ID, "library_name": "peft"}

    unknown = base | {"peft_type": "QUANTUM_LORA", "peft_version": "9.9.0", "entanglement": 4}
    hub.add_repo(
        NEWER_PEFT_ID,
        adapter_files(unknown, {"quantum.weight": np.ones((4, 64), np.float32)}, card),
        downloads=40,
    )

    config, tensors = lora(8, np.float32)
    at_home = base | config | {"base_model_name_or_path": HOME_BASE}
    card_at_home = {"base_model": HOME_BASE, "library_name": "peft"}
    hub.add_repo(LOCAL_BASE_ID, adapter_files(at_home, tensors, card_at_home), downloads=7)
    hub.add_repo(NO_CARD_ID, adapter_files(base | config, tensors, card=None), downloads=5)

    adapter = adapter_files(base | config, tensors, card=None)
    steps = {f"checkpoint-{step}/{path}": source for step in (100, 200) for path, source in adapter.items()}
    readme = f"---\n{json.dumps(card)}\n---\n\n# Two checkpoints, none at the root\n"
    hub.add_repo(SUBFOLDER_ID, steps | {"README.md": readme}, downloads=3)


def add_light_catalogue(hub: LoopbackHub, count: int = 60) -> None:
    """Users, awkward adapters and light ones: all that can be made without torch."""
    add_users(hub)
    add_awkward_repos(hub)
    add_light_bases(hub)
    add_light_adapters(hub, count)


def add_demo_catalogue(hub: LoopbackHub, folder: Path, light_count: int = 60) -> None:
    add_light_catalogue(hub, light_count)
    add_real_repos(hub, folder)
