"""The table of where a pair's time went: sums, shares, and what is beside the clock."""

from __future__ import annotations

from vlmbench.reports.builders.profile import profile_table
from vlmbench.testing.toy_records import make_record

SECONDS = {
    "images": 8.0,
    "image_forward": 6.0,
    "image_wait": 0.5,
    "cache_write": 0.25,
    "text": 2.0,
    "metrics": 0.5,
    "ranking": 0.25,
    "total": 10.0,
    "record": 0.25,
    "read": 0.1,
    "hash": 0.2,
    "cache_lookup": 0.3,
    "decode": 9.0,
    "preprocess": 12.3,
}


def test_the_main_threads_stages_and_the_rest_make_up_the_wall_clock() -> None:
    table = profile_table(make_record(seconds=SECONDS, workers=4))
    cells = {row[0]: tuple(row[1:]) for row in table.rows}
    assert cells["image forward"] == ("6.000", "58.5%")
    assert cells["metrics"] == ("0.750", "7.3%")
    assert cells["IO: cache writes, record"] == ("0.500", "4.9%")
    assert cells["other"] == ("0.500", "4.9%")  # 10.25 - 6 - 2 - 0.5 - 0.75 - 0.5
    assert cells["total"] == ("10.250", "100.0%")


def test_what_threads_did_is_summed_marked_and_may_exceed_the_clock() -> None:
    table = profile_table(make_record(seconds=SECONDS, workers=4))
    cells = {row[0]: tuple(row[1:]) for row in table.rows}
    assert cells["preprocess *"] == ("12.300", "120.0%")
    assert cells["IO: read, hash, cache lookups *"] == ("0.600", "5.9%")
    assert table.notes == [
        "* thread-seconds, summed over 4 decoding threads, beside the main thread; they are not part of the total"
    ]
    assert [row["stage"] for row in table.data] == [row[0] for row in table.rows]


def test_a_record_from_before_the_stages_shows_what_it_has() -> None:
    table = profile_table(make_record(seconds={"images": 3.0, "image_forward": 2.0, "text": 1.0, "total": 4.0}))
    assert [row[0] for row in table.rows] == ["image forward", "text forward", "other", "total"]
    assert table.notes == []


def test_the_peak_of_memory_is_said_where_the_record_has_it() -> None:
    assert not any("memory" in note for note in profile_table(make_record()).notes)
    assert "peak memory of the process: 1,500 MiB" in profile_table(make_record(peak_memory_bytes=1500 * 2**20)).notes
    on_cuda = profile_table(make_record(peak_memory_bytes=2**20, device="cuda:1"))
    assert "peak memory of the device: 1 MiB" in on_cuda.notes
