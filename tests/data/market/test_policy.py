import numpy as np

from data.market.policy import earlier

MONTHS_18_US = 18 * 30 * 86_400_000_000


def test_counts_before_a_moment_are_those_of_a_plain_loop_with_a_million_users() -> None:
    rng = np.random.default_rng(5)
    users = rng.integers(1_000_000, size=30)  # codes times microseconds are beyond 64 bits
    users[:5] = [0, 195_000, 200_000, 999_998, 999_999]
    keys, times = users[rng.integers(30, size=400)], rng.integers(MONTHS_18_US, size=400)
    times[rng.integers(400, size=100)] = times[rng.integers(400, size=100)]  # ties
    key = np.append(users[rng.integers(30, size=199)], 123_456)
    at = np.where(rng.random(200) < 0.5, rng.choice(times, 200), rng.integers(MONTHS_18_US))
    count, first = earlier(keys, times, key, at)
    for n in range(200):
        before = times[(keys == key[n]) & (times < at[n])]
        assert count[n] == len(before)
        assert first[n] == (before.min() if len(before) else at[n])
