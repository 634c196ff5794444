"""What a transfer method is refused before any data is opened: tracks that it cannot use, and other precisions."""

from __future__ import annotations

import pytest

from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.errors import UsageError
from vlmbench.tasks.base import TaskOptions
from vlmbench.tasks.classification.plugin import PLUGIN
from vlmbench.tasks.transfer_checks import check_transfer, check_transfer_precision
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import TRACKS, Track, TransferAsked
from vlmbench.transfer.base import learns_from
from vlmbench.transfer.every import every_transfer

SPEC = [SourceSpec(kind="imagefolder", location="memory")]
CARD = TaskCard(name="t", sources=SPEC, train=SPEC, val=SPEC)
NOTHING = [name for name in METHODS if learns_from(METHODS.get(name)) == "nothing" and name != "zero-shot"]


def check(method: str, track: Track, shots: int = 0) -> None:
    check_transfer(CARD, PLUGIN, TaskOptions(transfer=TransferAsked(method, shots, 0, track)))


@pytest.mark.parametrize("track", [track for track in TRACKS if track not in ("no-validation", "leaky")])
@pytest.mark.parametrize("method", NOTHING)
def test_a_method_that_learns_from_nothing_has_no_validation(method: str, track: Track) -> None:
    with pytest.raises(
        UsageError, match=rf"--track {track} chooses settings, and .*'{method}' gets no images to choose"
    ):
        check(method, track)
    with pytest.raises(UsageError, match="--track changes nothing here"):
        every_transfer((method,), (0,), (0,), track=track, options={})
    beside = every_transfer((method, "gda"), (1,), (0,), track=track, options={})
    assert [(asked.method, asked.shots, asked.track) for asked in beside] == [
        (method, 0, "no-validation"),
        ("gda", 1, track),
    ]


def test_calip_chooses_on_test_images_and_tpt_has_nothing_to_choose() -> None:
    assert {"calip", "tpt"} <= set(NOTHING)
    check("calip", "leaky")
    assert [asked.track for asked in every_transfer(("calip",), (0,), (0,), track="leaky", options={})] == ["leaky"]
    with pytest.raises(UsageError, match=r"--track leaky chooses settings, and .*'tpt' has none to choose"):
        check("tpt", "leaky")
    for method in ("calip", "tpt"):
        check(method, "no-validation")
    for track in TRACKS:
        check("gda", track, shots=2)


@pytest.mark.parametrize("method", ["coop", "tpt", "vpt", "clip-lora", "full-ft"])
def test_gradients_through_a_tower_need_fp32(method: str) -> None:
    with pytest.raises(UsageError, match=rf"--precision bf16: the transfer method '{method}' .* in fp32"):
        check_transfer_precision(TransferAsked(method, 1), "bf16")
    check_transfer_precision(TransferAsked(method, 1), "fp32")
    for other in ("zero-shot", "tip-adapter", "calip"):
        check_transfer_precision(TransferAsked(other), "fp16")
