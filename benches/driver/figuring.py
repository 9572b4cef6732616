"""Medians, spreads and ratios; the figures of the bench, each beside its aim."""

import statistics
from dataclasses import dataclass, field


def percentile(values, percent):
    """The value that `percent` of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(1, int(rank)) - 1]


def ratios(numerators, denominators):
    """Of each round its own ratio."""
    if len(numerators) != len(denominators):
        raise ValueError("ratios are of the same rounds")
    return [above / below for above, below in zip(numerators, denominators)]


@dataclass
class Figure:
    """A number that was measured several times. `at_least` or `at_most` is its aim, if it has one; `reason` tells what it costs
    to reach it, where that is known."""

    name: str
    values: list
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    digits: int = 2
    beside: list = field(default_factory=list)
    reason: str = ""

    @property
    def value(self):
        return statistics.median(self.values)

    @property
    def is_reached(self):
        """`None` where there is no aim."""
        if self.at_least is not None:
            return self.value >= self.at_least
        if self.at_most is not None:
            return self.value <= self.at_most
        return None

    def shown(self):
        return number(self.value, self.digits, self.unit)

    def spread(self):
        """The least and the most; nothing if it was measured once."""
        if len(self.values) < 2:
            return ""
        return f"{number(min(self.values), self.digits)} to {number(max(self.values), self.digits)}"

    def aim(self):
        if self.at_least is not None:
            return f"≥ {number(self.at_least, None, self.unit)}"
        if self.at_most is not None:
            return f"≤ {number(self.at_most, None, self.unit)}"
        return "state it"

    def shortfall(self):
        """A sentence where the aim is missed; else nothing."""
        if self.is_reached is not False:
            return ""
        aim = self.at_least if self.at_least is not None else self.at_most
        reaching = self.at_least is not None and max(self.values) >= aim
        reaching = reaching or (self.at_most is not None and min(self.values) <= aim)
        often = "some rounds reach it" if reaching else "no round reaches it"
        return f"{self.name}: {self.shown()} is short of the aim of {self.aim()}; {often}. {self.reason}".rstrip()

    def as_json(self):
        return {"name": self.name, "value": self.value, "unit": self.unit, "values": self.values,
                "at_least": self.at_least, "at_most": self.at_most, "reached": self.is_reached, "beside": self.beside}


def number(value, digits=2, unit=""):
    """With thousands set apart; `None` digits: as many as it has."""
    text = f"{value:g}" if digits is None else f"{value:,.{digits}f}"
    return f"{text} {unit}".rstrip()
