"""What scikit-learn's users give to the estimators, and how they are told what is wrong with it."""

from __future__ import annotations

import numbers
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from speakergmm.errors import ConfigError, FrameError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike
    from sklearn.base import BaseEstimator

    RandomState = int | np.random.Generator | np.random.RandomState | None

# What messages of training call things, and what scikit-learn's users do; the longer first.
WORDS = (
    ("remove it from the front end", "remove it"),
    ("extract them again", "scale them"),
    ("add speech", "add samples"),
    ("frame", "sample"),
)


@contextmanager
def in_words_of_samples() -> Iterator[None]:
    """Say what is wrong as scikit-learn would: here are no frames, and no front end."""
    try:
        yield
    except (ConfigError, FrameError) as error:
        text = str(error)
        for ours, theirs in WORDS:
            text = text.replace(ours, theirs)
        raise type(error)(text) from None


def rng_of(random_state: RandomState) -> int | np.random.Generator:
    """Give the ``rng`` of `train_ubm` that a ``random_state`` stands for.

    Raises
    ------
    ConfigError
        When it is none.
    """
    if random_state is None:
        return np.random.default_rng()
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    is_seed = isinstance(random_state, numbers.Integral) and not isinstance(random_state, bool)
    if isinstance(random_state, np.random.Generator) or (is_seed and random_state >= 0):
        return random_state
    raise ConfigError(
        f"random_state is {random_state!r}; expected a whole number of 0 or more, a "
        "numpy.random.Generator, a numpy.random.RandomState, or None"
    )


def checked(estimator: BaseEstimator, *data: ArrayLike | None, is_new: bool = False) -> Any:
    """Give X, or X and y, as arrays as scikit-learn checks them; new data set what is expected.

    float32 stays float32, any other becomes float64.
    """
    options: dict[str, Any] = {"reset": is_new, "dtype": [np.float64, np.float32]}
    if is_new:
        options["ensure_min_samples"] = 2
    else:
        check_is_fitted(estimator)
    try:
        from sklearn.utils.validation import validate_data
    except ImportError:
        # Before scikit-learn 1.6.
        return estimator._validate_data(*data, **options)
    return validate_data(estimator, *data, **options)
