"""Device management."""

from synapse.handlers.auth import Auth
from synapse.handlers.devices import Devices
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import Json


class DeviceList(Resource):
    """`GET /devices`"""

    PATHS = client_paths("/devices")

    def __init__(self, auth: Auth, devices: Devices) -> None:
        self._auth = auth
        self._devices = devices

    async def get(self, request: Request) -> Json:
        requester = await self._auth.requester(request, allow_guest=True)
        return {"devices": await self._devices.devices(requester)}


class OneDevice(Resource):
    """`GET`, `PUT` and `DELETE /devices/{device_id}`"""

    PATHS = client_paths("/devices/{device_id}")

    def __init__(self, auth: Auth, devices: Devices) -> None:
        self._auth = auth
        self._devices = devices

    async def get(self, request: Request, device_id: str) -> Json:
        requester = await self._auth.requester(request, allow_guest=True)
        return await self._devices.device(requester, device_id)

    async def put(self, request: Request, device_id: str) -> Json:
        requester = await self._auth.requester(request, allow_guest=True)
        await self._devices.rename(requester, device_id, request.json)
        return {}

    async def delete(self, request: Request, device_id: str) -> Json:
        requester = await self._auth.requester(request)
        await self._devices.remove(requester, [device_id], request.json_or_empty)
        return {}


class DeleteDevices(Resource):
    """`POST /delete_devices`"""

    PATHS = client_paths("/delete_devices")

    def __init__(self, auth: Auth, devices: Devices) -> None:
        self._auth = auth
        self._devices = devices

    async def post(self, request: Request) -> Json:
        requester = await self._auth.requester(request)
        await self._devices.remove(requester, request.json.strings("devices"), request.json)
        return {}
