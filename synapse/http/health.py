"""Endpoints about the server itself."""

from typing import ClassVar

from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Response
from synapse.metrics.exposition import CONTENT_TYPE, Registry


class Health(Resource):
    """`GET /health`: for load balancers and monitoring; no log line says more than the status."""

    PATHS: ClassVar[tuple[str, ...]] = ("/health",)

    async def get(self, request: Request) -> Response:
        return Response(body=b"OK", content_type="text/plain; charset=utf-8")


class Metrics(Resource):
    """`GET /_synapse/metrics`: for Prometheus."""

    PATHS: ClassVar[tuple[str, ...]] = ("/_synapse/metrics", "/metrics")

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def get(self, request: Request) -> Response:
        return Response(body=self._registry.exposition(), content_type=CONTENT_TYPE)
