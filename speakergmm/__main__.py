"""``python -m speakergmm`` is the `speakergmm` command."""

from speakergmm.cli import main

main()
