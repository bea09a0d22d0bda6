"""Lists, recordings and scores in the formats of other toolkits.

A format that can be read is an entry of `sources.SOURCES`, one that can be written an entry of
`targets.TARGETS`; both say what kind of thing they hold.
"""

from speakergmm.corpora.formats.conversion import Conversion, convert
from speakergmm.corpora.formats.found import Options

__all__ = ["Conversion", "Options", "convert"]
