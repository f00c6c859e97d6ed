"""`mle-uvad home-assistant`: announce a car's lens to Home Assistant."""

import threading

from .. import __version__
from ..edge.errors import InputError
from ..parts.home_assistant import Announcement, announcement
from ..parts.install.car_config import read_car_config
from .app import CarFolder, require_extra
from .console import say_next

REPLIES_WITHIN_S = 10.0


def home_assistant(car: CarFolder) -> None:
    """Announce the lens of a car to Home Assistant, by one message that its MQTT broker keeps.

    The values themselves come from donkeycar's MqttTelemetry while the car drives. Once is enough.
    """
    require_extra("mqtt", "paho")
    message = announcement(read_car_config(car).as_cfg(), __version__)
    publish(message)
    print(f"{message.broker.host}: keeps the announcement under {message.topic}")
    say_next("drive; the lens then appears among the devices of Home Assistant")


def publish(message: Announcement) -> None:
    """Leave a message on its broker. Raises InputError for a broker that does not take it."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    broker = message.broker
    taken = threading.Event()
    client = Client(callback_api_version=CallbackAPIVersion.VERSION2)

    def send(*_: object) -> None:
        client.publish(message.topic, message.payload, qos=1, retain=True)

    client.on_connect = send
    client.on_publish = lambda *_: taken.set()
    try:
        client.connect(broker.host, broker.port)
    except (OSError, ValueError) as error:  # ValueError for what can be no name of a host
        raise InputError(
            f"no MQTT broker replies at {broker.host}:{broker.port} ({error}); check {broker.setting} and"
            " TELEMETRY_MQTT_BROKER_PORT"
        ) from None
    client.loop_start()
    try:
        if not taken.wait(REPLIES_WITHIN_S):
            raise InputError(f"the MQTT broker at {broker.host}:{broker.port} does not take the message; see its log")
    finally:
        client.disconnect()
        client.loop_stop()
