# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Terminal risk: windows over labels that come a week late
#
# `features` knows nothing of refunds. Here it works on card payments: customers pay at terminals,
# some terminals are compromised for a few weeks, and a fraud is known **seven days** after its
# payment. The question of every fraud team: *how bad was this terminal lately?* That is the share
# of frauds among its payments, in a window that ended a week ago, because nobody knows the
# labels of the last seven days yet.
#
# The data are drawn below with a seed. Nothing is read from disk, and `pipelines` is not used.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from data.filling import late_fills
from data.store import read_ledger
from features.declarations import Declaration, Events, Rate, Ratio, Request, Window, days
from features.engine import features
from features.labels import labels
from features.spine import spine
from features.task import Task
from models.metrics import auc, average_precision
from models.risk import RiskModel
from models.split import time_split

# %%
plt.style.use("tableau-colorblind10")
plt.rcParams.update({"figure.dpi": 110, "axes.spines.top": False, "axes.spines.right": False})
pd.set_option("display.max_colwidth", None)
BLUE, GREY, ORANGE = "#006BA4", "#ABABAB", "#C85200"
LABEL_DELAY = days(7)

# %% [markdown]
# ## 1. Four months of payments
#
# 800 customers, 150 terminals, 40,000 payments. Three sources of fraud: a terminal that was broken
# into (a good third of its payments, for two to five weeks), amounts above 400 (a quarter of them),
# and now and then anything else.

# %%
rng = np.random.default_rng(7)
start, n, length = pd.Timestamp("2026-01-01", tz="UTC"), 40_000, 120
customer = rng.integers(0, 800, n)
terminal = rng.integers(0, 150, n)
day = np.sort(rng.uniform(0, length, n))
cents = np.round(rng.lognormal(8.5, 0.9, n)).astype(int)

since = rng.uniform(0, length, 45)
until, where = since + rng.uniform(14, 35, 45), rng.integers(0, 150, 45)
broken = pd.DataFrame({"terminal": where, "since": since, "until": until})
chance = np.where(cents > 40_000, 0.25, 0.002)
for place, begin, stop in zip(where, since, until, strict=True):
    chance[(terminal == place) & (day >= begin) & (day < stop)] = 0.35
fraud = rng.random(n) < chance

at = (start + pd.to_timedelta(day, "D")).as_unit("us")
payments = pd.DataFrame(
    {
        "event_id": [f"p{i}" for i in range(n)],
        "event_type": "card_payment",
        "event_ts": at,
        "known_ts": at,
        "user_id": customer,
        "terminal_id": terminal,
        "case_id": np.arange(n),
        "amount_cents": cents,
    }
)
print(f"{fraud.mean():.1%} of the payments are frauds")

# %% [markdown]
# ## 2. Two clocks
#
# A report is an event of its own. It happened with the payment, and it is **known** a week later.
# This is all that the engine has to be told about the delay: windows are cut on `known_ts`.

# %%
reports = payments[fraud].assign(
    event_id="r" + payments["event_id"][fraud],
    event_type="fraud_reported",
    known_ts=payments["known_ts"][fraud] + LABEL_DELAY,
)
end = payments["known_ts"].max()
events = pd.concat([payments, reports[reports["known_ts"] <= end]])
events.tail(3)[["event_type", "event_ts", "known_ts", "user_id", "terminal_id", "amount_cents"]]

# %% [markdown]
# ## 3. The question, declared
#
# Own event types, an own key column, an own label; no code.
#
# **Terminal risk** divides the frauds *reported* in the last `w` days by the payments of the `w`
# days that ended a week ago. These are the same payments: one that happened between `w + 7` and 7
# days ago is reported between `w` and 0 days ago. `delay` moves the window of the payments, and a
# prior keeps a quiet terminal from looking extreme.

# %%
paid = Events("payments", "card_payment")
reported = Events("reports", "fraud_reported")
WINDOWS = [1, 7, 30]
terminal_risk: list[Declaration] = [
    Rate(
        Window("terminal_id", reported, "count", over=days(w)),
        Window("terminal_id", paid, "count", over=days(w), delay=LABEL_DELAY),
        prior=(0.02, 5),
        sign={"y_fraud": 1},
    )
    for w in WINDOWS
]
customer_habits: list[Declaration] = [
    Request("amount_cents"),
    Ratio(Request("amount_cents"), Window("user_id", paid, "mean", "amount_cents", over=days(30))),
    Window("user_id", paid, "count", over=days(1)),
    Window("user_id", paid, "distinct", "terminal_id", over=days(7)),
]
task = Task(
    name="terminal_risk",
    event_sets={"payments": paid, "reports": reported},
    declarations=(*terminal_risk, *customer_habits),
    trigger="payments",
    request=("amount_cents",),
    label={"case": "case_id", "y_fraud": {"events": "reports", "horizon": "8d"}},
    columns={"terminal_id": "key"},
    event_types=("card_payment", "fraud_reported"),
)
RISK = [d.name for d in terminal_risk]
RISK

# %% [markdown]
# ## 4. Columns and labels
#
# Every payment is a decision at the moment it became known. A payment younger than the label's
# horizon has no label: it is neither good nor bad.

# %%
ledger = read_ledger(events, contract=task.contract())
cases = spine(task, ledger)
X = features(task.features, ledger, cases)
y = labels(task, ledger, cases, end)
print(f"{len(X):,} payments, {X.shape[1]} columns, {y['y_fraud'].notna().sum():,} with a label")
X.tail(3).T

# %% [markdown]
# ## 5. Is it the right number?
#
# A slow, plain pandas loop over 200 payments: the payments of the same terminal that are between 7
# and `w + 7` days older, and the true share of frauds among them. It should give the same, to the
# last bit.

# %%
payments_fraud = payments.assign(fraud=fraud)
plain, same_cells = [], []
for row in rng.choice(len(cases), 200, replace=False):
    case = cases.iloc[row]
    same = payments_fraud[payments_fraud["terminal_id"] == case["terminal_id"]]
    for w, name in zip(WINDOWS, RISK, strict=True):
        last = case["as_of"] - LABEL_DELAY
        first = last - pd.Timedelta(days=w)
        inside = same[(same["known_ts"] >= first) & (same["known_ts"] < last)]
        plain.append((inside["fraud"].sum() + 0.02 * 5) / (len(inside) + 5))
        same_cells.append(X[name].iloc[row])
np.testing.assert_array_equal(same_cells, plain)
print(f"{len(plain)} cells of the loop and of the engine are equal")

# %% [markdown]
# ## 6. Two ways to get it wrong
#
# * **Biased**: divide by the payments of the last `w` days, without the delay. The numerator speaks
#   of one stretch of time, the denominator of another; with a window of one day, whether last
#   Tuesday's frauds meet a busy or a quiet Monday is luck.
# * **Leaky**: write the label into the row of the payment, as many warehouses do, and count there
#   without a delay. In a table of last year, every row has its label, so the window sees frauds
#   that nobody had reported when the decision was taken.
#
# With the delay even the column in the payment's row is honest: the last line shows that it gives
# the same numbers as the reports.

# %%
with_label = task.contract().adding(columns={"fraud": "int"}, where="warehouse")
filled = payments.assign(fraud=fraud.astype(int))
warehouse = read_ledger(filled, contract=with_label)
marked = Events("marked", "card_payment", where={"fraud": 1})
leaky, honest, biased = (
    [
        Rate(
            Window("terminal_id", bad, "count", over=days(w), delay=lag),
            Window("terminal_id", paid, "count", over=days(w), delay=other),
            prior=(0.02, 5),
        )
        for w in WINDOWS
    ]
    for bad, lag, other in [
        (marked, days(0), days(0)),
        (marked, LABEL_DELAY, LABEL_DELAY),
        (reported, days(0), days(0)),
    ]
)
X_leaky = features(leaky, warehouse, cases).set_axis(RISK, axis=1)
X_honest = features(honest, warehouse, cases).set_axis(RISK, axis=1)
X_biased = features(biased, ledger, cases).set_axis(RISK, axis=1)
pd.testing.assert_frame_equal(X_honest, X[RISK], check_exact=True)

# %% [markdown]
# One terminal, payment by payment. Grey: the weeks in which it was broken into. The leaky column
# knows from the first fraud on; the honest one cannot know before the first report.

# %%
shown = int(broken["terminal"][broken["since"].between(40, 80)].iloc[0])
here = (cases["terminal_id"].astype(int) == shown).to_numpy()
when = (cases["as_of"][here] - start) / pd.Timedelta(days=1)
figure, ax = plt.subplots(figsize=(8, 3.6))
for begin, stop in zip(since[where == shown], until[where == shown], strict=True):
    ax.axvspan(begin, min(stop, length), color=GREY, alpha=0.35, linewidth=0)
ax.plot(when, X_leaky.loc[here, RISK[1]], color=ORANGE, label="label in the row, no delay (leak)")
ax.plot(when, X.loc[here, RISK[1]], color=BLUE, label="reports, window ended a week ago")
ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
ax.set(ylabel="frauds among payments, 7 days", title=f"Terminal {shown}")
ax.set(xlabel="day", xlim=(0, length), ylim=(0, None))
ax.legend(frameon=False, loc="upper left")
plt.show()

# %% [markdown]
# ## 7. What it does to a model
#
# Fit on the first weeks, leave a gap as long as the label's horizon, judge on the last ones. The
# same trees, five times:
#
# * without terminal risk;
# * with the honest one;
# * with the biased one;
# * with the leaky one, judged on the leaky table: what an offline report would say;
# * the same model with what it would find **live**: of the payments of the last `w` days only those
#   older than a week have a label, the others still look clean.
#
# Expect the bias to cost little here, since terminals are equally busy all the time. The leak
# should look best by far until it goes live; there it ranks worse than the honest model, and its
# probabilities promise a third of the frauds that come.

# %%
old = y["y_fraud"].notna().to_numpy()
bad, X, cases = y["y_fraud"][old].astype(int), X[old], cases[old]
X_leaky = X.assign(**X_leaky[old])
X_biased = X.assign(**X_biased[old])
all_paid = [Window("terminal_id", paid, "count", over=days(w)) for w in WINDOWS]
seen = features(all_paid, ledger, cases).to_numpy()
late = features([Window("terminal_id", reported, "count", over=days(30 - 7))], ledger, cases)
X_live = X.copy()
X_live[RISK] = 0.02 * 5 / (seen + 5)  # no payment of the last 1 or 7 days has its label yet
X_live[RISK[2]] += late.iloc[:, 0] / (seen[:, 2] + 5)

# %%
split = time_split(cases["as_of"], evaluate=0.3, calibrate=0.2, gap=days(8), y=bad)
learn, later = np.concatenate([split.fit, split.calibrate]), split.evaluate
tables = {
    "no terminal risk": (X.drop(columns=RISK), X.drop(columns=RISK)),
    "honest": (X, X),
    "biased": (X_biased, X_biased),
    "leaky, judged on the leaky table": (X_leaky, X_leaky),
    "leaky, live": (X_leaky, X_live),
}
results, scores = {}, {}
for name, (taught, met) in tables.items():
    model = RiskModel(
        monotone=task.signs("y_fraud", taught.columns),
        params={"n_estimators": 120, "num_leaves": 8},
        gap=days(8),
        random_state=0,
        num_threads=1,
    )
    model.fit(taught.iloc[learn], bad.iloc[learn], times=cases["as_of"].iloc[learn])
    scores[name] = model.predict_proba(met.iloc[later])[:, 1]
    outcome = bad.iloc[later]
    results[name] = {
        "AUC": auc(outcome, scores[name]),
        "average precision": average_precision(outcome, scores[name]),
        "expected / true frauds": scores[name].sum() / outcome.sum(),
    }
table = pd.DataFrame(results).T
table.round(3)

# %%
figure, ax = plt.subplots(figsize=(7, 3.2))
colours = [GREY, BLUE, GREY, ORANGE, ORANGE]
bars = ax.barh(table.index, table["average precision"], color=colours, height=0.65)
bars[3].set(fill=False, edgecolor=ORANGE, hatch="///")
ax.bar_label(bars, fmt="%.2f", padding=4)
ax.invert_yaxis()
ax.set(xlabel="average precision on later payments", title="The leak promises what it cannot keep")
ax.set(xlim=(0, 1.15 * table["average precision"].max()))
plt.show()

# %% [markdown]
# ## 8. What would have told us
#
# A label in the payment's row leaves a trace: the rows of the last week do not have it yet. Here is
# the warehouse as it looks tonight. `clawback audit` asks this of every event type and column.

# %%
tonight = filled.assign(fraud=filled["fraud"].where(filled["known_ts"] < end - LABEL_DELAY))
tonight["fraud"] = tonight["fraud"].astype("Int64")
found, pairs = late_fills(read_ledger(tonight, contract=with_label))
print(f"{pairs} columns looked at")
pd.DataFrame([vars(f) for f in found])
