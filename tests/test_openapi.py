"""The service against its own OpenAPI document: requests that fit it and requests that do not, made by schemathesis.

No answer is a 5xx, but for a deadline that the request itself sets to nothing; none has a status, a type or a form that
the document does not name.
"""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving import Served, serving
from stepreward.api.app import create_app
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
DOCUMENT = schemathesis.openapi.from_dict(create_app().openapi())


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as running:
        yield running


@DOCUMENT.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_names(served: Served, case: schemathesis.Case) -> None:
    answer = case.call(base_url=served.url)
    late = answer.status_code == 504 and answer.json()["code"] == "deadline_exceeded"
    case.validate_response(answer, checks=CHECKS if late else [not_a_server_error, *CHECKS])
