"""How a checkpoint is refused."""

import json


class Refusal(Exception):
    """What is wrong, by name, and what would be right."""


def shown(value):
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:60] + "..."


def listed(names, most=8):
    names = [str(name) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
