"""Pictures: horizontal bars as SVG, readable in the light and in the dark, with no font but the reader's."""

import html
from dataclasses import dataclass

WIDTH = 760
LABELS = 250  # pixels for the labels on the left
VALUES = 110  # and for the numbers on the right
BAR = 20
GAP = 10
TOP = 58
LETTER = 6.6  # the width of one, about

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 15px; font-weight: 600; }
  .note { fill: #59636e; }
  .ours { fill: #0a7d5a; }
  .theirs { fill: #8c959f; }
  .ceiling { fill: #4c7fc4; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .note { fill: #9198a1; }
    .ours { fill: #3fb98a; }
    .theirs { fill: #6e7681; }
    .ceiling { fill: #6ea3e8; }
  }
"""


@dataclass
class Bar:
    """One bar: `kind` is ours, theirs or ceiling. `shown` is its value in words."""

    label: str
    value: float
    shown: str
    kind: str = "theirs"


def bars(title, note, entries):
    """An SVG with a bar for each entry, in their order, the longest as wide as there is room."""
    most = max((entry.value for entry in entries), default=0) or 1
    room = WIDTH - LABELS - VALUES
    height = TOP + len(entries) * (BAR + GAP) + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{_text(title)}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="10" y="22">{_text(title)}</text>',
        f'<text class="note" x="10" y="41">{_text(note)}</text>',
    ]
    for at, entry in enumerate(entries):
        top = TOP + at * (BAR + GAP)
        width = max(1.0, entry.value / most * room)
        middle = top + BAR * 0.7
        lines += [
            f'<text x="{LABELS - 8}" y="{middle:.1f}" text-anchor="end">{_text(_fit(entry.label))}</text>',
            f'<rect class="{entry.kind}" x="{LABELS}" y="{top}" width="{width:.1f}" height="{BAR}" rx="3"/>',
            f'<text x="{LABELS + width + 6:.1f}" y="{middle:.1f}">{_text(entry.shown)}</text>',
        ]
    return "\n".join(lines + ["</svg>", ""])


def _fit(label):
    most = int((LABELS - 16) / LETTER)
    return label if len(label) <= most else label[: most - 1] + "…"


def _text(text):
    return html.escape(text, quote=True)
