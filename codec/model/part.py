"""The part of an ONNX graph that one of its outputs needs.

onnxruntime runs every node of a graph, also those that lead to no output
that was asked for (1.32: ``only_execute_path_to_fetches`` changes nothing,
and neither does leaving the output out). So the other nodes are taken out
before a session is made. That needs three fields of protobuf, and no onnx,
which is no runtime dependency: ModelProto.graph, GraphProto.node and
GraphProto.output (onnx.proto, fields 7, 1 and 12).
"""

GRAPH, NODE, OUTPUT = 7, 1, 12
NODE_INPUT, NODE_OUTPUT, VALUE_NAME = 1, 2, 1
_BYTES = 2                      # wire type of what has a length
_FIXED = {1: 8, 5: 4}           # wire types of a fixed size


def part_of(model, output):
    """The model without what ``output`` does not need.

    Parameters
    ----------
    model : bytes
        A ModelProto whose nodes are in order, as onnx demands, and have no
        graphs inside them.
    output : str

    Returns
    -------
    bytes
        A ModelProto with this one output.

    Raises
    ------
    ValueError
        These bytes are no such model.
    """
    kept = []
    for number, whole, value in _fields(model):
        if number == GRAPH:
            graph = _graph(value, output.encode())
            whole = _varint(GRAPH << 3 | _BYTES) + _varint(len(graph)) + graph
        kept.append(whole)
    return b"".join(kept)


def _graph(graph, output):
    fields, needed, kept = list(_fields(graph)), {output}, []
    for number, whole, value in reversed(fields):
        if number == NODE:
            names = _names(value, NODE_INPUT, NODE_OUTPUT)
            if needed.isdisjoint(names[NODE_OUTPUT]):
                continue
            needed.update(names[NODE_INPUT])
        elif number == OUTPUT and output not in _names(
                value, VALUE_NAME)[VALUE_NAME]:
            continue
        kept.append(whole)
    return b"".join(reversed(kept))


def _names(message, *numbers):
    found = {n: [] for n in numbers}
    for number, _, value in _fields(message):
        if number in found:
            found[number].append(value)
    return found


def _fields(message):
    """(number, the whole field, its value if that has a length) of each."""
    at = 0
    while at < len(message):
        start = at
        key, at = _read(message, at)
        size, value = 0, b""
        if key & 7 == _BYTES:
            size, at = _read(message, at)
            value = message[at:at + size]
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


def _read(message, at):
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


def _varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
