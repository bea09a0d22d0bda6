"""Who speaks in the recordings of an evaluation, as far as its tables tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from speakergmm.corpora.known.nist_tables import Model
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from speakergmm.corpora.known.nist_tables import Evaluation


# What stands for a speaker: told by a key, a model, a segment.
TOLD, MODEL, SEGMENT = 0, 1, 2


class _Node(NamedTuple):
    """A speaker that is told, a model or a segment: what a speaker is named by, best first."""

    rank: int
    name: str


class _Groups:
    """What belongs together, joined pair by pair."""

    def __init__(self) -> None:
        self.above: dict[_Node, _Node] = {}

    def head(self, node: _Node) -> _Node:
        """Give the one that stands for all that a node is joined with."""
        above = self.above.setdefault(node, node)
        while above != node:
            self.above[node] = self.above[above]
            node, above = above, self.above[above]
        return node

    def join(self, one: _Node, other: _Node) -> None:
        """Say that two belong together."""
        self.above[self.head(one)] = self.head(other)


def speakers_of(evaluations: Sequence[Evaluation]) -> dict[str, str]:
    """Tell the speaker of each segment.

    Raises
    ------
    ManifestError
        When target trials join what keys tell apart.
    """
    groups = _Groups()
    for one in evaluations:
        for name, model in one.models.items():
            node = _model_node(one, name)
            for segment in model.segments:
                groups.join(_Node(SEGMENT, segment.name), node)
                _join_told(groups, _Node(SEGMENT, segment.name), one.speakers.get(segment.stem))
            _join_told(groups, node, one.speakers.get(name))
        for segment in one.segments.values():
            _join_told(groups, _Node(SEGMENT, segment.name), one.speakers.get(segment.stem))
        pairs = one.pairs
        for row in np.flatnonzero(pairs.is_target).tolist():
            model_id = pairs.model_ids[pairs.model_index[row]]
            if model_id in one.models:
                test = _Node(SEGMENT, pairs.test_ids[pairs.test_index[row]])
                groups.join(test, _model_node(one, model_id))
    return _named(groups)


def _model_node(evaluation: Evaluation, model: str) -> _Node:
    return _Node(MODEL, f"{evaluation.name}-{model}".replace(" ", "_"))


def _join_told(groups: _Groups, node: _Node, speaker: str | None) -> None:
    groups.head(node)
    if speaker:
        groups.join(node, _Node(TOLD, speaker))


def _named(groups: _Groups) -> dict[str, str]:
    members: dict[_Node, list[_Node]] = {}
    for node in list(groups.above):
        members.setdefault(groups.head(node), []).append(node)
    speakers: dict[str, str] = {}
    for nodes in members.values():
        first, *others = sorted(nodes)
        if others and first.rank == others[0].rank == TOLD:
            raise ManifestError(
                f"speakers {first.name!r} and {others[0].name!r} are two by the keys of models or "
                "segments, but target trials make them one; expected keys of one evaluation"
            )
        speakers |= {node.name: first.name for node in nodes if node.rank == SEGMENT}
    return speakers


def sexes_of(evaluations: Sequence[Evaluation], speakers: Mapping[str, str]) -> dict[str, str]:
    """Tell the speakers' sexes; strangers are of that of the models that they are tried with."""
    sexes: dict[str, str] = {}
    for one in evaluations:
        for name, model in one.models.items():
            told = [one.sexes.get(segment.stem, "") for segment in model.segments]
            sex = next(filter(None, (model.sex, one.sexes.get(name, ""), *told)), "")
            sexes.setdefault(speakers[model.segments[0].name], sex)
        tests, rows = np.unique(one.pairs.test_index, return_index=True)
        for test, row in zip(tests.tolist(), rows.tolist(), strict=True):
            segment = one.segments[one.pairs.test_ids[test]]
            model_id = one.pairs.model_ids[one.pairs.model_index[row]]
            tried_with = one.models.get(model_id, Model(())).sex or one.sexes.get(model_id, "")
            sexes.setdefault(speakers[segment.name], one.sexes.get(segment.stem, "") or tried_with)
    return sexes
