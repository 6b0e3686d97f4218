"""Encryption between users."""

from synapse.app.parts.encryption import Encryption
from synapse.handlers.auth import Auth
from synapse.http.resource import Resource
from synapse.rest.client.keys import (
    ChangedKeys,
    ClaimKeys,
    QueryKeys,
    UploadCrossSigningKeys,
    UploadKeys,
    UploadSignatures,
)


def encryption_resources(auth: Auth, encryption: Encryption) -> list[Resource]:
    return [
        UploadKeys(auth, encryption.uploads),
        QueryKeys(auth, encryption.queries),
        ClaimKeys(auth, encryption.queries),
        ChangedKeys(auth, encryption.changes),
        UploadCrossSigningKeys(auth, encryption.cross_signing),
        UploadSignatures(auth, encryption.signatures),
    ]
