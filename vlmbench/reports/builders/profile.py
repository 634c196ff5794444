"""Makes the table of ``vlmbench run --profile``: how a pair's time was spent, from its record."""

from __future__ import annotations

from collections.abc import Mapping

from vlmbench.records import Record
from vlmbench.reports.table_data import Column, Table
from vlmbench.wording import counted

MAIN: Mapping[str, tuple[str, ...]] = {
    "image forward": ("image_forward",),
    "text forward": ("text",),
    "waiting for decoded images": ("image_wait",),
    "preprocessing crops": ("crop_preprocess",),
    "metrics": ("metrics", "ranking"),
    "pictures": ("pictures",),
    "IO: cache writes, record": ("cache_write", "record"),
}
"""Stages of the main thread. They do not overlap; with "other" they add up to the wall clock."""

THREADS: Mapping[str, tuple[str, ...]] = {
    "decode": ("decode",),
    "preprocess": ("preprocess",),
    "annotations, preprocess": ("truth",),
    "IO: read, hash, cache lookups": ("read", "hash", "cache_lookup"),
}
"""Stages of the decoding threads beside the main thread: sums over threads, which may exceed the wall clock."""


def profile_table(record: Record) -> Table:
    """A pair's stages with their seconds and share of the wall clock.

    The wall clock runs from the question to the record in memory. It does not include loading the model and writing the
    record's files.
    """
    seconds = record.run.seconds
    main, threads = (_present(stages, seconds) for stages in (MAIN, THREADS))
    total = seconds.get("total", 0.0) + seconds.get("record", 0.0)
    main["other"] = max(0.0, total - sum(main.values()))
    spent = {**main, "total": total, **{f"{name} *": value for name, value in threads.items()}}
    columns = [Column("stage"), Column("seconds", "right"), Column("of wall clock", "right")]
    return Table(
        title=f"Where the time went: {record.model.name} · {record.task.name}",
        columns=columns,
        rows=[[name, f"{value:,.3f}", f"{value / total:.1%}" if total else "–"] for name, value in spent.items()],
        data=[
            {"stage": name, "seconds": value, "share": value / total if total else None}
            for name, value in spent.items()
        ],
        notes=[*([_note(record)] if threads else []), *_memory(record)],
    )


def _present(stages: Mapping[str, tuple[str, ...]], seconds: Mapping[str, float]) -> dict[str, float]:
    """The stages that the record has: a task without crops has no line for them."""
    return {
        name: sum(seconds.get(key, 0.0) for key in keys)
        for name, keys in stages.items()
        if any(key in seconds for key in keys)
    }


def _note(record: Record) -> str:
    workers = record.run.workers
    where = counted(workers, "decoding thread") if workers else "the decoding threads"
    return f"* thread-seconds, summed over {where}, beside the main thread; they are not part of the total"


def _memory(record: Record) -> list[str]:
    peak = record.run.peak_memory_bytes
    if peak is None:
        return []
    where = "of the device" if record.run.device.startswith("cuda") else "of the process"
    return [f"peak memory {where}: {peak / 2**20:,.0f} MiB"]
