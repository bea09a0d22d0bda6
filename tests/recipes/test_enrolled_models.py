"""The file of a list's statistics, written row by row."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from speakergmm.errors import OutputError
from speakergmm.recipes.enrolled_models import needs_second_order, write_rows
from speakergmm.verification import EnrollmentConfig

SHAPES = {"n": ((3,), np.float64), "f": ((3, 2), np.float64), "n_frames": ((), np.int64)}


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return [
        {"n": rng.random(3), "f": rng.normal(size=(3, 2)), "n_frames": np.array(7 * i)}
        for i in range(4)
    ]


def test_the_file_is_the_one_that_whole_arrays_give(rows, tmp_path):
    write_rows(tmp_path / "rows.safetensors", len(rows), SHAPES, rows)
    found = load_file(tmp_path / "rows.safetensors")
    whole = {name: np.stack([row[name] for row in rows]) for name in SHAPES}
    assert found.keys() == whole.keys()
    for name, values in whole.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype
    assert (tmp_path / "rows.safetensors").stat().st_size <= len(save(whole)) + 64


def test_what_ends_early_leaves_nothing(rows, tmp_path):
    def failing():
        yield rows[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="cannot be written \\(No space left"):
        write_rows(tmp_path / "rows.safetensors", 4, SHAPES, failing())
    assert list(tmp_path.iterdir()) == []


def test_only_variances_need_second_order_statistics():
    assert [
        needs_second_order(EnrollmentConfig(parameters=parameters))
        for parameters in ("means", "means+weights", "means+variances", "all")
    ] == [False, False, True, True]
