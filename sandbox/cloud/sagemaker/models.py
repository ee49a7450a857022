"""Models: CreateModel, DescribeModel, DeleteModel, ListModels."""

from __future__ import annotations

from sandbox.cloud.errors import refused
from sandbox.cloud.sagemaker.packages import find_package
from sandbox.cloud.sagemaker.state import Call, Record, State, now, page, tag_map, without
from sandbox.cloud.scoring.container import Container


def create_model(call: Call) -> Record:
    """CreateModel: from a container with an image, several containers, or an approved model package."""
    request, state = call.request, call.state
    name = request["ModelName"]
    arn = state.arn("model", name)
    if name in state.models:
        msg = f'Cannot create already existing model "{arn}".'
        raise refused(msg)
    containers = model_containers(request)
    if bool(request.get("PrimaryContainer")) == bool(request.get("Containers")):
        raise refused("You must specify either PrimaryContainer or Containers, but not both.")
    if not request.get("ExecutionRoleArn"):
        raise refused("ExecutionRoleArn is required.")
    for container in containers:
        _check_container(state, container)
        container.setdefault("Mode", "SingleModel")
    record = without(request, "Tags")
    record |= {"ModelArn": arn, "CreationTime": now()}
    record.setdefault("EnableNetworkIsolation", False)
    state.models[name] = record
    state.tags[arn] = tag_map(request.get("Tags"))
    return {"ModelArn": arn}


def _check_container(state: State, container: Record) -> None:
    package_arn = container.get("ModelPackageName")
    if bool(package_arn) == bool(container.get("Image")):
        raise refused("A container needs either Image or ModelPackageName, and not both.")
    if not package_arn:
        return
    if container.get("ModelDataUrl") or container.get("ModelDataSource"):
        raise refused("ModelDataUrl and ModelDataSource cannot be given together with ModelPackageName.")
    package = find_package(state, package_arn)
    if package["ModelPackageStatus"] != "Completed":
        msg = f"ModelPackage {package['ModelPackageArn']} is not in Completed status."
        raise refused(msg)
    if package.get("ModelApprovalStatus", "Approved") != "Approved":
        msg = (
            f"ModelPackage {package['ModelPackageArn']} cannot be deployed: its ModelApprovalStatus is "
            f"{package['ModelApprovalStatus']}, it must be Approved."
        )
        raise refused(msg)


def model_containers(model: Record) -> list[Record]:
    """Give the containers of a model or of a request for one, in order."""
    primary = model.get("PrimaryContainer")
    return [primary] if primary else list(model.get("Containers") or [])


def find_model(state: State, name: str) -> Record:
    """Look a model up.

    Raises:
        AwsError: there is none of this name.
    """
    if name not in state.models:
        msg = f'Could not find model "{state.arn("model", name)}".'
        raise refused(msg)
    return state.models[name]


def describe_model(call: Call) -> Record:
    """DescribeModel. What was not given is not answered, so that the AWS provider sees no difference."""
    return find_model(call.state, call.request["ModelName"])


def delete_model(call: Call) -> Record:
    """DeleteModel. AWS does not look whether an endpoint still uses it, so neither does this."""
    record = find_model(call.state, call.request["ModelName"])
    del call.state.models[record["ModelName"]]
    call.state.tags.pop(record["ModelArn"], None)
    return {}


def list_models(call: Call) -> Record:
    """ListModels."""
    summaries = [
        {key: record[key] for key in ("ModelName", "ModelArn", "CreationTime")}
        for record in call.state.models.values()
    ]
    return page(call, summaries, name="ModelName", arn="ModelArn", answer="Models")


def runnable_containers(state: State, model_name: str) -> tuple[Container, ...]:
    """Resolve what a model runs: image, archive and variables, with a package's container filled in."""
    resolved = []
    for container in model_containers(find_model(state, model_name)):
        parts = [container]
        if container.get("ModelPackageName"):
            package = find_package(state, container["ModelPackageName"])
            parts = package.get("InferenceSpecification", {}).get("Containers", [])
        for part in parts:
            source = (part.get("ModelDataSource") or {}).get("S3DataSource") or {}
            environment = {**(part.get("Environment") or {}), **(container.get("Environment") or {})}
            resolved.append(
                Container(
                    image=part.get("Image", ""),
                    model_data_url=part.get("ModelDataUrl") or source.get("S3Uri"),
                    environment=tuple(sorted(environment.items())),
                    account=state.account,
                    region=state.region,
                )
            )
    return tuple(resolved)
