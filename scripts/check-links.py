#!/usr/bin/env python3
"""Checks the Markdown of this repository: relative links lead somewhere, and quoted code is what its file says.

A code block right after a line `<!-- file: path -->` must stand in that file, line by line; its indentation as a whole
does not count. Paths are relative to the root of the repository. Prints each problem and a count; exits 1 if there is one.
"""

import os
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = {"target", "node_modules", "artifacts", "site-packages"}
FENCE = re.compile(r"^(```+).*?\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)
QUOTE = re.compile(r"^<!-- file: (\S+) -->[ \t]*\n(?:(```+)[^\n]*\n(.*?)^\2[ \t]*$)?", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)|^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")
OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def pages():
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in SKIPPED and not name.startswith(".")]
        yield from (Path(folder) / name for name in sorted(files) if name.endswith(".md"))


def anchors(page):
    """The anchors of the headings of a page, as the forges make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#{1,6}\s+(.*?)\s*$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_link(page, target):
    path, _, anchor = target.partition("#")
    found = page if not path else (ROOT / path.lstrip("/") if path.startswith("/") else page.parent / path)
    if not found.exists():
        return f"leads nowhere: {target}"
    if anchor and found.suffix == ".md" and anchor not in anchors(found):
        return f"no such heading: {target}"
    return None


def wrong_quote(path, block):
    source = ROOT / path
    if not source.is_file():
        return f"quotes a file that is not there: {path}"
    quoted = textwrap.dedent(block).strip("\n").split("\n") if block else []
    if not any(quoted):
        return f"quotes nothing of {path}"
    lines = source.read_text(encoding="utf-8").split("\n")
    for start in range(len(lines) - len(quoted) + 1):
        if textwrap.dedent("\n".join(lines[start : start + len(quoted)])).split("\n") == quoted:
            return None
    return f"quotes what does not stand in {path}: {next(filter(None, quoted))}"


def main():
    links, quotes, problems = 0, 0, []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        found = [wrong_quote(path, block) for path, _, block in QUOTE.findall(text)]
        quotes += len(found)
        targets = [inline or named for inline, named in LINK.findall(CODE.sub("", FENCE.sub("", text)))]
        relative = [target for target in targets if not OUTSIDE.match(target)]
        links += len(relative)
        found += [broken_link(page, target) for target in relative]
        problems += [f"{page.relative_to(ROOT)}: {problem}" for problem in found if problem]
    print("\n".join(problems + [f"{links} links, {quotes} quotes, {len(problems)} problems"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
