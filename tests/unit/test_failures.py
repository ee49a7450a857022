"""What botocore raises, as errors that say what was asked and what to do next."""

from __future__ import annotations

import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from registry.errors import AccessRefusedError, RegistryError, UnavailableError
from registry.failures import is_missing, translate, translated
from tests.support.artifacts import refusal


@pytest.mark.parametrize("kind", [ReadTimeoutError, ConnectTimeoutError])
def test_a_time_out_has_no_response_and_still_is_an_answer_that_is_missing(kind: type[Exception]) -> None:
    error = kind(endpoint_url="http://aws")  # type: ignore[call-arg]
    assert not is_missing(error)
    said = translate(error, "ListModelPackages", "model package group churn")
    assert isinstance(said, UnavailableError)
    assert str(said).startswith(
        "ListModelPackages of model package group churn got no answer, also when repeated"
    )


def test_a_refusal_names_the_right_that_the_call_needs() -> None:
    error = refusal("AccessDenied", "UploadPart", status=403)
    with (
        pytest.raises(AccessRefusedError, match="Allow s3:PutObject"),
        translated("UploadPart", "s3://b/k", "s3:PutObject"),
    ):
        raise error
    assert "Allow sagemaker:UploadPart" in str(translate(error, "UploadPart", "s3://b/k"))


@pytest.mark.parametrize("error", [KeyError("UploadId"), TypeError("None")])
def test_an_answer_that_lacks_what_it_must_have_is_broken(error: Exception) -> None:
    with pytest.raises(RegistryError, match="gave a broken answer"), translated("A", "b", "s3:A"):
        raise error
