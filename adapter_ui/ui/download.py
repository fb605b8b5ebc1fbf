"""A run or a merged model as one file where Gradio may serve it from: page and API give the same copy.

Gradio serves files of its own cache, which it empties by age, so no folder of this app is opened to visitors.
"""

from __future__ import annotations

from pathlib import Path

from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from adapter_ui.domain import AdapterRef, Source
from adapter_ui.errors import InvalidInput
from adapter_ui.service import AdapterService


def exported_file(
    service: AdapterService,
    run_id: str,
    format: str,
    adapter: str = "",
    base_model: str = "",
    model_class: str = "",
    *,
    visitor: str = "",
) -> str:
    """Write the run, or the adapter merged, and give the path of the copy to serve.

    An adapter may be named instead of a run; what is not a run's can only be merged.
    """
    if bool(run_id) == bool(adapter):
        raise InvalidInput("Name a run by run_id, or an adapter, and not both.", field="run_id")
    if format == "merged":
        ref = adapter or str(AdapterRef(Source.RUN, run_id))
        return merged_file(service, ref, base_model, model_class, visitor=visitor)
    if adapter:
        ref = AdapterRef.parse(adapter)
        if ref.source is not Source.RUN:
            raise InvalidInput(
                f"{ref} is not a run of this machine; only format merged is for every adapter.",
                field="adapter",
            )
        run_id = ref.name
    return served(service.export_run(run_id, format, visitor=visitor))


def merged_file(
    service: AdapterService, adapter: str, base_model: str = "", model_class: str = "", *, visitor: str = ""
) -> str:
    *_, path = service.zip_merged(adapter, base_model, model_class, visitor=visitor)
    return served(path)


def served(path: Path) -> str:
    return save_file_to_cache(path, get_upload_folder())
