"""Remarks: merged, cut, gathered over threads, and warnings where no one gathers."""

import json
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from vlmbench.errors import VlmbenchWarning
from vlmbench.records import Record
from vlmbench.remarks.base import Code, Remark, gathered_remarks, in_this_context, remark, say
from vlmbench.remarks.codes import CODES, WARNING, is_strict
from vlmbench.testing.toy_records import make_record

TOY = Code("toy", "A toy happened.")
RANKLESS = Code("rankless", "A toy broke.", unranked=True, everywhere=True)


def _files(count: int) -> str:
    return f"{count:,} file{'s' * (count != 1)} passed over"


def test_a_sentence_names_up_to_three_examples_and_says_that_there_are_more() -> None:
    assert remark(TOY, _files, count=1, examples=["a"]).sentence == "1 file passed over: a"
    made = remark(TOY, _files, count=1200, examples=["d", "b", "c", "a", "b"])
    assert made.sentence == "1,200 files passed over: a, b, c, …"
    assert made.examples == ("a", "b", "c") and made.count == 1200 and made.brief == "toy"


def test_a_remark_knows_what_its_code_says_of_rankings() -> None:
    assert not remark(TOY, "x").unranked
    assert remark(TOY, "x", unranked=True).unranked
    made = remark(RANKLESS, "x")
    assert made.unranked and made.everywhere


def test_names_from_files_stay_on_one_line_and_short() -> None:
    made = remark(TOY, "a\nb " + "y" * 9999, examples=["n\n" + "x" * 999])
    assert "\n" not in made.sentence and len(made.sentence) < 800


def test_the_same_that_happens_again_is_one_remark() -> None:
    with gathered_remarks(WARNING) as gathered:
        for name in "dcab":
            say(TOY, _files, brief=lambda count: f"{count} toys", examples=[name])
        say(RANKLESS, "fixed")
        say(RANKLESS, "fixed")
        say(RANKLESS, "another")
    first, second, third = gathered.remarks
    assert first.sentence == "4 files passed over: a, b, c, …" and first.brief == "4 toys"
    assert (second.text, third.text) == ("fixed", "another")


def test_threads_speak_to_whoever_started_them() -> None:
    with gathered_remarks(WARNING) as gathered, ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(in_this_context(say), TOY, _files, examples=[f"{i:03d}"]) for i in range(200)]
        for call in calls:
            call.result()
    (only,) = gathered.remarks
    assert only.sentence == "200 files passed over: 000, 001, 002, …"


def test_a_gatherer_inside_another_keeps_its_own() -> None:
    with gathered_remarks(WARNING) as outer:
        with gathered_remarks(WARNING) as inner:
            say(TOY, "in")
        say(TOY, "out")
    assert [each.text for each in inner.remarks] == ["in"]
    assert [each.text for each in outer.remarks] == ["out"]


def test_without_a_gatherer_a_remark_is_a_warning() -> None:
    with pytest.warns(VlmbenchWarning, match="1 file passed over: a"):
        say(TOY, _files, examples=["a"])


def test_a_warning_of_code_that_knows_no_codes_is_a_remark_and_other_libraries_are_not_heard() -> None:
    with gathered_remarks(WARNING) as gathered:
        warnings.warn("of a plugin", VlmbenchWarning, stacklevel=1)
        warnings.warn("of a library", UserWarning, stacklevel=1)
    assert [(each.code, each.text) for each in gathered.remarks] == [("warning", "of a plugin")]


def test_codes_are_words_joined_by_hyphens_and_say_when_they_are_used() -> None:
    for name, code in CODES.items():
        assert name == code.name and name == name.lower() and " " not in name and "_" not in name
        assert code.meaning.endswith(".") and (not code.not_strict or code.not_strict.endswith("."))


def test_an_unknown_code_is_strict() -> None:
    assert is_strict(remark(TOY, "x"))
    assert not is_strict(remark(CODES["subset"], "x"))
    assert is_strict(remark(CODES["bad-samples"], "x"))


def test_what_a_file_says_is_kept_in_bounds() -> None:
    read = Remark.model_validate_json(
        json.dumps(
            {"code": "x", "text": "a\x1b[31m" * 10**5, "brief": "b\n" * 10**5, "examples": ["\u202ec" * 10**5] * 50}
        )
    )
    assert len(read.text) == 600 and len(read.brief) == 120 and [len(each) for each in read.examples] == [120] * 3
    assert "\x1b" not in read.text and "\n" not in read.brief and "\u202e" not in read.sentence
    for code in ("", "<b>", "x" * 61, "x\n", "X"):
        with pytest.raises(ValidationError):
            Remark(code=code, text="x", brief="x")


def test_of_thousands_of_different_remarks_the_rest_is_counted() -> None:
    with gathered_remarks(WARNING) as gathered:
        for number in range(20_000):
            warnings.warn(f"warning {number}", VlmbenchWarning, stacklevel=1)
        warnings.warn("warning 20", VlmbenchWarning, stacklevel=1)
    assert len(gathered.remarks) == 101
    assert gathered.remarks[99].text == "warning 99"
    assert gathered.remarks[100].text == "19,900 more remarks are not listed" and gathered.remarks[100].count == 19_900


def test_a_record_has_a_hundred_remarks_and_one_of_the_others() -> None:
    many = tuple(Remark(code=f"c{n}", text="x", brief="x", unranked=n == 5_000) for n in range(10_000))
    data = {**make_record().model_dump(by_alias=True), "remarks": [each.model_dump() for each in many]}
    record = Record.model_validate_json(json.dumps(data))
    assert record.remarks[:100] == many[:100]
    (last,) = record.remarks[100:]
    assert last.text == "9,900 more remarks are not listed" and last.unranked, (
        "one of them takes the number out of ranks"
    )
    assert Record.model_validate_json(record.model_dump_json(by_alias=True)).remarks == record.remarks
