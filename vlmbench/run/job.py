"""A job: one pair of a plan with all that it takes to answer it in any process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vlmbench.cards import ModelCard, TaskCard
from vlmbench.records import BadSample, Record
from vlmbench.tasks.base import TaskOptions


@dataclass(frozen=True)
class RunSettings:
    """How the jobs of a run are carried out; nothing here but the precision may change a number.

    Attributes:
        data_root: where datasets are looked up.
        device: a torch device, or "auto".
        precision: "fp32", "bf16" or "fp16".
        batch_size: images a forward pass; None chooses by device.
        offline: ask no hub.
        skip_bad: leave out undecodable samples.
        use_cache: keep and reuse features on disk.
        workers: decoding threads; None: one a core.
        trust_remote_code: let hub repositories run their own code.
        plugins: Python files that register adapters, sources or tasks; a new process runs them first.
        strict: a pair with a remark that is strict fails.
        measure_memory: measure the peak of memory, for which the system's count of it begins anew.
    """

    data_root: Path | None = None
    device: str = "auto"
    precision: str = "fp32"
    batch_size: int | None = None
    offline: bool = False
    skip_bad: bool = False
    use_cache: bool = True
    workers: int | None = None
    trust_remote_code: bool = False
    plugins: tuple[Path, ...] = ()
    strict: bool = False
    measure_memory: bool = True


@dataclass(frozen=True)
class EarlierRecord:
    """What a job must know of a record of its pair to tell whether it would write the same again.

    Attributes:
        fingerprint: of the samples it scored.
        other_fingerprints: role and fingerprint of what else it was made with.
        bad_samples: what it left out.
    """

    id: str
    fingerprint: str
    other_fingerprints: tuple[tuple[str, str], ...]
    bad_samples: tuple[BadSample, ...]

    @classmethod
    def of(cls, record: Record) -> EarlierRecord:
        """What it must know of this one."""
        others = tuple((role, data.fingerprint) for role, data in record.task.other_data.items())
        return cls(record.id, record.task.dataset.fingerprint, others, tuple(record.bad_samples))


@dataclass(frozen=True)
class Job:
    """One pair, self-contained and picklable: no open file, no model, no dataset.

    Attributes:
        number: its place in the plan.
        earlier: the pair's complete records on disk that may answer it already, the one that left out fewest samples
            first; empty where the pair is to be run in any case.
    """

    number: int
    model: ModelCard
    task: TaskCard
    options: TaskOptions
    settings: RunSettings
    earlier: tuple[EarlierRecord, ...] = ()
