"""Who says what in which file: manifests, enrollment lists, trials and scores."""

from speakergmm.corpora.manifests import (
    Pools,
    Utterance,
    Utterances,
    locate_recording,
    pool_speakers,
    read_pools,
    read_utterances,
)
from speakergmm.corpora.protocols import Protocol, read_protocol, read_split
from speakergmm.corpora.trials import (
    Scores,
    Trials,
    align_scores,
    all_against_all,
    pool_scores,
    read_scores,
    read_trials,
    trial_speakers,
    write_scores,
)

__all__ = [
    "Pools",
    "Protocol",
    "Scores",
    "Trials",
    "Utterance",
    "Utterances",
    "align_scores",
    "all_against_all",
    "locate_recording",
    "pool_scores",
    "pool_speakers",
    "read_pools",
    "read_protocol",
    "read_scores",
    "read_split",
    "read_trials",
    "read_utterances",
    "trial_speakers",
    "write_scores",
]
