"""Columns of the progress bars: how much of how much, and how fast."""

from __future__ import annotations

from rich.progress import ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from mirror.text import human_size


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

    def render(self, task: Task) -> Text:
        """The speed over the last seconds, or over the whole once it is done."""
        speed = task.finished_speed or task.speed
        if task.fields.get("unit") != "B" or not speed:
            return Text("")
        return Text(f"{human_size(int(speed))}/s")
