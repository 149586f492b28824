#!/usr/bin/env python3
"""Execute the notebooks top to bottom and clean what they leave.

    python run.py [--check] [NOTEBOOK...]

With --check nothing is written: the committed outputs and oracle.csv must be what
the notebooks give now. Texts are compared to the letter, pictures pixel by pixel:
where lines lie at the edge of one, processors may differ, by a shade or at a few
places. The oracle's numbers are compared to seven digits: linear algebra adds up in
another order on another processor, and a fit ends a little elsewhere.
"""

from __future__ import annotations

import base64
import difflib
import io
import math
import os
import sys
from pathlib import Path

import matplotlib.image
import nbformat
import numpy as np
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
ORACLE = HERE / "oracle.csv"

# The oracle's numbers may differ by so much, relative to their size.
PRECISION = 1e-7

# Of a picture, so many pixels may differ by more than such a shade of 0 to 1.
SHADE, SHARE = 0.1, 0.002


def execute(path: Path) -> nbformat.NotebookNode:
    book = nbformat.read(path, as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}).execute()
    return clean(book)


def clean(book: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what differs from one machine or run to the next."""
    book.metadata = nbformat.from_dict({"language_info": {"name": "python"}, "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    for i, cell in enumerate(book.cells):
        cell.id = f"cell-{i}"
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type != "code":
            continue
        cell.execution_count = None
        cell.outputs = joined(cell.outputs)
        for output in cell.outputs:
            output.pop("execution_count", None)
            output.pop("metadata", None) if output.output_type == "stream" else output.update(metadata={})
            data = output.get("data", {})
            data.pop("text/html", None)
            if "image/png" in data:
                data.pop("text/plain", None)
    return book


def joined(outputs: list) -> list:
    """Streams arrive in pieces, cut wherever the kernel was in time."""
    whole = []
    for output in outputs:
        if whole and output.output_type == "stream" == whole[-1].output_type and output.name == whole[-1].name:
            whole[-1].text += output.text
        else:
            whole.append(output)
    return whole


def told(book: nbformat.NotebookNode) -> list[str]:
    """What a notebook says, as lines."""
    lines = []
    for cell in book.cells:
        lines += [f"[{cell.cell_type}]", *cell.source.splitlines()]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            lines += [">", *output.get("text", data.get("text/plain", "")).splitlines()]
            if "image/png" in data:
                lines.append("picture")
    return lines


def pictures(book: nbformat.NotebookNode) -> list[np.ndarray]:
    data = [output.get("data", {}) for cell in book.cells for output in cell.get("outputs", [])]
    return [matplotlib.image.imread(io.BytesIO(base64.b64decode(d["image/png"])), format="png") for d in data if "image/png" in d]


def redrawn(was: nbformat.NotebookNode, now: nbformat.NotebookNode, name: str) -> bool:
    """Whether pictures differ by more than processors do."""
    stale = False
    for i, (a, b) in enumerate(zip(pictures(was), pictures(now)), start=1):
        share = (np.abs(a - b).max(axis=2) > SHADE).mean() if a.shape == b.shape else 1
        if share > SHARE:
            print(f"{name}: picture {i} is another one: {share:.2%} of its pixels differ")
            stale = True
    return stale


def agree(was: str, now: str) -> bool:
    """Whether two lines of the oracle differ by no more than processors do."""
    a, b = was.split(","), now.split(",")
    return len(a) == len(b) and all(x == y or near(x, y) for x, y in zip(a, b))


def near(a: str, b: str) -> bool:
    try:
        return math.isclose(float(a), float(b), rel_tol=PRECISION)
    except ValueError:
        return False


def settled(was: list[str], now: list[str]) -> list[str]:
    """The new lines of the oracle, as they were where they agree."""
    if len(was) != len(now):
        return now
    return [a if agree(a, b) else b for a, b in zip(was, now)]


def differ(was: list[str], now: list[str], name: str) -> bool:
    diff = list(difflib.unified_diff(was, now, f"{name} as committed", f"{name} as executed", lineterm=""))
    print("\n".join(diff[:60]), end="\n" if diff else "")
    return bool(diff)


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    paths = [Path(a).resolve() for a in arguments if a != "--check"] or sorted(HERE.glob("*.ipynb"))
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    oracle = ORACLE.read_text() if ORACLE.exists() else ""
    stale = False
    for path in paths:
        print(path.name, flush=True)
        committed = nbformat.read(path, as_version=4)
        book = execute(path)
        if check:
            stale |= differ(told(committed), told(book), path.name) | redrawn(committed, book, path.name)
        else:
            path.write_text(nbformat.writes(book) + "\n")
    if check:
        was, now = oracle.splitlines(), ORACLE.read_text().splitlines()
        ORACLE.write_text(oracle)
        stale |= differ(was, settled(was, now), ORACLE.name)
    if stale:
        print("Outputs are not fresh: make notebooks, and read the diff.")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
