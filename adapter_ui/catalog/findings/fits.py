"""Whether the adapter's modules are there in the base, in the same shapes (pure).

Names are compared from the layers on (“layers.0.self_attn.q_proj”), since what stands before differs between
a checkpoint and the model that PEFT sees. Mixtures of experts are left out: transformers merges their weights
when it loads them, so that their names in the file tell nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from adapter_ui.catalog.findings.evidence import BaseTensors, Evidence, blocker, good, listed, warning
from adapter_ui.catalog.findings.shapes import Shape, claimed_shapes, fits, in_words
from adapter_ui.catalog.findings.tensors import VOCABULARY_TABLES
from adapter_ui.catalog.methods.table import METHODS, PROMPT_METHODS
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.profile import list_modules
from adapter_ui.domain import BaseFacts, Finding, ModuleInfo, TensorInfo

EXPERTS = "experts"
MOST_TARGETS = 50
MOST_NAMESAKES = 64


class BaseModules:
    """The modules of a base by their names from the layers on."""

    def __init__(self, tensors: BaseTensors) -> None:
        self._all: set[str] = set()
        self._last_words: set[tuple[str, str]] = set()
        self._is_mixture = any(EXPERTS in tensor.split(".") for tensor in tensors)
        self._weights: dict[str, list[tuple[str, Shape]]] = {}
        for tensor, shape in tensors.items():
            name, _, kind = tensor.rpartition(".")
            ends = list(ends_from_layers(name))
            self._all.update(ends)
            self._last_words.add((ends[-1], name.rpartition(".")[2]))
            if kind == "weight" and len(shape) == 2:
                self._weights.setdefault(ends[0], []).append((name, shape))

    def has(self, module: str) -> bool:
        """Whether it is here; what lies around experts may have another name in between."""
        ends = list(ends_from_layers(module))
        same_layer = (ends[-1], module.rpartition(".")[2])
        return ends[0] in self._all or (self._is_mixture and same_layer in self._last_words)

    def shapes(self, module: str) -> list[Shape]:
        """Of all weights that the name may mean: one of the names must end with the whole other one.

        None where more than MOST_NAMESAKES may be meant: no base has so many, and comparing all is slow.
        """
        found = self._weights.get(next(ends_from_layers(module)), ())
        if len(found) > MOST_NAMESAKES:
            return []
        return [shape for name, shape in found if ends_with(name, module) or ends_with(module, name)]

    def weights_called(self, targets: Iterable[str]) -> set[str]:
        """The targets that are the name of a weight matrix outside of experts, or its end."""
        names = (name for named in self._weights.values() for name, _ in named)
        return ends_among(targets, (name for name in names if EXPERTS not in name.split(".")))


def fit_findings(evidence: Evidence, config: AdapterConfig) -> Iterator[Finding]:
    base, tensors = evidence.base, evidence.tensors or ()
    comparable = config.peft_type in METHODS and config.peft_type not in PROMPT_METHODS
    if base is None or not evidence.base_tensors or not comparable or config.layer_replication:
        return
    modules = [one for one in list_modules(tensors, config) if is_comparable(one)]
    known = BaseModules(evidence.base_tensors)
    missing = {one.name for one in modules if one.layer is not None and not known.has(one.name)}
    inside = sum(one.layer is not None for one in modules)
    if missing:
        yield unmatched(missing, inside, base)
    wrong, compared = mismatches(tensors, config, base, known)
    if wrong:
        yield misshapen(wrong, base)
    if inside and compared and not missing and not wrong:
        yield good(
            "fits_base",
            f"The base {base.id} has all {inside} modules in its layers that the adapter changes, in the "
            "same shapes.",
        )
    yield from target_findings(config, modules, known)


def is_comparable(module: ModuleInfo) -> bool:
    return not (module.whole or module.shared or EXPERTS in module.name.split("."))


def mismatches(
    tensors: Iterable[TensorInfo], config: AdapterConfig, base: BaseFacts, known: BaseModules
) -> tuple[dict[str, str], int]:
    """The modules whose weight has another shape in the base, with the difference in words; and how many were
    compared. Quantised weights are stored in shapes of their own.
    """
    wrong: dict[str, str] = {}
    compared = 0
    for module, sides in claimed_shapes(tensors, config).items() if not base.quantization else ():
        shapes = known.shapes(module)
        if is_table(module):
            # A vocabulary that grew is a finding of its own.
            sides = {side: size for side, size in sides.items() if side}
        if not sides or not shapes or EXPERTS in module.split("."):
            continue
        compared += 1
        if not any(fits(sides, shape) for shape in shapes):
            wrong[module] = (
                f"{in_words(sides)} in the adapter, {shapes[0][0]:,} x {shapes[0][1]:,} in the base"
            )
    return wrong, compared


def unmatched(missing: set[str], inside: int, base: BaseFacts) -> Finding:
    if len(missing) == inside:
        return warning(
            "modules_unmatched",
            f"None of the modules that it changes ({listed(missing)}) has a namesake in the base {base.id}, "
            "so PEFT would hardly find one; see whether it is for another base.",
        )
    return warning(
        "modules_unmatched",
        f"{len(missing)} of the {inside} modules that it changes have no namesake in the base {base.id} "
        f"({listed(missing)}); see whether it is for another base, or another version of it.",
    )


def misshapen(wrong: Mapping[str, str], base: BaseFacts) -> Finding:
    name = min(wrong)
    others = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return blocker(
        "shape_mismatch",
        f"It was made for another base than {base.id}: {name[:120]} has {wrong[name]}{others}; name its own "
        "base when you load it.",
    )


def target_findings(
    config: AdapterConfig, modules: Iterable[ModuleInfo], known: BaseModules
) -> Iterator[Finding]:
    """Targets that the base has and the file does not: PEFT would put an untrained adapter there."""
    chosen = config.layers_to_transform is not None or config.exclude_modules or config.target_parameters
    if not isinstance(config.target_modules, list) or chosen:
        return
    names = [one.name for one in modules]
    targets = set(config.target_modules[:MOST_TARGETS])
    missing = known.weights_called(targets - ends_among(targets, names)) if names else set()
    if missing:
        yield warning(
            "targets_without_tensors",
            f"The config targets modules that the base has and the weights file lacks ({listed(missing)}); "
            "they would stay untrained, so ask the author for a whole file.",
        )


def ends_from_layers(name: str) -> Iterator[str]:
    """The name from its layers on, then the same of the two modules around it, and at last its layer's.

    A name without a layer is known by its last word.
    """
    words = name.split(".")
    place = next((place for place, word in enumerate(words) if word.isdigit()), None)
    if place is None:
        yield words[-1]
        return
    start, layer = max(0, place - 1), place + 1
    for end in (len(words), len(words) - 1, len(words) - 2, layer):
        yield ".".join(words[start : max(end, layer)])


def ends_with(name: str, end: str) -> bool:
    return name == end or name.endswith(f".{end}")


def ends_among(targets: Iterable[str], names: Iterable[str]) -> set[str]:
    """The targets that one of the names is or ends with; every name is looked at once, for all of them."""
    found: set[str] = set()
    left = {target: f".{target}" for target in targets}
    ends = tuple(left.values())
    for name in names:
        if ends and f".{name}".endswith(ends):
            found |= {target for target in left if ends_with(name, target)}
            left = {target: end for target, end in left.items() if target not in found}
            ends = tuple(left.values())
    return found


def is_table(module: str) -> bool:
    return module.rpartition(".")[2] in VOCABULARY_TABLES
