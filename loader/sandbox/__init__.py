"""A simulated HubSpot on 127.0.0.1: the same paths, limits, bodies and errors, and faults on demand.

It shares no code with the loader: two independent readings of HubSpot's documentation.
"""

from loader.sandbox.command import serve
from loader.sandbox.many import ManyPortals
from loader.sandbox.portal import Portal
from loader.sandbox.server import Sandbox
from loader.sandbox.thread import SandboxThread, ServerThread

__all__ = ["ManyPortals", "Portal", "Sandbox", "SandboxThread", "ServerThread", "serve"]
