"""What leaves this app: an adapter merged into its base, and one that was pushed to the Hub."""

from __future__ import annotations

from dataclasses import dataclass

from adapter_ui.domain.models import Precision


@dataclass(frozen=True)
class Merged:
    """An adapter merged into its base: a plain transformers folder with this name below the exports.

    `difference` is how far the merged model's outputs are from those of base and adapter, as a root mean
    square in standard deviations of the latter; `tolerance` is the most that was allowed.
    """

    adapter: str
    base: str
    folder: str
    precision: Precision
    size_bytes: int
    difference: float
    tolerance: float


@dataclass(frozen=True)
class Pushed:
    """An adapter that lies in a repository of the Hub now, at this commit."""

    adapter: str
    repo_id: str
    url: str
    commit: str
    private: bool
