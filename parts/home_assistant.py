"""The message by which Home Assistant learns of a car's lens, from what donkeycar's own MqttTelemetry publishes."""

import json
import os
from dataclasses import dataclass
from typing import Any

from ..edge.errors import InputError

PUBLIC_BROKER = "broker.hivemq.com"  # donkeycar's default, on which anyone can read and write
DISCOVERY_TOPIC = "homeassistant/device/{name}_lens/config"
SILENT_AFTER_S = 30  # without a message the lens is unavailable


@dataclass(frozen=True)
class Broker:
    """The MQTT broker that MqttTelemetry connects to."""

    host: str
    port: int
    setting: str  # what sets the host, and where

    @property
    def is_public(self) -> bool:
        """Whether it is donkeycar's default."""
        return self.host == PUBLIC_BROKER


@dataclass(frozen=True)
class Announcement:
    """A message to keep on a broker."""

    broker: Broker
    topic: str
    payload: str  # JSON


def announcement(config: Any, version: str) -> Announcement:
    """Return the discovery message of Home Assistant for a car, from the TELEMETRY_ keys of its Donkeycar config.

    MqttTelemetry drops booleans, so `lens/obscured` is derived from `lens/event_id`, which is 0 when no event is open.
    Raises InputError where the telemetry is off, in JSON, would go to donkeycar's public default broker or nowhere.
    """
    broker, name = broker_of(config), _name(config)
    if getattr(config, "HAVE_MQTT_TELEMETRY", False) is not True:
        raise InputError("the car publishes nothing; set HAVE_MQTT_TELEMETRY = True in myconfig.py")
    if broker.is_public:
        raise InputError(
            f"the MQTT broker is {broker.host!r}, on which anyone can read and write; set {broker.setting} to your own"
            " broker"
        )
    if getattr(config, "TELEMETRY_MQTT_JSON_ENABLE", False) is not False:
        raise InputError("TELEMETRY_MQTT_JSON_ENABLE is on; set it to False, so that each value has its own topic")
    topic = _topic(config, name)
    components: dict[str, dict[str, Any]] = {
        "obscured": {
            "platform": "binary_sensor",
            "device_class": "problem",
            "state_topic": f"{topic}/lens/event_id",
            "value_template": "{{ 'ON' if value | int(0) > 0 else 'OFF' }}",
        },
        "coverage": {
            "platform": "sensor",
            "unit_of_measurement": "%",
            "state_topic": f"{topic}/lens/coverage",
            "value_template": "{{ (100 * value | float(0)) | round }}",
        },
        "status": {"platform": "sensor", "state_topic": f"{topic}/lens/status"},
    }
    for key, component in components.items():
        component |= {"name": key, "unique_id": f"{name}_lens_{key}", "expire_after": SILENT_AFTER_S}
    payload = {
        "device": {"identifiers": [f"{name}_lens"], "name": f"{name} lens"},
        "origin": {"name": "mle_uvad", "sw_version": version},
        "components": components,
    }
    return Announcement(broker, DISCOVERY_TOPIC.format(name=name), json.dumps(payload))


def broker_of(config: Any) -> Broker:
    """Return the broker of a Donkeycar config. Raises InputError for a host or a port that MqttTelemetry fails on."""
    setting, host = _setting(config, "DONKEY_MQTT_BROKER", "TELEMETRY_MQTT_BROKER_HOST", PUBLIC_BROKER)
    port = getattr(config, "TELEMETRY_MQTT_BROKER_PORT", 1883)
    if not (isinstance(host, str) and host):
        raise InputError(f"the MQTT broker is {host!r}; set {setting} to your own broker, for example '192.168.1.2'")
    if not (isinstance(port, int) and 0 < port < 65536):
        raise InputError(f"TELEMETRY_MQTT_BROKER_PORT is {port!r}; set it to a number, for example 1883")
    return Broker(host, port, setting)


def _setting(config: Any, variable: str, key: str, default: str) -> tuple[str, Any]:
    """Return what sets a value, and the value: as in MqttTelemetry, the environment comes before the config."""
    if variable in os.environ:
        return f"{variable} in the environment", os.environ[variable]
    return f"{key} in myconfig.py", getattr(config, key, default)


def _topic(config: Any, name: str) -> str:
    template = getattr(config, "TELEMETRY_MQTT_TOPIC_TEMPLATE", "donkey/%s/telemetry")
    if not (isinstance(template, str) and template.count("%s") == template.count("%") == 1):
        raise InputError(
            f"TELEMETRY_MQTT_TOPIC_TEMPLATE is {template!r}; write %s once, where the car's name belongs, for example"
            " 'donkey/%s/telemetry'"
        )
    return template % name


def _name(config: Any) -> str:
    """Return the name of the car, which becomes part of topics. Raises InputError for one that MQTT does not take."""
    setting, name = _setting(config, "DONKEY_NAME", "TELEMETRY_DONKEY_NAME", "")
    if not (isinstance(name, str) and name.replace("_", "").replace("-", "").isalnum() and name.isascii()):
        raise InputError(f"the car's name is {name!r}; set {setting} to letters, digits, - and _, for example 'my_car'")
    return name
