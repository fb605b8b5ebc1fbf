"""The fields of every method's config with their defaults, from the installed PEFT.

    python -m tests.catalog.peft_fields

writes them to the file that the catalog reads, since the web process never imports PEFT.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from typing import Any

import peft
from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftType

from adapter_ui.catalog.methods.fields import FIELDS_FILE


def read_fields() -> dict[str, Any]:
    """`common` are the fields that every method has with the same default; `methods` are the others."""
    methods = {
        PeftType(name).value: fields_of(config_class)
        for name, config_class in PEFT_TYPE_TO_CONFIG_MAPPING.items()
    }
    first, *others = methods.values()
    common = {
        name: default
        for name, default in first.items()
        if all(name in other and other[name] == default for other in others)
    }
    own = {
        method: {name: default for name, default in sorted(fields.items()) if name not in common}
        for method, fields in sorted(methods.items())
    }
    return {"peft": peft.__version__, "common": common, "methods": own}


def fields_of(config_class: type) -> dict[str, Any]:
    return {field.name: as_json(default_of(field)) for field in dataclasses.fields(config_class)}


def default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def as_json(value: Any) -> Any:
    """A default as PEFT writes it into adapter_config.json."""
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return sorted(value) if isinstance(value, set) else value


def main() -> None:
    FIELDS_FILE.write_text(json.dumps(read_fields(), indent=1) + "\n")


if __name__ == "__main__":
    main()
