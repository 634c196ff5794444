"""Walks through the fields of a protocol buffer without its schema. :mod:`.graph_file` reads ONNX files with it.

The encoding is that of https://protobuf.dev/programming-guides/encoding/. Large values are not copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

Value: TypeAlias = "int | memoryview"
"""A number, or the bytes of a text, of packed numbers or of a message."""
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_WIDTHS = {_FIXED_64: 8, _FIXED_32: 4}
_LONGEST_VARINT = 10


class BrokenMessageError(ValueError):
    """The bytes are not a message."""


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """The number and value of each field of a message, in the file's order.

    Raises:
        BrokenMessageError: the bytes end inside a field, or have a type that does not exist.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise BrokenMessageError("a field has the number 0")
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == _BYTES:
            length, place = _varint(message, place)
        elif kind in _WIDTHS:
            length = _WIDTHS[kind]
        else:
            raise BrokenMessageError(f"a field has the unknown type {kind}")
        if place + length > len(message):
            raise BrokenMessageError("a field goes beyond the end")
        yield number, message[place : place + length]
        place += length


def numbers(value: Value) -> list[int]:
    """The numbers of one occurrence of a repeated field, packed or not."""
    if isinstance(value, int):
        return [value]
    found, place = [], 0
    while place < len(value):
        number, place = _varint(value, place)
        found.append(number)
    return found


def text(value: Value) -> str:
    """The text of a field; wrong bytes become question marks."""
    return "" if isinstance(value, int) else bytes(value).decode("utf-8", "replace")


def message(value: Value) -> memoryview:
    """The bytes of a field that holds a message.

    Raises:
        BrokenMessageError: it holds a number.
    """
    if isinstance(value, int):
        raise BrokenMessageError("a field holds a number instead of a message")
    return value


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    for step in range(_LONGEST_VARINT):
        if place + step >= len(content):
            break
        byte = content[place + step]
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, place + step + 1
        shift += 7
    raise BrokenMessageError("a number does not end")
