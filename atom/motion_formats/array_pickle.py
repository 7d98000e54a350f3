"""Arrays, texts and containers from pickles of unknown origin, without running anything that they ask for.

NumPy's own unpickling trusts the state in the file; here, an array is rebuilt from the name of its type, its shape and
its bytes alone, and nothing else may be called. A first pass over the opcodes bounds what they may allocate.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from typing import Any

import numpy as np

_TYPE_NAMES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
_MAX_DIMENSIONS = 8
_MAX_DEPTH = 8
_FORBIDDEN = {"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER"}


class UnsafePickle(ValueError):
    """The pickle is damaged, or asks for more than arrays, texts, numbers and containers."""


def load_arrays(data: bytes) -> Any:
    """The content of a pickle: arrays, texts, numbers, None, and lists, tuples and dicts of them.

    Args:
        data: the bytes of the pickle; memory and time stay within a small multiple of their number.

    Returns:
        The content. Tuples and arrays of objects come as lists; an array of no dimension as its one object.

    Raises:
        UnsafePickle: the pickle is damaged or asks for anything else.
    """
    _check_opcodes(data)
    try:
        return _resolve(_Unpickler(io.BytesIO(data)).load())
    except UnsafePickle:
        raise
    except Exception as error:  # what a damaged pickle raises is not limited to pickle's own errors
        raise UnsafePickle(" ".join(str(error).split())[:100] or type(error).__name__) from None


def _check_opcodes(data: bytes) -> None:
    """Refuses opcodes that take their size from the file and not from its bytes."""
    count = 0
    try:
        for opcode, argument, _ in pickletools.genops(data):
            count += 1
            if opcode.name in _FORBIDDEN:
                raise UnsafePickle(f"it holds the opcode {opcode.name}")
            # The memo is an array as long as its greatest index.
            if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > count:
                raise UnsafePickle("its memo is damaged")
    except UnsafePickle:
        raise
    except Exception as error:
        raise UnsafePickle(" ".join(str(error).split())[:100]) from None


class _TypeName:
    """A NumPy type by its name alone."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.name = name.decode("ascii") if isinstance(name, bytes) else name
        self.order = "<"

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self.order = ">" if state[1] == ">" else "<"

    def to_dtype(self) -> np.dtype:
        name = self.name.lstrip("<>|=") if isinstance(self.name, str) else ""
        if name in _TYPE_NAMES:
            return np.dtype(self.order + name)
        if name[:1] in "US" and name[1:].isdigit() and 0 < int(name[1:]) < 1 << 20:
            return np.dtype(self.order + name)
        raise UnsafePickle(f"it holds an array of the type {str(self.name)[:20]!r}")


class _Array:
    """An array as its pickle describes it: shape, type, order and bytes; or a list of objects."""

    def __init__(self, *_: Any) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise UnsafePickle("an array is damaged")
        self.state = state

    def content(self) -> Any:
        """The array, or the list of its objects."""
        if len(self.state) != 5 or not isinstance(self.state[2], _TypeName):
            raise UnsafePickle("an array is damaged")
        _, shape, kind, is_fortran, content = self.state
        if (
            not isinstance(shape, tuple)
            or len(shape) > _MAX_DIMENSIONS
            or not all(type(n) is int and n >= 0 for n in shape)
        ):
            raise UnsafePickle("an array has no proper shape")
        if isinstance(content, list):
            if shape == () and len(content) != 1:
                raise UnsafePickle("an array of one object holds others")
            return content
        content = content.encode("latin-1") if isinstance(content, str) else content
        dtype = kind.to_dtype()
        if not isinstance(content, bytes) or math.prod(shape) * dtype.itemsize != len(content):
            raise UnsafePickle("an array's bytes don't fit its shape")
        return np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")


class _Scalar:
    """A NumPy number as its type and bytes."""

    def __init__(self, kind: Any, content: Any = b"") -> None:
        self.kind, self.content = kind, content

    def to_number(self) -> Any:
        content = self.content.encode("latin-1") if isinstance(self.content, str) else self.content
        dtype = self.kind.to_dtype() if isinstance(self.kind, _TypeName) else None
        if dtype is None or not isinstance(content, bytes) or len(content) != dtype.itemsize:
            raise UnsafePickle("a number is damaged")
        return np.frombuffer(content, dtype)[0].item()


class _Unpickler(pickle.Unpickler):
    """Knows how arrays are pickled, and calls nothing but the classes above."""

    def find_class(self, module: str, name: str) -> Any:
        known = _STAND_INS.get((module.replace("numpy.core.", "numpy._core."), name))
        if known is None:
            raise UnsafePickle(f"it asks for {module[:40]}.{name[:40]}")
        return known


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any = "C") -> _Array:
    array = _Array()
    array.__setstate__((1, shape, kind, order == "F", bytes(content) if isinstance(content, bytearray) else content))
    return array


def _empty_bytes() -> bytes:
    return b""


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise UnsafePickle("bytes are written in an unknown way")
    return text.encode("latin-1")


# What a pickle of arrays names, and what stands for it here.
_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,  # protocol 5
    ("numpy._core.multiarray", "scalar"): _Scalar,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _TypeName,
    ("_codecs", "encode"): _encode,  # how Python 3 writes bytes below protocol 3
    ("__builtin__", "bytes"): _empty_bytes,
}


def _resolve(value: Any) -> Any:
    """The value with every array and number in it rebuilt."""
    return _Resolver().resolve(value, 0)


class _Resolver:
    """Rebuilds each container once, however often the pickle refers to it."""

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}

    def resolve(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, str | bytes | int | float):
            return value
        if depth > _MAX_DEPTH:
            raise UnsafePickle("its containers are nested too deeply")
        if id(value) not in self._done:
            self._done[id(value)] = self._rebuild(value, depth + 1)
        return self._done[id(value)]

    def _rebuild(self, value: Any, depth: int) -> Any:
        if isinstance(value, _Array):
            content = value.content()
            if not isinstance(content, list):
                return content
            return self.resolve(content[0] if value.state[1] == () else content, depth)
        if isinstance(value, _Scalar):
            return value.to_number()
        if isinstance(value, dict):
            return {key: self.resolve(item, depth) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.resolve(item, depth) for item in value]
        raise UnsafePickle(f"it holds a {type(value).__name__}")
