"""The contract is linted, and the lint finds a fault that is planted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).parents[3]
DESCRIPTORS = ROOT / "proto/messenger_hub/descriptors.binpb"


def lint(descriptors: Path) -> subprocess.CompletedProcess[str]:
    buf = Path(sys.executable).with_name("buf")
    return subprocess.run(
        [buf, "lint", str(descriptors), "--path", "messenger_hub"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_contract_has_no_fault() -> None:
    done = lint(DESCRIPTORS)
    assert (done.returncode, done.stdout) == (0, "")


def test_fields_without_comments_and_one_with_a_bad_name_are_found(tmp_path: Path) -> None:
    files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    file = next(one for one in files.file if one.name == "messenger_hub/v1/message_service.proto")
    file.message_type[0].field.add(name="BadName", number=99, type=9, label=1, json_name="badName")
    for place in file.source_code_info.location:
        place.leading_comments = ""
    planted = tmp_path / "planted.binpb"
    planted.write_bytes(files.SerializeToString())
    done = lint(planted)
    assert done.returncode != 0
    assert "BadName" in done.stdout
    assert "comment" in done.stdout
