"""What must hold of the lists of any corpus, here of its miniature copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speakergmm.corpora import Protocol, read_split, read_utterances

if TYPE_CHECKING:
    from pathlib import Path

    from speakergmm.corpora.known.preparing import Prepared


def check_lists(output: Path, corpus: Path, prepared: Prepared) -> dict[str, Protocol]:
    """Read the lists back as a recipe does, and hold them against what was counted."""
    utterances = read_utterances(output / "utterances.csv", corpus)
    assert len(utterances) == prepared.n_utterances
    protocols = {}
    seen: set[str] = set()
    for count in prepared.splits:
        members = {u.speaker_id for u in utterances.values() if u.split == count.split}
        assert len(members) == count.speakers
        assert not members & seen
        seen |= members
        if count.models:
            protocol = protocols[count.split] = read_split(output, count.split, utterances)
            assert len(protocol.enrollment) == count.models
            assert len(protocol.tests) == count.tests
            assert int(protocol.trials.is_target.sum()) == count.target
            assert len(protocol.trials) == count.target + count.nontarget
            assert {*protocol.model_speakers.values()} <= members
    return protocols
