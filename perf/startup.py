"""Times the light commands from start to end, beside a Python that does nothing and the peer's help.

    python perf/startup.py [--peer-python PYTHON] [--repetitions 10]

Each command is a separate process. It uses the cards and the code of this checkout. If a Python with CLIP_benchmark is
given, the peer prints its help, for which it imports torch.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from side_by_side import Way, show, take_turns

COMMANDS = (
    ("--help",),
    ("models",),
    ("tasks",),
    ("models", "show", "demo-clip"),
    ("tasks", "show", "imagenet1k"),
    ("report", "--format", "json", "--results", "{results}"),
)
LIMIT = 0.4
"""The seconds that a light command may take, so that a user notices no delay."""


def run(command: Sequence[str]) -> int:
    """Run a process from start to end. Returns its exit code."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.run(command, check=True, capture_output=True, env=environment).returncode


def main() -> None:
    """Time all commands in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", help="a Python that has clip_benchmark")
    parser.add_argument("--repetitions", type=int, default=10)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as results:
        ways = [Way("python -c pass", partial(run, [sys.executable, "-c", "pass"]))]
        if asked.peer_python:
            peer = [asked.peer_python, "-c", "from clip_benchmark.cli import main; main()", "--help"]
            ways.append(Way("clip_benchmark --help", partial(run, peer)))
        for words in COMMANDS:
            given = [word.format(results=results) for word in words]
            name = "report (an empty folder)" if words[0] == "report" else " ".join(words)
            ways.append(Way(f"vlmbench {name}", partial(run, [sys.executable, "-m", "vlmbench.cli.main", *given])))
        timings = take_turns(ways, asked.repetitions, warm_up=True)
    slow = [timing.way.name for timing in timings if timing.way.name.startswith("vlm") and timing.median > LIMIT]
    show(
        "start to end of the light commands",
        timings,
        floor="a Python that does nothing",
        notes=[
            *([f"clip_benchmark --help takes {timings[1].median:.2f} s"] if asked.peer_python else []),
            f"over {LIMIT} s: {', '.join(slow) or 'none'}",
        ],
    )


if __name__ == "__main__":
    main()
