"""Columns of the progress bars: of what, how much of how much, how fast, for how long.

On a narrow terminal names and bars give way, and figures stay whole, in one line.
"""

from __future__ import annotations

from rich.progress import ProgressColumn, Task, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from mirror.text import human_size


class Name(ProgressColumn):
    """A phase or an image; its end is left out where there is no room for it."""

    def render(self, task: Task) -> Text:
        """The description as it is: a registry's words are no markup."""
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class Amount(ProgressColumn):
    """``1.2 MiB of 4.0 GiB`` for bytes, ``12 of 181`` for images."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        """What is done, of what there is."""
        done, total = int(task.completed), int(task.total or 0)
        if task.fields.get("unit") == "B":
            return Text(f"{human_size(done)} of {human_size(total)}")
        return Text(f"{done} of {total}")


class Rate(ProgressColumn):
    """Bytes a second; nothing where images are counted."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        """The speed over the last seconds, or over the whole once it is done.

        Nothing where more was given back than moved: an attempt was in vain.
        """
        speed = task.finished_speed or task.speed or 0
        if task.fields.get("unit") != "B" or speed <= 0:
            return Text("")
        return Text(f"{human_size(int(speed))}/s")


class Remaining(TimeRemainingColumn):
    """Hours, minutes and seconds that are left."""

    def __init__(self) -> None:
        super().__init__(table_column=Column(no_wrap=True))
