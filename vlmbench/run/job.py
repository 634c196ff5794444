"""Defines a job: one pair of a plan with everything that any process needs to answer it.

The plan becomes jobs, and executors carry them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vlmbench.cards import ModelCard, TaskCard
from vlmbench.records import BadSample, Record
from vlmbench.storage.base import Location
from vlmbench.tasks.base import TaskOptions


@dataclass(frozen=True)
class RunSettings:
    """How the jobs of a run are carried out. Of these settings, only the precision may change a number.

    Attributes:
        data_root: the folder in which datasets are looked up.
        device: a torch device, or "auto".
        precision: "fp32", "bf16" or "fp16".
        batch_size: the images in a forward pass; None: chosen by device.
        offline: ask no hub.
        skip_bad: leave out samples that cannot be decoded.
        use_cache: keep and reuse features on disk.
        workers: the number of decoding threads; None: one for each core.
        trust_remote_code: let hub repositories run their own code.
        plugins: Python files that register adapters, sources or tasks. A new process runs them first.
        strict: whether a pair with a strict remark fails.
        measure_memory: whether to measure the peak of memory, which resets the system's count.
    """

    data_root: Location | None = None
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
    """The facts about an earlier record by which a job decides whether it would write the same record again.

    Attributes:
        fingerprint: the fingerprint of the scored samples.
        other_fingerprints: the roles and fingerprints of other samples that it used.
        bad_samples: the samples that were left out.
        images_absent: whether the fingerprint covers ids and labels only.
    """

    id: str
    fingerprint: str
    other_fingerprints: tuple[tuple[str, str], ...]
    bad_samples: tuple[BadSample, ...]
    images_absent: bool = False

    @classmethod
    def of(cls, record: Record) -> EarlierRecord:
        """The facts about this record."""
        others = tuple((role, data.fingerprint) for role, data in record.task.other_data.items())
        data = record.task.dataset
        return cls(record.id, data.fingerprint, others, tuple(record.bad_samples), data.images == "absent")


@dataclass(frozen=True)
class Job:
    """One pair, self-contained and picklable: no open file, no model, no dataset.

    Attributes:
        number: its place in the plan.
        earlier: the pair's complete records on disk that may already answer it. The record with the fewest left-out
            samples comes first. Empty if the pair must run in any case.
    """

    number: int
    model: ModelCard
    task: TaskCard
    options: TaskOptions
    settings: RunSettings
    earlier: tuple[EarlierRecord, ...] = ()
    save_answers: Path | None = None
