"""One base in memory with the adapters on it, and who of them speaks.

A plain LoRA is kept as the factors that its rows add, and never touches the base; every other adapter is put
into the base's layers by PEFT. Knows models; nothing of messages or of other bases.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftConfig, PeftModel, PromptLearningConfig
from peft.tuners.tuners_utils import BaseTuner
from transformers import PreTrainedModel

from adapter_ui.domain import Precision
from adapter_ui.engine.protocol import ModelSpec
from adapter_ui.errors import HalfAttached, InvalidInput, UnsupportedAdapter
from adapter_ui.models.adapter_files import read_table, state_of
from adapter_ui.models.adapters import (
    Attached,
    attach,
    method_of,
    read_adapter_config,
    read_tensors,
    sharing_key,
    speaking_as,
)
from adapter_ui.models.decoding.batch import can_batch
from adapter_ui.models.decoding.decoder import Attachment, Decoder
from adapter_ui.models.decoding.low_rank import PREFIX, LowRank, is_plain, linear_modules, low_rank
from adapter_ui.models.decoding.mixture import Voice
from adapter_ui.models.fingerprint import fingerprint
from adapter_ui.models.loading import LoadedModel, keep_4bit_weights_as_they_are, tensor_bytes
from adapter_ui.models.names import slot
from adapter_ui.models.older_adapters import converted_tensors
from adapter_ui.models.placement import described, is_offloaded
from adapter_ui.models.room_for_adapters import to_detach
from adapter_ui.models.system_memory import give_memory_back

# Tasks whose head comes with the adapter: a base seldom has one.
TASKS_WITH_HEADS = ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS")
# These read the prompt themselves, so only transformers' own loop writes with them.
WHOLE_PROMPT_METHODS = ("SHADOW", "ADAPTION_PROMPT")


def is_learned_tokens(folder: Path) -> bool:
    """Whether the adapter is tokens before the text, and changes no layer of its base."""
    config_class = PEFT_TYPE_TO_CONFIG_MAPPING.get(method_of(folder))
    return config_class is not None and issubclass(config_class, PromptLearningConfig)


class FirstAnswers(Enum):
    """Whether a base has answered yet, and whether what only that needed was given back."""

    NONE = 0
    WRITTEN = 1
    SETTLED = 2


@dataclass(eq=False)
class Resident:
    """`loaded` is the base with what PEFT has put on it, and `base` the base itself.

    `attached` maps a person's name for an adapter to what was applied of it, `low_rank` those that are plain
    LoRAs to their factors, and `adapter_bytes` all of them to their memory, in the order of their last use.
    `files` says of which state of its files each is.
    """

    spec: ModelSpec
    loaded: LoadedModel
    attached: dict[str, Attached] = field(default_factory=dict)
    low_rank: dict[str, LowRank] = field(default_factory=dict)
    adapter_bytes: dict[str, int] = field(default_factory=dict)
    files: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.base = replace(self.loaded)
        self.bare: PreTrainedModel = self.base.model
        self.base_bytes = tensor_bytes(self.bare)
        self.device = described(self.bare)
        self.is_offloaded = is_offloaded(self.bare)
        self.batches = can_batch(self.bare)
        self.modules = linear_modules(self.bare) if self.batches else {}
        self.decoder = Decoder(self.bare, self.modules, self.speak_as)
        self.speaking = ExitStack()
        self.speaker: tuple[str, float] | None = ("", 1.0)
        self.first_answers = FirstAnswers.NONE

    @property
    def bytes(self) -> int:
        return self.base_bytes + sum(self.adapter_bytes.values())

    def take_low_rank(self, adapter: str, folder: Path) -> bool:
        """Take a plain LoRA in; False when PEFT has to attach this adapter."""
        if not self.modules:
            return False
        config = read_adapter_config(folder, self.bare)
        if not is_plain(config):
            return False
        tensors = converted_tensors(config, read_tensors(folder), self.bare)
        factors = low_rank(config, tensors, self.modules)
        if factors is None:
            return False
        self.low_rank[adapter] = factors
        self.files[adapter] = state_of(folder)
        self.attached[adapter] = Attached(len(tensors), len(tensors))
        self.adapter_bytes[adapter] = factors.bytes
        return True

    def takes_beside_others(self, adapter: str, folder: Path) -> bool:
        """Whether the adapter is here, or changes the same single parameters as those in the layers. An older
        one tells which only in the names of this base: its experts were modules.
        """
        if adapter in self.attached:
            return True
        config = read_adapter_config(folder, self.bare)
        others = getattr(self.loaded.model, "peft_config", {}).values()
        return all(parameters_of(other) == parameters_of(config) for other in others)

    def attach(self, adapter: str, folder: Path) -> None:
        """Let PEFT put an adapter into the base's layers. Raises UnsupportedAdapter where some of these lie
        in RAM beside a GPU: PEFT would find them empty.
        """
        if self.is_offloaded:
            raise UnsupportedAdapter(
                f"{self.spec.base} does not fit on the GPU in {self.spec.precision.value}, so part of it "
                "lies in RAM, where only plain LoRA adapters can be used; choose nf4 or int8."
            )
        self.decoder.mixture.silence()
        self.speaking.close()
        self.speaker = None
        if not is_learned_tokens(folder):  # SHiRA and DoRA read the weights at every answer, others at attach
            keep_4bit_weights_as_they_are(self.bare)
        before = tensor_bytes(self.loaded.model)
        with self.base_unchanged(but=sharing_key(folder, adapter) == adapter):
            self.loaded.model, attached = attach(self.loaded.model, folder, slot(adapter))
        self.attached[adapter] = self.with_notice_of_random_head(attached, folder)
        self.adapter_bytes[adapter] = tensor_bytes(self.loaded.model) - before
        self.files[adapter] = state_of(folder)

    def with_notice_of_random_head(self, attached: Attached, folder: Path) -> Attached:
        """A head that a base has not starts from random numbers, which the adapter has to replace."""
        filled = {tensor.name for tensor in read_table(folder)}
        random = [name for name in self.loaded.random if f"{PREFIX}{name}" not in filled]
        if not random or self.spec.task_type not in TASKS_WITH_HEADS:
            return attached
        notice = (
            f"{len(random)} tensors of the head, such as {random[0]}, are neither in the adapter nor in its "
            "base, so they hold random numbers and its answers are chance; ask the author for the whole head."
        )
        return replace(attached, notices=(*attached.notices, notice))

    def note_use(self, adapter: str) -> None:
        """The adapter was asked for: those that were not for long are detached where all hold too much."""
        if adapter not in self.adapter_bytes:
            return
        self.adapter_bytes[adapter] = self.adapter_bytes.pop(adapter)
        for other in to_detach(self.adapter_bytes, {adapter, *self.in_use()}, self.base_bytes):
            self.detach(other)

    def in_use(self) -> Iterator[str]:
        """The adapters that cannot go now: answers are written with them, or PEFT needs one on its base."""
        return (one for one in self.attached if self.answers_with(one) or self.is_last_in_layers(one))

    def answers_with(self, adapter: str) -> bool:
        voice, attachment = self.voice(adapter, 1.0)
        return self.decoder.writes_with(voice.adapter, attachment.name)

    def is_last_in_layers(self, adapter: str) -> bool:
        return adapter not in self.low_rank and len(self.loaded.model.peft_config) == 1

    def cannot_lose(self, adapter: str) -> bool:
        """Whether an answer would break off without it: one with it, or any where the base goes with it."""
        return self.decoder.writing if self.is_last_in_layers(adapter) else self.answers_with(adapter)

    def detach(self, adapter: str) -> None:
        """Forget an adapter with which nothing is being written."""
        factors = self.low_rank.pop(adapter, None)
        del self.attached[adapter], self.adapter_bytes[adapter], self.files[adapter]
        name = "" if factors else slot(adapter)
        self.decoder.forget(factors, name)
        if name:
            self.take_out_of_layers(name)

    def take_out_of_layers(self, name: str) -> None:
        self.speaking.close()
        self.speaker = None
        with self.base_unchanged(but=False):
            self.loaded.model.delete_adapter(name)

    @contextmanager
    def base_unchanged(self, *, but: bool) -> Iterator[None]:
        """Raise HalfAttached when the base is another one after an attach, whether that failed or not.

        `but` lets it be: trained biases are the base's own, in a copy that no other adapter shares.
        """
        before = fingerprint(self.loaded.model)
        try:
            yield
        finally:
            if not but and fingerprint(self.loaded.model) != before:
                raise HalfAttached(
                    "This adapter changes the base itself, which was therefore dropped; load another one."
                )

    def speak_as(self, name: str, strength: float = 1.0) -> None:
        """Let PEFT's adapter `name` answer from now on, or none of PEFT's for ""."""
        if self.first_answers is FirstAnswers.NONE:
            self.first_answers = FirstAnswers.WRITTEN
        if self.speaker == (name, strength):
            return
        self.speaking.close()
        self.speaker = None
        self.speaking = ExitStack()
        if not (self.only_learned_tokens and (not name or strength == 0)):
            self.speaking.enter_context(speaking_as(self.loaded.model, name, strength))
        self.speaker = name, strength

    @property
    def only_learned_tokens(self) -> bool:
        """Whether PEFT's adapters here are tokens before the text, so that nothing of the base is changed.

        There is nothing to switch off then, and PEFT's way to do it fails for a model that cannot generate.
        """
        model = self.loaded.model
        return isinstance(model, PeftModel) and model.active_peft_config.is_prompt_learning

    def speak_alone(self, adapter: str, strength: float = 1.0) -> LoadedModel:
        """Let one adapter answer through the whole model, which no batch uses meanwhile; "" is the base.

        Gives the model to ask. The base is asked itself: PEFT's `generate` puts learned tokens before the
        text of a T5 also while the adapter is disabled.
        """
        self.decoder.mixture.silence()
        self.speak_as(slot(adapter) if adapter else "", strength)
        return self.loaded if adapter and strength else self.base

    def voice(self, adapter: str, strength: float) -> tuple[Voice, Attachment]:
        """How a row of the decoder speaks with an adapter."""
        if adapter in self.low_rank:
            return Voice(self.low_rank[adapter], strength), Attachment()
        return Voice(), Attachment(slot(adapter), strength) if adapter else Attachment()

    def check_writes(self) -> None:
        """Raise InvalidInput where the base was loaded in a class that cannot generate."""
        if not self.bare.can_generate():
            raise InvalidInput(
                f"{self.spec.base} is loaded as {type(self.bare).__name__}, which writes no text; use an "
                "adapter's prediction (/predict), or a model_class such as AutoModelForCausalLM.",
                field="model_class",
            )

    def writes_in_batches(self, adapter: str) -> bool:
        """Whether answers with this adapter can be decoded row by row."""
        return self.batches and (not adapter or adapter in self.low_rank or self.is_in_layers)

    @property
    def is_in_layers(self) -> bool:
        """Whether PEFT's adapters here are parts of the base's layers, which the bare base then runs."""
        if not isinstance(self.loaded.model, PeftModel):
            return True
        tuner = self.loaded.model.base_model
        configs = self.loaded.model.peft_config.values()
        whole = any(
            config.peft_type in WHOLE_PROMPT_METHODS or getattr(config, "alora_invocation_tokens", None)
            for config in configs
        )
        return isinstance(tuner, BaseTuner) and not whole

    def takes_turns(self, adapter: str) -> str:
        """Why answers with this adapter cannot share a batch with others; "" when they can."""
        if not self.batches:
            return f"{type(self.bare).__name__} is not decoded in batches, so its answers take turns."
        if not adapter or adapter in self.low_rank:
            return ""
        method = self.loaded.model.peft_config[slot(adapter)].peft_type.value
        return f"This {method} adapter is part of the base's layers while it answers, so it takes turns."

    def settle(self) -> None:
        """Give back what the first answers needed once; bitsandbytes repacks 4-bit weights in them."""
        if self.first_answers is FirstAnswers.WRITTEN:
            self.first_answers = FirstAnswers.SETTLED
            give_memory_back()

    def is_copy_of(self, base: str, precision: Precision) -> bool:
        return (self.spec.base, self.spec.precision) == (base, precision)


def parameters_of(config: PeftConfig) -> set[str]:
    return set(getattr(config, "target_parameters", None) or ())
