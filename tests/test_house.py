"""The house rules, read from the source itself: who imports whom, and what nobody does."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import moesaic

ROOT = Path(moesaic.__file__).parent
# A folder imports only from folders to its left; the last ones may import anything.
ORDER = (
    *("errors", "seeds", "config", "data", "spaces", "training", "structure", "bank"),
    *("surrogate", "selection", "strategies", "mixture", "execution", "runs", "report"),
)
TOP = ("api", "estimator", "cli", "__init__", "__main__", "testing")
FILES = sorted(ROOT.rglob("*.py"))
LONGEST = 400
# They talk to their own worker processes through pipes; no file is involved.
PIPES = ("execution/_worker.py",)


def name_of(path):
    return str(path.relative_to(ROOT))


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def home_of(path):
    """Return the folder, or the single module, that a file belongs to."""
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imported_homes(path):
    """Yield (line, home) for every import of moesaic in a file, inside functions too."""
    package = ("moesaic", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            stem = ".".join(part for part in (base, node.module or "") if part)
            # `from moesaic import runs` names the home last, `from moesaic.runs import x` first
            names = (
                [f"{stem}.{alias.name}" for alias in node.names] if stem == "moesaic" else [stem]
            )
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "moesaic" and len(parts) > 1:
                yield node.lineno, parts[1]


def test_every_file_has_its_place_in_the_order():
    homes = {home_of(path) for path in FILES}
    assert homes <= {*ORDER, *TOP}
    assert set(ORDER) <= homes


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_folder_imports_only_from_folders_above_it(path):
    home = home_of(path)
    wrong = []
    for line, target in imported_homes(path):
        if home in TOP or target == home:
            continue
        if target not in ORDER or ORDER.index(target) > ORDER.index(home):
            wrong.append(f"{name_of(path)}:{line} imports {target}")
    assert not wrong


def test_the_check_of_imports_sees_lazy_relative_and_plain_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "_x.py"
    path.write_text(
        "import moesaic.errors\nfrom moesaic import runs\nfrom ..bank import Trial\n"
        "def later():\n    from moesaic.report import page\n    import torch\n"
        "from ._y import z\n"
    )
    found = [home for _, home in sorted(imported_homes(path))]
    assert found == ["errors", "runs", "bank", "report", "data"]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_opens_with_what_it_is_for_and_is_no_longer_than_a_person_reads(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    words = ast.get_docstring(tree_of(path))
    assert words
    assert words.splitlines()[0].endswith((".", ":"))


def forbidden(path):
    """Yield what a file does that nobody may: unpickle, run text, assert."""
    for node in ast.walk(tree_of(path)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            names = {module.split(".")[0], *(alias.name.split(".")[0] for alias in node.names)}
            picklers = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
            for name in names & picklers:
                if name != "pickle" or name_of(path) not in PIPES:
                    yield f"{line}: imports {name}"
        if isinstance(node, ast.Assert) and home_of(path) != "testing":
            yield f"{line}: assert"
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in ("eval", "exec", "compile", "__import__"):
            yield f"{line}: calls {called}"
        if called in ("pickle.load", "pickle.Unpickler", "torch.load", "torch.save"):
            yield f"{line}: calls {called}"
        if called in ("yaml.load", "yaml.unsafe_load", "yaml.full_load"):
            yield f"{line}: calls {called}"
        for keyword in node.keywords:
            true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
            if keyword.arg == "allow_pickle" and true:
                yield f"{line}: allows pickles"
            if keyword.arg == "weights_only" and not true:
                yield f"{line}: unpickles more than weights"
            if keyword.arg == "shell" and true:
                yield f"{line}: starts a shell"
        if called in ("np.load", "numpy.load") and "allow_pickle" not in {
            keyword.arg for keyword in node.keywords
        }:
            yield f"{line}: {called} without allow_pickle=False"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_is_unpickled_run_or_asserted(path):
    assert not list(forbidden(path))


def test_the_check_of_what_is_forbidden_sees_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "x.py"
    lines = [
        "import pickle",
        "from pickle import loads",
        "torch.load(p)",
        "yaml.load(p)",
        "eval('1')",
        "exec('1')",
        "np.load(p, allow_pickle=True)",
        "np.load(p)",
        "assert x",
        "model.eval()",
        "np.load(p, allow_pickle=False)",
        "torch.export.load(p)",
        "re.compile('x')",
    ]
    path.write_text("\n".join(lines))
    found = {int(words.split(":")[0]) for words in forbidden(path)}
    assert found == set(range(1, 10))


def test_importing_moesaic_imports_nothing_heavy():
    code = (
        "import sys, moesaic; dir(moesaic);"
        "heavy = {'torch', 'numpy', 'sklearn', 'scipy', 'sqlalchemy', 'matplotlib', 'pydantic'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_help_of_the_command_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from moesaic.cli import main\n"
        "sys.argv = ['moesaic', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'sklearn', 'scipy', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_every_public_name_can_be_had():
    for name in moesaic.__all__:
        assert getattr(moesaic, name) is not None
        assert name in dir(moesaic)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = moesaic.nothing


def test_every_name_a_folder_offers_is_there():
    import importlib

    for folder in ORDER:
        module = importlib.import_module(f"moesaic.{folder}")
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"moesaic.{folder}.{name}"


def test_no_two_test_files_share_a_name():
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert len(names) == len(set(names))
