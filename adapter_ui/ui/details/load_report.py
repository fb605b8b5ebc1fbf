"""What a load did: predicted beside measured memory, and how much of the file was applied."""

from __future__ import annotations

from markupsafe import Markup

from adapter_ui.domain import Level, LoadReport
from adapter_ui.ui import format
from adapter_ui.ui.markup import fill, join, notice, stats


def load_report(report: LoadReport) -> Markup:
    """Predicted beside measured, and how much of the file was applied."""
    whole = report.keys_applied == report.keys_in_file
    head = notice(
        f"{report.adapter} is loaded on {report.base} in {format.duration(report.seconds)}: "
        f"{report.precision.value}, {report.device}, {report.model_class}.",
        Level.GOOD if whole else Level.WARNING,
    )
    figures = stats(
        [
            ("predicted", format.size(report.predicted_bytes)),
            ("measured", format.size(report.measured_bytes)),
            ("tensors applied", f"{report.keys_applied:,} of {report.keys_in_file:,}"),
        ]
    )
    notes = join(fill("<li>{note}</li>", note=note) for note in report.notices)
    return fill('{head}{figures}<ul class="notes">{notes}</ul>', head=head, figures=figures, notes=notes)
