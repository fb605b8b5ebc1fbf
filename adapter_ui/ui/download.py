"""A run's zip file where Gradio may serve it from: the page and the API give the same copy.

Gradio serves files of its own cache, which it empties by age, so no folder of this app is opened to visitors.
"""

from __future__ import annotations

from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from adapter_ui.service import AdapterService


def exported_file(service: AdapterService, run_id: str, format: str) -> str:
    """Write the run in the format and give the path of the copy to serve."""
    return save_file_to_cache(service.export_run(run_id, format), get_upload_folder())
