"""`speakergmm corpus`: speech of others, from where it is to the lists that recipes use."""

from __future__ import annotations

import click

from speakergmm.cli.lazy import LazyGroup

# Command → its module and its name there, in the order of the work.
COMMANDS = {
    "list": ("corpus_list", "list_corpora"),
    "download": ("corpus_download", "download"),
    "prepare": ("corpus_prepare", "prepare"),
    "validate": ("corpus_validate", "validate"),
    "convert": ("corpus_convert", "convert"),
}


@click.group(cls=LazyGroup, places=COMMANDS)
def corpus() -> None:
    """Get known corpora, make lists of them, check recordings, convert lists of other toolkits.

    \b
    Examples:
      speakergmm corpus list
      speakergmm corpus download audiomnist /data
      speakergmm corpus prepare audiomnist /data/AudioMNIST --output lists
      speakergmm corpus validate lists/utterances.csv --audio /data/AudioMNIST
      speakergmm corpus convert kaldi/data/train --output lists
    """
