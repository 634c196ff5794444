"""Makes the remarks that follow from a record's own fields: a subset, other prompts, another precision or protocol.

Runs write these remarks into records. Reports, the data frames, the gate and the site show them. A record of any
version gives the same remarks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vlmbench.record_parts.transfer import USUAL_SETTING, USUAL_TRACK
from vlmbench.records import REMARKLESS, Summary
from vlmbench.remarks import codes
from vlmbench.remarks.base import Remark, remark
from vlmbench.wording import counted, either


def remarks_of(record: Summary) -> tuple[Remark, ...]:
    """All remarks of a record: how its question was asked, made from its fields; then what happened in the run."""
    return (*asked_remarks(record), *happened(record.remarks))


def happened(remarks: Iterable[Remark]) -> Iterator[Remark]:
    """The remarks that cannot be made from a record's fields."""
    return (said for said in remarks if said.code not in codes.FROM_FIELDS)


def knows_remarks(record: Summary) -> bool:
    """Whether a record holds all remarks of its run. Older records and imported ones do not."""
    return record.schema_ != REMARKLESS and record.imported is None


def asked_remarks(record: Summary) -> tuple[Remark, ...]:
    """How the question was asked, if that differs from the card's question in full precision."""
    return tuple(
        [
            *_of_the_samples(record),
            *_of_the_run(record),
            *_of_the_protocol(record),
            *_of_the_bad_samples(record),
            *_of_the_main_metric(record),
        ]
    )


def method_settings(record: Summary) -> dict[str, Any]:
    """The settings of the transfer method that were fixed before validation; empty for a zero-shot record."""
    found = record.task.protocol.get("method_options")
    return dict(found) if isinstance(found, Mapping) else {}


def other_size(task: str, standard: int, there: int) -> Remark:
    """The remark about data whose number of samples is not that of the task's standard split."""
    text = (
        f"the standard split of {task} has {standard:,} samples and this data has {there:,}, so that the number is not "
        "comparable with published ones"
    )
    return remark(codes.OTHER_SIZE, text, brief=f"{there:,} samples instead of {standard:,}", count=there)


def _of_the_samples(record: Summary) -> Iterator[Remark]:
    data, limit, drawn = record.task.dataset, record.run.limit, record.run.drawn
    by_class = " by class" if drawn == "by class" else ""
    standard = data.standard_samples
    if limit is not None:
        whole = data.drawn_from if data.drawn_from is not None else standard
        known = f"{data.samples:,} of {whole:,} samples" if whole is not None else f"subset of {data.samples:,}"
        size = counted(data.samples, "sample")
        if data.drawn_from is not None:
            size = f"{data.samples:,} of {counted(data.drawn_from, 'sample')}"
        text = f"a subset of {size} was scored, drawn {drawn or 'at random'}"
        yield remark(codes.SUBSET, text, brief=f"{known}{by_class}", count=data.samples)
    elif standard is not None and not knows_remarks(record):
        there = data.samples + len(record.bad_samples)
        if there != standard:
            yield other_size(record.task.name, standard, there)
    if limit is not None and record.run.seed:
        yield remark(codes.SEED, f"the subset was drawn with seed {record.run.seed}", brief=f"seed {record.run.seed}")


def _of_the_run(record: Summary) -> Iterator[Remark]:
    precision = record.run.precision
    if record.imported is not None:
        program = record.imported.program
        yield remark(codes.IMPORTED, f"the program {program} computed the number", brief=f"imported from {program}")
    elif record.model.answers is not None:
        text = f"the answers were made elsewhere and read from {record.model.answers.file}"
        yield remark(codes.ANSWERS_GIVEN, text, brief="answers made elsewhere")
    elif precision != "fp32":
        yield remark(codes.PRECISION, f"the model ran in {precision}", brief=precision)


def _of_the_protocol(record: Summary) -> Iterator[Remark]:
    protocol, settings = record.task.protocol, record.run.settings
    for name, value in settings.items():
        yield remark(codes.SETTING, f"{name} was set to {value}", brief=f"{name}={value}")
    if "readout" not in settings and protocol.get("readout"):
        yield remark(
            codes.READOUT,
            f"patches were read out with {protocol['readout']}",
            brief=f"readout {protocol['readout']}",
        )
    if "transfer" in protocol:
        how, text = record.transfer, f"the model was adapted with {protocol['transfer']}"
        if how is not None and how.shots:
            text += f", {counted(how.shots, 'image')} of each class, draw {how.draw}"
        if how is not None and (how.shots or how.track != USUAL_TRACK):
            text += f", track {how.track}"
        if how is not None and how.setting != USUAL_SETTING:
            text += f", setting {how.setting}"
        if how is not None and how.source is not None:
            text += f", learnt from the train data of {how.source}"
        yield remark(codes.TRANSFER, text, brief=how.brief if how else f"transfer {protocol['transfer']}")
    if protocol.get("class_names_from") == "option":
        yield remark(codes.OWN_CLASS_NAMES, "the user gave the class names")
    if protocol.get("templates_from") == "option":
        yield remark(codes.OWN_TEMPLATES, "the user gave the templates")


def _of_the_bad_samples(record: Summary) -> Iterator[Remark]:
    bad = record.bad_samples
    if bad:
        yield remark(
            codes.BAD_SAMPLES,
            f"{counted(len(bad), 'sample')} {either(len(bad), 'was', 'were')} left out, because "
            f"{either(len(bad), 'it', 'they')} could not be used",
            brief=f"{len(bad):,} bad left out",
            count=len(bad),
            examples=(f"{sample.id} ({sample.reason})" for sample in bad),
        )


def _of_the_main_metric(record: Summary) -> Iterator[Remark]:
    if record.main.value is None:
        why = record.main.reason or "the record does not say why"
        yield remark(codes.NO_VALUE, f"{record.main_metric} has no value: {why}", brief=f"no value: {why}")
