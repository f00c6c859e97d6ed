"""Run a stock Donkeycar by its own manage.py, with recorded images in place of a camera."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ..edge.errors import InputError

CREATE = "from donkeycar.management.base import execute_from_command_line as run; run()"
CONNECT_TRIES = 300
CONNECT_EVERY_S = 0.1
RECORD = {"angle": 0.0, "throttle": 0.2, "drive_mode": "user", "recording": True}


def create_car(car: Path, template: str = "complete") -> None:
    """Run `donkey createcar` for a stock template. Raises InputError with its last line when it fails."""
    command = [sys.executable, "-c", CREATE, "createcar", "--path", str(car), "--template", template]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not (car / "manage.py").exists():
        raise InputError(f"donkey createcar made no car in {car}: {(done.stderr or done.stdout).strip()[-200:]}")


def configure(car: Path, images: Path, loops: int) -> None:
    """Configure the car for a desktop: images in place of a camera, no motors, an end after `loops` loops."""
    with (car / "myconfig.py").open("a") as file:
        file.write(
            f'\nCAMERA_TYPE = "IMAGE_LIST"\nPATH_MASK = {str(images.absolute() / "*.jpg")!r}\n'
            f'DRIVE_TRAIN_TYPE = "MOCK"\nUSE_JOYSTICK_AS_DEFAULT = False\nMAX_LOOPS = {loops}\n'
            f"WEB_CONTROL_PORT = {_free_port()}\n"
        )


def drive(car: Path, loops: int, progress: Callable[[int, int], None]) -> None:
    """Run `manage.py drive` to its end, recording as soon as its web server responds.

    Raises InputError with the last lines of its output when the car stops early.
    """
    log = car / "logs" / "drive.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "drive"], cwd=car, stdout=output, stderr=subprocess.STDOUT, env=_environment()
        )
        try:
            asyncio.run(_record(process, _port(car), car / "data" / "images", loops, progress))
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(timeout=20)
    text = log.read_text(errors="replace")
    if process.returncode or "Traceback" in text:
        raise InputError(f"the car stopped early: {text.strip()[-300:]!r}; see {log} for the full output")


async def _record(
    process: "subprocess.Popen[bytes]", port: int, images: Path, loops: int, progress: Callable[[int, int], None]
) -> None:
    from tornado.websocket import WebSocketClosedError, websocket_connect

    recording = None
    for _ in range(CONNECT_TRIES):
        if process.poll() is not None:
            return
        try:
            recording = await websocket_connect(f"ws://localhost:{port}/wsDrive")
            break
        except (OSError, WebSocketClosedError):
            await asyncio.sleep(CONNECT_EVERY_S)
    if recording is None:
        raise InputError(f"the car's web server did not respond on port {port}; see {images.parents[1] / 'logs'}")
    await recording.write_message(json.dumps(RECORD))
    while process.poll() is None:
        progress(len(list(images.glob("*.jpg"))), loops)
        await asyncio.sleep(0.5)
    progress(len(list(images.glob("*.jpg"))), loops)


def _port(car: Path) -> int:
    line = next(line for line in reversed((car / "myconfig.py").read_text().splitlines()) if "WEB_CONTROL_PORT" in line)
    return int(line.split("=")[1])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def _environment() -> dict[str, str]:
    # The port in the car's myconfig.py must win over an environment variable of the shell.
    return {name: value for name, value in os.environ.items() if name != "WEB_CONTROL_PORT"}
