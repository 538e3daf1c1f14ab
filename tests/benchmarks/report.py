"""What benchmarks share: a table on the screen, and `artifacts/figures/bench.json`.

The file is flat, name to number; each script adds its keys and leaves the others'.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

FIGURES: Final = Path("artifacts/figures/bench.json")


def write_figures(found: Mapping[str, float], path: Path = FIGURES) -> None:
    """Merge figures into the file."""
    known = json.loads(path.read_text()) if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(known | dict(found), indent=1, sort_keys=True) + "\n"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(path)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in plain text, numbers to three digits.

    >>> print(table("speed", ["way", "s"], [["ours", 1.0], ["theirs", 4.25]]))
    speed
      way     s
      ours    1
      theirs  4.25
    """
    cells = [
        [f"{c:.3g}" if isinstance(c, float) else str(c) for c in row] for row in [header, *rows]
    ]
    widths = [max(len(row[n]) for row in cells) for n in range(len(header))]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells
    ]
    return "\n".join([title, *(f"  {line}" for line in lines)])


def machine() -> str:
    """Processor, cores and load, so that a figure can be judged."""
    names = [x for x in _cpuinfo() if x.startswith("model name")]
    name = names[0].partition(":")[2].strip() if names else platform.processor()
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
