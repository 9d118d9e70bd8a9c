"""Clients that speak to a served sandbox over real sockets."""

from dataclasses import dataclass, field

import httpx

from tillbridge.sandbox import Sandbox


@dataclass
class Caller:
    """Calls one sandbox as its two API clients would."""

    sandbox: Sandbox
    http: httpx.Client
    access: str = field(default="")

    def refresh(self, token: str) -> httpx.Response:
        return self.http.post(
            self.sandbox.token_url,
            data={"grant_type": "refresh_token", "refresh_token": token},
            auth=(self.sandbox.client_id, self.sandbox.client_secret),
        )

    def sign_in(self) -> None:
        self.access = self.refresh(self.sandbox.new_refresh_token()).json()["access_token"]

    def lightspeed(self, path: str, **query: object) -> httpx.Response:
        if not self.access:
            self.sign_in()
        headers = {"Authorization": f"Bearer {self.access}"}
        asked = {("from" if key == "from_" else key): str(it) for key, it in query.items()}
        return self.http.get(self.sandbox.lightspeed_url + path, params=asked, headers=headers)

    def sales(self, index: int = 0, **query: object) -> httpx.Response:
        place = self.sandbox.locations[index]
        path = f"/f/v2/business-location/{place.lightspeed_id}/sales"
        return self.lightspeed(path, **query)

    def pages(self, index: int = 0, **query: object) -> list[list[dict]]:
        found, token = [], ""
        while True:
            more = {"nextPageToken": token} if token else {}
            answer = self.sales(index, **query, **more)
            assert answer.status_code == 200, answer.text
            found.append(answer.json()["sales"])
            following = answer.json().get("nextPageToken", "")
            assert following != token or not token, "the token does not advance"
            if not following:
                return found
            token = following

    def connecteam(
        self, method: str, path: str, *, key: str | None = None, **options: object
    ) -> httpx.Response:
        headers = {"X-API-KEY": self.sandbox.api_key if key is None else key}
        url = f"{self.sandbox.connecteam_url}/sales/v1{path}"
        return self.http.request(method, url, headers=headers, **options)

    def post(self, *items: object) -> httpx.Response:
        return self.connecteam(
            "POST", "/transactions", json={"transactionsCreateRequest": list(items)}
        )

    def totals(self, first: str, last: str, **more: object) -> list[dict]:
        query = {"startDate": first, "endDate": last, **more}
        return self.connecteam("GET", "/daily-sales", params=query).json()["data"]["dailySales"]


def item(**changes: object) -> dict:
    """One good transaction of a POST."""
    base = {
        "locationId": 123,
        "saleType": "SALE",
        "createdAt": 1792152000,  # 2026-10-16T12:00:00Z
        "finalSaleAmount": 8.33,
        "taxAmount": 1.67,
        "currency": "GBP",
    }
    return base | changes
