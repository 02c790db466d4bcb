"""Contacts and companies of a sandbox: what it begins with, and what it has in the end."""

from typing import Any

from loader.sandbox import Sandbox


def association(contact: int, company: int, *labels: str) -> dict[str, Any]:
    """Return an association that a sandbox begins with."""
    ends = {"from_type": "contacts", "from_id": str(contact), "to_type": "companies", "to_id": str(company)}
    return {**ends, "labels": list(labels)}


def labels_by_pair(sandbox: Sandbox) -> dict[tuple[int, int], set[str]]:
    """Return the labels of each pair of a contact and a company; blank for the type without a label."""
    return {
        (int(contact), int(company)): {each.label or "" for each in sandbox.portal.types.describe("0-1", types)}
        for ((_, contact), (_, company)), types in sandbox.portal.pairs().items()
    }
