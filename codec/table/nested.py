"""What columns of Arrow take once nothing in them is shared.

Lists of nothing, views and dictionaries may say a lot in a few bytes. As objects of
pandas, or in a file of another format, each value takes its own.
"""

from typing import Any

import numpy as np

from ..types import Array
from .wire import Room


def spread(array: Any, room: Room) -> Array:
    """Bytes of each value, about: float64 (n,), which nested views do not overflow.

    Parameters
    ----------
    array : pyarrow.Array
        Valid, and with no offset, as what was read from a stream.
    room : Room
        For the elements that are looked at.
    """
    import pyarrow as pa

    t, n = array.type, len(array)
    room.take(8 * n)
    if isinstance(array, pa.ExtensionArray):
        return spread(array.storage, room)
    if pa.types.is_dictionary(t):
        return np.append(spread(array.dictionary, room), 0)[_numbers(array.indices, -1)]
    if pa.types.is_run_end_encoded(t):
        runs = np.searchsorted(_numbers(array.run_ends), np.arange(n), "right")
        return spread(array.values, room)[runs]
    if pa.types.is_fixed_size_list(t):
        return 8 + spread(array.values, room).reshape(n, t.list_size).sum(1)
    if pa.types.is_union(t):
        return 8 + _of_union(array, room)
    if hasattr(array, "offsets") and hasattr(array, "values"):  # lists, views of them, maps
        return 8 + _of_lists(array, room)
    if pa.types.is_struct(t):
        fields = [spread(array.field(i), room) for i in range(t.num_fields)]
        return np.sum([np.full(n, 8.0), *fields], 0)
    if pa.types.is_null(t):
        return np.full(n, 8.0)
    try:
        return np.full(n, 8 + t.bit_width / 8)
    except ValueError:  # of no fixed width: texts and bytes
        return 8.0 + _lengths(array)


def _of_lists(array: Any, room: Room) -> Array:
    sums = np.append(0, np.cumsum(spread(array.values, room)))
    at, n = _numbers(array.offsets), len(array)
    end = at[:n] + _numbers(array.sizes) if hasattr(array, "sizes") else at[1:]
    return sums[end] - sums[at[:n]]


def _of_union(array: Any, room: Room) -> Array:
    codes, out = _numbers(array.type_codes), np.zeros(len(array))
    at = _numbers(array.offsets) if array.type.mode == "dense" else np.arange(len(array))
    for i, code in enumerate(array.type.type_codes):
        rows = codes == code
        out[rows] = spread(array.field(i), room)[at[rows]]
    return out


def _lengths(array: Any) -> Array:
    import pyarrow.compute as pc

    if str(array.type).endswith("view"):  # each begins with its length, in 16 bytes
        return np.frombuffer(array.buffers()[1], "<i4")[: 4 * len(array) : 4]
    return _numbers(pc.binary_length(array))


def _numbers(array: Any, missing: int = 0) -> Array:
    return array.fill_null(missing).to_numpy(zero_copy_only=False)
