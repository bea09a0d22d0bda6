"""When an answer is sure enough to stop listening: the sequential probability ratio test.

Wald (1945): go on while the log-likelihood ratio lies between ln(β / (1 - α)) and ln((1 - β) / α).
Then P(accept | stranger) ≤ α / (1 - β) and P(reject | true speaker) ≤ β / (1 - α), however often
one looks, since the likelihood ratio L of all that was heard so far is, for a stranger, a
martingale of mean 1, which reaches A with a probability of at most 1 / A (Ville 1939; 1 / L for a
true speaker).

A calibrated score is that ratio only nearly. It is right about each look by itself, for which
P(L ≥ A) ≤ 1 / A holds as well, but not about the way there, where frames depend on each other; and
it was learned on few speakers. What comes of that is too many chances for an accident: a look that
is over the bound, with the next ones within it again. So a look counts only with the one before it,
which is never more than counting it alone. The usual correction, a share of α for each look
(Pocock 1977; Lan & DeMets 1983), hardly ever stops where speakers are hard to tell apart. None of
it makes up for a calibration that is wrong about the speech: figures are in docs/method.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from speakergmm.config import check_range, check_whole, use_plain_numbers

Decided: TypeAlias = Literal["accepted", "rejected"]


@dataclass(frozen=True)
class SequentialTest:
    """A sequential test with its two error rates.

    Parameters
    ----------
    p_fa : float
        α, the share of strangers to accept.
    p_miss : float
        β, the share of true speakers to reject.
    n_agreeing : int
        Looks in a row that have to say the same; 1 is Wald's test.
    """

    p_fa: float = 0.01
    p_miss: float = 0.01
    n_agreeing: int = 2

    def __post_init__(self) -> None:
        use_plain_numbers(self)
        check_range("p_fa", self.p_fa, 1e-6, 0.4)
        check_range("p_miss", self.p_miss, 1e-6, 0.4)
        check_whole("n_agreeing", self.n_agreeing, 1, 100, "looks")

    @property
    def accept_from(self) -> float:
        """Log-likelihood ratio from which on to accept, natural log."""
        return math.log((1 - self.p_miss) / self.p_fa)

    @property
    def reject_up_to(self) -> float:
        """Log-likelihood ratio up to which to reject, natural log."""
        return math.log(self.p_miss / (1 - self.p_fa))

    def decide(self, llr: float, threshold: float) -> Decided | None:
        """Say what one look says by itself; None: nothing yet.

        Parameters
        ----------
        threshold : float
            Of the final decision; nothing is accepted below it, nor rejected above it.
        """
        if llr >= max(self.accept_from, threshold):
            return "accepted"
        if llr <= self.reject_up_to and llr < threshold:
            return "rejected"
        return None


class Looks:
    """Looks of one stream, in order: decided once enough in a row agree."""

    def __init__(self, test: SequentialTest, threshold: float) -> None:
        self.test, self.threshold = test, threshold
        self._last: Decided | None = None
        self._n_same = 0

    def add(self, llr: float) -> Decided | None:
        """Take the next look; decide, or go on listening: None."""
        said = self.test.decide(llr, self.threshold)
        self._n_same = self._n_same + 1 if said == self._last else 1
        self._last = said
        return said if self._n_same >= self.test.n_agreeing else None
