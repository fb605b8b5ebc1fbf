"""Which precision fits which device, to load and to train, for a chosen context and number of answers."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from adapter_ui.catalog.memory_terms import explain_memory
from adapter_ui.domain import AdapterProfile, Device, Fit, MemoryEstimate, Precision
from adapter_ui.ui import format
from adapter_ui.ui.details.terms import opened
from adapter_ui.ui.markup import fill, join

CONTEXTS = (512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072)
MOST_ARMS = 8
USUAL = (2048, 1)
"""The context in tokens and the number of answers written at once that the panel starts with."""


def fit_controls() -> Markup:
    """The context and the number of answers, two native fields; never redrawn, so they keep their values."""
    contexts = options([(str(count), f"{count:,} tokens") for count in CONTEXTS], str(USUAL[0]))
    arms = options(
        [(str(count), format.plural(count, "answer")) for count in range(1, MOST_ARMS + 1)], str(USUAL[1])
    )
    return fill(
        '<div class="fit-controls"><h3>Will it fit?</h3><label>context <select name="context">{contexts}'
        "</select></label>"
        '<label>at once <select name="arms">{arms}</select></label></div>',
        contexts=contexts,
        arms=arms,
    )


def options(pairs: list[tuple[str, str]], chosen: str) -> Markup:
    return join(
        fill(
            '<option value="{value}"{selected}>{name}</option>',
            value=value,
            name=name,
            selected=Markup(" selected") if value == chosen else "",
        )
        for value, name in pairs
    )


def fit_matrix(profile: AdapterProfile, fit: Fit | None) -> Markup:
    """Devices against precisions; a switch shows the same for training."""
    if fit is None:
        return Markup("")
    loading = matrix(fit, fit.loading, training=False)
    training = (
        fill(
            '<div class="for-training">{table}{terms}</div>',
            terms=training_terms(profile, fit),
            table=matrix(fit, fit.training, training=True),
        )
        if fit.training
        else ""
    )
    switch = (
        Markup('<label class="switch"><input type="checkbox" class="fit-training"> to train it</label>')
        if fit.training
        else ""
    )
    return fill(
        '<details class="fold fit-matrix" data-fold="matrix"><summary>Other GPUs and training</summary>'
        '{switch}<div class="for-loading">{loading}</div>{training}</details>',
        switch=switch,
        loading=loading,
        training=training,
    )


def matrix(fit: Fit, estimates: Mapping[Precision, MemoryEstimate], *, training: bool) -> Markup:
    """One row a device, with the largest precision that fits it."""
    head = join(
        fill(
            '<th scope="col" class="number">{name}<small>{size}</small></th>',
            name=name.value,
            size=format.size(one.total),
        )
        for name, one in estimates.items()
    )
    rows = join(device_row(fit, device, estimates, training=training) for device in fit.devices)
    return fill(
        '<div class="table-scroll"><table class="plain-table device-table"><caption>{caption}</caption>'
        '<thead><tr><th scope="col">Device</th><th scope="col">Largest</th>{head}</tr></thead>'
        "<tbody>{rows}</tbody></table></div>",
        caption=caption(fit, training=training),
        head=head,
        rows=rows,
    )


def caption(fit: Fit, *, training: bool) -> str:
    """What was counted."""
    if training:
        return "Memory to train an adapter like this one, with the base held in each precision."
    answers = format.plural(fit.arms, "answer")
    return f"Memory to load it, with {fit.context:,} tokens of context and {answers} at once."


def device_row(
    fit: Fit, device: Device, estimates: Mapping[Precision, MemoryEstimate], *, training: bool
) -> Markup:
    best = fit.largest(device, training=training)
    free = f"{format.size(device.available)} of {format.size(device.total)} free"
    return fill(
        '<tr class="{kind}"><th scope="row" title="{free}">{name}{memory}</th><td class="best">{best}</td>'
        "{cells}</tr>",
        kind="here" if device.here else "",
        name=device.name,
        free=free,
        memory=fill("<small>{free}</small>", free=free) if device.here else "",
        best=best.value if best else "none",
        cells=join(device_cell(name, one, device, best=name is best) for name, one in estimates.items()),
    )


def device_cell(name: Precision, estimate: MemoryEstimate, device: Device, *, best: bool) -> Markup:
    fits = estimate.total <= device.available
    return fill(
        '<td class="number {state}" title="{name} {word}: {need} of {have}">{mark}'
        '<span class="sr">{word}</span></td>',
        state="is-best" if best else "is-fit" if fits else "is-unfit",
        name=name.value,
        word="fits" if fits else "does not fit",
        need=format.size(estimate.total),
        have=format.size(device.available),
        mark="✓" if fits else "·",
    )


def training_terms(profile: AdapterProfile, fit: Fit) -> Markup:
    """Each training figure, opened to its terms."""
    rows = join(
        fill(
            '<div class="precision-line"><span class="precision-name">{name}</span>{terms}</div>',
            name=precision.value,
            terms=opened(explain_memory(profile, fit, precision, training=True), f"train-{precision}"),
        )
        for precision in fit.training
    )
    return fill('<div class="training-terms">{rows}</div>', rows=rows)
