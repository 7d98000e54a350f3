"""Pickles of arrays are read without running anything; whatever asks for more is refused. Inputs here are harmless."""

import io
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from atom.motion_formats.array_pickle import UnsafePickle, load_arrays

ARRAYS = {
    "float32": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big-endian": np.arange(3, dtype=">f8"),
    "integers": np.arange(4, dtype=np.int64),
    "booleans": np.array([True, False]),
    "texts": np.array(["one", "three"]),
    "bytes": np.array([b"ab"]),
    "empty": np.zeros((0, 22, 3)),
    "a number": np.array(2.5),
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("protocol", range(6))
def test_arrays_come_back_as_they_were(name, protocol):
    array = ARRAYS[name]
    loaded = load_arrays(pickle.dumps({"a": array, "n": 3, "t": "text"}, protocol))
    np.testing.assert_array_equal(loaded["a"], array)
    assert loaded["a"].dtype == array.dtype and (loaded["n"], loaded["t"]) == (3, "text")


def test_containers_numbers_and_arrays_of_objects_come_back():
    content = {"l": [1, (2, "x")], "s": np.float32(1.5), "o": np.array(["a", None, [1]], dtype=object), "b": b"raw"}
    loaded = load_arrays(pickle.dumps(content, 4))
    assert loaded == {"l": [1, [2, "x"]], "s": 1.5, "o": ["a", None, [1]], "b": b"raw"}
    whole = np.empty((), dtype=object)
    whole[()] = {"motion": np.ones(2)}
    np.testing.assert_array_equal(load_arrays(pickle.dumps(whole))["motion"], np.ones(2))


@pytest.mark.parametrize("value", [print, OrderedDict(a=1), np.random.default_rng, 1j, np.datetime64("2026-01-01")])
def test_anything_else_is_refused(value):
    with pytest.raises(UnsafePickle):
        load_arrays(pickle.dumps({"a": value}))


def test_a_structured_type_is_refused():
    with pytest.raises(UnsafePickle, match=r"an array of the type 'V12'|damaged"):
        load_arrays(pickle.dumps(np.zeros(2, dtype=[("a", "f4"), ("b", "f8")])))


def test_every_cut_of_a_pickle_is_refused():
    data = pickle.dumps({"motion": np.arange(12.0).reshape(3, 4), "text": ["a", "b"]}, 4)
    for length in range(len(data)):
        with pytest.raises(UnsafePickle):
            load_arrays(data[:length])


def test_changed_bytes_give_a_refusal_or_plain_values():
    """Seeded single-byte changes: never another exception, never another type."""
    data = bytearray(pickle.dumps({"motion": np.arange(12.0).reshape(3, 4), "lengths": np.array([3])}, 2))
    rng = np.random.default_rng(5)
    for position, value in zip(rng.integers(0, len(data), 2000), rng.integers(0, 256, 2000)):
        changed = bytes(data[:position]) + bytes([value]) + bytes(data[position + 1 :])
        try:
            content = load_arrays(changed)
        except UnsafePickle:
            continue
        assert content is None or isinstance(content, dict | list | str | bytes | int | float | np.ndarray)


def test_an_index_of_the_memo_beyond_the_opcodes_is_refused():
    """The memo is an array as long as its greatest index; here a small one stands for any."""
    data = pickle.PROTO + b"\x02" + b"N" + pickle.LONG_BINPUT + (200).to_bytes(4, "little") + b"."
    with pytest.raises(UnsafePickle, match="its memo is damaged"):
        load_arrays(data)


def test_shape_and_bytes_must_agree():
    file = io.BytesIO()
    pickle.Pickler(file, 2).dump(np.arange(4.0))
    data = file.getvalue()
    assert b"K\x04\x85" in data  # the shape (4,)
    with pytest.raises(UnsafePickle, match="don't fit its shape"):
        load_arrays(data.replace(b"K\x04\x85", b"K\x05\x85"))


def test_containers_nested_beyond_any_motion_file_are_refused():
    nested = [1]
    for _ in range(20):
        nested = [nested]
    with pytest.raises(UnsafePickle, match="nested too deeply"):
        load_arrays(pickle.dumps(nested))


def test_a_container_that_is_referred_to_often_is_rebuilt_once():
    row = list(range(1000))
    for _ in range(6):
        row = [row] * 1000  # 10 ** 21 numbers if each reference were followed
    loaded = load_arrays(pickle.dumps(row))
    assert loaded[0] is loaded[999]
