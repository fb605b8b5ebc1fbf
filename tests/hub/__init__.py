"""A loopback Hub: enough of the Hugging Face Hub, on 127.0.0.1, for the unmodified clients to work against.

Nothing here imports torch, transformers or peft; only `catalogue` does, inside its functions.
"""

from tests.hub.faults import Fault, Faults
from tests.hub.repository import Repository
from tests.hub.request_log import RequestLog, RequestRecord
from tests.hub.server import LoopbackHub
from tests.hub.state import User

__all__ = ["Fault", "Faults", "LoopbackHub", "Repository", "RequestLog", "RequestRecord", "User"]
