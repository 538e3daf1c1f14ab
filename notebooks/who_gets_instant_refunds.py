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
# # Who gets instant refunds, and why
#
# From a ledger of events to a decision for every refund request, and the reasons for it.
# Everything is a library function: a table goes in, a table comes out.
#
# The ledger here is a small simulated marketplace, so that the notebook runs in under a minute.
# To look at your own, read it in section 1 instead (`ledger = read_ledger("ledger/")`) and move
# the dates in section 2. This file is text; VS Code and jupytext open it as a notebook.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from data.check import check
from data.market import World, simulate
from data.store import read_ledger
from features.declarations import Declaration, Ratio, Request, Window, days
from features.engine import features
from features.labels import label_summary, labels
from features.reasons import reason_text
from features.spine import spine
from features.task import load_task
from models.decide import decide
from models.figures import report
from models.limits import LimitState
from models.lookup import answer
from models.policy import load_policy
from models.risk import RiskModel
from models.standing import standing_rows
from pipelines.book import replayed
from pipelines.decisions import Decisions, standing_blocks, standing_fit_decisions
from pipelines.explaining import with_reasons
from pipelines.lessons import lessons
from pipelines.modelling import Models, fit_money
from pipelines.plan import AT_REQUEST, AT_STANDING, BLAME, POINTS, horizon
from pipelines.risk_heads import fit_risk
from pipelines.scoring import score_requests, score_users

# %%
plt.style.use("tableau-colorblind10")  # its colours are told apart by colour-blind readers too
plt.rcParams.update({"figure.dpi": 110, "axes.spines.top": False, "axes.spines.right": False})
pd.set_option("display.max_colwidth", None)
BLUE, LIGHT, GREY, ORANGE = "#006BA4", "#A2C8EC", "#ABABAB", "#C85200"
ACTIONS = {"instant": BLUE, "at_first_scan": LIGHT, "after_inspection": GREY}

# %% [markdown]
# ## 1. The ledger
#
# One append-only table: who did what, when it happened (`event_ts`), and when the platform could
# know it (`known_ts`). The check goes through every rule of every row; all rows should keep the
# contract.

# %%
events = simulate(World(n_orders=200_000, seed=1)).events
print(check(events).text())

# %%
ledger = read_ledger(events)
pd.Series(ledger["event_type"].decode(ledger["event_type"].values)).value_counts().head(12)

# %% [markdown]
# ## 2. Who was decided, when
#
# We stand on the morning of **1 March 2025**. Requests before that day teach the models; those of
# the three months after it will be decided as they came in. The ledger goes on until the end of
# June, so that in the end we can see how they turned out.
#
# A row of the spine is one request at the moment it became known. Nothing later is in it.

# %%
start, today, until = (
    pd.Timestamp(day, tz="UTC") for day in ("2024-03-01", "2025-03-01", "2025-06-01")
)
builtin = load_task("advance_refund")
cases = spine(builtin, ledger, since=start, as_of=today)
cases[["case_id", "user_id", "as_of", "request_amount_cents", "request_reason"]].head(4)

# %% [markdown]
# ## 3. Features
#
# The built-in task declares its columns in a TOML file. Two more questions, asked here in Python:
# how often did this buyer return goods *of this category*, and how does the amount compare with
# the largest order of the last year? Names are made by rule, nobody types one. `sign` says that
# more can only mean more risk; `reason` is the key of the text that a person will read.

# %%
requests, orders = (builtin.event_sets[name] for name in ("refund_requests", "orders"))
mine: list[Declaration] = [
    Window(
        ("user_id", "category"),
        requests,
        "count",
        over=days(365),
        sign={"y_claw": 1, "y_abuse": 1},
        reason="refund_frequency",
    ),
    Ratio(
        Request("amount_cents"),
        Window("user_id", orders, "max", "amount_cents", over=days(365)),
        reason="amount_unusual",
    ),
]
task = builtin.adding(mine)
[d.name for d in mine]

# %% [markdown]
# One pass over the ledger computes all columns of all requests. Every window ends strictly before
# the request, on the clock of what was known. Here are a few columns of four requests: an empty
# history is 0 for a count, and null where there is nothing to divide by.

# %%
cases = spine(task, ledger, since=start, as_of=today)
X = features(task.at_stage("request"), ledger, cases)
print(f"{X.shape[0]:,} requests, {X.shape[1]} columns")
X.iloc[-4:][["user_orders_tenure_life", "user_clawbacks_count_life", *(d.name for d in mine)]].T

# %% [markdown]
# ## 4. Labels: what happened next, as known today
#
# `y_claw` is 1 if the refund had to be asked back within 60 days of its payment. Two kinds of rows
# have **no** label:
#
# * **Held cases.** They were not advanced, so they could not be clawed back. Calling them good
#   would teach the model that whatever the old policy held was safe.
# * **Young cases.** Three weeks after its payment a quiet case is not a good case yet. Until the
#   horizon has passed the row stays out, even if the claw-back is already there.

# %%
known = labels(task, ledger, cases, as_of=today)
label_summary(known, ["y_claw", "y_abuse", "y_loss"])

# %% [markdown]
# The table counts the requests by the moment they were paid. Read the first row: nothing in the
# columns 0 and 1. The last line shows what the shortcut "held = good" would do to the base rate.

# %%
stage = known["paid_stage"].astype(object).fillna("not advanced")
outcome = known["y_claw"].map({0.0: "0", 1.0: "1"}).fillna("null")
pd.crosstab(stage, outcome)

# %%
honest, shortcut = known["y_claw"].mean(), known["y_claw"].fillna(0.0).mean()
print(f"claw-backs: {honest:.1%} of the matured paid cases; {shortcut:.1%} if null were good")

# %% [markdown]
# Claw-backs take their time: the parcel has to stay away, the merchant has to object, an auditor
# has to look. The curve needs weeks to get near 100 %: a quiet case of a few days says little.

# %%
bad = known[known["y_claw"] == 1]
waited = bad["y_claw_label_ts"] - bad["paid_ts"]
age = (waited.dt.total_seconds() / 86_400).sort_values()
figure, ax = plt.subplots(figsize=(6, 3.4))
ax.step([0, *age, 60], np.linspace(0, 1, len(age) + 2), where="post", color=BLUE)
for day in (7, 14):
    share = (age <= day).mean()
    ax.plot(day, share, "o", color=BLUE)
    ax.annotate(f"{share:.0%} after {day} days", (day + 1, share - 0.05))
ax.yaxis.set_major_formatter(PercentFormatter(1))
ax.set(xlim=(0, 60), ylim=(0, 1.02), xlabel="days since the advance was paid")
ax.set(ylabel="share of claw-backs known", title="How long a claw-back takes to show")
plt.show()

# %% [markdown]
# ## 5. A risk model, in order of time
#
# A `RiskModel` is a scikit-learn classifier. Given `times`, its latest slice calibrates the
# probabilities, and rows within one horizon before that slice are set aside. The weights are
# 1 / propensity of the logged action, so that the requests that were paid speak for all requests.
# (Small trees, for a small marketplace; `clawback tune` chooses them for a large one.)

# %%
small: dict[str, float] = {
    "n_estimators": 120,
    "num_leaves": 7,
    "max_bin": 63,
    "min_data_in_leaf": 30,
    "feature_fraction": 0.3,
    "lambda_l2": 20,
}
task = replace(task, models={"y_claw": small, "y_abuse": small})
stages = {
    "request": Decisions(cases, X),
    "standing": standing_fit_decisions(task, ledger, start, today),
}
taught = lessons(task, ledger, stages, today)

# %%
lesson = taught["request"]
rows = lesson.usable(task, "y_claw")
y = lesson.labels["y_claw"][rows]
claw = RiskModel(
    monotone=task.signs("y_claw", X.columns),
    params=task.params("y_claw"),
    gap=horizon(task, "y_claw"),
    refit=True,
    random_state=7,
    num_threads=2,
)
claw.fit(X[rows], y, times=cases["as_of"][rows], sample_weight=lesson.weight()[rows])
print(f"fitted on {len(y):,} matured cases, {int(y.sum()):,} clawed back")

# %% [markdown]
# **Is it any good on what came later?** The requests of the next three months that the platform
# paid at once, judged by the end of June. Do not expect a high AUC: many claw-backs are lost
# parcels and changed minds, which nobody's history foretells. Calibration matters more here, for
# the probability will be multiplied by money.

# %%
later = spine(task, ledger, since=today, as_of=until)
X_later = features(task.at_stage("request") + task.policy_at("request"), ledger, later)
ends = pd.Timestamp(int(ledger.known_us[-1]) + 1, unit="us", tz="UTC")
turned_out = labels(task, ledger, later, as_of=ends)
paid = (turned_out["paid_stage"] == "request") & turned_out["y_claw"].notna()
y_later = turned_out["y_claw"][paid].to_numpy()
p_later = claw.predict_proba(X_later[paid])[:, 1]
pd.Series(report(y_later, p_later)).round(3)

# %% [markdown]
# Each point is a group of requests of similar predicted risk; its bar is the 90 % range of the
# share that was seen. Nine of ten bars should reach the dashed line.

# %%
groups = np.array_split(np.argsort(p_later), 6)
told = np.array([p_later[g].mean() for g in groups])
seen = np.array([y_later[g].mean() for g in groups])
chance = 1.64 * np.sqrt(seen * (1 - seen) / [len(g) for g in groups])
figure, ax = plt.subplots(figsize=(4.6, 4.2))
ax.plot([0, 1], [0, 1], "--", color="grey", label="perfect")
ax.errorbar(told, seen, yerr=chance, fmt="o", capsize=3, color=BLUE, label="requests")
top = 1.15 * max(told.max(), (seen + chance).max())
ax.set(xlim=(0, top), ylim=(0, top), title="Calibration on three later months")
ax.set(xlabel="predicted probability of a claw-back", ylabel="share clawed back")
ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
ax.locator_params(nbins=6)
ax.legend(loc="upper left", frameon=False)
plt.show()

# %% [markdown]
# ## 6. From probabilities to decisions
#
# A decision is made in money: what an hour sooner is worth, against the expected loss, the
# claw-back's own cost and capital. Three more models say whose fault a claw-back would be (an
# abuser does not repay) and see the user alone (the credit score and the standing of section 9);
# severity, causes and the normal track's averages complete the prices.

# %%
policy = load_policy()
risk = {AT_REQUEST.name: claw}
more = (BLAME, POINTS, AT_STANDING)
risk |= {head.name: fit_risk(task, taught[head.stage], head, 7) for head in more}
models = Models(risk, fit_money(task, lesson, risk, policy))

# %% [markdown]
# The requests of the three months are decided one after the other, under limits and daily caps.
# A replay must not see what the platform itself then paid on these very cases: `replayed` takes
# that out of the exposure. A small random share is decided otherwise, to keep learning.

# %%
given = replayed(task, ledger, Decisions(later, X_later), ends)
scored = score_requests(task, models, given, policy, ledger_age_hours=0.0)
decisions, limits = decide(scored, policy, LimitState())
decisions["action"].value_counts().to_frame("requests").query("requests > 0")

# %% [markdown]
# Read a row from left to right: the amount, the risk, what paying now is expected to lose and what
# a claw-back would cost besides, how many hours sooner the buyer is paid; then what that makes each
# action worth (in cents; the normal track is worth 0), and the action.

# %%
seen_by = ["refund_type", "amount_cents", "p_claw", "loss_instant_cents", "clawcost_instant_cents"]
values = ["value_instant_cents", "value_scan_cents", "action"]
scored[[*seen_by, "hours_instant"]].join(decisions[values]).head(6).round(3)

# %% [markdown]
# ## 7. Who gets instant?
#
# Each bar is 100 % of the requests in its band: dark blue is paid at once, light blue at the
# parcel's first scan, grey after inspection. Look for the direction. Older accounts, fewer earlier
# claw-backs, smaller amounts and less risk should be darker. Refunds without a return are mostly
# grey for another reason: their normal track takes hours, so an advance saves little, however safe
# the buyer. Nobody is refused a refund.

# %%
rate = X_later["user_refund_requests_count_365d_rate_user_orders_count_365d"]
tenure, clawed = X_later["user_orders_tenure_life"], X_later["user_clawbacks_count_life"]
yuan = scored["amount_cents"] / 100
fifth = pd.qcut(scored["p_claw"], 5, labels=["safest fifth", "2nd", "3rd", "4th", "riskiest fifth"])
bands = {
    "Days since the first order": pd.cut(
        tenure,
        [0, 30, 90, 180, 365, np.inf],
        labels=["under 30", "30 to 90", "90 to 180", "180 to 365", "over 365"],
    ),
    "Refund requests per order, last year": pd.cut(
        rate,
        [0, 0.1, 0.15, 0.2, 0.3, np.inf],
        labels=["under 10%", "10% to 15%", "15% to 20%", "20% to 30%", "over 30%"],
    ),
    "Earlier claw-backs": pd.cut(clawed, [-1, 0, 1, np.inf], labels=["none", "one", "more"]),
    "Amount, yuan": pd.cut(
        yuan,
        [0, 50, 100, 200, 500, np.inf],
        labels=["under 50", "50 to 100", "100 to 200", "200 to 500", "over 500"],
    ),
    "Kind of refund": scored["refund_type"].astype(str).str.replace("_", " ").astype("category"),
    "Predicted risk of a claw-back": fifth,
}

# %%
figure, axes = plt.subplots(3, 2, figsize=(10, 8.5), sharex=True, layout="constrained")
for ax, (title, band) in zip(axes.flat, bands.items(), strict=True):
    shares = pd.crosstab(band, decisions["action"], normalize="index")[list(ACTIONS)].iloc[::-1]
    shares.plot.barh(stacked=True, ax=ax, color=list(ACTIONS.values()), legend=False, width=0.75)
    ax.set_yticklabels([f"{b}  (n = {n:,})" for b, n in band.value_counts()[shares.index].items()])
    ax.set(title=title, ylabel="", xlim=(0, 1))
    ax.xaxis.set_major_formatter(PercentFormatter(1))
axes[2, 0].set_xlabel("share of requests")
axes[2, 1].set_xlabel("share of requests")
names = [name.replace("_", " ") for name in ACTIONS]
figure.legend(axes[0, 0].containers, names, loc="outside upper center", ncols=3, frameon=False)
plt.show()

# %% [markdown]
# ## 8. Why not at once?
#
# The first reason is what **bound** the decision: a rule, a limit, a cap, or the value itself.
# The others are groups of the model's columns that raise this request's risk, from TreeSHAP, and
# only where the column stands on the side that its sign calls risky.

# %%
explained = with_reasons(decisions, task, claw, given.X, "held")
held = explained[explained["action"] != "instant"]
held = held.assign(p_claw=scored["p_claw"]).sort_values("p_claw", ascending=False)
bound = held["reason_1"].astype(str).value_counts()
raised = held[["reason_2", "reason_3", "reason_4"]].melt()["value"].value_counts().head(10)

# %%
panels = {"What bound the decision": bound, "What raised the risk (up to three a request)": raised}
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for ax, color, (title, counts) in zip(axes, (BLUE, LIGHT), panels.items(), strict=True):
    counts.iloc[::-1].plot.barh(ax=ax, color=color, width=0.75)
    ax.bar_label(ax.containers[0], fmt="{:,.0f}", padding=3)
    ax.set(title=title, xlabel="requests not paid at once", ylabel="", xlim=(0, 1.12 * max(counts)))
plt.show()

# %% [markdown]
# Each key has one text for the buyer and one for the merchant, in Chinese and English. They say
# what was looked at and accuse nobody; the merchant learns no detail about the buyer. Below: the
# riskiest held request under each of the three most common constraints.

# %%
for case in held[held["reason_1"].isin(bound.index[:3])].drop_duplicates("reason_1").itertuples():
    print(f"case {case.case_id}: {case.action}, because:")
    keys = [k for k in (case.reason_1, case.reason_2, case.reason_3) if isinstance(k, str)]
    for key in keys:
        print(f"  {key}")
        for who in ("buyer", "merchant"):
            print(f"    {who:8}  {reason_text(key, 'zh', who)}  {reason_text(key, 'en', who)}")

# %% [markdown]
# ## 9. The standing: what a user may have before any request is known
#
# Every night each user gets a score, a tier and a limit; a request at 14:03 is answered from that
# row. 600 points are 30 good to 1 bad; 20 points more double the odds. A tier begins at its line in
# the plot below; left of D there is no limit.

# %%
blocks = standing_blocks(task, ledger, today)
users = pd.concat([score_users(models, block, policy, 0.0) for block in blocks], ignore_index=True)
standing = standing_rows(users, policy)
facts = standing.assign(
    limit=standing["limit_cents"] / 100, most=standing["max_instant_cents"] / 100
)
facts.groupby("tier").agg(
    users=("points", "size"),
    eligible=("eligible", "mean"),
    median_limit_yuan=("limit", "median"),
    median_largest_instant_yuan=("most", "median"),
).round(2)

# %%
figure, ax = plt.subplots(figsize=(7, 3.4))
ax.hist(users["points"], bins=60, color=BLUE)
for tier in policy.tier:
    ax.axvline(tier.min_points, color="grey", linestyle=":")
    ax.annotate(f"{tier.name} ", (tier.min_points + 1, 0.94), xycoords=("data", "axes fraction"))
ax.set(xlabel="points (more is safer)", ylabel="users", title="Credit score of every user")
plt.show()

# %% [markdown]
# Five look-ups: for one user a small amount, one that is worth less than it may cost, and one above
# the limit; somebody we have never seen; and the small amount again the next evening, when last
# night's row has expired and the normal track is the answer.

# %%
best = standing.nlargest(1, "max_instant_cents").iloc[0]
user, limit, most = best["user_id"], int(best["limit_cents"]), int(best["max_instant_cents"])
afternoon, evening = today + pd.Timedelta("14h 3min"), today + pd.Timedelta("1D 20h")
asked = {
    "small": (user, afternoon, 5_000),
    "dear": (user, afternoon, most + 1),
    "above the limit": (user, afternoon, limit + 1),
    "unknown user": (10**9, afternoon, 5_000),
    "next evening": (user, evening, 5_000),
}
ordinary = {"refund_type": "return_refund", "payment_method": "wallet", "category": "fashion"}
answers = {q: answer(standing, *a, policy=policy, request=ordinary) for q, a in asked.items()}
columns = ["action", "binding", "tier", "limit_cents", "max_instant_cents", "valid_until"]
pd.DataFrame({q: vars(a) for q, a in answers.items()}).T[columns]

# %% [markdown]
# ## 10. What if a claw-back hurt twice as much?
#
# The same requests under a policy in which each claw-back costs twice as much (contact, complaint,
# lost trust). Nothing is fitted again but the prices. Expect fewer instant payments at every level
# of risk, and a smaller expected loss, paid for in buyers' hours.

# %%
doubled = {cause: 2 * cents for cause, cents in policy.clawback_cost_cents.items()}
dearer = replace(policy, id="clawbacks_cost_double", clawback_cost_cents=doubled)
models_dearer = Models(risk, fit_money(task, lesson, risk, dearer))
scored_dearer = score_requests(task, models_dearer, given, dearer, ledger_age_hours=0.0)
stricter, _ = decide(scored_dearer, dearer, LimitState())

# %%
both = {"today's policy": decisions, "claw-backs cost double": stricter}
totals = ["expected_loss_cents", "expected_clawcost_cents", "expected_hours"]
sums = pd.DataFrame({name: table[totals].sum() for name, table in both.items()}).T
sums.assign(paid_instantly=[(t["action"] == "instant").sum() for t in both.values()]).round(0)

# %%
rates = {name: (t["action"] == "instant").groupby(fifth).mean() for name, t in both.items()}
figure, ax = plt.subplots(figsize=(7, 3.6))
pd.DataFrame(rates).plot.bar(ax=ax, color=[BLUE, ORANGE], width=0.75, rot=0)
ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
ax.set(xlabel="predicted risk of a claw-back", ylabel="share paid instantly")
ax.set(title="What a dearer claw-back changes", ylim=(0, 1))
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Where to go next
#
# * `clawback train ledger/` and `clawback score ledger/` do the same as jobs, with a registered
#   model and files that are never half written.
# * A policy of your own is a TOML file over `models/policy.toml`, which explains every number;
#   a feature of your own is a block in a task file that says `extends = "advance_refund"`.
