"""Says what of the documents is not as their sources say; `--write` makes it anew.

python -m pages            # what disagrees with its source, or has none
python -m pages --write    # tables, the demo's output, generated pages
python -m pages --picture  # docs/images/report.png, the first screen of the demo's report; needs Chromium
"""

from __future__ import annotations

import sys

from pages.documents import PAGES, made_anew, problems, written_by_hand


def main() -> int:
    """The exit code says whether something is wrong."""
    if "--picture" in sys.argv[1:]:
        from pages.picture import write_picture

        print(write_picture())
    documents = [*PAGES, *written_by_hand()]
    if "--write" in sys.argv[1:]:
        for path in documents:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made_anew(path), encoding="utf-8")
    found = [problem for path in documents for problem in problems(path)]
    print("\n".join(found or ["All documents say what their sources say."]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
