"""The one home of torch, transformers, peft and bitsandbytes.

Entered only as a child process (`python -m adapter_ui.models.worker`, `.train`, `.convert`), imported by no
other room, so that the web process stays light and outlives whatever a model does.
"""

from adapter_ui.models.uncompiled import import_bitsandbytes

import_bitsandbytes()
