"""A small version of the study: ours below the ceiling below the oracle, and not far apart."""

import numpy as np
from sklearn.metrics import roc_auc_score

from tests.studies.ceiling import expected_auc, gaps


def test_expected_auc_is_the_mean_over_draws() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(1, 8, 4_000)
    score = p + rng.normal(0, 0.05, p.size)
    drawn = [roc_auc_score(rng.random(p.size) < p, score) for _ in range(200)]
    spread = np.std(drawn) / np.sqrt(len(drawn))
    # the mean of a ratio differs from the ratio of means by O(1 / positives)
    assert abs(np.mean(drawn) - expected_auc(score, p)) < 4 * spread + 1 / p.sum()


def test_the_model_stays_near_the_ceiling_and_below_it() -> None:
    table = gaps(size=60_000, seeds=[1, 2], times=4, worlds=2, rounds=60)
    mean = table.mean()
    assert 0.80 < mean["ceiling"] < 0.92
    assert mean["ours"] < mean["ceiling"] < mean["oracle"]
    assert mean["gap"] < 0.08  # about 100 bad cases to learn from
