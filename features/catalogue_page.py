"""A catalogue on a page: plain text, Markdown, or HTML that needs nothing but itself.

In: a task. Out: one text. The columns stand by signal; signals without a column, and what the
columns of a signal leave out, follow with the reason.
"""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from typing import Final

from features.catalogue import Entry, Signal, catalogue, signals
from features.declarations import STAGES
from features.task import Task

SHOWN: Final = ("name", "meaning", "entity", "window", "stage", "sign", "reason")
FORMATS: Final = ("text", "md", "html")
_STYLE: Final = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem;
  color: #1c2733; background: #fff; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; }
p { margin: .3rem 0; } .note { color: #5a6b7b; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0;
  border-bottom: 1px solid #e3e8ee; overflow-wrap: anywhere; }
th { font-weight: 600; color: #5a6b7b; border-bottom: 2px solid #c6d0da; }
td:first-child, code { font-family: ui-monospace, monospace; font-size: .86em; }
.c0 { width: 27%; } .c1 { width: 25%; } .c2 { width: 11%; } .c3 { width: 8%; } .c4 { width: 8%; }
.c5 { width: 9%; } .c6 { width: 12%; }
nav a { display: inline-block; margin: 0 .7rem .2rem 0; color: #1f5fa8; text-decoration: none; }
"""


def page(task: Task, stage: str = STAGES[-1], form: str = "text") -> str:
    """The catalogue of the columns that exist at a stage, as `text`, `md` or `html`."""
    entries = catalogue(task, stage)
    groups = [(key, list(rows)) for key, rows in groupby(entries, lambda e: e.source)]
    head = f"{len(entries)} columns of {task.name} at stage {stage}"
    return {"text": _text, "md": _markdown, "html": _html}[form](head, groups, _gaps(entries))


def _gaps(entries: Sequence[Entry]) -> list[tuple[str, str, str]]:
    """Signals that have no column here, and what the columns of a signal leave out, with why."""
    present = {e.source for e in entries}
    found = []
    for key, signal in signals().items():
        why = signal.absent or (signal.limits if key in present else "")
        why = why or ("" if key in present else "This task declares no column of it at this stage.")
        if why:
            found.append((key, signal.title, why))
    return found


def _title(key: str) -> str:
    signal = signals().get(key, Signal("Columns of this task" if not key else ""))
    return f"{key}  {signal.title}".strip()


def _sign(entry: Entry) -> str:
    return " [policy only]" if entry.role == "policy" else ""


def _cells(entry: Entry) -> list[str]:
    told = entry.plain() | {"stage": entry.stage + _sign(entry)}
    return [told[name] for name in SHOWN]


Groups = Sequence[tuple[str, Sequence[Entry]]]
Gaps = Iterable[tuple[str, str, str]]


def _text(head: str, groups: Groups, gaps: Gaps) -> str:
    lines = [head]
    for key, entries in groups:
        lines += ["", _title(key)]
        for e in entries:
            about = [e.window, e.stage + _sign(e), e.sign, e.reason]
            lines += [f"  {e.name}", f"      {e.meaning}  |  {'  |  '.join(x for x in about if x)}"]
    lines += ["", "What has no column, or not all of it"]
    lines += [f"  {key}  {title}: {why}" for key, title, why in gaps]
    return "\n".join(lines)


def _markdown(head: str, groups: Groups, gaps: Gaps) -> str:
    def row(cells: Iterable[str]) -> str:
        return "| " + " | ".join(c.replace("|", "\\|") or " " for c in cells) + " |"

    lines = [f"# {head}"]
    for key, entries in groups:
        lines += ["", f"## {_title(key)}", "", row(SHOWN), row("---" for _ in SHOWN)]
        lines += [row([f"`{cells[0]}`", *cells[1:]]) for cells in map(_cells, entries)]
    lines += ["", "## What has no column, or not all of it", ""]
    lines += [row(("signal", "what it is", "why")), row("---" for _ in range(3))]
    return "\n".join([*lines, *(row(gap) for gap in gaps), ""])


def _html(head: str, groups: Groups, gaps: Gaps) -> str:
    def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
        top = "".join(f'<th class="c{n}">{escape(name)}</th>' for n, name in enumerate(names))
        body = [
            "<tr>" + "".join(f"<td>{escape(c)}</td>" for c in cells) + "</tr>" for cells in rows
        ]
        return [f"<table><thead><tr>{top}</tr></thead><tbody>", *body, "</tbody></table>"]

    links = "".join(f'<a href="#{escape(key)}">{escape(_title(key))}</a>' for key, _ in groups)
    lines = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(head)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(head)}</h1>",
        '<p class="note">A sign is the direction in which a column may move the risk of a target, '
        "with every other column fixed; without one it may move either way. Windows end strictly "
        "before the decision.</p>",
        f"<nav>{links}</nav>",
    ]
    for key, entries in groups:
        lines.append(f'<h2 id="{escape(key)}">{escape(_title(key))}</h2>')
        lines += table(SHOWN, map(_cells, entries))
    lines.append("<h2>What has no column, or not all of it</h2>")
    lines += table(("signal", "what it is", "why"), gaps)
    return "\n".join([*lines, "</body></html>", ""])
