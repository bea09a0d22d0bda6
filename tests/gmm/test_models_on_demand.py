from __future__ import annotations

import numpy as np
import pytest

from speakergmm.gmm import DiagonalGMM
from speakergmm.gmm.models_on_demand import ModelsOnDemand


class Shifted(ModelsOnDemand):
    """Models with means 0, 1, 2, ...; notes which were made."""

    def __init__(self, n):
        self.n, self.asked = n, []

    def __len__(self):
        return self.n

    def made(self, number):
        if not -self.n <= number < self.n:
            raise IndexError(number)
        self.asked.append(number)
        return DiagonalGMM([1.0], [[float(number % self.n)]], [[1.0]])


def means(models):
    return [float(model.means[0, 0]) for model in models]


def test_a_model_is_made_when_it_is_asked_for():
    models = Shifted(5)
    assert (len(models), models.asked) == (5, [])
    assert means([models[3]]) == [3.0]
    assert models.asked == [3]


def test_slices_and_loops_are_those_of_a_list():
    models, wanted = Shifted(5), np.arange(5.0)
    assert means(models) == wanted.tolist()
    for part in (slice(1, 3), slice(None, None, -2), slice(4, 99), slice(3, 3)):
        assert means(models[part]) == wanted[part].tolist()
    assert means([models[-1]]) == [4.0]
    with pytest.raises(IndexError):
        models[5]
