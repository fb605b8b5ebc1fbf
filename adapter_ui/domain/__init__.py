"""What crosses rooms: the nouns of this app, as frozen dataclasses, checked where they are built.

Sizes are bytes on disk, memory is bytes when loaded, times are seconds, timestamps are ISO 8601 in UTC.
`None` means "not known", never zero. Nothing here reads a file, the network or the environment.
"""

from adapter_ui.domain.adapters import (
    AdapterProfile,
    AdapterSummary,
    BaseFacts,
    BaseSuggestion,
    Finding,
    Level,
    ModuleInfo,
    Revision,
    SearchPage,
    SearchQuery,
    TensorInfo,
)
from adapter_ui.domain.files import ADAPTER_CONFIG, ADAPTER_PICKLE, ADAPTER_WEIGHTS
from adapter_ui.domain.models import (
    MODEL_CLASS_OF_TASK,
    Device,
    Fit,
    LoadedBase,
    LoadReport,
    MemoryEstimate,
    MemoryUse,
    Precision,
    PrecisionChoice,
    Progress,
)
from adapter_ui.domain.refs import (
    HUB_ID,
    LOCAL_NAME,
    REVISION,
    AdapterRef,
    Source,
    is_hub_id,
)
from adapter_ui.domain.text import (
    TEXT_BOUND,
    ChatMessage,
    Entity,
    Generation,
    GenerationOptions,
    LabelScore,
    Prediction,
    check_number,
)
from adapter_ui.domain.tuning import (
    Preflight,
    RunState,
    RunStatus,
    Table,
)

__all__ = [
    "ADAPTER_CONFIG",
    "ADAPTER_PICKLE",
    "ADAPTER_WEIGHTS",
    "HUB_ID",
    "LOCAL_NAME",
    "MODEL_CLASS_OF_TASK",
    "REVISION",
    "TEXT_BOUND",
    "AdapterProfile",
    "AdapterRef",
    "AdapterSummary",
    "BaseFacts",
    "BaseSuggestion",
    "ChatMessage",
    "Device",
    "Entity",
    "Finding",
    "Fit",
    "Generation",
    "GenerationOptions",
    "LabelScore",
    "Level",
    "LoadReport",
    "LoadedBase",
    "MemoryEstimate",
    "MemoryUse",
    "ModuleInfo",
    "Precision",
    "PrecisionChoice",
    "Prediction",
    "Preflight",
    "Progress",
    "Revision",
    "RunState",
    "RunStatus",
    "SearchPage",
    "SearchQuery",
    "Source",
    "Table",
    "TensorInfo",
    "check_number",
    "is_hub_id",
]
