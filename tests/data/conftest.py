import os
from pathlib import Path

import pytest

BESIDE_THE_PROJECT = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def real_data(monkeypatch):
    """A COURSE_DATA root with real data; the test says which of its files it needs, and is skipped without them."""

    def need(*files: str) -> Path:
        root = Path(os.environ.get("COURSE_DATA") or BESIDE_THE_PROJECT)
        missing = [file for file in files if not (root / file).exists()]
        if missing:
            pytest.skip(f"no real data: {root / missing[0]} does not exist")
        monkeypatch.setenv("COURSE_DATA", str(root))
        return root

    return need
