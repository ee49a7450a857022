import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import _iam

BASE = {
    "partition": "aws",
    "region": "us-east-1",
    "account_id": "123456789012",
    "endpoint_name": "churn-staging",
    "images": ["123456789012.dkr.ecr.us-east-1.amazonaws.com/team/sklearn@sha256:abc"],
    "model_data_urls": ["s3://models/churn/7/model.tar.gz"],
}
ALL = {
    **BASE,
    "capture_destination_s3_uri": "s3://captured/churn",
    "kms_key_arn": "arn:aws:kms:us-east-1:123456789012:key/1",
    "subnets": ["subnet-1"],
    "security_group_ids": ["sg-1"],
}


def statements(**changes):
    return {each["Sid"]: each for each in _iam.execution_policy(**{**BASE, **changes})["Statement"]}


def test_the_least_policy_is_exactly_this():
    assert _iam.execution_policy(**BASE) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ReadArtifacts",
                "Effect": "Allow",
                "Action": ["s3:GetObject"],
                "Resource": ["arn:aws:s3:::models/*"],
            },
            {
                "Sid": "ListArtifacts",
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": ["arn:aws:s3:::models"],
            },
            {
                "Sid": "PullImage",
                "Effect": "Allow",
                "Action": [
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:GetDownloadUrlForLayer",
                ],
                "Resource": ["arn:aws:ecr:us-east-1:123456789012:repository/team/sklearn"],
            },
            {
                "Sid": "LogInToRegistry",
                "Effect": "Allow",
                "Action": ["ecr:GetAuthorizationToken"],
                "Resource": ["*"],
            },
            {
                "Sid": "WriteLogs",
                "Effect": "Allow",
                "Action": [
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                ],
                "Resource": [
                    "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/churn-staging",
                    "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/churn-staging:*",
                ],
            },
            {
                "Sid": "PutMetrics",
                "Effect": "Allow",
                "Action": ["cloudwatch:PutMetricData"],
                "Resource": ["*"],
                "Condition": {"StringLike": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/*"]}},
            },
        ],
    }


def test_everything_is_allowed_only_where_aws_takes_no_resource():
    everywhere = {
        statement["Sid"]
        for statement in _iam.execution_policy(**ALL)["Statement"]
        if "*" in statement["Resource"]
    }
    assert everywhere == {"LogInToRegistry", "PutMetrics", "DescribeVpc"}


def test_no_action_is_a_pattern_and_no_statement_repeats():
    made = _iam.execution_policy(**ALL)["Statement"]
    assert len({each["Sid"] for each in made}) == len(made)
    assert all(re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action) for each in made for action in each["Action"])


def test_each_star_in_the_source_says_why():
    lines = Path(_iam.__file__).read_text().splitlines()
    stars = [number for number, line in enumerate(lines) if '["*"]' in line]
    assert len(stars) == 3
    assert all(any('# "*":' in near for near in lines[number - 2 : number]) for number in stars)


def test_a_new_version_in_the_same_bucket_changes_nothing():
    assert statements(model_data_urls=["s3://models/churn/8/model.tar.gz"]) == statements()


def test_only_buckets_of_the_artifacts_are_read():
    made = statements(model_data_urls=["s3://b/x", "s3://a/y", "s3://b/z"])
    assert made["ReadArtifacts"]["Resource"] == ["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"]


def test_without_artifacts_nothing_is_read():
    assert not {"ReadArtifacts", "ListArtifacts"} & statements(model_data_urls=[]).keys()


@pytest.mark.parametrize(
    "image", ["docker.io/library/model:1", "registry.example/123456789012.dkr.ecr:1", ""]
)
def test_an_image_outside_ecr_needs_no_right(image):
    assert not {"PullImage", "LogInToRegistry"} & statements(images=[image]).keys()


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("s3://captured", "arn:aws:s3:::captured/*"),
        ("s3://captured/", "arn:aws:s3:::captured/*"),
        ("s3://captured/churn", "arn:aws:s3:::captured/churn/*"),
        ("s3://captured/churn/", "arn:aws:s3:::captured/churn/*"),
    ],
)
def test_captured_data_is_written_below_its_prefix_only(uri, target):
    assert statements(capture_destination_s3_uri=uri)["WriteCapturedData"]["Resource"] == [target]


@pytest.mark.parametrize("uri", ["http://models/x", "s3:/models", "models/x", "s3:///x"])
def test_what_is_no_s3_uri_is_refused_by_name(uri):
    with pytest.raises(ValueError, match=re.escape(f"not an S3 URI: {uri!r}; expected s3://bucket/key")):
        _iam.execution_policy(**{**BASE, "model_data_urls": [uri]})


def test_only_sagemaker_may_assume_the_role():
    assert _iam.trust_policy()["Statement"] == [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}
    ]


@given(data=st.data())
def test_order_and_repetition_of_images_and_artifacts_do_not_matter(data):
    images = [f"12345678901{i}.dkr.ecr.eu-west-{i}.amazonaws.com/image{i}:1" for i in range(4)]
    urls = [f"s3://bucket{i}/key" for i in range(4)]
    shuffled = {
        "images": data.draw(st.permutations(images)) + images[:2],
        "model_data_urls": data.draw(st.permutations(urls)) + urls[:2],
    }
    plain = _iam.execution_policy(**{**BASE, "images": images, "model_data_urls": urls})
    assert json.dumps(_iam.execution_policy(**{**BASE, **shuffled})) == json.dumps(plain)


@given(partition=st.sampled_from(["aws", "aws-cn", "aws-us-gov", "aws-iso"]))
def test_defect_29_no_partition_is_fixed(partition):
    key = f"arn:{partition}:kms:us-east-1:123456789012:key/1"
    text = json.dumps(_iam.execution_policy(**{**ALL, "partition": partition, "kms_key_arn": key}))
    assert {*re.findall(r"arn:([^:]+):", text)} == {partition}


@pytest.mark.parametrize(
    "url",
    [
        "https://artifacts.s3.us-east-1.amazonaws.com/iris/1/model.tar.gz",
        "https://s3.us-east-1.amazonaws.com/artifacts/iris/1/model.tar.gz",
        "https://artifacts.s3.cn-north-1.amazonaws.com.cn/iris/1/model.tar.gz",
    ],
)
def test_an_artifact_named_by_url_gives_rights_on_its_bucket(url):
    assert statements(model_data_urls=[url])["ReadArtifacts"]["Resource"] == ["arn:aws:s3:::artifacts/*"]


def test_an_image_of_an_unknown_kind_of_ecr_is_refused_and_not_left_without_rights():
    odd = "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/models:1"
    with pytest.raises(ValueError, match=r"not an ECR image whose rights are known.*executionRoleArn"):
        statements(images=[odd])
