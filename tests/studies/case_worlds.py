"""Small worlds of refund cases whose truth is known: one calm, three under stress.

Users have a latent trait that all their cases share, amounts have a heavy tail, and a soft policy
logs what it did and with which probability. The parameters are frozen: nothing in a study may
choose them. Truth is an average over a large population of the same world, of chances and not of
luck.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HOLD, SCAN, INSTANT = range(3)
POSITIONS = 12  # cases a user has at most
NODES, CHANCES = np.polynomial.hermite_e.hermegauss(9)
CHANCES = CHANCES / CHANCES.sum()


@dataclass(frozen=True)
class World:
    """Frozen parameters; the three stresses are off at 0."""

    name: str
    late: float = 0.0  # how much more slowly bad outcomes, and those of the season, are known
    confounded: float = 0.0  # what only the logging policy sees, and how it moves the incentive
    reacting: float = 0.0  # log odds of not finishing that an earlier payment adds
    users: int = 3500
    more_cases: float = 3.0
    trait: float = 1.1
    noise: float = 0.8  # of the column that shows the trait
    temptation: float = 0.9
    floor: float = 0.05


CALM = World("calm")
LATE = World("late", late=1.0)
CONFOUNDED = World("confounded", confounded=1.0)
REACTING = World("reacting", reacting=0.8)
WORLDS = (CALM, LATE, CONFOUNDED, REACTING)
STRESSED = WORLDS[1:]

DAYS, HORIZON, DEADLINE = 360.0, 105.0, 14.0
HOUR_CENTS, CLAW_CENTS, LGD = 4.2, 1500.0, 0.6


@dataclass(frozen=True)
class Cases:
    """Requests as the log shows them, and (`trait`, `hidden`) what it does not.

    `earlier` is the number of the user's earlier requests that were paid at once; `bad` whether
    the return is not finished; `known_day` when that was known.
    """

    user: NDArray[np.int64]
    position: NDArray[np.int64]
    day: Floats
    shown: Floats
    amount: Floats
    earlier: Floats
    action: NDArray[np.int64]
    prob: Floats
    bad: NDArray[np.bool_]
    reward: Floats
    known_day: Floats
    trait: Floats
    hidden: Floats

    def take(self, rows: NDArray[Any]) -> "Cases":
        """The cases of a mask or of positions."""
        return Cases(**{k: v[rows] for k, v in vars(self).items()})

    @property
    def columns(self) -> Floats:
        """What a model may know of a request."""
        size = np.log(self.amount / 12_000)
        season = np.sin(self.day * 2 * np.pi / 180)
        basis = [self.shown, size, self.shown * size, self.shown**2, self.amount, self.earlier]
        return np.column_stack([*basis, season])


def chance_bad(world: World, cases: Any, action: Any, trait: Floats, hidden: Floats) -> Floats:
    """P(not finished) of each case under an action."""
    size, season = np.log(cases.amount / 12_000), np.sin(cases.day * 2 * np.pi / 180)
    held = -2.9 + 0.25 * size + 0.5 * world.late * season + 0.8 * trait
    held = held + world.reacting * np.minimum(cases.earlier, 2)
    more = world.temptation + 0.15 * size + 0.8 * world.confounded * hidden
    strength = np.array([0.0, 0.4, 1.0])[action]
    return np.asarray(1 / (1 + np.exp(-(held + strength * more))))


def worth(cases: Any, action: Any, bad: Floats) -> Floats:
    """Mean reward in cents of each case, given (the chance of) not finishing."""
    hours = np.array([0.0, 90.0, 190.0])[action]
    owed = LGD * cases.amount + CLAW_CENTS
    # a parcel never sent is never scanned: nothing is paid, nothing lost but a part
    owed = owed * np.array([0.0, 0.25, 1.0])[action]
    return np.asarray(hours * HOUR_CENTS * (1 - bad) - owed * bad)


def logging_policy(world: World, cases: Any, hidden: Floats) -> Floats:
    """Probabilities of hold, scan, instant; every action keeps the floor."""
    size = np.log(cases.amount / 12_000)
    lean = 0.9 - 0.9 * cases.shown - 0.6 * size - 0.4 * cases.earlier
    lean = lean + 1.5 * world.confounded * hidden
    utility = np.column_stack([np.zeros(len(lean)), 0.4 + 0.3 * lean, lean])
    soft = np.exp(utility - utility.max(axis=1, keepdims=True))
    soft /= soft.sum(axis=1, keepdims=True)
    return np.asarray(world.floor + (1 - 3 * world.floor) * soft)


def target(cases: Any) -> NDArray[np.int64]:
    """The policy to be valued: what it pays at once depends on what is shown and on the amount."""
    risk = 0.6 * cases.shown + 0.35 * np.log(cases.amount / 12_000)
    return np.where(risk < 0.15, INSTANT, np.where(risk < 0.8, SCAN, HOLD)).astype(np.int64)


@dataclass(frozen=True)
class _Request:
    """One request of every user, as the policies see it."""

    day: Floats
    shown: Floats
    amount: Floats
    earlier: Floats


def lived(world: World, seed: int, users: int | None = None, own: bool = False) -> Cases:
    """A history under the logging policy; `own` under the target policy instead."""
    rng, n = np.random.default_rng([seed, 4711]), users or world.users
    trait = world.trait * rng.standard_normal(n)
    count = 1 + np.minimum(
        rng.poisson(world.more_cases * rng.gamma(0.6, 1 / 0.6, n)), POSITIONS - 1
    )
    days = np.sort(rng.random((n, POSITIONS)) * DAYS, axis=1)
    earlier, parts = np.zeros(n), []
    for k in range(POSITIONS):
        request = _Request(
            days[:, k],
            trait + world.noise * rng.standard_normal(n),
            np.minimum(12_000 * np.exp(0.9 * rng.standard_normal(n)), 300_000),
            earlier.copy(),
        )
        hidden = rng.standard_normal(n)
        prob = logging_policy(world, request, hidden)
        drawn = (np.cumsum(prob, axis=1)[:, :-1] <= rng.random((n, 1))).sum(axis=1)
        action = target(request) if own else drawn
        bad = rng.random(n) < chance_bad(world, request, action, trait, hidden)
        noise = np.exp(0.4 * rng.standard_normal(n) - 0.08)
        reward = worth(request, action, bad.astype(np.float64)) * noise
        known = request.day + _delay(world, rng, request, bad)
        part = Cases(
            np.arange(n), np.full(n, k), request.day, request.shown, request.amount,
            request.earlier, action, prob[np.arange(n), action], bad, reward, known, trait, hidden,
        )  # fmt: skip
        parts.append(part.take(k < count))
        earlier += action == INSTANT
    joined = {k: np.concatenate([vars(p)[k] for p in parts]) for k in vars(parts[0])}
    return Cases(**joined)


def _delay(world: World, rng: Any, request: _Request, bad: NDArray[np.bool_]) -> Floats:
    """Days until what became of a case is known: longer if it is bad, and after the season."""
    season = 1 + 0.5 * world.late * (1 + np.sin(request.day * 2 * np.pi / 180))
    mean = np.where(bad, 30.0 * season * (1 + world.late), 12.0)
    return np.asarray(np.minimum(rng.gamma(2.0, mean / 2), HORIZON))


def true_bad(world: World, cases: Cases, action: Any) -> Floats:
    """E[not finished | what is shown], the trait and the hidden part integrated out."""
    spread = world.trait**2 / (world.trait**2 + world.noise**2)
    centre, sd = spread * cases.shown, world.trait * np.sqrt(1 - spread)
    total = np.zeros(len(cases.user))
    hiddens = zip(NODES, CHANCES, strict=True) if world.confounded else [(0.0, 1.0)]
    for h, ph in hiddens:
        for z, pz in zip(NODES, CHANCES, strict=True):
            hidden = np.full(len(cases.user), h)
            total += ph * pz * chance_bad(world, cases, action, centre + sd * z, hidden)
    return total


def old_enough(world: World, cases: Cases, days: float) -> NDArray[np.bool_]:
    """Requests whose outcome is known whatever it is, looked at on the last day."""
    return cases.day <= DAYS - days


@lru_cache
def population(world: World, own: bool = False) -> Cases:
    """Many users of the world, for the truth."""
    return lived(world, 999_999_937, users=200_000, own=own)


@lru_cache
def true_value(world: World, days: float, own: bool = False) -> float:
    """The target's mean reward over requests that are `days` old, at the lived histories."""
    everybody = population(world, own)
    cases = everybody.take(old_enough(world, everybody, days))
    action = target(cases)
    bad = chance_bad(world, cases, action, cases.trait, cases.hidden)
    return float(worth(cases, action, bad).mean())


@lru_cache
def true_effect(world: World, days: float) -> float:
    """Paying everybody at once against holding everybody, at the lived histories."""
    everybody = population(world)
    cases = everybody.take(old_enough(world, everybody, days))
    paid, held = (chance_bad(world, cases, a, cases.trait, cases.hidden) for a in (INSTANT, HOLD))
    return float((paid - held).mean())
