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

# A part may import the parts of lower layers, and itself.
LAYERS = {
    0: ("types", "errors", "progress"),
    1: ("limits", "model", "io"),
    2: ("picture", "transform", "symbols", "search", "container"),
    3: ("api",),
    4: ("stacks",),
    5: ("insight",),
    6: ("cli", "bench", "training", "plugins"),
}
LAYER = {part: n for n, parts in LAYERS.items() for part in parts}
LAYER["codec"] = 3  # what the package itself offers is api's


def part_of(path):
    """The part that a file of the package belongs to."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "codec" if first == "__init__" else first


def imported(path):
    """(line, part) for each import of the package's own parts in a file."""
    folder = ("codec", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else ()
            module = ".".join((*base, *filter(None, [node.module])))
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            first, *rest = name.split(".")
            if first == "codec":
                known = rest and (
                    rest[0] in LAYER
                    or (PACKAGE / rest[0]).is_dir()
                    or (PACKAGE / f"{rest[0]}.py").is_file()
                )
                yield node.lineno, rest[0] if known else "codec"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    part = part_of(path)
    assert part in LAYER, f"{part} has no layer; give it one in {__file__}"
    wrong = [
        f"{path}:{line}: {part} imports {other}"
        for line, other in imported(path)
        if other != part
        and {part, other} != {"api", "codec"}
        and (LAYER[other] > LAYER[part] or LAYER[other] == LAYER[part] not in (2, 6))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_rule_sees_an_upward_import(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    file = tmp_path / "symbols" / "coder.py"
    file.parent.mkdir()
    file.write_text(
        "from ..transform import tiles\nfrom . import rows\n"
        "import codec.cli.main\nfrom codec import encode\n"
        "from .. import api\nimport numpy\n"
    )
    assert list(imported(file)) == [
        (1, "transform"),
        (2, "symbols"),
        (3, "cli"),
        (4, "codec"),
        (5, "api"),
    ]


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
        part = part_of(path)
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


@pytest.mark.parametrize(
    "option", ["--help", "--version", "-q999", "--completion=bash"]
)
def test_options_load_nothing_heavy(option, tmp_path):
    code = f"""
from codec.cli.main import main
main("aecompress", [{option!r}])
"""
    # These two alone take as long as the rest of --help.
    slow = ", 'shutil', 'tempfile'" if option == "--help" else ""
    assert loaded(code, HEAVY + slow, tmp_path) == "[]"
