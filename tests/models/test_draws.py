import numpy as np
import pandas as pd
from scipy.stats import kstest

from models.draws import uniform


def test_draws_are_uniform_for_texts_and_for_numbers() -> None:
    for ids in (pd.Series(np.arange(20_000)), pd.Series([f"case-{i}" for i in range(20_000)])):
        u = uniform(ids, "salt")
        assert kstest(u, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 4 / np.sqrt(20_000)


def test_two_salts_are_independent() -> None:
    ids = pd.Series(np.arange(20_000))
    both = np.corrcoef(uniform(ids, "a"), uniform(ids, "b"))[0, 1]
    assert abs(both) < 4 / np.sqrt(20_000)


def test_a_draw_belongs_to_its_id_alone() -> None:
    ids = pd.Series(["c", "a", "b"])
    u = dict(zip(ids, uniform(ids, "x"), strict=True))
    again = pd.Series(pd.Categorical(["a", "b", "c", "d"]))
    assert dict(zip(again, uniform(again, "x"), strict=True)).items() >= u.items()


def test_draws_do_not_change_between_versions() -> None:
    # exploration is replayed from row ids: another number here would rewrite old decisions
    u = uniform(pd.Series(["case-1", "case-2"]), "policy:1")
    assert u.round(12).tolist() == [0.258044388921, 0.433132281926]
