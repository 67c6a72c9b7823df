"""The layout's rules: imports go down only, no torch."""

import ast
import pathlib
import subprocess
import sys

import pytest

import codec

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "codec"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# Imports go down, or sideways without a cycle; lazy ones count as well.
LAYERS = (
    ("errors", "limits", "options", "progress", "types"),
    ("io", "model"),
    ("container", "picture", "search", "symbols", "transform"),
    ("api", "codec", "decoder", "encoder", "insight", "runtime", "stacks", "table"),
    ("bench", "cli", "plugins", "training"),
)
LAYER = {part: n for n, parts in enumerate(LAYERS) for part in parts}


def module_of(path):
    """A file's dotted name, and that of the package that it is in."""
    parts = ("codec", *path.relative_to(PACKAGE).with_suffix("").parts)
    if parts[-1] == "__init__":
        return ".".join(parts[:-1]), ".".join(parts[:-1])
    return ".".join(parts), ".".join(parts[:-1])


def part_of(module):
    """The part that a module belongs to; "codec" is the package itself."""
    return (module + ".codec").split(".")[1]


def imported(path, modules):
    """(line, module) for each import of the package's own modules in a file."""
    package = module_of(path)[1].split(".")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *filter(None, [node.module])))
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            while name and name not in modules:  # it is something in a module
                name = name.rpartition(".")[0]
            if name:
                yield node.lineno, name


def upward(graph):
    """Imports of a higher layer, as text."""
    return [
        f"{module} imports {other} (line {line})"
        for module, found in graph.items()
        for line, other in found
        if LAYER[part_of(other)] > LAYER[part_of(module)]
    ]


def cycles(graph):
    """Modules that import each other, whatever way round."""

    def reached(start):
        seen, todo = set(), [start]
        while todo:
            for _, other in graph[todo.pop()]:
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen

    return sorted(module for module in graph if module in reached(module))


def imports_of(folder):
    modules = {module_of(path)[0] for path in folder.rglob("*.py")}
    return {
        module_of(path)[0]: list(imported(path, modules)) for path in sorted(folder.rglob("*.py"))
    }


def test_imports_go_down_without_cycles():
    graph = imports_of(PACKAGE)
    assert {part_of(module) for module in graph} <= set(LAYER)
    assert upward(graph) == []
    assert cycles(graph) == []


def test_the_rule_sees_upward_imports_and_cycles(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    for name, text in {
        "__init__.py": "",
        "api.py": "from . import symbols",
        "symbols/__init__.py": "",
        "symbols/coder.py": "from ..transform import tiles\nfrom . import rows\n"
        "def f():\n    from codec import encode\n    import codec.api\n",
        "symbols/rows.py": "import numpy\n",
        "transform/__init__.py": "",
        "transform/tiles.py": "def f():\n    from ..symbols.coder import Writer\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    graph = imports_of(tmp_path)
    assert graph["codec.symbols.coder"] == [
        (1, "codec.transform.tiles"),
        (2, "codec.symbols.rows"),
        (4, "codec"),
        (5, "codec.api"),
    ]
    assert upward(graph) == [
        "codec.symbols.coder imports codec (line 4)",
        "codec.symbols.coder imports codec.api (line 5)",
    ]
    assert cycles(graph) == ["codec.symbols.coder", "codec.transform.tiles"]


def test_the_installed_package_is_complete():
    installed = pathlib.Path(codec.__file__).parent
    missing = [
        str(p)
        for p in PACKAGE.rglob("*")
        if p.is_file()
        and "__pycache__" not in p.parts
        and not (installed / p.relative_to(PACKAGE)).is_file()
    ]
    assert not missing


def test_torch_is_imported_in_training_only():
    """Elsewhere at most inside a function of ``bench``, for its metrics."""
    for path in SOURCES:
        part = part_of(module_of(path)[0])
        tree = ast.parse(path.read_text("utf-8"))
        nodes = tree.body if part == "bench" else ast.walk(tree)
        for node in nodes:
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            assert part == "training" or not any(
                n.split(".")[0] in ("torch", "onnx") for n in names
            ), path


# Prints what was loaded of the packages that must not be.
LOADED = """
import sys
{}
print(sorted({{m.split(".")[0] for m in sys.modules}} & {{{}}}))
"""
TORCH = "'torch', 'onnx'"
HEAVY = "'torch', 'onnx', 'numpy', 'PIL', 'onnxruntime', 'constriction'"


def loaded(code, watched, cwd):
    run = subprocess.run(
        [sys.executable, "-c", LOADED.format(code, watched)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=True,
    )
    return run.stdout.splitlines()[-1]


def test_codec_loads_nothing_heavy(tmp_path):
    heavy = HEAVY + ", 'sklearn', 'scipy'"
    assert loaded("import codec", heavy, tmp_path) == "[]"


def test_features_load_no_sklearn(tmp_path):
    code = """
import numpy, codec
image = numpy.zeros((9, 7, 3), numpy.uint8)
codec.features(codec.encode(image)), codec.anomaly_score(image)
"""
    assert loaded(code, TORCH + ", 'sklearn', 'scipy'", tmp_path) == "[]"


def test_codec_loads_no_torch(tmp_path):
    code = """
import numpy, codec
codec.decode(codec.encode(numpy.zeros((9, 7, 3), numpy.uint8)))
"""
    assert loaded(code, TORCH, tmp_path) == "[]"


def test_commands_load_no_torch(tmp_path):
    code = """
import numpy
from PIL import Image
from codec.cli.main import main
Image.fromarray(numpy.zeros((9, 7, 3), numpy.uint8)).save("a.png")
assert main("aecompress", ["a.png"]) == 0
assert main("aecompress", ["-l", "a.aec"]) == 0
assert main("aedecompress", ["a.aec", "b.png"]) == 0
"""
    assert loaded(code, TORCH, tmp_path) == "[]"


def test_import_is_light(tmp_path):
    """Nothing but the standard library, whichever extras are installed."""
    code = """
before = set(sys.modules)
import codec
found = {m for m in set(sys.modules) - before
         if m.split(".")[0] not in sys.stdlib_module_names}
assert found == {"codec", "codec.errors"}, found
"""
    assert loaded(code, HEAVY, tmp_path) == "[]"


@pytest.mark.parametrize("option", ["--help", "--version", "-q999", "--completion=bash"])
def test_options_load_nothing_heavy(option, tmp_path):
    code = f"""
from codec.cli.main import main
main("aecompress", [{option!r}])
"""
    # These two alone take as long as the rest of --help.
    slow = ", 'shutil', 'tempfile'" if option == "--help" else ""
    assert loaded(code, HEAVY + slow, tmp_path) == "[]"
