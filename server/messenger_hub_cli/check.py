"""Verifies a data folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from messenger_hub.runtime.soundness import Finding

from messenger_hub_cli.failures import Failed, Misused, Refused
from messenger_hub_cli.output import Record, print_json
from messenger_hub_cli.progress import ProgressLine
from messenger_hub_cli.signals import interruptible
from messenger_hub_cli.verb import data_dir_option, verb, wants_json

AGENT = "agent"


@verb("check", example="messenger-hub check")
@data_dir_option
def check(data_dir: Path) -> Record | None:
    """Verify the data folder, whether or not the hub runs. Nothing is changed.

    It looks at the database's pages and rows, at the files beside it, and at the journals of this machine's desktop app. The exit
    code is 0 when nothing is wrong.
    """
    with interruptible():
        findings = _findings(data_dir)
    wrong = [finding for finding in findings if finding.wrong]
    if wants_json():
        print_json({"sound": not wrong, "findings": [_data(finding) for finding in findings]})
        click.get_current_context().exit(Failed.exit_code if wrong else 0)
    for finding in findings:
        click.echo(finding.sentence)
    if wrong:
        raise Failed(f"{len(wrong)} {'things are' if len(wrong) > 1 else 'thing is'} wrong in {data_dir}: see above.")
    return Record(data={}, sentence=f"Nothing is wrong in {data_dir}.")


def _findings(data_dir: Path) -> Sequence[Finding]:
    from messenger_hub_agent import checking as desktop  # noqa: PLC0415 help needs neither server nor agent
    from messenger_hub_server.checking import folder  # noqa: PLC0415

    with ProgressLine() as sight:

        def on_step(step: str) -> None:
            sight(step or sight.step, 0, 0)

        try:
            findings = [*folder.check(data_dir, on_step)]
            if (data_dir / AGENT).is_dir():
                findings += desktop.check(data_dir / AGENT, on_step)
        except folder.NoHub as error:
            raise Misused(f"There is no hub in {data_dir}: give its folder with --data-dir.", code="no_hub") from error
        except PermissionError as error:
            raise Refused(
                f"This user may not read {error.filename}: run it as its owner.", code="no_permission"
            ) from error
    return findings


def _data(finding: Finding) -> dict[str, str | bool]:
    return {"code": finding.code, "file": str(finding.file), "message": finding.sentence, "wrong": finding.wrong}
