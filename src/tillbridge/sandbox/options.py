"""How the sandbox can be told to behave: where vendors document nothing, either way is an option.

Must hold plain values only, so that a command line, a test or another process can write them down.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from tillbridge.errors import UsageError

Plan = Literal["small", "expert", "enterprise", "none"]
TokenStyle = Literal["offset", "stamp-inclusive", "stamp-exclusive"]
Ends = Literal["inclusive", "exclusive"]
FaultKind = Literal["lost-after", "502-after", "502-before", "429", "500", "429-as-200"]
# The first three are Lightspeed's, the others Connecteam's.
Route = Literal[
    "token",
    "sales",
    "businesses",
    "connecteam-token",
    "locations",
    "create",
    "daily",
    "post",
    "delete",
    "projections",
]

LIGHTSPEED_SCOPES: Final = ("financial-api", "offline_access")
CONNECTEAM_SCOPES: Final = ("sales_data.read", "sales_data.write", "sales_data.delete")

# requests per minute and per day (Connecteam's help centre)
PLAN_LIMITS: Final[dict[str, tuple[int, int]]] = {
    "small": (5, 100),
    "expert": (100, 10_000),
    "enterprise": (200, 20_000),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong at a route, each time with this probability.

    Attributes:
        kind: `lost-after`: acts, then the connection is cut; `502-after`: acts, then answers 502;
            `502-before`, `500`, `429`, `429-as-200`: answers so and does not act.
    """

    route: Route
    kind: FaultKind
    probability: float


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """Every choice that the sandbox leaves open.

    Attributes:
        seed: draws the trade and the faults; the same seed gives the same trade.
        day: the last business day of drawn trade; the latest that has ended everywhere if None.
        days: how many days of drawn trade there are, ending with `day`.
        locations: how many restaurants.
        sales_per_day: about how many, over all locations together.
        live_every_s: closes a new sale at this interval, in turn at each location; 0 for never.
        lightspeed_port, connecteam_port: 0 takes a free one.
        auth: which of Lightspeed's token endpoints `token_url` names; both are always served.
        access_ttl_s, refresh_ttl_s: lifetimes of Lightspeed's tokens; a refresh lifetime of 0
            means without end, and is told as `refresh_expires_in` 0.
        code_ttl_s: lifetime of an authorization code.
        rejected_token_status: Lightspeed's answer to an unknown or ended access token.
        redirect_uri: the only one that Lightspeed redirects to, compared to the letter.
        lightspeed_scopes: what Lightspeed lets the client ask for.
        lightspeed_sees: how many of the locations the person who signs in may see; all if None.
        connecteam_scopes: what Connecteam's key and app may do.
        clock_ahead_s: by how much both vendors' clocks are ahead, as their Date headers tell.
        operational_since: the first date that Lightspeed knows; a week before the trade if None.
        token_style: what `nextPageToken` is, see `tillbridge.sandbox.lightspeed`.
        from_ends, to_ends: whether Lightspeed's window holds its own ends.
        plan: which of Connecteam's rate limits apply; "none" has none and sends no headers.
        throttle_as_200: an exceeded limit is answered with status 200 instead of 429.
        echo_shuffled: the rows of an accepted POST come back in another order.
        totals_lag_s: how long after a write the daily totals show it.
        day_zone: the zone of Connecteam's days.
        delete_ends: whether a window delete holds its end time; the start is always held.
        lightspeed_latency_ms, read_latency_ms, post_latency_ms: time added to every answer of
            Lightspeed, of Connecteam's reads, and of its writes.
        faults: what goes wrong by chance.
    """

    seed: int = 1
    day: date | None = None
    days: int = 1
    locations: int = 2
    sales_per_day: int = 1240
    live_every_s: float = 0.0
    lightspeed_port: int = 0
    connecteam_port: int = 0
    auth: Literal["v2", "v1"] = "v2"
    access_ttl_s: int = 1500
    refresh_ttl_s: int = 0
    code_ttl_s: int = 15
    rejected_token_status: Literal[401, 403] = 401
    redirect_uri: str = "https://localhost:8443/callback"
    lightspeed_scopes: tuple[str, ...] = LIGHTSPEED_SCOPES
    lightspeed_sees: int | None = None
    connecteam_scopes: tuple[str, ...] = CONNECTEAM_SCOPES
    clock_ahead_s: float = 0.0
    operational_since: date | None = None
    token_style: TokenStyle = "stamp-inclusive"  # noqa: S105  # a page token is no secret
    from_ends: Ends = "inclusive"
    to_ends: Ends = "inclusive"
    plan: Plan = "expert"
    throttle_as_200: bool = False
    echo_shuffled: bool = True
    totals_lag_s: float = 0.0
    day_zone: str = "UTC"
    delete_ends: Ends = "inclusive"
    lightspeed_latency_ms: int = 0
    read_latency_ms: int = 0
    post_latency_ms: int = 0
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        if self.locations < 1 or self.days < 1 or self.sales_per_day < 1:
            raise UsageError("A sandbox needs at least one location, one day and one sale a day.")
        if any(not 0 <= fault.probability <= 1 for fault in self.faults):
            raise UsageError("The probability of a fault must lie between 0 and 1.")
