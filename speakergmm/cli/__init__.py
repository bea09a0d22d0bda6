"""The command line: parse, call, print. No maths; heavy imports are inside the commands."""

from speakergmm.cli.app import app, main

__all__ = ["app", "main"]
