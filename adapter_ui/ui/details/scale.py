"""The adapter's size beside its base's, to scale, and what is known of the base."""

from __future__ import annotations

from markupsafe import Markup

from adapter_ui.domain import AdapterProfile, BaseFacts, Level
from adapter_ui.ui import format
from adapter_ui.ui.details.links import base_link
from adapter_ui.ui.markup import fill, join, meter, notice, stats


def scale(profile: AdapterProfile, endpoint: str) -> Markup:
    """Both sizes drawn to one scale, then the facts of the base."""
    return fill(
        '<section class="scale" aria-label="Size beside the base"><h3>Size beside the base</h3>{sizes}{facts}'
        "</section>",
        sizes=sizes(profile),
        facts=base_facts(profile.base, endpoint) if profile.base else "",
    )


def sizes(profile: AdapterProfile) -> Markup:
    base = profile.base.size_bytes if profile.base else None
    if not profile.size_bytes or not base:
        return stats(
            [
                ("adapter on disk", format.size(profile.size_bytes)),
                ("adapter parameters", format.parameters(profile.parameters)),
            ]
        )
    largest = max(base, profile.size_bytes)
    bars = join(
        fill(
            '<div class="scale-row"><span>{name}</span>{bar}<span class="figure">{size}</span></div>',
            name=name,
            bar=meter(count / largest, f"{name} {format.size(count)}", kind),
            size=format.size(count),
        )
        for name, count, kind in (("Adapter", profile.size_bytes, "accent"), ("Base", base, "quiet"))
    )
    return fill("{bars}{sentence}", bars=bars, sentence=ratio_sentence(profile, base))


def ratio_sentence(profile: AdapterProfile, base_bytes: int) -> Markup:
    """The ratio in bytes, and in parameters, which dtypes do not blur, where both are known."""
    share = format.share((profile.size_bytes or 0) / base_bytes)
    return fill(
        '<p class="hint">The adapter is <b>{share}</b> of its base in bytes{ratio}.</p>',
        share=share,
        ratio=fill(
            " and <b>{ratio}</b> in parameters: {adapter} of {base}",
            ratio=format.share(profile.ratio),
            adapter=format.parameters(profile.parameters),
            base=format.parameters(profile.base.parameters),
        )
        if profile.ratio and profile.base
        else "",
    )


def base_facts(base: BaseFacts, endpoint: str) -> Markup:
    """The base's own figures; what is not known is left out, and a base that cannot be used says why."""
    known = [
        ("Base", base_link(endpoint, base.id)),
        ("Parameters", format.parameters(base.parameters) if base.parameters else None),
        ("On disk", format.size(base.size_bytes) if base.size_bytes else None),
        ("Stored as", stored_as(base)),
        ("Architecture", ", ".join(base.architectures) or base.model_type),
        (
            "Layers",
            f"{base.layers} × {base.hidden_size} wide" if base.layers and base.hidden_size else base.layers,
        ),
        ("License", base.license),
        ("Access", "gated: its license has to be accepted on the Hub" if base.gated else None),
        ("Code", "asks to run its own code" if base.remote_code else None),
    ]
    rows = join(
        fill("<dt>{name}</dt><dd>{value}</dd>", name=name, value=value) for name, value in known if value
    )
    problem = notice(base.problem, Level.BLOCKER) if base.problem else ""
    return fill('<dl class="facts">{rows}</dl>{problem}', rows=rows, problem=problem)


def stored_as(base: BaseFacts) -> str | None:
    """Its dtype and file format, and how it is quantised where it is."""
    parts = [base.dtype, base.weights, f"quantised with {base.quantization}" if base.quantization else None]
    return " · ".join(filter(None, parts)) or None
