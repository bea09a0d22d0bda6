"""What to expect of a decision: error rates by how much speech was heard, as they were measured."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Advice is worth giving where speech is so much longer, and errors are fewer by so much.
LONGER, CLEARLY_FEWER, MORE_THAN_CHANCE = 1.5, 0.8, 2.33


@dataclass(frozen=True, slots=True)
class ExpectedErrors:
    """Error rates of trials whose tests had so much speech.

    Parameters
    ----------
    speech_s : float
        Seconds of net speech in the tests: what they were cut to, or the median of whole ones.
    eer : float
        Equal error rate, a fraction, by the ROC convex hull.
    p_miss, p_fa : float
        True speakers rejected and strangers accepted at the calibration's threshold, fractions.
    scale, offset : float
        Of the calibration that fits scores of such tests: from little speech the same score is
        worth less than from much. By these the rates were counted, on other trials.
    n_target, n_nontarget : int
        Trials.
    """

    speech_s: float
    eer: float
    p_miss: float
    p_fa: float
    scale: float
    offset: float
    n_target: int
    n_nontarget: int


RATES = ("eer", "p_miss", "p_fa")


def expected_at(table: Sequence[ExpectedErrors], speech_s: float) -> ExpectedErrors | None:
    """Read a table at so many seconds of speech; None where there is no table.

    Between two lengths all is linear in the logarithm of the length; beyond the ends the end
    counts, with its own length, since nothing was measured there.

    Parameters
    ----------
    table : sequence of ExpectedErrors
        By length, ascending.
    """
    if not table:
        return None
    if speech_s <= table[0].speech_s:
        return table[0]
    if speech_s >= table[-1].speech_s:
        return table[-1]
    above = next(i for i, row in enumerate(table) if row.speech_s >= speech_s)
    low, high = table[above - 1], table[above]
    share = math.log(speech_s / low.speech_s) / math.log(high.speech_s / low.speech_s)
    mixed = {
        name: (1 - share) * getattr(low, name) + share * getattr(high, name)
        for name in (*RATES, "scale", "offset")
    }
    return dataclasses.replace(low, speech_s=speech_s, **mixed)


def better_length(table: Sequence[ExpectedErrors], speech_s: float) -> ExpectedErrors | None:
    """Find the length that is worth asking for: the shortest that halves the equal error rate.

    Where none does, the one with the lowest rate; None where nothing that is half as long again has
    a rate lower by a fifth, and by more than chance: 2.33 standard errors of the difference, as if
    both rates were of other trials (one side of 1 %, since several lengths are looked at).
    """
    here = expected_at(table, speech_s)
    # Of no errors there are no fewer.
    if here is None or here.eer == 0:
        return None
    longer = [
        row
        for row in table
        if row.speech_s >= LONGER * speech_s
        and row.eer <= CLEARLY_FEWER * here.eer
        and here.eer - row.eer >= MORE_THAN_CHANCE * math.sqrt(_variance(here) + _variance(row))
    ]
    halving = [row for row in longer if row.eer <= here.eer / 2]
    return halving[0] if halving else min(longer, key=lambda row: row.eer, default=None)


def _variance(row: ExpectedErrors) -> float:
    """Variance of an equal error rate, of which the fewer trials decide."""
    return row.eer * (1 - row.eer) / max(1, min(row.n_target, row.n_nontarget))
