"""Defines ``vlmbench.compare``, which tells whether a release is worse than its baseline.

The command ``vlmbench compare`` calls it too.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from vlmbench.gate.gate_file import read_gate
from vlmbench.gate.judge import CompareRequest, compare_sides
from vlmbench.gate.mismatches import check_allowed
from vlmbench.gate.outcome import Comparison
from vlmbench.gate.policy import Gate
from vlmbench.gate.sides import read_side
from vlmbench.paths import BASELINES, user_path
from vlmbench.storage.mirror import readable
from vlmbench.storage.shown import naming_urls


def compare(
    baseline: str | Path,
    candidate: str | Path,
    *,
    gate: str | Path | Gate | None = None,
    allow: str | Iterable[str] = (),
    allow_inconclusive: bool = False,
    baseline_model: str | None = None,
    candidate_model: str | None = None,
    baselines: str | Path = BASELINES,
    begun: Callable[[str], None] = lambda task: None,
) -> Comparison:
    """Compare two sides task by task. Their answers are paired sample by sample.

    Args:
        baseline: a results folder, one model's folder in it or a record, as a path or URL; the name of a saved
            baseline; or REVISION:NAME.
        candidate: the same.
        gate: a gate file, or its content as a mapping; None: the default gate, which demands every task of the
            baseline and accepts no loss.
        allow: kinds of difference that do not prevent a comparison: dataset, samples, prompts, protocol, version,
            metric, precision.
        allow_inconclusive: too little data does not fail the gate.
        baseline_model: only this model of the baseline.
        candidate_model: only this model of the candidate.
        baselines: the folder of saved baselines, or its URL.
        begun: called with each task before its answers are read.

    Returns:
        Every task's verdict, and one verdict over all with the exit code of the command.

    Raises:
        UsageError: a side or the gate file cannot be read, or no models or tasks can be paired.
    """
    kinds = check_allowed([allow] if isinstance(allow, str) else list(allow))
    demands = gate if isinstance(gate, Gate) else Gate() if gate is None else read_gate(user_path(gate))
    file = None if gate is None or isinstance(gate, Gate) else str(gate)
    options = {"--baseline-model": baseline_model, "--candidate-model": candidate_model, "--gate": file}
    if Path(baselines) != BASELINES:
        options["--baselines"] = str(baselines)
    words = [
        *("vlmbench", "compare", str(baseline), str(candidate)),
        *(word for option, value in options.items() if value is not None for word in (option, value)),
        *(word for kind in kinds for word in ("--allow", kind)),
        *(["--allow-inconclusive"] if allow_inconclusive else []),
    ]
    with naming_urls():
        folder = readable(baselines)
        return compare_sides(
            read_side(str(baseline), baselines=folder),
            read_side(str(candidate), baselines=folder),
            CompareRequest(
                gate=demands,
                gate_file=file,
                allow=kinds,
                allow_inconclusive=allow_inconclusive,
                baseline_model=baseline_model,
                candidate_model=candidate_model,
                command=shlex.join(words).encode("utf-8", "replace").decode(),
                begun=begun,
            ),
        )
