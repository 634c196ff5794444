"""Tries a graph on a few different inputs when it is loaded, and refuses one whose features cannot be trusted.

The adapter uses it. Deployed graphs have faults that PyTorch models do not have: a batch that an exporter froze, and
8-bit arithmetic that overflows or whose scales depend on the batch.
"""

from __future__ import annotations

import math
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.errors import ModelError
from vlmbench.models.onnx.session import GraphError
from vlmbench.models.onnx.tower import Rows, Tower
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import BATCH_DEPENDENT, ONE_BY_ONE
from vlmbench.wording import counted

ONE_BY_ONE_OPTION = "one_by_one"
"""The model option that gives the graphs one image or text at a time."""
_SAME = 1e-4
"""Two features of unit length that are closer than this are the same. Rounding in float32 moves them by 1e-6."""
_ROUNDING = 1e-3
"""From this distance on, a feature that changes with its batch is a remark. Rounding in float16 moves it by less."""
_TOO_FAR = 0.5
"""A graph is refused if the batch moves a feature by more than this share of the usual distance between two features.

Measured on demo-clip's graphs with onnxruntime 1.32 on a CPU with AVX2: 0.00 in float32 and float16. With dynamic
quantisation to 8 bits (all operators or matrices alone, signed or not, by tensor or by channel, with or without a
reduced range): 0.006 to 0.02 for images, 0.01 to 0.04 for texts. The feature of another image has about 1.
"""
_ENTANGLED = "the features of one {side} depend on the others in its batch"


def checked(tower: Tower, rows: Rows) -> tuple[Tower, Tensor]:
    """Try a tower on N different rows: alone, together, and in another order.

    Args:
        rows: N >= 2 rows, no two of them equal.

    Returns:
        The tower, which is given one row at a time if it fails on several; and its features of each row alone, (N, D),
        unit length.

    Raises:
        ModelError: features are not finite, zero, or the same for different inputs; or the features of a row depend on
            the others in its batch; or there is not enough memory for the N rows.
    """
    try:
        return _checked(tower, rows)
    except MemoryError as error:
        raise ModelError(
            f"{tower.session.file}: {counted(_count(rows), 'test ' + tower.side)} did not fit into memory",
            hint="Use a smaller variant, or --device cpu.",
        ) from error


def _checked(tower: Tower, rows: Rows) -> tuple[Tower, Tensor]:
    alone = _unit(tower, torch.cat([tower.features(_row(rows, place)) for place in range(_count(rows))]))
    _refuse_equal(tower, alone)
    if tower.at_once == 1:
        return tower, alone
    try:
        together = _unit(tower, tower.features(rows))
        turned = _unit(tower, tower.features({name: value.flip(0) for name, value in rows.items()})).flip(0)
    except GraphError:
        if tower.at_once is not None:
            raise
        tell_one_by_one(tower, "fails on more than one")
        return tower.one_by_one(), alone
    moved = torch.stack([(together - alone).norm(dim=1), (turned - alone).norm(dim=1)]).amax()
    usual = torch.tensor([float((alone[i] - alone[j]).norm()) for i, j in combinations(range(len(alone)), 2)]).median()
    share = float(moved / usual)
    lowest = float(torch.stack([(together * alone).sum(dim=1), (turned * alone).sum(dim=1)]).amin())
    if share > _TOO_FAR:
        raise ModelError(
            f"{tower.session.file}: {_ENTANGLED.format(side=tower.side)}: alone and in a batch of {len(alone)}, the "
            f"features of one {tower.side} have a cosine of only {lowest:.3f}",
            hint="The export fixed the batch, or its quantisation is too coarse. Export it again, or give it one "
            f"{tower.side} at a time: set the model option {ONE_BY_ONE_OPTION}: true in a card.",
        )
    if float(moved) > _ROUNDING:
        say(
            BATCH_DEPENDENT,
            f"{_ENTANGLED.format(side=tower.side)}, as with dynamic quantisation: alone and in a batch, the features "
            f"of {counted(len(alone), 'test ' + tower.side)} have a cosine of {_at_least(lowest)} or more. The model "
            f"option {ONE_BY_ONE_OPTION}: true avoids it",
            brief=f"{tower.side} features depend on the batch",
            count=len(alone),
        )
    return tower, alone


def tell_one_by_one(tower: Tower, reason: str) -> None:
    """Remark that a graph is given one row at a time.

    Args:
        reason: what the graph does, such as "takes only one".
    """
    say(
        ONE_BY_ONE,
        f"the graph of {tower.side}s {reason}, so each {tower.side} was encoded alone",
        brief=f"{tower.side}s encoded one by one",
    )


def refuse_fused(tower: Tower, rows: Rows, features: Tensor, other: Rows) -> None:
    """Refuse a graph with both inputs if the features of one side depend on the other side's input.

    Args:
        features: of each of the rows, unit length, with the input that the tower gives the other side.
        other: another input of the other side, one row.

    Raises:
        ModelError: they depend on it.
    """
    assert tower.beside is not None
    again = _unit(tower, tower.given_beside(tower.beside[0], other).features(_row(rows, 0)))
    if float((again[0] - features[0]).norm()) > _SAME:
        raise ModelError(
            f"{tower.session.file}: the features of one {tower.side} change with the "
            f"{'text' if tower.side == 'image' else 'image'} that is given with it",
            hint="The graph fuses both, so it is no dual encoder, and cannot be asked about images and texts apart.",
        )


def different(rows: Rows) -> Rows:
    """The rows without those that equal an earlier one."""
    kept = [
        place
        for place in range(_count(rows))
        if not any(all(torch.equal(value[place], value[other]) for value in rows.values()) for other in range(place))
    ]
    return {name: value[kept] for name, value in rows.items()}


def _count(rows: Rows) -> int:
    return len(next(iter(rows.values())))


def _row(rows: Rows, place: int) -> Rows:
    return {name: value[place : place + 1] for name, value in rows.items()}


def _unit(tower: Tower, features: Tensor) -> Tensor:
    where = f"{tower.session.file}: the features of {tower.side}s"
    if not features.isfinite().all():
        raise ModelError(
            f"{where} are not numbers (NaN or infinite)",
            hint="A reduced precision (fp16, int8) overflowed, or the weights are damaged. Choose another variant.",
        )
    if not features.abs().amax(dim=1).all():
        raise ModelError(
            f"{where} are all zero",
            hint="8-bit arithmetic may have overflowed, or the weights are damaged. Choose another variant.",
        )
    return F.normalize(features, dim=-1)


def _refuse_equal(tower: Tower, features: Tensor) -> None:
    if float((features - features[0]).norm(dim=1).amax()) < _SAME:
        raise ModelError(
            f"{tower.session.file} gives {len(features)} different {tower.side}s the same features",
            hint="8-bit arithmetic may have overflowed, or the graph has its input built in. Choose another variant, "
            "or export it again.",
        )


def _at_least(cosine: float) -> str:
    """A cosine rounded down, with enough digits that it does not look like 1."""
    digits = next((each for each in (3, 4, 5, 6) if 1 - cosine >= 10.0**-each), 7)
    return f"{math.floor(cosine * 10**digits) / 10**digits:.{digits}f}"
