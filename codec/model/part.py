"""ONNX graphs cut to what a session is for.

Contents
--------
``part_of``     the part that some outputs need, or values before them
``squares_of``  the same, of values as bytes with their channels last
``inputs_of``   what a value is made from
``end_of``      the last node of a kind, and what comes after it
``constant``    an input that is always the same made a constant

onnxruntime runs every node of a graph, also those that lead to no output
that was asked for (1.32: ``only_execute_path_to_fetches`` changes nothing,
and neither does leaving the output out). And it works out once what only
constants lead to, when a session is made. So graphs are changed before
that. It takes a few fields of protobuf (onnx.proto), and no onnx, which is
no runtime dependency.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..types import Array

GRAPH = 7  # of ModelProto
NODE, INITIALIZER, INPUT, OUTPUT = 1, 5, 11, 12  # of GraphProto
NODE_INPUT, NODE_OUTPUT, NODE_NAME, NODE_KIND, ATTRIBUTE = 1, 2, 3, 4, 5
VALUE_NAME, VALUE_TYPE = 1, 2
DIMS, DATA_TYPE, TENSOR_NAME, RAW_DATA = 1, 2, 8, 9  # of TensorProto
FLOAT = 1
# Of a Transpose, an AttributeProto: perm = [0, 2, 3, 1], of type INTS.
_CHANNELS_LAST = b"\x0a\x04perm\x40\x00\x40\x02\x40\x03\x40\x01\xa0\x01\x07"
_BYTES = 2  # wire type of what has a length
_FIXED = {1: 8, 5: 4}  # wire types of a fixed size


def part_of(model: bytes, *outputs: str) -> bytes:
    """The model without nodes and inputs that ``outputs`` do not need.

    Parameters
    ----------
    model : bytes
        A ModelProto whose nodes are in order, as onnx demands, and have no
        graphs inside them.
    *outputs : str
        Outputs, or one of the values inside, which then comes last.

    Returns
    -------
    bytes
        A ModelProto with these outputs.

    Raises
    ------
    ValueError
        These bytes are no such model.
    """
    return _with_graph(model, lambda graph: _needed(graph, [o.encode() for o in outputs]))


def squares_of(model: bytes, values: Sequence[str], rounding: Sequence[str]) -> bytes:
    """The part that makes some values (n, c, h, w), as uint8 (n, h, w, c).

    Parameters
    ----------
    model : bytes
        As of `part_of`.
    values : list of str
    rounding : list of str
        Scale and zero of ``QuantizeLinear``.

    Returns
    -------
    bytes
        A ModelProto whose outputs these are, in their order, under other names.

    Raises
    ------
    ValueError
        These bytes are no such model.
    """
    last, outputs = [f"{v} last" for v in values], [f"{v} rounded" for v in values]
    nodes = b"".join(
        _node("Transpose", [value], turned, _field(ATTRIBUTE, _CHANNELS_LAST))
        + _node("QuantizeLinear", [turned, *rounding], output)
        for value, turned, output in zip(values, last, outputs)
    )
    wanted = [output.encode() for output in outputs]
    return _with_graph(model, lambda graph: _needed(graph + nodes, wanted))


def inputs_of(model: bytes, value: str) -> list[str]:
    """Names of what the node takes that makes a value.

    Parameters
    ----------
    model : bytes
        As of `part_of`.
    value : str

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        These bytes are no model with such a value.
    """
    for number, _, graph in _fields(model):
        for inner, _, node in _fields(graph if number == GRAPH else b""):
            if inner == NODE:
                names = _names(node, NODE_INPUT, NODE_OUTPUT)
                if value.encode() in names[NODE_OUTPUT]:
                    return [name.decode() for name in names[NODE_INPUT]]
    raise ValueError(f"an ONNX model that does not make {value}")


def end_of(model: bytes, output: str, kind: str) -> tuple[list[str], list[str], str]:
    """The last node of a kind on the way of first inputs, and what comes after it.

    Parameters
    ----------
    model : bytes
        As of `part_of`.
    output : str
    kind : str
        Such as "Concat".

    Returns
    -------
    inputs : list of str
        Of that node; empty where there is none.
    others : list of str
        Further inputs of the one that follows.
    digest : str
        Of that node and of all else that makes the output of these inputs: equal only
        where the same is done. Sizes of inputs, and names of nodes and values, do not
        matter.

    Raises
    ------
    ValueError
        These bytes are no model.
    """
    (graph,) = (value for number, _, value in _fields(model) if number == GRAPH)
    fields, said = list(_fields(graph)), hashlib.sha256()
    way: bytes | None = output.encode()
    numbers, inputs = {way: 0}, []
    others: list[bytes] = []

    def say(message: bytes, names: list[bytes], *hidden: int) -> None:
        kept = [whole for n, whole, _ in _fields(message) if n not in hidden]
        those = [numbers.setdefault(name, len(numbers)) for name in names]
        said.update(repr((kept, those)).encode())

    for number, _, node in reversed(fields):
        names = _names(node, NODE_INPUT, NODE_OUTPUT, NODE_KIND) if number == NODE else {}
        if not names or numbers.keys().isdisjoint(names[NODE_OUTPUT]):
            continue
        takes = names[NODE_INPUT]
        if way in names[NODE_OUTPUT] and names[NODE_KIND] == [kind.encode()]:
            way, inputs, takes = None, takes, []
        elif way in names[NODE_OUTPUT]:
            way, others = takes[0] if takes else None, takes[1:]
        say(node, names[NODE_OUTPUT] + takes, NODE_INPUT, NODE_OUTPUT, NODE_NAME)
    for number, _, value in fields:
        if number in (INPUT, INITIALIZER):
            name = VALUE_NAME if number == INPUT else TENSOR_NAME
            called = _names(value, name)[name]
            if numbers.keys() >= set(called):
                say(value, called, VALUE_TYPE if number == INPUT else TENSOR_NAME)
    return [v.decode() for v in inputs], [v.decode() for v in others], said.hexdigest()[:16]


def constant(model: bytes, name: str, array: Array) -> bytes:
    """The model with a constant in place of one of its inputs.

    Parameters
    ----------
    model : bytes
        A ModelProto.
    name : str
        Of the input.
    array : float32 ndarray

    Returns
    -------
    bytes
        A ModelProto without that input.

    Raises
    ------
    ValueError
        These bytes are no model with such an input.
    """
    tensor = b"".join(_varint(DIMS << 3) + _varint(n) for n in array.shape)
    tensor += _varint(DATA_TYPE << 3) + _varint(FLOAT)
    tensor += _field(TENSOR_NAME, name.encode())
    tensor += _field(RAW_DATA, np.ascontiguousarray(array, "<f4").tobytes())

    def fixed(graph: bytes) -> bytes:
        kept = [
            whole
            for number, whole, value in _fields(graph)
            if number != INPUT or name.encode() not in _names(value, VALUE_NAME)[VALUE_NAME]
        ]
        whole = b"".join(kept)
        if len(whole) == len(graph):
            raise ValueError(f"an ONNX model without an input {name}")
        return whole + _field(INITIALIZER, tensor)

    return _with_graph(model, fixed)


def _with_graph(model: bytes, change: Callable[[bytes], bytes]) -> bytes:
    return b"".join(
        _field(GRAPH, change(value)) if number == GRAPH else whole
        for number, whole, value in _fields(model)
    )


def _field(number: int, value: bytes) -> bytes:
    """A field that has a length."""
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _node(kind: str, inputs: Sequence[str], output: str, attribute: bytes = b"") -> bytes:
    """The field of a node."""
    takes = b"".join(_field(NODE_INPUT, name.encode()) for name in inputs)
    gives = _field(NODE_OUTPUT, output.encode()) + _field(NODE_KIND, kind.encode())
    return _field(NODE, takes + gives + attribute)


def _needed(graph: bytes, outputs: list[bytes]) -> bytes:
    needed, kept, declared = set(outputs), [], set()
    for number, whole, value in reversed(list(_fields(graph))):
        if number == NODE:
            names = _names(value, NODE_INPUT, NODE_OUTPUT)
            if needed.isdisjoint(names[NODE_OUTPUT]):
                continue
            needed.update(names[NODE_INPUT])
        elif number == OUTPUT:
            (name,) = _names(value, VALUE_NAME)[VALUE_NAME]
            if name not in outputs:
                continue
            declared.add(name)
        kept.append((number, whole, value))
    return b"".join(
        whole
        for number, whole, value in reversed(kept)
        if number != INPUT or needed.issuperset(_names(value, VALUE_NAME)[VALUE_NAME])
    ) + b"".join(
        _field(OUTPUT, _field(VALUE_NAME, name)) for name in outputs if name not in declared
    )


def _names(message: bytes, *numbers: int) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {n: [] for n in numbers}
    for number, _, value in _fields(message):
        if number in found:
            found[number].append(value)
    return found


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(number, the whole field, its value if that has a length) of each."""
    at = 0
    while at < len(message):
        start = at
        key, at = _read(message, at)
        size, value = 0, b""
        if key & 7 == _BYTES:
            size, at = _read(message, at)
            value = message[at : at + size]
        elif key & 7 in _FIXED:
            size = _FIXED[key & 7]
        elif key & 7 == 0:
            _, at = _read(message, at)
        else:
            raise ValueError(f"wire type {key & 7} in an ONNX model")
        at += size
        if at > len(message):
            raise ValueError("an ONNX model ends within a field")
        yield key >> 3, message[start:at], value


def _read(message: bytes, at: int) -> tuple[int, int]:
    """A varint and where it ends."""
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("a bad number in an ONNX model")
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
