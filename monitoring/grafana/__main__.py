"""Write dashboards/*.json, or compare what is there with what would be written.

.tools/ops/bin/python -m monitoring.grafana [--check]
"""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.grafana import cost, operate, quality

FOLDER = Path(__file__).parent / "dashboards"


def pages() -> dict[str, str]:
    """The text of each file."""
    boards = {"operate": operate.build(), "quality": quality.build(), "cost": cost.build()}
    return {f"{name}.json": encoded(board.build()) for name, board in boards.items()}


def encoded(board: Dashboard) -> str:
    return JSONEncoder(sort_keys=True, indent=2).encode(board) + "\n"


def wrong_with(name: str, page: str) -> str | None:
    """A page that Grafana's own model reads and writes otherwise has a key that Grafana does not know."""
    file = FOLDER / name
    if not file.exists() or file.read_text(encoding="utf-8") != page:
        return "is not what the code makes: run python -m monitoring.grafana"
    if encoded(Dashboard.from_json(json.loads(page))) != page:
        return "does not survive Grafana's model"
    return None


def main() -> int:
    register_default_plugins()
    if sys.argv[1:] != ["--check"]:
        for name, page in pages().items():
            (FOLDER / name).write_text(page, encoding="utf-8")
        return 0
    wrong = {name: why for name, page in pages().items() if (why := wrong_with(name, page))}
    for name, why in wrong.items():
        print(f"{name} {why}")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
