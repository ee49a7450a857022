"""The claims on another implementation of DynamoDB: its conditions mean there what the fake takes them for."""

import boto3
import pytest
from moto import mock_aws

from handlers.aws import Claim, Claims, Clients, HandedOn, InWork
from tests.support.deliveries import NOW
from tests.support.receiver import FakeAws


@pytest.fixture(params=["moto", "fake"])
def claims(request):
    if request.param == "fake":
        yield Claims(Clients(lambda: FakeAws().client), "claims")
        return
    with mock_aws():
        boto3.client("dynamodb", region_name="us-east-1").create_table(
            TableName="claims",
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield Claims(Clients(), "claims")


def test_a_claim_is_had_by_one_until_it_is_given_back_runs_out_or_is_done(claims):
    first = claims.take("key", "first", NOW, 10.0)
    assert isinstance(first, Claim)
    assert claims.take("other key", "first", NOW, 10.0)
    assert claims.take("key", "second", NOW + 1, 10.0) == InWork(10)
    claims.release(first, NOW + 2)
    second = claims.take("key", "second", NOW + 2, 10.0)
    assert isinstance(second, Claim)
    assert isinstance(claims.take("key", "third", NOW + 12, 10.0), InWork)
    third = claims.take("key", "third", NOW + 13, 10.0)
    assert isinstance(third, Claim)
    claims.finish(second, NOW + 13)
    assert isinstance(claims.take("key", "fourth", NOW + 14, 10.0), InWork)
    claims.finish(third, NOW + 14)
    assert claims.take("key", "fifth", NOW + 1000, 10.0) == HandedOn()
