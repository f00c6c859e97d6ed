"""Drives as MCAP, read back by its own library."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from mle_uvad.drive_report.drives import split_drives
from mle_uvad.edge.tubs.tub import Tub

pytest.importorskip("mcap", reason="needs mcap: pip install 'mle_uvad[mcap]'")


def test_images_and_words_are_read_back_at_their_times(make_tub: Callable[..., Path], tmp_path: Path) -> None:
    from mcap.reader import make_reader

    from mle_uvad.drive_report.mcap_file import write_mcap

    records = Tub(make_tub(3)).records
    taken_ms = records[0].timestamp_ms
    said = {"lens/status": "obscured", "lens/obscured": True, "lens/event_id": 1, "evidence": 1.5}
    drives = split_drives(records, {(records[1].index, records[1].timestamp_ms): said})
    records[2].image.unlink()
    assert write_mcap(tmp_path / "drive.mcap", drives) == 2
    with (tmp_path / "drive.mcap").open("rb") as file:
        read = [(schema, channel.topic, message) for schema, channel, message in make_reader(file).iter_messages()]
    assert [topic for _, topic, _ in read].count("/lens") == 3
    schema, _, message = next(one for one in read if one[1] == "/camera")
    assert schema is not None
    assert (schema.name, schema.encoding) == ("foxglove.CompressedImage", "jsonschema")
    assert message.log_time == taken_ms * 1_000_000
    image = json.loads(message.data)
    assert set(image) == set(json.loads(schema.data)["properties"])
    assert image["timestamp"] == {"sec": taken_ms // 1000, "nsec": taken_ms % 1000 * 1_000_000}
    assert image["format"] == "jpeg"
    assert Image.open(io.BytesIO(base64.b64decode(image["data"]))).size == (160, 120)
    lens = [json.loads(message.data) for _, topic, message in read if topic == "/lens"]
    assert lens[0] == {"status": "", "obscured": False, "event_id": 0}
    assert lens[1] == {"status": "obscured", "obscured": True, "event_id": 1, "evidence": 1.5}
