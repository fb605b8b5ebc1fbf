"""The reference: the same base and adapter through transformers and PEFT alone, as their manuals load them.

Nothing of this app is used here but the names of precisions and model classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import transformers
from bitsandbytes.nn import Linear4bit
from peft import PeftConfig, PeftModel
from transformers import AutoTokenizer, BitsAndBytesConfig

from adapter_ui.domain import Precision
from tests.models.engine_here import outputs_of

DTYPES = {Precision.FP32: torch.float32, Precision.FP16: torch.float16}
# Some CPUs have no products in bf16, and the engine's are in fp32 there.
COMPUTE_DTYPE = torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
HEADS = ["score", "classifier", "classification_head", "qa_outputs", "pooler"]
TEXT = "The quick brown fox jumps over the lazy dog"
CONTEXT = "Adapters change a model a little, and only where they sit."


@cache
def tokenizer_of(folder: Path) -> transformers.PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(folder)


@dataclass(frozen=True)
class PlainBase:
    """A base as transformers loads it."""

    folder: Path
    model_class: str
    precision: Precision
    labels: tuple[str, ...] = ()

    def load(self, seed: int = 0, *, packs: bool = True) -> torch.nn.Module:
        """`seed` decides what the folder does not: a head that is not in it.

        On some processors bitsandbytes packs 4-bit weights at the first answer, and only its own layers can
        read them then; `packs` lets it.

        Loaded anew each time: a copy in memory has another alignment, and the last bit of a product with it.
        """
        config = transformers.AutoConfig.from_pretrained(self.folder)
        if self.labels:
            config.id2label = dict(enumerate(self.labels))
            config.label2id = {label: index for index, label in config.id2label.items()}
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = getattr(transformers, self.model_class).from_pretrained(
                self.folder,
                config=config,
                dtype=DTYPES.get(self.precision, torch.bfloat16),
                quantization_config=quantization(self.precision, HEADS if self.labels else None),
            )

        for module in model.modules():
            if isinstance(module, Linear4bit) and not packs:
                module.support_avx512bf16_for_cpu = False
        return model

    def with_adapter(self, adapter: Path, seed: int = 0, cast_up: bool = True) -> torch.nn.Module:
        base = self.load(seed, packs=PeftConfig.from_pretrained(adapter).is_prompt_learning)
        return PeftModel.from_pretrained(base, adapter, autocast_adapter_dtype=cast_up).eval()


def quantization(precision: Precision, kept: list[str] | None) -> BitsAndBytesConfig | None:
    """PEFT needs the modules that an adapter replaces, its heads, `kept` as they are."""
    if precision is Precision.INT8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=kept)
    if precision in (Precision.NF4, Precision.FP4):
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=precision.value,
            bnb_4bit_compute_dtype=COMPUTE_DTYPE,
            llm_int8_skip_modules=kept,
        )
    return None


def written(model: torch.nn.Module, folder: Path, tokens: list[int]) -> list[torch.Tensor]:
    """The logits behind each of `tokens`, which the model is made to write after the text."""
    prompt = tokenizer_of(folder)(TEXT, return_tensors="pt")["input_ids"]
    before = 1 if model.config.is_encoder_decoder else prompt.shape[1]
    with torch.inference_mode():
        found = model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=False,
            max_new_tokens=len(tokens),
            prefix_allowed_tokens_fn=lambda row, ids: [tokens[len(ids) - before]],
            output_logits=True,
            return_dict_in_generate=True,
        )
    return [logits[0] for logits in found.logits]


def predicted(model: torch.nn.Module, folder: Path, texts: tuple[str, ...]) -> list[torch.Tensor]:
    """The outputs for a text; for a question and its context."""
    with torch.inference_mode():
        return outputs_of(model(**tokenizer_of(folder)(*texts, return_tensors="pt")))
