"""What the API's endpoints give, as JSON values. Shapes only: no call to the service, no Gradio."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic_core import to_jsonable_python

from adapter_ui.domain import (
    AdapterProfile,
    AdapterSummary,
    ArmAnswer,
    ComparedRow,
    Fit,
    LoadedBase,
    LoadReport,
    MemoryEstimate,
    Merged,
    Prediction,
    Preflight,
    Progress,
    Pushed,
    Revision,
    RunStatus,
    SearchPage,
    SideBySide,
)

Json = dict[str, Any]


def plain(value: object) -> Json:
    """A dataclass as a JSON object; enums become their values, non-finite floats None."""
    return to_jsonable_python(asdict(value), inf_nan_mode="null")  # type: ignore[call-overload]


def search_page(page: SearchPage) -> Json:
    return {
        "adapters": [summary(adapter) for adapter in page.adapters],
        "next": page.next,
        "notice": page.notice,
    }


def summary(adapter: AdapterSummary) -> Json:
    return plain(adapter) | {"ref": str(adapter.ref)}


def profile(found: AdapterProfile, memory_fit: Fit | None = None) -> Json:
    """The whole profile; `fit` is null when the size of the base is not known."""
    base = None if found.base is None else plain(found.base)
    return {
        "ref": str(found.ref),
        "commit": found.commit,
        "config": to_jsonable_python(dict(found.config), inf_nan_mode="null"),
        "method": found.method,
        "task_type": found.task_type,
        "rank": found.rank,
        "parameters": found.parameters,
        "size_bytes": found.size_bytes,
        "dtype": found.dtype,
        "base": base,
        "ratio": found.ratio,
        "modules": [plain(module) for module in found.modules],
        "files": [{"name": name, "size_bytes": size} for name, size in found.files],
        "findings": [plain(finding) for finding in found.findings],
        "memory": {precision.value: estimate(one) for precision, one in found.memory.items()},
        "available_bytes": found.available_bytes,
        "label_count": found.label_count,
        "license": found.license,
        "downloads": found.downloads,
        "likes": found.likes,
        "updated": found.updated,
        "folders": list(found.folders),
        "checked": found.checked,
        "fit": None if memory_fit is None else fit(memory_fit),
        "snippet": found.snippet,
    }


def fit(found: Fit) -> Json:
    """Memory by precision to load and to train, and the largest precision that fits each device."""
    return {
        "context": found.context,
        "arms": found.arms,
        "loading": {name.value: estimate(one) for name, one in found.loading.items()},
        "training": {name.value: estimate(one) for name, one in found.training.items()},
        "devices": [
            plain(device)
            | {
                "largest": to_jsonable_python(found.largest(device)),
                "largest_to_train": to_jsonable_python(found.largest(device, training=True)),
            }
            for device in found.devices
        ],
    }


def estimate(found: MemoryEstimate) -> Json:
    return plain(found) | {"total": found.total}


def revision(found: Revision) -> Json:
    return plain(found)


def side_by_side(found: SideBySide) -> Json:
    """Values by ref: a figure that is not known, or a field that a config lacks, is not there."""
    findings = {one.ref: [plain(finding) for finding in one.findings] for one in found.profiles}
    return {
        "adapters": [
            {"ref": str(one.ref), "error": one.error, "findings": findings.get(one.ref, [])}
            for one in found.adapters
        ],
        "precision": found.precision.value,
        "one_base": plain(found.one_base),
        "one_batch": plain(found.one_batch),
        "figures": [compared_row(row) for row in found.figures],
        "config": [compared_row(row) for row in found.config],
        "modules": [
            {
                "place": group.place,
                "kind": group.kind,
                "layers": list(group.layers),
                "count": group.count,
                "agreement": group.agreement.value,
                "changes": {str(ref): plain(change) for ref, change in group.changes.items()},
            }
            for group in found.modules
        ],
    }


def compared_row(row: ComparedRow) -> Json:
    values = {str(ref): value for ref, value in row.values.items()}
    return {
        "name": row.name,
        "agreement": row.agreement.value,
        "values": to_jsonable_python(values, inf_nan_mode="null"),
    }


def load_event(event: Progress | LoadReport) -> Json:
    if isinstance(event, LoadReport):
        return plain(event) | {"notices": list(event.notices)}
    return progress(event)


def outgoing_event(event: Progress | Merged | Pushed) -> Json:
    return progress(event) if isinstance(event, Progress) else plain(event)


def progress(event: Progress) -> Json:
    done, total = (event.done, event.total) if event.unit == "bytes" else (None, None)
    return {"stage": event.stage, "message": event.message, "done_bytes": done, "total_bytes": total}


def mixed(found: AdapterProfile) -> Json:
    """The adapter that came of a mix."""
    return {"adapter": str(found.ref), "rank": found.rank, "size_bytes": found.size_bytes}


def loaded_base(base: LoadedBase) -> Json:
    return plain(base)


def arm_answer(found: ArmAnswer) -> Json:
    """`done` is also set when the arm has failed: nothing more comes."""
    return {
        "adapter": found.arm.adapter,
        "strength": found.arm.strength,
        "text": found.generation.text,
        "tokens": found.generation.tokens,
        "tokens_per_second": found.generation.tokens_per_second,
        "done": found.ended,
        "error": found.error,
        "takes_turns": found.takes_turns,
    }


def prediction_event(event: Progress | Prediction) -> Json:
    return progress(event) if isinstance(event, Progress) else prediction(event)


def prediction(found: Prediction) -> Json:
    """Only the fields that the task has."""
    fields = plain(found)
    empty = (None, [], ())
    return {name: value for name, value in fields.items() if name == "task_type" or value not in empty}


def preflight(found: Preflight) -> Json:
    memory = None if found.memory is None else estimate(found.memory)
    return plain(found) | {"memory": memory}


def run(status: RunStatus) -> Json:
    history = [dict(entry) for entry in plain(status)["history"]]
    return plain(status) | {"history": history, "resumable": status.resumable}
