"""Calls the services with a generated client; run by ``tests.real.clients`` in the environment of the generator.

On standard input: ``base`` and ``requests``, a hook request by the hook; on standard output: the cards by the hook, and
the status with which feedback on the first of them was taken. What the models do not know is an error.
"""

import json
import sys
from datetime import UTC, datetime

from cds_service_client import Client, models
from cds_service_client.api.default import (
    vitamin_b12_order_select,
    vitamin_b12_order_select_feedback,
    vitamin_b12_order_sign,
    vitamin_b12_patient_view,
)


def context_of(kind, sent):
    """The context in the names of Python that a user of the client writes."""
    members = {"user_id": sent["userId"], "patient_id": sent["patientId"]}
    if "draftOrders" in sent:
        members["draft_orders"] = models.DraftOrders.from_dict(sent["draftOrders"])
    if "selections" in sent:
        members["selections"] = sent["selections"]
    return kind(**members)


def call(client, operation, name, sent):
    """The cards of one call."""
    request = getattr(models, f"{name}Request")
    prefetch = getattr(models, f"{name}RequestPrefetchType0").from_dict(sent["prefetch"])
    body = request(
        hook=getattr(models, f"{name}RequestHook")(sent["hook"]),
        hook_instance=sent["hookInstance"],
        context=context_of(getattr(models, f"{name}Context"), sent["context"]),
        prefetch=prefetch,
    )
    answer = operation.sync(client=client, body=body)
    if not isinstance(answer, models.CdsServiceResponse):
        sys.exit(f"{sent['hook']}: {answer}")
    return [card.to_dict() for card in answer.cards]


def main():
    told = json.load(sys.stdin)
    client = Client(base_url=told["base"], raise_on_unexpected_status=True)
    operations = {
        "order-select": (vitamin_b12_order_select, "OrderSelect"),
        "order-sign": (vitamin_b12_order_sign, "OrderSign"),
        "patient-view": (vitamin_b12_patient_view, "PatientView"),
    }
    cards = {hook: call(client, *operations[hook], sent) for hook, sent in told["requests"].items()}
    entry = models.FeedbackEntry(
        card=cards["order-select"][0]["uuid"],
        outcome=models.FeedbackEntryOutcome.OVERRIDDEN,
        outcome_timestamp=datetime.now(UTC).isoformat(),
    )
    feedback = vitamin_b12_order_select_feedback.sync_detailed(
        client=client, body=models.FeedbackRequest(feedback=[entry])
    )
    json.dump({"cards": cards, "feedback": feedback.status_code}, sys.stdout)


if __name__ == "__main__":
    main()
