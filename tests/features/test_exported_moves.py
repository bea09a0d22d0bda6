"""Files of one export that cannot be moved to their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from speakergmm.errors import OutputError
from speakergmm.features.exported_files import exporting


def export(folder, text):
    with exporting(folder, ".htk") as place:
        (place / "a.htk").write_text(text)


def test_what_cannot_be_moved_is_said_and_may_be_written_again(tmp_path, monkeypatch):
    folder = tmp_path / "h"
    export(folder, "old")
    replace = Path.replace

    def refuse(self, target):
        if target.suffix == ".htk":
            raise PermissionError(13, "Permission denied")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(
        OutputError, match=r"h/a.htk: cannot be written \(Permission denied\); choo"
    ):
        export(folder, "new")
    monkeypatch.undo()
    assert list(folder.glob("[!.]*")) == []
    export(folder, "newer")
    assert [path.read_text() for path in folder.glob("[!.]*")] == ["newer"]
