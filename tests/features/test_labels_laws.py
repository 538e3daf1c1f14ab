"""Labels equal a plain loop over each case's events, and keep the laws of time."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from data.ledger import Ledger, ledger_of
from features.labels import labels
from features.task import load_task

TASK = load_task("advance_refund")
START = pd.Timestamp("2026-01-01", tz="UTC")
EDGES = [0, 1, 2, 5, 14, 15, 19, 20, 45, 46, 59, 60, 61, 62, 73, 74, 75, 104, 105, 106, 119]
KINDS = [
    "advance_paid", "clawback_opened", "clawback_opened", "clawback_recovered",
    "clawback_recovered", "clawback_reversed", "arbitration_ruled", "arbitration_overturned",
    "audit_flagged",
]  # fmt: skip
CASES = ["a", "b"]


@dataclass(frozen=True)
class Happened:
    """One event of one case; the order of a list is the order of the ledger within a day."""

    case: str
    day: int
    kind: str
    cause: str
    fault: str | None
    proven: bool
    cents: int


@st.composite
def stories(draw: st.DrawFn) -> list[Happened]:
    event = st.builds(
        Happened,
        st.sampled_from(CASES),
        st.sampled_from(EDGES),
        st.sampled_from(KINDS),
        st.sampled_from(["withdrawn", "audit_abuse"]),
        st.sampled_from(["buyer", "both", "carrier", "unknown", None]),
        st.booleans(),
        st.integers(1, 2),
    )
    first = draw(st.sampled_from([0, 0, 1]))
    paid = [Happened(c, first, "advance_paid", "withdrawn", None, False, 2) for c in CASES]
    return sorted([*paid, *draw(st.lists(event, max_size=14))], key=lambda e: e.day)


def at(day: float) -> pd.Timestamp:
    return (START + pd.Timedelta(days=day)).as_unit("us")


def ledger_from(story: list[Happened]) -> Ledger:
    every = [Happened("z", -9, "order_paid", "withdrawn", "buyer", True, 1), *story]
    frame = pd.DataFrame(
        {
            "event_id": [f"{i:05d}" for i in range(len(every))],
            "event_type": [e.kind for e in every],
            "known_ts": [at(e.day) for e in every],
            "case_id": [e.case for e in every],
            "cause": [e.cause if e.kind == "clawback_opened" else None for e in every],
            "fault": [e.fault for e in every],
            "proven": [e.proven for e in every],
            "amount_cents": [e.cents for e in every],
        }
    )
    more: dict[str, Any] = dict.fromkeys(
        ["stage", "action", "channel", "reason", "refund_type", "actor"], "x"
    )
    more |= {"payment_method": "x", "act_prob": 0.5, "keep_prob": 0.5}
    return ledger_of(frame.assign(event_ts=frame["known_ts"], user_id=frame["case_id"], **more))


def table_of(story: list[Happened], as_of: int, cases: list[str] = CASES) -> pd.DataFrame:
    spine = pd.DataFrame({"case_id": cases, "as_of": pd.DatetimeIndex([at(0)] * len(cases))})
    return labels(TASK, ledger_from(story), spine, at(as_of))


def naive_labels(story: list[Happened], case: str, as_of: int) -> dict[str, float | None]:
    """The rules of `[label]` in the built-in task, read aloud."""
    seen = [e for e in story if e.case == case and e.day < as_of]
    begin = next((e.day for e in seen if e.kind == "advance_paid"), None)
    if begin is None:
        return {"y_claw": None, "y_abuse": None, "y_loss": None, "loss": None}
    after = [e for e in seen if e.day >= begin]
    claw = any(e.kind == "clawback_opened" and e.day < begin + 60 for e in after)
    loss = naive_loss(seen, begin)
    return {
        "y_claw": float(claw) if begin + 60 <= as_of else None,
        "y_abuse": naive_abuse(seen, begin, as_of) if begin + 60 <= as_of else None,
        "y_loss": float(loss > 0) if begin + 105 <= as_of else None,
        "loss": float(loss) if begin + 105 <= as_of else None,
    }


def standing(seen: list[Happened], begin: int, until: int, unless: list[str]) -> int | None:
    """Place of the first claw-back from the pay-out to the horizon that nothing took back."""
    turns = [i for i, e in enumerate(seen) if e.kind in ("clawback_opened", *unless)]
    for turn, here in enumerate(turns):
        taken = turn + 1 < len(turns) and seen[turns[turn + 1]].kind in unless
        opens = seen[here].kind == "clawback_opened" and begin <= seen[here].day < until
        if opens and not taken:
            return here
    return None


def naive_abuse(seen: list[Happened], begin: int, as_of: int) -> float | None:
    unless = ["clawback_reversed", "arbitration_overturned"]
    place = standing(seen, begin, begin + 60, unless)
    if place is None:
        return 0.0
    opened = seen[place]
    if opened.cause == "withdrawn":
        due = opened.day + 14
        money = [e for e in seen[place:] if e.kind == "clawback_recovered" and e.day < due]
        if sum(e.cents for e in money) >= opened.cents:
            return 0.0
        if due > as_of:
            return None
    speaks = ("clawback_opened", "arbitration_ruled", "audit_flagged", "arbitration_overturned")
    words = [e for e in seen if e.day >= begin and e.kind in speaks]
    words = [e for e in words if e.fault not in (None, "unknown")]
    if not words:
        return None
    proofs = [e for e in words if e.kind in ("arbitration_ruled", "audit_flagged") and e.proven]
    shared = words[-1].fault == "both" and any(e.fault == "both" for e in proofs)
    return float(words[-1].fault == "buyer" or shared)


def naive_loss(seen: list[Happened], begin: int) -> int:
    place = standing(seen, begin, begin + 105, ["clawback_reversed"])
    if place is None:
        return 0
    back = [e for e in seen[place:] if e.kind == "clawback_recovered" and e.day < begin + 105]
    return max(seen[place].cents - sum(e.cents for e in back), 0)


def known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


@given(story=stories(), as_of=st.sampled_from([*EDGES, 120, 165, 166, 400]))
def test_labels_equal_a_loop_over_the_case(story: list[Happened], as_of: int) -> None:
    table = table_of(story, as_of)
    for place, case in enumerate(CASES):
        row = table.iloc[place]
        found = {t: known(row[t]) for t in ("y_claw", "y_abuse", "y_loss")}
        found["loss"] = known(row["loss_cents"])
        assert found == naive_labels(story, case, as_of), story


@given(story=stories(), as_of=st.sampled_from(EDGES))
def test_nothing_known_at_or_after_the_moment_of_looking_matters(
    story: list[Happened], as_of: int
) -> None:
    past = [e for e in story if e.day < as_of]
    pd.testing.assert_frame_equal(
        table_of(story, as_of), table_of(past, as_of), check_categorical=False
    )


@given(story=stories(), as_of=st.sampled_from(EDGES))
def test_a_label_has_a_time_exactly_when_it_has_a_value_and_never_later_than_as_of(
    story: list[Happened], as_of: int
) -> None:
    table = table_of(story, as_of)
    for target in TASK.targets:
        told = table[f"{target}_label_ts"]
        assert (told.isna() == table[target].isna()).all()
        assert (told.dropna() <= at(as_of)).all()
        assert not (table[target].notna() & ~table[f"{target}_matured"]).any()


@given(story=stories())
def test_looking_again_at_the_label_time_finds_the_same_value(story: list[Happened]) -> None:
    late = table_of(story, 400)
    for place in range(len(CASES)):
        final = late.iloc[place]
        for target in TASK.targets:
            if pd.isna(final[target]):
                continue
            horizon = 105 if target == "y_loss" else 60
            old_enough = (final["paid_ts"] - START).days + horizon
            told = (final[f"{target}_label_ts"] - START).days + 1  # that day's events are in
            again = table_of(story, max(told, old_enough)).iloc[place]
            assert again[target] == final[target]


@given(story=stories(), as_of=st.sampled_from(EDGES))
def test_rows_are_labelled_one_by_one(story: list[Happened], as_of: int) -> None:
    both = table_of(story, as_of, [*CASES, "a"])
    alone = [table_of(story, as_of, [c]) for c in (*CASES, "a")]
    pd.testing.assert_frame_equal(both, pd.concat(alone, ignore_index=True))
