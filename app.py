"""Adapter UI: settings, service, page, launch. `python app.py`, or a Hugging Face Space."""

from adapter_ui.settings import Settings, prepare_environment

prepare_environment()

from adapter_ui.service import AdapterService  # noqa: E402 - libraries read the environment at import
from adapter_ui.ui.app import build_page, launch_options, queue_options  # noqa: E402

service = AdapterService.start(Settings.from_environment())
demo = build_page(service)
demo.queue(**queue_options())

if __name__ == "__main__":
    try:
        demo.launch(**launch_options())
    finally:
        service.close()
