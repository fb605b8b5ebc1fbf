"""Serve the demo catalogue: `python -m tests.hub --port 8901 [--folder DIR]`."""

import argparse
import os
import tempfile
import threading
from pathlib import Path

from tests.hub.catalogue import (
    MEMBER_TOKEN,
    OWNER_TOKEN,
    STRANGER_TOKEN,
    add_demo_catalogue,
    add_light_catalogue,
)
from tests.hub.server import LoopbackHub


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hub", description=__doc__)
    parser.add_argument("--port", type=int, default=8901, help="port on 127.0.0.1 (0: any free one)")
    parser.add_argument("--folder", type=Path, help="where to keep the tiny models between runs")
    parser.add_argument("--light", type=int, default=60, help="number of light adapters")
    parser.add_argument("--light-only", action="store_true", help="leave out what needs torch")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with tempfile.TemporaryDirectory() as temporary, LoopbackHub(arguments.port) as hub:
        if arguments.light_only:
            add_light_catalogue(hub, arguments.light)
        else:
            add_demo_catalogue(hub, arguments.folder or Path(temporary), arguments.light)
        print(f"HF_ENDPOINT={hub.endpoint}", flush=True)
        print(
            f"tokens: {OWNER_TOKEN} (owner), {MEMBER_TOKEN} (gated access), {STRANGER_TOKEN} (none)",
            flush=True,
        )
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
