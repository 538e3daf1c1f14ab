"""The market's year: festivals, days of the week, hours of the day, and carriers' back-log."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.market.world import DAY, HOUR, Array, World


@dataclass(frozen=True)
class Calendar:
    """Cumulative order intensity on a grid of hours, and the back-log of each day."""

    start_us: int
    cumulative: Array
    backlog: Array

    @property
    def end_us(self) -> int:
        """End of the last whole hour of the grid."""
        return self.start_us + (len(self.cumulative) - 1) * HOUR

    def mass(self, at_us: Array) -> Array:
        """Orders expected from the start until an instant, in units of the grid."""
        hours = (at_us - self.start_us) / HOUR
        return np.asarray(np.interp(hours, np.arange(len(self.cumulative)), self.cumulative))

    def instant(self, mass: Array) -> Array:
        """Inverse of `mass`, in microseconds."""
        hours = np.interp(mass, self.cumulative, np.arange(len(self.cumulative)))
        return np.asarray(self.start_us + (hours * HOUR).astype(np.int64))

    def backlog_at(self, at_us: Array) -> Array:
        """Factor on carriers' times at an instant, 1 in quiet days."""
        day = np.clip((at_us - self.start_us) // DAY, 0, len(self.backlog) - 1)
        return np.asarray(self.backlog[day])


def calendar(world: World) -> Calendar:
    """The calendar of a world's history."""
    book = world.book["calendar"]
    n_days = (world.end_us - world.start_us) // DAY
    days = pd.to_datetime(world.start_us + np.arange(n_days) * DAY, unit="us")
    peak, backlog = np.ones(n_days), np.ones(n_days)
    for festival in book["festivals"]:
        for year in range(days[0].year, days[-1].year + 1):
            first = pd.Timestamp(year, festival["month"], festival["day"])
            since = np.asarray((days - first).days)
            during = (since >= 0) & (since < festival["days"])
            peak[during] = festival["peak"]
            slow = (since >= 0) & (since < festival["days"] + festival["clears"])
            backlog[slow] = np.maximum(backlog[slow], festival["backlog"])
    weekday = np.array(book["weekday"])[np.asarray(days.day_of_week)]
    hour = np.array(book["hour"]) / np.sum(book["hour"])
    intensity = np.multiply.outer(peak * weekday, hour).ravel()
    return Calendar(world.start_us, np.r_[0.0, np.cumsum(intensity)], backlog)
