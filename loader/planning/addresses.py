"""Records that are named by their address in HubSpot: is it the portal, and are they the object types, of the load?"""

from loader.model import Resolved, RowKind, Unresolved
from loader.planning.object_types import ObjectTypes


def wrong_address(
    row_kind: RowKind, resolved: Resolved, names: ObjectTypes, portal_id: str | None, *, offline: bool
) -> Unresolved | None:
    """Return why rows cannot be sent whose ids were read from addresses; None where nothing is wrong.

    `portal_id` is that of the load, None where it is not known. `offline` says that no portal can be asked, and that
    nothing will be sent.
    """
    ends = (
        (row_kind.address, resolved.object_type, "object_id"),
        (row_kind.to_address, resolved.to_object_type, "to_object_id"),
    )
    for address, wanted, field in ends:
        portal, _, object_type = address.partition("/")
        if not address:
            continue
        # Without a portal a custom object may still go by its name, `p55_cars`.
        if object_type != wanted and wanted[0].isdigit():
            shown = names.shown(object_type), names.shown(wanted)
            why = "the record's address is that of {}, where the load has {}".format(*shown)
            return Unresolved("WRONG_RECORD_ADDRESS", why, field)
        if portal != portal_id and not (offline and portal_id is None):
            where = f"goes to portal {portal_id}" if portal_id else "goes to a portal whose id HubSpot does not tell"
            why = f"the record's address is in portal {portal}, and the load {where}"
            return Unresolved("WRONG_RECORD_ADDRESS", why, field)
    return None
