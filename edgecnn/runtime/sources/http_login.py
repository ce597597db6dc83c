"""Answers to a server that wants to know who asks: Basic and Digest authentication, for HTTP and RTSP."""

from __future__ import annotations

import re
from collections.abc import Sequence

_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


def authorization(challenges: Sequence[str], method: str, target: str, user: str, password: str) -> str | None:
    """Return the value of an ``Authorization`` header; None when no challenge can be met.

    Args:
        challenges: the values of the ``WWW-Authenticate`` headers.
        method: of the request.
        target: what the request asks for, as its first line names it.
        user: who asks.
        password: that goes with it.

    Reference: RFC 7616 and RFC 7617.
    """
    # The password itself travels only where nothing better is offered.
    for challenge in sorted(challenges, key=lambda text: not text.lower().startswith("digest")):
        scheme, _, text = challenge.strip().partition(" ")
        if scheme.lower() == "digest":
            fields = {name.lower(): quoted or bare for name, quoted, bare in _FIELD.findall(text)}
            answer = _digest(fields, method, target, user, password)
            if answer is not None:
                return answer
        elif scheme.lower() == "basic":
            import base64

            return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return None


def _digest(fields: dict[str, str], method: str, target: str, user: str, password: str) -> str | None:
    import hashlib
    import secrets

    algorithm = fields.get("algorithm", "MD5").upper()
    function = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}.get(algorithm)
    offers = [offer.strip() for offer in fields.get("qop", "").split(",")]
    if function is None or "nonce" not in fields or not {"", "auth"} & set(offers):
        return None

    def digest(*parts: str) -> str:
        return function(":".join(parts).encode()).hexdigest()

    nonce, realm = fields["nonce"], fields.get("realm", "")
    once = secrets.token_hex(8)
    count_and_quality = ("00000001", once, "auth") if "auth" in offers else ()
    response = digest(digest(user, realm, password), nonce, *count_and_quality, digest(method, target))
    answer = {"username": user, "realm": realm, "nonce": nonce, "uri": target, "response": response}
    if "opaque" in fields:
        answer["opaque"] = fields["opaque"]
    text = ", ".join(f'{name}="{value}"' for name, value in answer.items())
    text += f", algorithm={algorithm}" if "algorithm" in fields else ""
    return f"Digest {text}" + (f', qop=auth, nc=00000001, cnonce="{once}"' if count_and_quality else "")
