"""What the loader can be asked to do: each verb a composition of the stages."""

from loader.verbs.labels import labels
from loader.verbs.load import load
from loader.verbs.plan import plan
from loader.verbs.report import Report
from loader.verbs.verification import Verification
from loader.verbs.verify import verify

__all__ = ["Report", "Verification", "labels", "load", "plan", "verify"]
