"""The scripts for SLURM in the guide to clusters, with stand-ins for the programs of SLURM and Ray."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from contextlib import nullcontext
from pathlib import Path

import pytest
from docs.page import Block, blocks
from repository import REPOSITORY
from typer.testing import CliRunner

from vlmbench.cli import run as command
from vlmbench.cli.main import app
from vlmbench.errors import UsageError
from vlmbench.run.executors import find_executor
from vlmbench.run.plan import RunRequest
from vlmbench.run.pool.pool import Pool

PAGE = REPOSITORY / "docs" / "clusters.md"
STAND_INS = {
    # srun's own options all have the form --name or --name=value
    "srun": 'while [[ "$1" == --* ]]; do shift; done; exec "$@"',
    "scontrol": r'[[ "$1 $2 $3" == "show hostnames node[1-4]" ]] && printf "node%s\n" 1 2 3 4',
    "hostname": '[[ "$1" == --ip-address ]] && echo "10.0.0.1 172.17.0.1"',
    "ray": 'echo "ray $*" >> "$SAID"',
    "vlmbench": r'printf "%q " vlmbench "$@" >> "$SAID"; echo >> "$SAID"',
    "sleep": "exit 0",
}


def scripts() -> list[Block]:
    return [block for block in blocks(PAGE) if "#SBATCH" in block.text]


def said_by(script: Block, here: Path, **variables: str) -> list[list[str]]:
    """What a script calls, word by word."""
    programs, said = here / "programs", here / "said"
    programs.mkdir()
    for name, text in STAND_INS.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n")
        (programs / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "SAID": str(said), **variables}
    subprocess.run(["bash", "-eu", "-c", script.text + "\nwait\n"], env=environment, cwd=here, check=True, timeout=60)
    return [shlex.split(line) for line in said.read_text().splitlines()]


def asked(words: list[str], monkeypatch: pytest.MonkeyPatch) -> RunRequest:
    """The request of a command line of `vlmbench run`."""
    requests: list[RunRequest] = []
    monkeypatch.setattr(command, "run_and_show", lambda request, **_: requests.append(request))
    found = CliRunner().invoke(app, words[1:])
    assert found.exit_code == 0, found.output
    return requests[0]


def test_a_job_of_the_array_does_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = next(script for script in scripts() if "--array" in script.text)
    (words,) = said_by(array, tmp_path, SLURM_ARRAY_TASK_ID="3")
    request = asked(words, monkeypatch)
    assert request.shard is not None and (request.shard[0], request.shard[1]) == (3, 8)
    assert "--array=1-8" in array.text  # as many jobs as parts


def test_ray_on_slurm_joins_all_nodes_and_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (script,) = [script for script in scripts() if "ray start" in script.text]
    lines = said_by(script, tmp_path, SLURM_JOB_NODELIST="node[1-4]", SLURM_NNODES="4")
    by_program = {words[0]: words for words in lines if words[:1] != ["ray"] or "--head" in words}
    assert {"--node-ip-address=10.0.0.1", "--port=6379", "--block"} <= set(by_program["ray"])
    assert any("--address=10.0.0.1:6379" in words for words in lines)
    request = asked(by_program["vlmbench"], monkeypatch)
    assert request.executor == "ray:10.0.0.1:6379"
    assert isinstance(find_executor(request.executor), Pool)


def test_options_of_executors_are_those_of_the_page() -> None:
    from vlmbench.run.pool.arguments import read_options

    rows = [row for row in PAGE.read_text("utf-8").splitlines() if re.match(r"\| `[a-z-]+=\d+` \|", row)]
    named = {row.split("`")[1]: row.split("|")[2].strip() for row in rows}
    assert len(named) == 4 and set(named.values()) == {"both", "`ray`"}
    for option, executor in named.items():
        read_options("ray", [option])
        with nullcontext() if executor == "both" else pytest.raises(UsageError, match="has no option"):
            find_executor(f"local:2,{option}")
