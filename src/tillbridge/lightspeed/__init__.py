"""Lightspeed Restaurant K-Series: signing in and reading sales. Nothing here ever writes there."""

from tillbridge.lightspeed.account import AccountingGroup, Sale, SaleLine, Source
from tillbridge.lightspeed.client import LightspeedClient, NotOperationalBefore
from tillbridge.lightspeed.oauth import Authenticator
from tillbridge.lightspeed.oddities import BrokenSale
from tillbridge.lightspeed.token_address import OAuthSettings
from tillbridge.lightspeed.token_status import TokenStatus
from tillbridge.lightspeed.tokens import TokenFile
from tillbridge.lightspeed.wire import Business, BusinessLocation, Day, Page

__all__ = [
    "AccountingGroup",
    "Authenticator",
    "BrokenSale",
    "Business",
    "BusinessLocation",
    "Day",
    "LightspeedClient",
    "NotOperationalBefore",
    "OAuthSettings",
    "Page",
    "Sale",
    "SaleLine",
    "Source",
    "TokenFile",
    "TokenStatus",
]
