"""The catalogue says all of a task's columns, in every format, for whoever reads it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from features.catalogue import catalogue, meaning, signals
from features.catalogue_page import page
from features.declarations import Events, Ratio, Request, Window, days, rate
from features.task import load_task

TASK = load_task("advance_refund")
REQUESTS, BAD = Events("requests", "refund_requested"), Events("bad", "clawback_opened")


class Tables(HTMLParser):
    """The cells of a page, and what it would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.outside: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta",):
            self.open.append(tag)
        links = [v or "" for k, v in attrs if k in ("href", "src")]
        self.outside += [v for v in links if not v.startswith("#")]
        self.outside += [tag] if tag in ("script", "link", "img", "iframe") else []
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data


def test_every_column_stands_in_it_once_with_its_signal() -> None:
    entries = catalogue(TASK)
    assert sorted(e.name for e in entries) == sorted(d.name for d in TASK.declarations)
    order = [e.source for e in entries]
    assert list(dict.fromkeys(order)) == [k for k in signals() if k in set(order)]


@pytest.mark.parametrize("stage", ["standing", "request", "first_scan"])
def test_a_stage_lists_what_exists_at_it(stage: str) -> None:
    names = {e.name for e in catalogue(TASK, stage)}
    assert names == {d.name for d in (*TASK.at_stage(stage), *TASK.policy_at(stage))}


@pytest.mark.parametrize("form", ["text", "md", "html"])
def test_every_format_names_every_column_and_every_gap(form: str) -> None:
    shown = page(TASK, form=form)
    words = set(re.split(r"[^\w]+", shown))
    assert {d.name for d in TASK.declarations} <= words
    assert all(s.absent in shown for s in signals().values())
    assert "This task has no column of it at this stage." in page(TASK, "standing", form)


def test_the_page_is_whole_and_needs_nothing_from_outside() -> None:
    reader = Tables()
    reader.feed(page(TASK, form="html"))
    assert reader.open == []
    assert reader.outside == []
    assert {d.name for d in TASK.declarations} <= set(reader.cells)


def test_markdown_tables_have_as_many_cells_as_their_heads() -> None:
    width = 0
    for line in page(TASK, form="md").splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line))
        assert not cells or not width or cells == width, line
        width = cells


def test_what_a_page_cannot_hold_is_escaped(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(
        'extends = "advance_refund"\n[events.odd]\ntypes = ["order_paid"]\n'
        'where = { category = "<b>|a" }\n[[feature]]\nentity = "user_id"\nevents = "odd"\n'
        'aggregate = "count"\n'
    )
    task = load_task(path)
    assert "&lt;b&gt;|a" in page(task, form="html")
    assert "<b>\\|a" in page(task, form="md")
    assert "Columns of this task" in page(task)


def test_a_shops_own_column_of_an_absent_signal_is_no_gap(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(
        'extends = "advance_refund"\n[[feature]]\nentity = ["merchant_id", "device_id"]\n'
        'events = "orders"\naggregate = "distinct:user_id"\nsource = "G7"\n'
    )
    assert signals()["G7"].absent in page(TASK)
    assert signals()["G7"].absent not in page(load_task(path))


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (Window("user_id", REQUESTS, "count", over=days(7)), "number of requests"),
        (Window("user_id", REQUESTS, "age"), "days since the last of requests"),
        (
            Window("user_id", REQUESTS, "streak", breaker=BAD),
            "number of requests since the last of bad",
        ),
        (Request("reason", equals="late"), "reason of the request is late"),
        (
            Ratio(
                Request("weight_g", stage="first_scan"),
                Request("amount_cents"),
                stage="first_scan",
            ),
            "weight_g of the first scan / amount_cents of the request",
        ),
        (
            rate(Window("user_id", BAD, "count"), Window("user_id", REQUESTS, "count"), (0.03, 5)),
            "number of bad / number of requests, shrunk to 0.03",
        ),
    ],
)
def test_a_column_is_told_in_words(declared: Request, words: str) -> None:
    assert meaning(declared) == words
