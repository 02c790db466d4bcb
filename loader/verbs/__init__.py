"""What the loader can be asked to do: each verb a composition of the stages."""

from loader.verbs.load import Report, load
from loader.verbs.plan import plan

__all__ = ["Report", "load", "plan"]
