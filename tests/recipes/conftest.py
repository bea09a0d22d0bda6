"""Fixtures that tests of experiments share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def without_pictures():
    """Leave out the drawing of pictures, which takes longer than all the rest of an experiment.

    That pictures are drawn is tested elsewhere.
    """
    from speakergmm.evaluation.report import evaluation_page
    from speakergmm.recipes import evaluation_stage

    def save_nothing(_, folder):
        for name in evaluation_stage.DET_FILES:
            (folder / name).write_text("not drawn")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation_stage, "det_picture", lambda *_, **__: None)
        patch.setattr(evaluation_stage, "save_pictures", save_nothing)
        patch.setattr(evaluation_page, "pictures_of", lambda *_, **__: [])
        yield
