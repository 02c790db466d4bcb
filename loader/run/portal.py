"""Which portal the token belongs to, and whether it is the one that is meant."""

from collections.abc import Iterator

from loader.errors import JournalMismatch, Retryable, WrongPortal
from loader.send import endings
from loader.send.gateway import Gateway
from loader.send.portal import Account, GatewayPortal


async def recognize(portal: GatewayPortal, named: str | None, *, bound: str | None = None) -> Account:
    """Return who the portal is, once it is the one that `--portal-id` names and that the run began with.

    Raises WrongPortal or JournalMismatch when it is another, and Fatal when it refuses the token or cannot be reached.
    """
    try:
        account = await portal.account(insist=bool(named or bound))
    except Retryable as error:
        raise endings.no_answer(error) from error
    if named and account.portal_id != named:
        raise WrongPortal(
            f"the token belongs to portal {account.portal_id or 'unknown'}, not to {named} as --portal-id says: "
            "use that portal's token",
            category="WRONG_PORTAL",
        )
    if bound and account.portal_id != bound:
        raise JournalMismatch(
            f"the journal holds the unfinished run of portal {bound}, and the token belongs to portal "
            f"{account.portal_id or 'unknown'}: go on with that portal's token, or begin anew with --fresh"
        )
    await portal.daily_usage()
    return account


def warnings(gateway: Gateway) -> Iterator[str]:
    """Yield what a person should know of the portal's answers so far, in sentences."""
    if gateway.day.reserve_unknown:
        yield "--daily-reserve cannot be kept: HubSpot does not say what is left of the day's quota"
    if gateway.credential.rotated:
        yield (
            "HubSpot gave a new refresh token in exchange for HUBSPOT_REFRESH_TOKEN: it serves this command and is "
            "written nowhere; should the next command be refused, authorize the app anew"
        )
