"""The message by which Home Assistant learns of a car's lens, from what donkeycar's own MqttTelemetry publishes."""

import json
from dataclasses import dataclass
from typing import Any

from ..edge.errors import InputError

PUBLIC_BROKER = "broker.hivemq.com"  # donkeycar's default, on which anyone can read and write
DISCOVERY_TOPIC = "homeassistant/device/{name}_lens/config"
SILENT_AFTER_S = 30  # without a message the lens is unavailable


@dataclass(frozen=True)
class Announcement:
    """A message to keep on a broker."""

    host: str
    port: int
    topic: str
    payload: str  # JSON


def announcement(config: Any, version: str) -> Announcement:
    """Return the discovery message of Home Assistant for a car, from the TELEMETRY_ keys of its Donkeycar config.

    MqttTelemetry drops booleans, so `lens/obscured` is derived from `lens/event_id`, which is 0 when no event is open.
    Raises InputError where the telemetry is off, in JSON, or would go to donkeycar's public default broker.
    """
    host, name = getattr(config, "TELEMETRY_MQTT_BROKER_HOST", PUBLIC_BROKER), _name(config)
    if getattr(config, "HAVE_MQTT_TELEMETRY", False) is not True:
        raise InputError("the car publishes nothing; set HAVE_MQTT_TELEMETRY = True in myconfig.py")
    if host == PUBLIC_BROKER:
        raise InputError(
            f"TELEMETRY_MQTT_BROKER_HOST is {host!r}, on which anyone can read and write; set it to your own broker in"
            " myconfig.py"
        )
    if getattr(config, "TELEMETRY_MQTT_JSON_ENABLE", False) is not False:
        raise InputError("TELEMETRY_MQTT_JSON_ENABLE is on; set it to False, so that each value has its own topic")
    topic = getattr(config, "TELEMETRY_MQTT_TOPIC_TEMPLATE", "donkey/%s/telemetry") % name
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
    port = getattr(config, "TELEMETRY_MQTT_BROKER_PORT", 1883)
    return Announcement(host, port, DISCOVERY_TOPIC.format(name=name), json.dumps(payload))


def _name(config: Any) -> str:
    """Return the name of the car, which becomes part of topics. Raises InputError for one that MQTT does not take."""
    name = getattr(config, "TELEMETRY_DONKEY_NAME", "")
    if not (isinstance(name, str) and name.replace("_", "").replace("-", "").isalnum() and name.isascii()):
        raise InputError(f"TELEMETRY_DONKEY_NAME is {name!r}; give letters, digits, - and _, for example 'my_car'")
    return name
