"""A Pulumi program with every type of tools/engine/aws/types.json. Configuration: `round` (changes each resource that can
be changed), `fixed` (gives every resource a name of its own, as an import needs), `model_url`."""

import json

import pulumi
import pulumi_aws as aws

config = pulumi.Config()
change = config.require("round")
fixed = config.get_bool("fixed")


def named(name, key="name"):
    return {key: name} if fixed else {}


def policy(principal):
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": principal}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


allowed = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::models/{change}/*"]}
role = aws.iam.Role(
    "role", description=change, assume_role_policy=policy("sagemaker.amazonaws.com"), **named("fixed-role")
)
aws.iam.RolePolicy(
    "policy",
    role=role.name,
    policy=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    **named("fixed-policy"),
)
aws.s3.Bucket("Bucket", tags={"round": change}, **named("fixed-bucket", "bucket"))
container = {
    "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/models:1",
    "model_data_url": config.require("model_url"),
    "environment": {"ROUND": change},
}
model = aws.sagemaker.Model(
    "model", execution_role_arn=role.arn, primary_container=container, **named("fixed-model")
)
variant = {
    "variant_name": "main",
    "model_name": model.name,
    "initial_instance_count": 1,
    "instance_type": "ml.m5.large",
}
configuration = aws.sagemaker.EndpointConfiguration(
    "configuration", production_variants=[variant], **named("fixed-configuration")
)
endpoint = aws.sagemaker.Endpoint(
    "endpoint", endpoint_config_name=configuration.name, **named("fixed-endpoint")
)
aws.sagemaker.ModelPackageGroup("group", model_package_group_name="group", tags={"round": change})
aws.cloudwatch.EventRule(
    "rule", description=change, event_pattern=json.dumps({"source": ["aws.sagemaker"]}), **named("fixed-rule")
)
aws.cloudwatch.MetricAlarm(
    "alarm",
    alarm_description=change,
    comparison_operator="GreaterThanThreshold",
    evaluation_periods=1,
    metric_name="Invocation5XXErrors",
    namespace="AWS/SageMaker",
    period=60,
    statistic="Sum",
    threshold=1,
    **named("fixed-alarm"),
)
aws.ssm.Parameter("parameter", type="String", value=change, **named("fixed-parameter"))
key = aws.kms.Key("key", description=change)
aws.kms.Alias("alias", name="alias/every-type", target_key_id=key.key_id)
target = aws.appautoscaling.Target(
    "target",
    min_capacity=1,
    max_capacity=4 if change == "one" else 5,
    resource_id=pulumi.Output.concat("endpoint/", endpoint.name, "/variant/main"),
    scalable_dimension="sagemaker:variant:DesiredInstanceCount",
    service_namespace="sagemaker",
)
metric = {"predefined_metric_type": "SageMakerVariantInvocationsPerInstance"}
aws.appautoscaling.Policy(
    "scaling",
    policy_type="TargetTrackingScaling",
    resource_id=target.resource_id,
    scalable_dimension=target.scalable_dimension,
    service_namespace=target.service_namespace,
    target_tracking_scaling_policy_configuration={
        "target_value": 70 if change == "one" else 80,
        "predefined_metric_specification": metric,
    },
    **named("fixed-scaling"),
)
pulumi.export("account", aws.get_caller_identity().account_id)
pulumi.export("partition", aws.get_partition().partition)
pulumi.export("region", aws.get_region().region)
