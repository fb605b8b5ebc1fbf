"""Names inside PEFT's models are ours: one from outside could hold dots or PEFT's own prefixes."""

from __future__ import annotations

import hashlib


def slot(adapter: str) -> str:
    """PEFT's name for a person's adapter."""
    return "a_" + hashlib.sha256(adapter.encode()).hexdigest()[:12]
