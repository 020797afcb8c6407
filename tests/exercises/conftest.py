"""What a checker says, as a fixture: it prints, and pytest's capsys is needed to hear it."""

import pytest

from course_utils import exercises


@pytest.fixture
def said(capsys):
    """What a checker says of an answer: one line."""

    def said(name, answer):
        getattr(exercises, name)(answer)
        out = capsys.readouterr().out
        assert out.count("\n") == 1 and out.startswith(("correct. ", "not yet: ")), out
        return out.rstrip("\n")

    return said
