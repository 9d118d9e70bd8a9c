"""A peer: a dlt pipeline with a custom destination, as its documentation has them."""

import os
from pathlib import Path

import dlt
import requests
from plain import CONNECTEAM, mapped, pages

session = requests.Session()
session.headers["X-API-KEY"] = os.environ["BENCH_KEY"]
session.headers["Authorization"] = f"Bearer {os.environ['BENCH_ACCESS']}"


@dlt.resource(name="sales", primary_key="reference", write_disposition="append")
def sales(closed=dlt.sources.incremental("closed", initial_value="")):  # noqa: B008  # dlt's way
    """Mapped while reading, so that only what is sent travels through the pipeline."""
    for page in pages(session):
        yield [
            {"reference": sale["accountReference"], "closed": sale["timeClosed"], **mapped(sale)}
            for sale in page
        ]


seen: set = set()


@dlt.destination(batch_size=100, name="connecteam", loader_parallelism_strategy="parallel")
def connecteam(items, table):
    rows = [
        {key: value for key, value in item.items() if key not in ("reference", "closed")}
        for item in items
    ]
    answer = session.post(CONNECTEAM, json={"transactionsCreateRequest": rows}, timeout=90)
    answer.raise_for_status()
    assert len(answer.json()["data"]["transactions"]) == len(rows)


if __name__ == "__main__":
    pipeline = dlt.pipeline(
        "bench", destination=connecteam, dataset_name="sales", pipelines_dir=str(Path.cwd())
    )
    # The last sale of a page comes again with the next one; incremental knows only whole runs.
    resource = sales().add_filter(
        lambda row: row["reference"] not in seen and not seen.add(row["reference"])
    )
    pipeline.run(resource)
