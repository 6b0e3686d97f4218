"""What of an event is searched: messages, names and topics of rooms."""

from collections.abc import Iterable
from typing import Any, Final

from synapse.api.constants import EventTypes

# Client-server API, "Server Side Search": what is searched, by the key that a client names.
TYPE_OF_KEY: Final = {
    "content.body": EventTypes.MESSAGE,
    "content.name": EventTypes.NAME,
    "content.topic": EventTypes.TOPIC,
}


def text_of(event: dict[str, Any]) -> str:
    """What is searched of an event; "" if it holds no such text."""
    content = event["content"]
    match event["type"]:
        case EventTypes.MESSAGE:
            texts = [content.get("body")]
        case EventTypes.NAME:
            texts = [content.get("name")]
        case EventTypes.TOPIC:
            texts = [content.get("topic"), *_plain_texts(content.get("m.topic"))]
        case _:
            texts = []
    return "\n".join(dict.fromkeys(text for text in texts if isinstance(text, str)))


def _plain_texts(topic: object) -> Iterable[object]:
    """The bodies of `m.topic` (content block, MSC1767) that are plain text."""
    representations = topic.get("m.text") if isinstance(topic, dict) else None
    if not isinstance(representations, list):
        return
    for text in representations:
        if isinstance(text, dict) and text.get("mimetype", "text/plain") == "text/plain":
            yield text.get("body")
