"""Makes readable and safe logs of what workers wrote. Workers clean their output, and the pool joins it by pair."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vlmbench.markup import printable

MOST_LOG_BYTES = 64 * 1024
"""The end of a try's output is kept up to this size. The end tells why something failed."""
HIDDEN = "[hidden]"
_ANSWERED = ("done", "failed", "unsupported")
"""How tries end whose answer tells everything. All others were lost."""
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
"""What terminals read as colours, movements of the cursor, titles and links (ECMA-48)."""
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE_KEY", re.IGNORECASE)
_FILE_NAME = re.compile(r"(?:FILE|PATH|DIR|HOME)$", re.IGNORECASE)
_SHORTEST_SECRET = 8
"""Shorter values, such as "1", are no secrets, and hiding them would spoil the text."""
_SECRETS = (
    re.compile(r"(?<=://)[^/\s@]+(?=@)"),  # user:password@ of a URL
    re.compile(r"(?i)(?<=bearer )[\w.~+/=-]{8,}"),
    re.compile(r"\bhf_[A-Za-z0-9]{20,}"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"(?i)(?<=signature=)[\w%+/=-]{8,}"),  # of a signed URL
)


@dataclass(frozen=True)
class TryLog:
    """The output of one try of a pair, or of a part of its images.

    Attributes:
        where: the worker and its node.
        ended: how the try ended, such as "done" or "killed by signal 9".
        text: the cleaned output.
    """

    where: str
    ended: str
    text: str


def cleaned(data: bytes, *, left_out: int = 0, environment: Mapping[str, str] = os.environ) -> str:
    """The end of a process's output as a person reads it, at most 64 KiB of UTF-8.

    Colours are removed, and of a line that was written over itself, such as a progress bar, the last state stays.
    Secrets are hidden: the values of environment variables whose names tell of one, and texts that have the form of
    one.

    Args:
        left_out: the bytes of output that came before.
    """
    text = _SEQUENCE.sub("", data.decode(errors="replace")).replace("\r\n", "\n")
    lines = [printable(_last_state(line)).rstrip() for line in text.split("\n")]
    whole = _without_secrets("\n".join(lines).strip("\n"), environment)
    encoded = whole.encode()
    if len(encoded) > MOST_LOG_BYTES:
        left_out += len(encoded) - MOST_LOG_BYTES
        whole = encoded[-MOST_LOG_BYTES:].decode(errors="ignore")
    if left_out:
        first, _, rest = whole.partition("\n")
        whole = f"… {left_out:,} bytes before this are not kept\n{rest or first}"
    return f"{whole}\n" if whole.strip() else ""


def pair_log(tries: Sequence[TryLog]) -> str:
    """The log of a pair: "" if nothing was written and nothing was lost, otherwise each try under a line about it."""
    told = [each for each in tries if each.text or each.ended not in _ANSWERED]
    return "\n".join(f"== {each.where}: {each.ended}\n{each.text}" for each in told)


def _last_state(line: str) -> str:
    states = [state for state in line.split("\r") if state.strip()]
    return states[-1] if states else ""


def _without_secrets(text: str, environment: Mapping[str, str]) -> str:
    for value in _secret_values(environment):
        text = text.replace(value, HIDDEN)
    for form in _SECRETS:
        text = form.sub(HIDDEN, text)
    return text


def _secret_values(environment: Mapping[str, str]) -> Iterable[str]:
    """The longest first, since one may contain another."""
    named = {name: value for name, value in environment.items() if _SECRET_NAME.search(name)}
    values = {value.strip() for name, value in named.items() if not _FILE_NAME.search(name)}
    return sorted((value for value in values if len(value) >= _SHORTEST_SECRET), key=len, reverse=True)
