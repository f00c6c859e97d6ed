"""Recorded drives as an MCAP file, for Foxglove and other viewers of robots' logs.

Two channels, as JSON: `/camera` holds the recorded images in Foxglove's schema `foxglove.CompressedImage`, `/lens` what
the part said of each. Source: https://mcap.dev/spec and https://docs.foxglove.dev/docs/sdk/schemas.
"""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mcap.writer import Writer

from ..edge.read_file import read_file
from ..edge.tubs.image import IMAGE_BYTES_MAX
from .drives import Drive, Moment

TIME = {"type": "object", "title": "time", "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}}}
IMAGE_SCHEMA = {
    "title": "foxglove.CompressedImage",
    "type": "object",
    "properties": {
        "timestamp": TIME,
        "frame_id": {"type": "string"},
        "data": {"type": "string", "contentEncoding": "base64"},
        "format": {"type": "string"},
    },
}
LENS_SCHEMA = {
    "title": "mle_uvad.Lens",
    "type": "object",
    "properties": {
        "status": {"type": "string"},
        "obscured": {"type": "boolean"},
        "event_id": {"type": "integer", "description": "0 when there is none"},
        "evidence": {"type": "number", "description": "1 is the alarm threshold"},
        "coverage": {"type": "number", "description": "0…1"},
        "pcc": {"type": "number", "description": "−1…1"},
        "throttle": {"type": "number", "description": "−1…1"},
    },
}
PNG_STARTS = b"\x89PNG"


def write_mcap(path: Path, drives: Sequence[Drive]) -> int:
    """Write the drives to one file, each record at its recorded time, and return the number of images.

    A record whose image is missing or unreadable keeps its words; a value that was not recorded is left out.
    """
    images = 0
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(library="mle_uvad")
        camera = _channel(writer, "/camera", IMAGE_SCHEMA)
        lens = _channel(writer, "/lens", LENS_SCHEMA)
        for moment in (moment for drive in drives for moment in drive):
            image = _image(moment)
            if image is not None:
                _add(writer, camera, moment, image)
                images += 1
            _add(writer, lens, moment, _lens(moment))
        writer.finish()
    return images


def _channel(writer: Writer, topic: str, schema: dict[str, Any]) -> int:
    known = writer.register_schema(schema["title"], "jsonschema", json.dumps(schema).encode())
    return writer.register_channel(topic, "json", known)


def _add(writer: Writer, channel: int, moment: Moment, message: dict[str, Any]) -> None:
    time_ns = _time_ns(moment)
    writer.add_message(channel, time_ns, json.dumps(message).encode(), time_ns)


def _image(moment: Moment) -> dict[str, Any] | None:
    try:
        data = read_file(moment.image, IMAGE_BYTES_MAX)
    except OSError:
        return None
    sec, nsec = divmod(_time_ns(moment), 1_000_000_000)
    return {
        "timestamp": {"sec": sec, "nsec": nsec},
        "frame_id": "camera",
        "data": base64.b64encode(data).decode(),
        "format": "png" if data.startswith(PNG_STARTS) else "jpeg",
    }


def _lens(moment: Moment) -> dict[str, Any]:
    values = {name: getattr(moment, name) for name in LENS_SCHEMA["properties"]}
    return {name: value for name, value in values.items() if value is not None}


def _time_ns(moment: Moment) -> int:
    return round(moment.t_s * 1000) * 1_000_000  # a tub has milliseconds
