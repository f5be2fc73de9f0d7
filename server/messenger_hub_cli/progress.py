"""How far a long command is, on standard error, where a person looks at it."""

from __future__ import annotations

from types import TracebackType


class ProgressLine:
    """One line that tells the step that is under way; nothing where no terminal is."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 rich costs 60 ms
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=None, visible=False)
        self.step = ""

    def __call__(self, step: str, done: int, total: int) -> None:
        """`done` of `total`; a total of 0 is not known."""
        if step != self.step:
            self.step = step
            self._progress.reset(self._task, description=step, total=total or None, visible=True)
        self._progress.update(self._task, completed=done, total=total or None)

    def __enter__(self) -> ProgressLine:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
