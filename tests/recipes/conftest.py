"""Fixtures that tests of experiments share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def without_pictures():
    """Leave out the drawing of curves, which takes as long as all the rest of a small experiment.

    That pictures are drawn is tested elsewhere.
    """
    from speakergmm.recipes import experiment

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "det_figure", lambda _: "<svg></svg>")
        patch.setattr(experiment, "save_figure", lambda figure, path: path.write_text(figure))
        yield
