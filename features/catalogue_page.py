"""A catalogue on a page: plain text, Markdown, or HTML that needs nothing but itself.

In: a task. Out: one text. The columns stand by signal; what has no column, the event sets and the
texts of the reasons follow.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Final

from features.catalogue import Entry, Signal, catalogue, signals
from features.declarations import STAGES, Events
from features.reasons import AUDIENCES, LANGUAGES, reason_text
from features.task import Task, events_of

Rows = Sequence[Sequence[str]]
COLUMNS: Final = ("name", "meaning", "entity", "window", "stage", "sign", "reason")
INTRODUCTION: Final = (
    "A sign is the direction in which a column may move the risk of a target, with every other "
    "column fixed; without one it may move either way. Windows end strictly before the decision, "
    "on the time things became known. After the request a window leaves the row's own case out, "
    "unless it is over the case. A column is null before its stage."
)
_STYLE: Final = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem;
  color: #1c2733; background: #fff; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; }
p { color: #5a6b7b; max-width: 60rem; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0;
  border-bottom: 1px solid #e3e8ee; overflow-wrap: anywhere; min-width: 4.5rem; }
th { font-weight: 600; color: #5a6b7b; border-bottom: 2px solid #c6d0da; }
table.w7 { table-layout: fixed; min-width: 62rem; } .w7 th:nth-child(n + 3) { width: 9.5%; }
td:first-child { font-family: ui-monospace, monospace; font-size: .86em; }
th:first-child { width: 28%; } .w5 th:first-child { width: 12%; }
nav a { display: inline-block; margin: 0 .7rem .2rem 0; color: #1f5fa8; text-decoration: none; }
"""


@dataclass(frozen=True)
class Section:
    """A titled table."""

    title: str
    names: Sequence[str]
    rows: Rows

    @property
    def anchor(self) -> str:
        """Where a link to it leads."""
        return self.title.split("  ")[0].replace(" ", "-")


def page(task: Task, stage: str = STAGES[-1], form: str = "text") -> str:
    """The catalogue of the columns that exist at a stage, as `text`, `md` or `html`."""
    entries = catalogue(task, stage)
    head = f"{len(entries)} columns of {task.name} at stage {stage}"
    groups = [(key, list(rows)) for key, rows in groupby(entries, lambda e: e.source)]
    if form == "text":
        return _text(head, groups, _gaps(entries))
    sections = [Section(_title(key), COLUMNS, [*map(_cells, rows)]) for key, rows in groups]
    sections += [
        Section("Not here, or not all of it", ("signal", "what it is", "why"), _gaps(entries)),
        Section("Event sets", ("name", "types", "where"), _event_sets(task)),
        Section("What people are told", ("reason", *map(" ".join, _READERS)), _told(entries)),
    ]
    return {"md": _markdown, "html": _html}[form](head, sections)


_READERS: Final = [(who, lang) for who in AUDIENCES for lang in LANGUAGES]


def _told(entries: Iterable[Entry]) -> Rows:
    keys = dict.fromkeys(e.reason for e in entries if e.reason)
    return [[key, *(reason_text(key, lang, who) for who, lang in _READERS)] for key in keys]


def _event_sets(task: Task) -> Rows:
    found = dict.fromkeys(e for d in task.declarations for e in events_of(d))
    return [[e.name, ", ".join(e.types), _where(e)] for e in found]


def _where(events: Events) -> str:
    return "; ".join(f"{c} is {' or '.join(map(str, v))}" for c, v in events.where.items())


def _gaps(entries: Sequence[Entry]) -> Rows:
    """Signals that have no column here, and what the columns of a signal leave out, with why."""
    present = {e.source for e in entries}
    found = []
    for key, signal in signals().items():
        lacking = signal.absent or "This task has no column of it at this stage."
        why = signal.limits if key in present else lacking
        if why:
            found.append((key, signal.title, why))
    return found


def _title(key: str) -> str:
    signal = signals().get(key, Signal("" if key else "Columns of this task"))
    return f"{key}  {signal.title}".strip()


def _stage(entry: Entry) -> str:
    return entry.stage + (", policy only" if entry.role == "policy" else "")


def _cells(entry: Entry) -> list[str]:
    told = entry.plain() | {"stage": _stage(entry)}
    return [told[name] for name in COLUMNS]


def _text(head: str, groups: Iterable[tuple[str, Sequence[Entry]]], gaps: Rows) -> str:
    lines = [head]
    for key, entries in groups:
        lines += ["", _title(key)]
        for e in entries:
            about = [e.meaning, e.window, _stage(e), e.sign, e.reason]
            lines += [f"  {e.name}", f"      {'  |  '.join(x for x in about if x)}"]
    lines += ["", "Not here, or not all of it"]
    return "\n".join([*lines, *(f"  {key}  {title}: {why}" for key, title, why in gaps)])


def _markdown(head: str, sections: Iterable[Section]) -> str:
    def row(cells: Iterable[str]) -> str:
        return "| " + " | ".join(c.replace("|", "\\|") or " " for c in cells) + " |"

    lines = [f"# {head}", "", INTRODUCTION]
    for s in sections:
        lines += ["", f"## {s.title}", "", row(s.names), row("---" for _ in s.names)]
        lines += [row([f"`{cells[0]}`", *cells[1:]]) for cells in s.rows]
    return "\n".join([*lines, ""])


def _html(head: str, sections: Sequence[Section]) -> str:
    def row(cells: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(c)}</{tag}>" for c in cells) + "</tr>"

    links = [f'<a href="#{escape(s.anchor)}">{escape(s.title)}</a>' for s in sections]
    lines = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(head)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(head)}</h1><p>{escape(INTRODUCTION)}</p>",
        f"<nav>{' '.join(links)}</nav>",
    ]
    for s in sections:
        lines += [f'<h2 id="{escape(s.anchor)}">{escape(s.title)}</h2>']
        lines += [f'<div class="scroll"><table class="w{len(s.names)}"><thead>']
        lines += [row(s.names, "th"), "</thead><tbody>"]
        lines += [*(row(cells, "td") for cells in s.rows), "</tbody></table></div>"]
    return "\n".join([*lines, "</body></html>", ""])
