"""What the API's endpoints give, as JSON values. Shapes only: no call to the service, no Gradio."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic_core import to_jsonable_python

from adapter_ui.domain import (
    AdapterProfile,
    AdapterSummary,
    LoadedBase,
    LoadReport,
    Prediction,
    Preflight,
    Progress,
    RunStatus,
    SearchPage,
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


def profile(found: AdapterProfile) -> Json:
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
        "memory": {
            precision.value: plain(estimate) | {"total": estimate.total}
            for precision, estimate in found.memory.items()
        },
        "available_bytes": found.available_bytes,
        "snippet": found.snippet,
    }


def load_event(event: Progress | LoadReport) -> Json:
    if isinstance(event, LoadReport):
        return plain(event) | {"notices": list(event.notices)}
    done, total = (event.done, event.total) if event.unit == "bytes" else (None, None)
    return {"stage": event.stage, "message": event.message, "done_bytes": done, "total_bytes": total}


def loaded_base(base: LoadedBase) -> Json:
    return plain(base)


def prediction(found: Prediction) -> Json:
    """Only the fields that the task has."""
    fields = plain(found)
    empty = (None, [], ())
    return {name: value for name, value in fields.items() if name == "task_type" or value not in empty}


def preflight(found: Preflight) -> Json:
    memory = None if found.memory is None else plain(found.memory) | {"total": found.memory.total}
    return plain(found) | {"memory": memory}


def run(status: RunStatus) -> Json:
    return plain(status) | {"history": [dict(entry) for entry in plain(status)["history"]]}
