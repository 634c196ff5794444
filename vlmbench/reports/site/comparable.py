"""Which answers may stand in one column: those to the card's own question, asked in full."""

from __future__ import annotations

from vlmbench.records import Summary


def deviation(record: Summary) -> str:
    """Why a record's numbers are not to be compared with those of its task's other records; "" where they are."""
    data, run, protocol = record.task.dataset, record.run, record.task.protocol
    said = []
    if data.standard_samples is not None and data.samples != data.standard_samples:
        said.append(f"{data.samples:,} of {data.standard_samples:,} samples")
    elif run.limit is not None:
        said.append(f"a subset of {data.samples:,} samples")
    said += [f"{name} set to {value}" for name, value in run.settings.items()]
    said += [
        f"its own {part.replace('_', ' ')}"
        for part in ("class_names", "templates")
        if protocol.get(f"{part}_from") == "option"
    ]
    if record.bad_samples:
        said.append(f"{len(record.bad_samples):,} bad samples left out")
    return ", ".join(said)
