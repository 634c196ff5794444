"""Runs one side of a model: batches of images or texts through a graph to features. The model uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vlmbench.models.onnx.ports import Inputs, Side
from vlmbench.models.onnx.session import GraphError, Session

Rows = Mapping[str, Tensor]
"""Tensors with one row for each image or text, by the usual names of inputs."""


@dataclass(frozen=True)
class Tower:
    """One side of a model.

    Attributes:
        session: the graph.
        output: the output with the features.
        inputs: how the graph's inputs are filled.
        at_once: the number of rows that the graph takes; None: any number.
        beside: the inputs of the other side if the graph has both, and one row for them.
    """

    session: Session
    side: Side
    output: str
    inputs: Inputs
    at_once: int | None = None
    beside: tuple[Inputs, Rows] | None = None

    def features(self, rows: Rows) -> Tensor:
        """Compute the features of B rows: (B, D) float32 on the CPU, as the graph gives them.

        A graph that takes a fixed number of rows is run several times, the last time with its last row repeated.

        Raises:
            GraphError: the graph fails, or its output has not one vector a row.
            MemoryError: it does not fit into memory.
        """
        count = len(next(iter(rows.values())))
        if self.at_once is None:
            return self._checked(self._run(self.output, rows, count), count)
        parts = []
        for start in range(0, count, self.at_once):
            part = {name: value[start : start + self.at_once] for name, value in rows.items()}
            there = len(next(iter(part.values())))
            filled = {name: _filled(value, self.at_once) for name, value in part.items()}
            parts.append(self._checked(self._run(self.output, filled, self.at_once), self.at_once)[:there])
        return torch.cat(parts)

    def one_by_one(self) -> Tower:
        """The tower that is given one row at a time."""
        return self.by(1)

    def by(self, count: int) -> Tower:
        """The tower that is given this number of rows at a time."""
        return replace(self, at_once=count)

    def given_beside(self, inputs: Inputs, row: Rows) -> Tower:
        """The tower of a graph with both inputs, with one row for the inputs of the other side."""
        return replace(self, beside=(inputs, row))

    def _run(self, output: str, rows: Rows, count: int) -> Tensor:
        feeds = {self.inputs.names[name]: value for name, value in rows.items()}
        if self.beside is not None:
            others, single = self.beside
            # An exporter may have given both sides one name for their number of rows: then they must be equal.
            shared = others.batch_name is not None and others.batch_name == self.inputs.batch_name
            needed = count if shared else (others.batch or 1)
            feeds |= {others.names[name]: _filled(value, needed) for name, value in single.items()}
        return self.session.run(output, feeds)

    def _checked(self, features: Tensor, count: int) -> Tensor:
        if features.ndim != 2 or len(features) != count:
            raise GraphError(
                f"{self.session.file}: for {count} {self.side}s its output {self.output} has the shape "
                f"{tuple(features.shape)}, not one vector for each",
                hint=f"Another output may hold the features: set the model option {self.side}_output in a card.",
            )
        return features


def _filled(rows: Tensor, count: int) -> Tensor:
    """Rows with the last one repeated until there are ``count``."""
    missing = count - len(rows)
    return rows if missing <= 0 else torch.cat([rows, rows[-1:].expand(missing, *rows.shape[1:])])
