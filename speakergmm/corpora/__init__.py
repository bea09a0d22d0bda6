"""Who says what in which file: manifests, enrollment lists, trials and scores."""

from speakergmm.corpora.fields import Column
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
from speakergmm.corpora.scores import (
    Scores,
    align_scores,
    pool_scores,
    read_extra_columns,
    read_scores,
    select_scores,
    write_scores,
)
from speakergmm.corpora.trials import (
    Trials,
    all_against_all,
    read_trial_labels,
    read_trials,
    trial_speakers,
)

__all__ = [
    "Column",
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
    "read_extra_columns",
    "read_pools",
    "read_protocol",
    "read_scores",
    "read_split",
    "read_trial_labels",
    "read_trials",
    "read_utterances",
    "select_scores",
    "trial_speakers",
    "write_scores",
]
