"""A peer: a Singer target that posts to Connecteam in hundreds, made with the SDK."""

import os

import requests
from plain import CONNECTEAM
from singer_sdk import BatchSink, Target
from singer_sdk import typing as th

FIELDS = ("locationId", "saleType", "createdAt", "finalSaleAmount", "taxAmount", "currency")


class Transactions(BatchSink):
    max_size = 100
    include_sdc_metadata_properties = False

    def setup(self):
        self.session = requests.Session()
        self.session.headers["X-API-KEY"] = os.environ["BENCH_KEY"]

    def process_batch(self, context):
        rows = [
            {key: float(row[key]) if key.endswith("Amount") else row[key] for key in FIELDS}
            for row in context["records"]
        ]
        body = {"transactionsCreateRequest": rows}
        answer = self.session.post(CONNECTEAM, json=body, timeout=90)
        answer.raise_for_status()
        assert len(answer.json()["data"]["transactions"]) == len(rows)


class TargetConnecteam(Target):
    name = "target-connecteam"
    config_jsonschema = th.PropertiesList().to_dict()
    default_sink_class = Transactions


if __name__ == "__main__":
    TargetConnecteam.cli()
