"""The words of a decision: its actions and the reasons that can bind it.

`ACTIONS` is in code order; the first three are also ordered by how early the money moves, so a
larger code is a looser decision. There is no action that refuses a refund: the worst answer is
`after_inspection`, the normal track. Texts for the reasons stand with the features.
"""

HOLD, SCAN, INSTANT, REVIEW, AFTER_DELIVERY = range(5)
ACTIONS = ("after_inspection", "at_first_scan", "instant", "review", "after_delivery")

#: Reasons a rule of the policy may give.
RULE_REASONS = (
    "refund_only",
    "coupon_order",
    "instalment",
    "category",
    "deposit",
    "hold_list",
    "allow_list",
)

#: What binds a decision, the constraint first and the value last.
BINDING_REASONS = (
    "kill_switch",
    "stale_ledger",
    "expired_standing",
    "missing_score",
    *RULE_REASONS,
    "no_limit",
    "limit_reached",
    "daily_cap",
    "merchant_cap",
    "category_cap",
    "loss_budget",
    "unknown_user",
    "exploration",
    "after_scan_better",
    "value",
)
