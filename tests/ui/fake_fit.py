"""The catalog's own arithmetic beside devices that are the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence

from adapter_ui.catalog.fit import common_devices, fit
from adapter_ui.domain import AdapterProfile, Device, Fit, LoadedBase

HERE = Device("This machine's RAM", 15_600_000_000, 9_400_000_000, here=True)


def fit_of(profile: AdapterProfile, context: int, arms: int, loaded: Sequence[LoadedBase] = ()) -> Fit | None:
    """None when the size of the base is not known."""
    if profile.base is None:
        return None
    found = fit(profile.base, profile, (HERE, *common_devices()), context, arms, loaded)
    return found if found.loading else None
