"""A peer: a Singer tap for the sales, made with the SDK; writes mapped records."""

import os

from plain import mapped
from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import BaseAPIPaginator


class Tokens(BaseAPIPaginator):
    """Takes the token from the page that was decoded already, instead of decoding it again."""

    def __init__(self, stream):
        super().__init__(None)
        self._stream = stream

    def get_next(self, response):
        return self._stream.token


class Sales(RESTStream):
    name = "sales"
    path = f"/f/v2/business-location/{os.environ['BENCH_LOCATION']}/sales"
    url_base = os.environ["BENCH_URL"]
    primary_keys = ("reference",)
    replication_key = "closed"
    is_sorted = True
    schema = th.PropertiesList(
        th.Property("reference", th.StringType),
        th.Property("closed", th.DateTimeType),
        th.Property("locationId", th.IntegerType),
        th.Property("saleType", th.StringType),
        th.Property("createdAt", th.IntegerType),
        th.Property("finalSaleAmount", th.NumberType),
        th.Property("taxAmount", th.NumberType),
        th.Property("currency", th.StringType),
    ).to_dict()
    token = None
    last = None

    @property
    def http_headers(self):
        return {"Authorization": f"Bearer {os.environ['BENCH_ACCESS']}"}

    def get_new_paginator(self):
        return Tokens(self)

    def get_url_params(self, context, next_page_token):
        query = {"from": os.environ["BENCH_FROM"], "to": os.environ["BENCH_TO"], "pageSize": "100"}
        return query | ({"nextPageToken": next_page_token} if next_page_token else {})

    def parse_response(self, response):
        page = response.json()
        self.token = page.get("nextPageToken")
        for sale in page["sales"]:
            if sale["accountReference"] != self.last:  # the last sale comes again
                self.last = sale["accountReference"]
                yield {"reference": self.last, "closed": sale["timeClosed"], **mapped(sale)}


class TapLightspeed(Tap):
    name = "tap-lightspeed"
    config_jsonschema = th.PropertiesList().to_dict()

    def discover_streams(self):
        return [Sales(self)]


if __name__ == "__main__":
    TapLightspeed.cli()
