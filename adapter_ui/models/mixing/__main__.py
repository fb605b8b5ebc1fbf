"""`python -m adapter_ui.models.mixing FOLDER` makes the mix that FOLDER/mix.json asks for, and ends.

Writes the adapter into FOLDER/adapter, where it stands into FOLDER/progress.json, and a refusal into
FOLDER/refusal.json.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from adapter_ui.domain import MixRecipe
from adapter_ui.errors import AdapterUIError
from adapter_ui.models.mixing.mix import mix
from adapter_ui.training.run_folder import read_json, write_json


def main(folder: Path) -> None:
    asked = read_json(folder / "mix.json")
    recipe = MixRecipe.of(**asked["recipe"])
    folders = [Path(one) for one in asked["folders"]]
    target = folder / "adapter"
    target.mkdir()
    try:
        for progress in mix(recipe, folders, asked["base_model"], target):
            write_json(folder / "progress.json", asdict(progress))
    except AdapterUIError as error:
        write_json(folder / "refusal.json", {"message": error.message})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
