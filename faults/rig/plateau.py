"""Whether what was measured again and again has stopped growing (M7)."""

from .accounts import Violated

# Fewer say nothing: three for each third.
LEAST = 9


def plateau(name, values, share=0.0, flat=0.0):
    """The greatest of the middle third and of the last, which may be more by `share` of it and by `flat`, and not by more.

    What grows as it did from the beginning is half as much again in the last third as in the middle one.
    """
    if len(values) < LEAST:
        raise ValueError(f"{len(values)} measurements of {name} are too few")
    third = len(values) // 3
    middle, last = max(values[third:-third]), max(values[-third:])
    if last > middle * (1 + share) + flat:
        raise Violated("M7", f"{name} grew: at most {shown(middle)} in the middle third, {shown(last)} in the last")
    return middle, last


def renewed(name, values, written):
    """What was written went: else there was nothing to level, or not the time in which it goes."""
    most = max(values)
    if most == 0 or written < 2 * most:
        raise Violated("M7", f"of {name} at most {most} were there, and {written} were written: that shows nothing")


def shown(value):
    return f"{value:.1f}" if isinstance(value, float) else str(value)
