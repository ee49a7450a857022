import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.redact import redact

CANARY = "cAnArY1234/+xyz"
KEY_ID = "AKIA" + "Q" * 16
PULUMI = "pul-" + "0a" * 20
DATABRICKS = "dapi" + "0a" * 16
NAMES = [
    "AWS_SECRET_ACCESS_KEY",
    "aws_secret_access_key",
    "AWS_SESSION_TOKEN",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "PULUMI_ACCESS_TOKEN",
    "PULUMI_CONFIG_PASSPHRASE",
    "DATABRICKS_TOKEN",
    "password",
    "client_secret",
]


@pytest.mark.parametrize("secret", [KEY_ID, KEY_ID.replace("AKIA", "ASIA"), PULUMI, DATABRICKS])
def test_a_token_is_hidden_wherever_it_stands(secret):
    assert redact(f"the token {secret} is not valid") == "the token [secret] is not valid"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["{}={}", "{}: {}", "{} = '{}'", '"{}": "{}"', "?{}={}&next=1"])
def test_the_value_of_a_secrets_name_is_hidden_and_its_name_stays(name, form):
    said = redact(form.format(name, CANARY))
    assert CANARY not in said
    assert "[secret]" in said
    assert name in said


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["two words", "a,b;c&d", "semi;colon"])
def test_a_quoted_secret_is_hidden_to_its_end(name, value):
    for said in (redact(json.dumps({name: value})), redact(f"{name}='{value}'")):
        assert not any(part in said for part in (value, value[3:]))


def test_user_and_password_in_an_address_are_hidden_and_the_host_stays():
    assert (
        redact("git clone https://user:hunter22@example.com/repo")
        == "git clone https://[secret]@example.com/repo"
    )


@pytest.mark.parametrize(
    "text",
    [
        "endpoint churn-staging is Failed: The primary container did not pass the ping health check.",
        "getting stack configuration: get stack secrets manager: incorrect passphrase",
        "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/7",
        "s3://bucket/key@version",
        "http://127.0.0.1:5566/restapis",
        "",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text):
    assert redact(text) == text


@given(
    before=st.text(max_size=20),
    after=st.text(max_size=20),
    secret=st.text(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/+=", min_size=16, max_size=60
    ),
    name=st.sampled_from(NAMES),
)
def test_no_canary_passes_in_any_surroundings(before, after, secret, name):
    assert secret not in redact(f"{before}\n{name}={secret} {after}").replace(before, "").replace(after, "")


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text):
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "bearer"])
def test_an_authorization_header_is_kept_back(scheme):
    assert (
        redact(f"Authorization: {scheme} abcdefghijklmnop0123456789==") == f"Authorization: {scheme} [secret]"
    )
    assert redact(f"{scheme} authentication failed") == f"{scheme} authentication failed"
