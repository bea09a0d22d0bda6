"""The first name that stands there twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speakergmm.names import first_repeated


@given(names=st.lists(st.sampled_from("abcdefghijkl")))
def test_it_is_the_first_that_was_there_before(names):
    again = [name for i, name in enumerate(names) if name in names[:i]]
    assert first_repeated(iter(names)) == (again[0] if again else None)


def test_names_are_looked_up_and_not_compared_each_with_each():
    n_compared = 0

    class Name(str):
        __slots__ = ()

        def __eq__(self, other):
            nonlocal n_compared
            n_compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    names = [Name(f"u{i}") for i in range(2000)]
    assert first_repeated([*names, Name("u1999")]) == "u1999"
    assert n_compared < len(names)
