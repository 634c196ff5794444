"""An adapter whose models end their process on purpose. It is a plugin file, so that workers know it too.

``deadly:NAME`` behaves; ``deadly:NAME@FLAW:PATH`` has a flaw. PATH is a file that the model makes before it dies, or
writes its process id into.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions
from vlmbench.testing.toy_models import ToyModel

DEADLY_ADAPTER = Path(__file__)


@dataclass
class DeadlyToy(ToyModel):
    """A toy with a flaw.

    Attributes:
        flaw: "poison" ends the process with code 7, "killed" kills it with signal 9 the first time, "slow" sleeps, and
            "meet" waits until two processes have come here; its PATH is a folder.
    """

    flaw: str = ""
    place: str = ""

    def encode_image(self, pixels: Tensor) -> Tensor:
        if self.flaw == "meet":
            meet(Path(self.place))
            return super().encode_image(pixels)
        place = Path(self.place) if self.place else None
        first = place is not None and not place.exists()
        if place is not None and first:
            place.write_text(str(os.getpid()))
        if self.flaw == "poison":
            print("the poison works", flush=True)
            os._exit(7)
        if self.flaw == "killed" and first:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.flaw == "slow":
            time.sleep(0.3)
        return super().encode_image(pixels)


def meet(folder: Path, seconds: float = 100) -> None:
    """Wait until two processes have written their ids."""
    folder.mkdir(exist_ok=True)
    (folder / str(os.getpid())).touch()
    ends = time.monotonic() + seconds
    while len(list(folder.iterdir())) < 2:
        if time.monotonic() > ends:
            raise TimeoutError("no other process came")
        time.sleep(0.02)


def load(card: ModelCard, options: LoadOptions) -> DeadlyToy:
    name, _, flaw = card.spec.partition("@")
    kind, _, place = flaw.partition(":")
    return DeadlyToy(card, torch.device(options.device), seed=len(name), flaw=kind, place=place)


ADAPTERS.register("deadly", load)
