"""Folders of NIST's speaker recognition evaluations, with their own names and tables.

Whose a recording is stands in keys of models and segments, where there are any; else what target
trials and common recordings join is one speaker. A recording that no target trial joins to a model
is of somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora.known.corpus import KnownCorpus, KnownProtocol, Scanned
from speakergmm.corpora.known.drawing import MIN_SPEAKERS, in_drawn_order
from speakergmm.corpora.known.nist_copy import read_copy, segments_of
from speakergmm.corpora.known.nist_evaluations import LAYOUT
from speakergmm.corpora.known.pair_lists import Made, protocol_of_pairs
from speakergmm.corpora.lists import BACKGROUND, DEVELOPMENT, EVALUATION, Lists, in_splits
from speakergmm.corpora.manifests import Utterance
from speakergmm.errors import ManifestError
from speakergmm.names import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.corpora.known.nist_copy import NistCopy
    from speakergmm.corpora.known.nist_tables import Evaluation
    from speakergmm.corpora.manifests import Utterances

# Shares of the evaluation's speakers where others are missing: background and development.
SHARES = {
    (False, False): (0.5, 0.2),
    (True, False): (0.0, 0.4),
    (False, True): (0.4, 0.0),
    (True, True): (0.0, 0.0),
}


class _Found(dict[str, Utterance]):
    """The utterances, with what told them, so that keys of millions of trials are read once."""

    def __init__(self, told_by: NistCopy) -> None:
        super().__init__(told_by.utterances)
        self.told_by = told_by


def scan(folder: Path) -> Scanned:
    """Find the utterances of models, tests, and people of neither."""
    copy = read_copy(folder)
    return Scanned(_Found(copy), copy.notes)


@dataclass
class _Splitting:
    """Who is in which split, and what is to be said of it."""

    splits: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def make(utterances: Utterances, folder: Path, seed: int) -> Lists:
    """Make the lists: the official trials, as far as no split shares speakers."""
    copy = utterances.told_by if isinstance(utterances, _Found) else read_copy(folder)
    splitting = _split(copy, utterances, seed)
    splits = splitting.splits
    protocols, notes = {}, splitting.notes
    for split, source in (
        (DEVELOPMENT, copy.development or copy.evaluation),
        (EVALUATION, copy.evaluation),
    ):
        made = _protocol(source, utterances, splits, split)
        protocols[split] = made.protocol
        notes += made.notes
    return Lists(in_splits(utterances, splits), protocols, tuple(notes))


def _split(copy: NistCopy, utterances: Utterances, seed: int) -> _Splitting:
    others = {utterances[name].speaker_id for name in copy.background if name in utterances}
    tried = _tried(copy.evaluation, utterances)
    done = _Splitting(dict.fromkeys(others, BACKGROUND))
    if copy.development is not None:
        done.splits |= dict.fromkeys(_tried(copy.development, utterances), DEVELOPMENT)
    background, development = SHARES[bool(others), copy.development is not None]
    enrolled = {
        utterances[segment.name].speaker_id
        for model in copy.evaluation.models.values()
        for segment in model.segments
    }
    for group in (enrolled, tried.keys() - enrolled):
        order = _in_pairs(in_drawn_order(group, seed), tried)
        n_development = _even(development, len(order))
        left = max(0, len(order) - n_development - MIN_SPEAKERS)
        n_background = min(_even(background, len(order)), left)
        done.splits |= dict.fromkeys(order, EVALUATION)
        done.splits |= dict.fromkeys(order[: n_background + n_development], DEVELOPMENT)
        done.splits |= dict.fromkeys(order[:n_background], BACKGROUND)
    if BACKGROUND not in done.splits.values():
        raise ManifestError(
            f"{copy.evaluation.key}: the models are of {counted(len(enrolled), 'speaker')}, and "
            "nobody is left for the background: put recordings of other people below background/"
        )
    if background:
        done.notes.append(
            f"no recordings of other people (below unlabeled/ or background/): {background:.0%} of "
            f"the speakers of {copy.evaluation.key.name} by lot are background"
        )
    if development:
        done.notes.append(
            f"no trials for development (a key with dev in its name): {development:.0%} of the "
            f"speakers of {copy.evaluation.key.name} by lot are development"
        )
    return done


def _even(share: float, n: int) -> int:
    """Give a share of ``n`` speakers as whole pairs, at least one of them unless it is none."""
    return max(MIN_SPEAKERS, 2 * round(share * n / 2)) if share else 0


def _in_pairs(order: Sequence[str], tried: Mapping[str, Sequence[Utterance]]) -> list[str]:
    """Reorder speakers to pairs of one sex, since strangers of the other are not tried.

    Pairs of a sex are spread evenly; who is left over comes first.
    """
    sexes: dict[str, list[str]] = {}
    for name in order:
        sexes.setdefault(tried[name][0].sex, []).append(name)
    pairs = [
        (len(names[i : i + 2]) == 2, (i + 1) / len(names), sex, names[i : i + 2])
        for sex, names in sexes.items()
        for i in range(0, len(names), 2)
    ]
    return [name for *_, pair in sorted(pairs) for name in pair]


def _tried(evaluation: Evaluation, utterances: Utterances) -> dict[str, list[Utterance]]:
    """Give the speakers of a set of trials, with their utterances."""
    speakers: dict[str, list[Utterance]] = {}
    for segment in segments_of(evaluation):
        if segment.name in utterances:
            utterance = utterances[segment.name]
            speakers.setdefault(utterance.speaker_id, []).append(utterance)
    return speakers


def _protocol(
    evaluation: Evaluation, utterances: Utterances, splits: Mapping[str, str], split: str
) -> Made:
    """Make the trials of one split: those of which both sides are in it."""
    enrollment = {
        name: tuple(dict.fromkeys(segment.name for segment in model.segments))
        for name, model in evaluation.models.items()
    }
    tests = {name: (name,) for name in evaluation.segments if name in utterances}
    pairs = evaluation.pairs
    of_model = _split_codes(pairs.model_ids, enrollment, utterances, splits, split)
    of_test = _split_codes(pairs.test_ids, tests, utterances, splits, split)
    # What is not there is kept, to be counted.
    kept = of_model[pairs.model_index] & of_test[pairs.test_index]
    n_out = len(pairs) - int(kept.sum())
    rows = np.flatnonzero(kept)
    if not len(rows):
        raise ManifestError(
            f"{pairs.path}: none of its {len(pairs):,} trials is left for {split}: their speakers "
            f"are in other splits, as with {pairs.pair(0)}; expected a key of other people. Put "
            "only the evaluation below one folder, and development is drawn from its speakers"
        )
    made = protocol_of_pairs(
        replace(
            pairs,
            model_index=pairs.model_index[rows],
            test_index=pairs.test_index[rows],
            is_target=pairs.is_target[rows],
            lines=pairs.lines[rows],
        ),
        enrollment,
        tests,
        utterances,
    )
    note = (
        f"{n_out:,} of the {len(pairs):,} trials of {pairs.path.name} are not {split}: a speaker "
        "of theirs is in another split"
    )
    return Made(made.protocol, (*made.notes, *([note] if n_out else [])))


def _split_codes(
    ids: Sequence[str],
    pools: Mapping[str, tuple[str, ...]],
    utterances: Utterances,
    splits: Mapping[str, str],
    split: str,
) -> NDArray[np.bool_]:
    """Tell which models or tests are in a split, or not there at all."""
    return np.array(
        [
            name not in pools or splits[utterances[pools[name][0]].speaker_id] == split
            for name in ids
        ],
        dtype=bool,
    )


NIST = KnownCorpus(
    name="nist",
    title="NIST speaker recognition evaluations",
    language="many; telephone calls for the most part",
    licence="by agreement with the Linguistic Data Consortium or NIST",
    home="https://sre.nist.gov",
    n_speakers=None,
    n_utterances=None,
    hours=None,
    cite="the evaluation plan of the year",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "official": KnownProtocol(
            "evaluation: the trials of the year's key; development: those of a key with dev in "
            "its name (SRE16 and later), else a part of the speakers by lot; background: people "
            "below unlabeled/ or background/, else a part of the speakers by lot (half, with a "
            "fifth for development); how many trials that gives depends on the year",
            make,
        )
    },
    how_to_get="get the recordings from the Linguistic Data Consortium, and the keys of the year "
    "with them or from NIST; put everything below one folder",
)
