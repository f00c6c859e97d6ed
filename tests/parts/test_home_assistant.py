"""Home Assistant finds the lens: donkeycar's own telemetry and the announcement, on a real broker."""

import json
import queue
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mle_uvad.edge import InputError
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.home_assistant import announcement
from mle_uvad.parts.install.templates import TUB_TYPES

WITHIN_S = 20.0
BROKER = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
TELEMETRY = {  # as in config.py of donkeycar
    "HAVE_MQTT_TELEMETRY": True,
    "TELEMETRY_DONKEY_NAME": "my_robot1234",
    "TELEMETRY_MQTT_TOPIC_TEMPLATE": "donkey/%s/telemetry",
    "TELEMETRY_MQTT_JSON_ENABLE": False,
    "TELEMETRY_MQTT_BROKER_HOST": "127.0.0.1",
    "TELEMETRY_PUBLISH_PERIOD": 0.1,
    "TELEMETRY_LOGGING_ENABLE": False,
    "TELEMETRY_DEFAULT_INPUTS": "pilot/angle,pilot/throttle,recording",
    "TELEMETRY_DEFAULT_TYPES": "float,float",
}


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DONKEY_MQTT_BROKER", "DONKEY_NAME"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    """The port of a mosquitto on this machine."""
    if BROKER is None:
        pytest.skip("needs mosquitto: apt install mosquitto")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen([BROKER, "-c", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + WITHIN_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "mosquitto ended"
                assert time.monotonic() < until
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


class Listener:
    """Hears all topics of a broker, as Home Assistant does, beginning with what the broker keeps."""

    def __init__(self, port: int) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.heard: queue.Queue[tuple[str, str, bool]] = queue.Queue()
        self.client = Client(callback_api_version=CallbackAPIVersion.VERSION2)
        self.client.on_connect = self.subscribe
        self.client.on_message = lambda _, __, message: self.heard.put(
            (message.topic, message.payload.decode(), message.retain)
        )
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def subscribe(self, *_: object) -> None:
        self.client.subscribe("#")

    def wait_for(self, *topics: str) -> dict[str, str]:
        """Return what was said under these topics, once all of them were heard."""
        said: dict[str, str] = {}
        while not set(topics) <= set(said):
            topic, text, kept = self.heard.get(timeout=WITHIN_S)
            said[topic] = text
            assert kept == topic.startswith("homeassistant/"), topic
        return said

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def shown(component: dict[str, Any], value: str) -> str:
    """What Home Assistant makes of a value."""
    jinja2 = pytest.importorskip("jinja2")
    template = component.get("value_template", "{{ value }}")
    return str(jinja2.Environment(autoescape=True).from_string(template).render(value=value))


@pytest.mark.skipif(find_spec("donkeycar") is None, reason="needs donkeycar: pip install 'mle_uvad[donkeycar]'")
def test_home_assistant_sees_what_donkeycars_telemetry_publishes(broker: int, tmp_path: Path) -> None:
    from donkeycar.parts.telemetry import MqttTelemetry

    from mle_uvad.cli.home_assistant import home_assistant

    settings = TELEMETRY | {"TELEMETRY_MQTT_BROKER_PORT": broker}
    (tmp_path / "config.py").write_text("".join(f"{key} = {value!r}\n" for key, value in settings.items()))
    home_assistant(tmp_path)
    telemetry = MqttTelemetry(SimpleNamespace(**settings))
    names, _ = telemetry.add_step_inputs(list(MLEAnomalyPart.recorded), TUB_TYPES)
    assert "lens/obscured" not in names, "it takes booleans now: no need to derive it"
    listener = Listener(broker)
    try:
        [(topic, text)] = listener.wait_for(
            f"homeassistant/device/{settings['TELEMETRY_DONKEY_NAME']}_lens/config"
        ).items()
        components = json.loads(text)["components"]
        for event_id, coverage, status, expected in (
            (0, 0.0, "ok", ("OFF", "0", "ok")),
            (7, 0.124, "obscured", ("ON", "12", "obscured")),
        ):
            values = {"lens/event_id": event_id, "lens/coverage": coverage, "lens/status": status, "lens/pcc": None}
            telemetry.run_threaded(*(values.get(name, 0.0) for name in names))
            telemetry.publish()
            said = listener.wait_for(*(component["state_topic"] for component in components.values()))
            found = tuple(
                shown(components[key], said[components[key]["state_topic"]]).removesuffix(".0")
                for key in ("obscured", "coverage", "status")
            )
            assert found == expected
    finally:
        listener.close()
        telemetry._mqtt_client.disconnect()
        telemetry._mqtt_client.loop_stop()
    assert topic.count("/") == 3


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"HAVE_MQTT_TELEMETRY": False}, "set HAVE_MQTT_TELEMETRY = True"),
        (
            {"TELEMETRY_MQTT_BROKER_HOST": "broker.hivemq.com"},
            "set TELEMETRY_MQTT_BROKER_HOST in myconfig.py",
        ),
        ({"TELEMETRY_MQTT_BROKER_HOST": ""}, "the MQTT broker is ''; set TELEMETRY_MQTT_BROKER_HOST"),
        ({"TELEMETRY_MQTT_BROKER_HOST": None}, "the MQTT broker is None; set TELEMETRY_MQTT_BROKER_HOST"),
        ({"TELEMETRY_MQTT_BROKER_PORT": "1883"}, "TELEMETRY_MQTT_BROKER_PORT is '1883'"),
        ({"TELEMETRY_MQTT_BROKER_PORT": 0}, "TELEMETRY_MQTT_BROKER_PORT is 0"),
        ({"TELEMETRY_MQTT_TOPIC_TEMPLATE": "donkey/telemetry"}, "write %s once"),
        ({"TELEMETRY_MQTT_TOPIC_TEMPLATE": "%s/%s"}, "write %s once"),
        ({"TELEMETRY_MQTT_TOPIC_TEMPLATE": "100%/%s"}, "write %s once"),
        ({"TELEMETRY_MQTT_TOPIC_TEMPLATE": None}, "TELEMETRY_MQTT_TOPIC_TEMPLATE is None"),
        ({"TELEMETRY_MQTT_JSON_ENABLE": True}, "set it to False"),
        ({"TELEMETRY_DONKEY_NAME": "a/b#"}, "the car's name is 'a/b#'; set TELEMETRY_DONKEY_NAME in myconfig.py"),
    ],
)
def test_what_cannot_be_announced_is_said_in_a_line(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        announcement(SimpleNamespace(**(TELEMETRY | changed)), "1.0")


@pytest.mark.skipif(find_spec("donkeycar") is None, reason="needs donkeycar: pip install 'mle_uvad[donkeycar]'")
def test_the_environment_comes_before_the_config_as_in_donkeycars_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    from donkeycar.parts import telemetry as donkeycars

    monkeypatch.setenv("DONKEY_NAME", "another_car")
    monkeypatch.setenv("DONKEY_MQTT_BROKER", "192.168.1.2")
    monkeypatch.setattr(donkeycars.MQTTClient, "connect", lambda *_: None)
    monkeypatch.setattr(donkeycars.MQTTClient, "loop_start", lambda _: None)
    config = SimpleNamespace(**TELEMETRY, TELEMETRY_MQTT_BROKER_PORT=1883)
    telemetry, announced = donkeycars.MqttTelemetry(config), announcement(config, "1.0")
    assert announced.broker.host == telemetry._mqtt_broker == "192.168.1.2"
    topic = json.loads(announced.payload)["components"]["status"]["state_topic"]
    assert topic == f"{telemetry._topic}/lens/status" == "donkey/another_car/telemetry/lens/status"
    monkeypatch.setenv("DONKEY_NAME", "a/b")
    with pytest.raises(InputError, match="set DONKEY_NAME in the environment"):
        announcement(config, "1.0")


@pytest.mark.parametrize("host", ["127.0.0.1", "a..b"])
def test_without_a_broker_the_command_says_so(host: str, tmp_path: Path) -> None:
    pytest.importorskip("paho")
    from mle_uvad.cli.home_assistant import home_assistant

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings = TELEMETRY | {
            "TELEMETRY_MQTT_BROKER_HOST": host,
            "TELEMETRY_MQTT_BROKER_PORT": free.getsockname()[1],
        }
    (tmp_path / "config.py").write_text("".join(f"{key} = {value!r}\n" for key, value in settings.items()))
    with pytest.raises(InputError, match=f"no MQTT broker replies at {re.escape(host)}:"):
        home_assistant(tmp_path)
