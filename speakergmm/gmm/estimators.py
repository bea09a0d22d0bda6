"""Estimators for scikit-learn's pipelines and searches: thin covers of `train_ubm` and `map_adapt`.

Importing this module imports scikit-learn; `speakergmm.DiagonalGaussianMixture` and
`speakergmm.GMMClassifier` do so when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, DensityMixin
from sklearn.utils.multiclass import check_classification_targets

from speakergmm.config import check_choice, check_whole
from speakergmm.errors import ConfigError, FrameError
from speakergmm.gmm.adaptation import ADAPTED, map_adapt
from speakergmm.gmm.em import TrainingConfig, iterate
from speakergmm.gmm.estimator_checks import checked, in_words_of_samples, rng_of
from speakergmm.gmm.frame_source import frame_source
from speakergmm.gmm.statistics import accumulate
from speakergmm.gmm.training import moments, starting_state, train_ubm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from speakergmm.gmm.adaptation import Adapted
    from speakergmm.gmm.estimator_checks import RandomState
    from speakergmm.gmm.model import DiagonalGMM
    from speakergmm.gmm.training import TrainingHistory

# How far priors may be from summing to 1, having been written down in decimals.
PRIOR_SUM_TOLERANCE = 1e-6


class DiagonalGaussianMixture(DensityMixin, BaseEstimator):  # type: ignore[misc]
    """A Gaussian mixture with diagonal covariances, trained by `train_ubm`.

    Parameters
    ----------
    n_components : int
        C.
    max_iterations, tolerance, variance_floor, weight_floor
        See `TrainingConfig`.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed. An integer or a generator is the ``rng`` of `train_ubm`; of a ``RandomState`` one
        number is drawn for it; None: another result each time.
    jobs : int, optional
        Threads; default: the cores that the process may use. In a search that has processes of
        its own, 1 is best. Results do not depend on it.

    Attributes
    ----------
    gmm_ : DiagonalGMM
        The model, for `map_adapt`, `log_likelihood_ratio` and the like.
    history_ : TrainingHistory
    weights_, means_, variances_
        Of the model: (C,), (C, D), (C, D).
    n_features_in_ : int
        D.
    feature_names_in_ : (D,)
        Where X had names.

    Notes
    -----
    X of float32 is computed in fast blocks of float32, any other in float64, as by `train_ubm`.
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        max_iterations: int = TrainingConfig.max_iterations,
        tolerance: float = TrainingConfig.tolerance,
        variance_floor: float = TrainingConfig.variance_floor,
        weight_floor: float = TrainingConfig.weight_floor,
        random_state: RandomState = 0,
        jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.max_iterations = max_iterations
        self.tolerance = tolerance
        self.variance_floor = variance_floor
        self.weight_floor = weight_floor
        self.random_state = random_state
        self.jobs = jobs

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Train the mixture on X (T, D); ``y`` is not used.

        Raises
        ------
        FrameError
            When there are fewer rows than components, or a feature is the same in all rows.
        ConfigError
            When a parameter is out of its range.
        ValueError
            When X is no array of finite numbers of two rows or more.
        """
        frames = checked(self, X, is_new=True)
        with in_words_of_samples():
            self.gmm_, self.history_ = _trained(self, frames, rng_of(self.random_state))
        return self

    @property
    def weights_(self) -> NDArray[np.float64]:
        """Weights (C,)."""
        return self.gmm_.weights

    @property
    def means_(self) -> NDArray[np.float64]:
        """Means (C, D)."""
        return self.gmm_.means

    @property
    def variances_(self) -> NDArray[np.float64]:
        """Variances (C, D)."""
        return self.gmm_.variances

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Log-likelihood (T,) of each row, in nats."""
        frames = checked(self, X)
        return self.gmm_.log_likelihoods(frames)

    def score(self, X: ArrayLike, y: object = None) -> float:  # noqa: ARG002
        """Mean log-likelihood of a row, in nats; higher is better."""
        return float(self.score_samples(X).mean())

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Posterior probability (T, C) of each component, the responsibilities."""
        frames = checked(self, X)
        return self.gmm_.responsibilities(frames)

    def predict(self, X: ArrayLike) -> NDArray[np.intp]:
        """Name the component (T,) that is most responsible for each row, by its number."""
        return np.asarray(self.predict_proba(X).argmax(axis=1))


class GMMClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A Gaussian mixture for each class; a row belongs to the class that explains it best.

    Each row is decided by itself: for a whole recording see `log_likelihood_ratio` and `Verifier`.

    Parameters
    ----------
    n_components : int
        C, of each model.
    adapt : bool
        Whether each model is trained by EM on the rows of its class alone, with a
        ``variance_floor`` of the variance of all rows; or adapted from one background model of all
        rows, as speakers' models are (Reynolds, Quatieri & Dunn 2000). Adapted means tell apart
        classes that spread over the same components, as speakers do over the sounds of speech, and
        a class may have few rows. Classes that lie in different places they do not tell apart.
    relevance_factor : float
    adapted_parameters : {"means", "means+variances", "means+weights", "all"}
        Of the adaptation; see `map_adapt`.
    priors : sequence of float, optional
        Probabilities of the classes, in the order of ``classes_``; default: their shares of y.
    max_iterations, tolerance, variance_floor, weight_floor
        See `TrainingConfig`.
    random_state, jobs
        As for `DiagonalGaussianMixture`.

    Attributes
    ----------
    classes_ : (n_classes,)
    gmms_ : list of DiagonalGMM
        The models, in the order of ``classes_``.
    ubm_ : DiagonalGMM or None
        The background model, where there is one.
    class_prior_ : (n_classes,)
    n_features_in_ : int
        D.
    feature_names_in_ : (D,)
        Where X had names.
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        adapt: bool = False,
        relevance_factor: float = 16.0,
        adapted_parameters: Adapted = "means",
        priors: Sequence[float] | None = None,
        max_iterations: int = TrainingConfig.max_iterations,
        tolerance: float = TrainingConfig.tolerance,
        variance_floor: float = TrainingConfig.variance_floor,
        weight_floor: float = TrainingConfig.weight_floor,
        random_state: RandomState = 0,
        jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.adapt = adapt
        self.relevance_factor = relevance_factor
        self.adapted_parameters = adapted_parameters
        self.priors = priors
        self.max_iterations = max_iterations
        self.tolerance = tolerance
        self.variance_floor = variance_floor
        self.weight_floor = weight_floor
        self.random_state = random_state
        self.jobs = jobs

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Make a model of each class from the rows of X (T, D) and their classes y (T,).

        Raises
        ------
        FrameError
            When rows, of all or of a class, are too few to train on or do not vary.
        ConfigError
            When a parameter is out of its range.
        ValueError
            When X is no array of finite numbers, or y does not name two classes or more.
        """
        frames, labels = checked(self, X, y, is_new=True)
        check_classification_targets(labels)
        check_choice("adapt", self.adapt, (True, False))
        if self.adapted_parameters not in ADAPTED:
            expected = ", ".join(map(repr, ADAPTED))
            raise ConfigError(
                f"adapted_parameters is {self.adapted_parameters!r}; expected one of {expected}"
            )
        classes, members = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise FrameError(
                f"y holds one class only, {classes.tolist()[0]!r}; expected two classes or more"
            )
        priors = self._priors(np.bincount(members) / len(members))
        parts = {name: frames[members == number] for number, name in enumerate(classes.tolist())}
        rng = np.random.default_rng(rng_of(self.random_state))
        with in_words_of_samples():
            self.ubm_ = _trained(self, frames, rng)[0] if self.adapt else None
            self.gmms_ = self._adapted(parts) if self.adapt else self._alone(parts, frames, rng)
        self.classes_, self.class_prior_ = classes, priors
        return self

    def _adapted(self, parts: dict[Any, NDArray[np.floating]]) -> list[DiagonalGMM]:
        """Adapt the background model to each class."""
        ubm: Any = self.ubm_
        return [
            map_adapt(
                ubm,
                accumulate(ubm, part),
                relevance_factor=self.relevance_factor,
                parameters=self.adapted_parameters,
            )
            for part in parts.values()
        ]

    def _alone(
        self,
        parts: dict[Any, NDArray[np.floating]],
        frames: NDArray[np.floating],
        rng: np.random.Generator,
    ) -> list[DiagonalGMM]:
        """Train each class by itself, under floors that are shares of the variance of all rows."""
        config = _training(self)
        check_whole("n_components", self.n_components, 1)
        _, variance = moments(frame_source(frames), self.jobs)
        floor = config.variance_floor * variance
        gmms = []
        for (name, part), seed in zip(parts.items(), rng.spawn(len(parts)), strict=True):
            if len(part) < self.n_components:
                raise FrameError(
                    f"class {name!r}: {len(part):,} samples cannot train {self.n_components:,} "
                    "components; expected at least one a component: lower n_components, or set "
                    "adapt=True"
                )
            source, mean = frame_source(part), part.mean(axis=0, dtype=np.float64)
            state = starting_state(source, self.n_components, mean, variance, config, seed)
            while not state.is_finished(config):
                state = iterate(state, source, floor, config, self.jobs)
            gmms.append(state.gmm)
        return gmms

    def _priors(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.priors is None:
            return shares
        priors = np.asarray(self.priors, dtype=np.float64)
        is_fitting = priors.shape == shares.shape and (priors >= 0).all()
        if not is_fitting or abs(priors.sum() - 1) > PRIOR_SUM_TOLERANCE:
            raise ConfigError(
                f"priors are {self.priors!r}; expected {len(shares)} numbers, one for each class, "
                "0 or more, summing to 1"
            )
        return np.asarray(priors / priors.sum())

    def _joint(self, X: ArrayLike) -> NDArray[np.float64]:
        """Log p(x, class) as (T, n_classes)."""
        frames = checked(self, X)
        with np.errstate(divide="ignore"):
            log_priors = np.log(self.class_prior_)
        densities = [gmm.log_likelihoods(frames) for gmm in self.gmms_]
        joint = np.stack(densities, axis=1) + log_priors
        # No density left to compare: the prior is all that is known.
        return np.where(np.isneginf(joint).all(axis=1, keepdims=True), log_priors, joint)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Log p(x, class) (T, n_classes), in nats; of two classes, the second's lead (T,)."""
        joint = self._joint(X)
        return np.asarray(joint[:, 1] - joint[:, 0]) if len(self.classes_) == 2 else joint

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Log of the posterior probability (T, n_classes) of each class, in nats."""
        joint = self._joint(X)
        # Of the best class 0, so that no sum is lost below what a float can hold.
        joint -= joint.max(axis=1, keepdims=True)
        return np.asarray(joint - np.log(np.exp(joint).sum(axis=1, keepdims=True)))

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Posterior probability (T, n_classes) of each class."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most probable class (T,) of each row."""
        best = self._joint(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def __sklearn_tags__(self) -> Any:
        """Say that rows of classes in different places are not told apart where means move."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = self._is_of_moved_means()
        return tags

    def _more_tags(self) -> dict[str, bool]:
        # Before scikit-learn 1.6.
        return {"poor_score": self._is_of_moved_means()}

    def _is_of_moved_means(self) -> bool:
        return bool(self.adapt) and self.adapted_parameters != "all"


def _trained(
    estimator: DiagonalGaussianMixture | GMMClassifier,
    frames: NDArray[np.floating],
    rng: int | np.random.Generator,
) -> tuple[DiagonalGMM, TrainingHistory]:
    """Train as the estimator's parameters say."""
    n_components, config = estimator.n_components, _training(estimator)
    return train_ubm(frames, n_components, config=config, rng=rng, jobs=estimator.jobs)


def _training(estimator: DiagonalGaussianMixture | GMMClassifier) -> TrainingConfig:
    """Give an estimator's parameters as settings of training, which checks them."""
    return TrainingConfig(
        max_iterations=estimator.max_iterations,
        tolerance=estimator.tolerance,
        variance_floor=estimator.variance_floor,
        weight_floor=estimator.weight_floor,
    )
