"""Every notebook runs from its first cell to its last, in an empty folder, without a warning.

The kernel talks over Unix sockets in a folder of its own, so that the warning about unencrypted TCP
has no cause; the one port left is what ipykernel itself opens on loopback.
"""

import ast
import re
import tempfile
from pathlib import Path
from typing import Any

import jupytext
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

NOTEBOOKS = sorted(Path(__file__).parents[2].glob("notebooks/*.py"))
CELL_SECONDS = 300
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def run(path: Path, folder: Path) -> Any:
    """The executed notebook; a cell that fails or warns fails the test with what it said."""
    notebook = jupytext.read(path)
    with tempfile.TemporaryDirectory(prefix="nb") as sockets:  # a socket's path must be short
        talk = {"transport": "ipc", "connection_file": f"{sockets}/kernel.json"}
        client = NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            config=Config({"KernelManager": talk}),
        )
        try:
            client.execute()
        except CellExecutionError as error:
            pytest.fail(f"{path.name}: {COLOURS.sub('', str(error))}", pytrace=False)
    for number, cell in enumerate(notebook.cells):
        said = "".join(o.text for o in cell.get("outputs", ()) if o.get("name") == "stderr")
        if said:
            pytest.fail(f"{path.name}, cell {number}:\n{cell.source}\n\n{said}", pytrace=False)
    return notebook


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_without_a_warning(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = run(path, tmp_path)
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    assert any("image/png" in o.get("data", {}) for o in outputs), "no plot was drawn"
    assert not list(tmp_path.iterdir()), "a notebook leaves no files behind"


@pytest.mark.parametrize("cell", ["1 / 0", "import warnings; warnings.warn('odd')"])
def test_a_cell_that_fails_or_warns_is_shown(
    cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    path = tmp_path / "broken.py"
    path.write_text(f"# %%\n{cell}\n")
    with pytest.raises(pytest.fail.Exception) as failure:
        run(path, tmp_path)
    assert "broken.py" in str(failure.value)
    assert cell in str(failure.value)
    assert re.search("ZeroDivisionError|UserWarning: odd", str(failure.value))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_defines_nothing_and_reads_no_truth(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    assert not [node.lineno for node in nodes if isinstance(node, defined)]
    names = {getattr(node, "attr", getattr(node, "id", "")) for node in nodes}
    modules = {getattr(node, "module", "") or "" for node in nodes}
    assert not [word for word in names | modules if "truth" in word or "judge" in word]
