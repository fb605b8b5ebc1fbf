"""Several adapters inspected at the same time; one that fails does not lose the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from adapter_ui.catalog.comparison.side_by_side import side_by_side
from adapter_ui.domain import AdapterProfile, AdapterRef, ComparedAdapter, Precision, SideBySide
from adapter_ui.errors import AdapterUIError, InvalidInput, InvalidRef

FEWEST, MOST = 2, 4

Inspect = Callable[[AdapterRef], AdapterProfile]


def compare_adapters(inspect: Inspect, adapters: Sequence[str], precision: Precision) -> SideBySide:
    """Two to four adapters, named as a person names them, inspected and compared.

    An adapter that cannot be inspected keeps its place, with its error. Raises InvalidInput, which names the
    field `adapters`.
    """
    return side_by_side(inspect_together(inspect, read_refs(adapters)), precision)


def read_refs(adapters: Sequence[str]) -> tuple[AdapterRef, ...]:
    """Two to four different refs. Raises InvalidInput with the field `adapters`."""
    if isinstance(adapters, str) or not FEWEST <= len(adapters) <= MOST:
        raise InvalidInput(f"adapters must hold {FEWEST} to {MOST} names of adapters.", field="adapters")
    try:
        refs = tuple(AdapterRef.parse(adapter) for adapter in adapters)
    except InvalidRef as error:
        raise InvalidInput(f"adapters: {error.message}", field="adapters") from error
    twice = next((ref for ref in refs if refs.count(ref) > 1), None)
    if twice:
        raise InvalidInput(f"adapters names {twice} twice; name each adapter once.", field="adapters")
    return refs


def inspect_together(inspect: Inspect, refs: Sequence[AdapterRef]) -> tuple[ComparedAdapter, ...]:
    """The profile of each, in the order of `refs`; one that cannot be inspected has its error instead."""

    def one(ref: AdapterRef) -> ComparedAdapter:
        try:
            return ComparedAdapter(ref, inspect(ref))
        except AdapterUIError as error:
            return ComparedAdapter(ref, error=error.message)

    with ThreadPoolExecutor(len(refs), "side-by-side") as threads:
        return tuple(threads.map(one, refs))
