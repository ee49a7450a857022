"""SageMaker's Model Registry and endpoints, read. The only module of this room that talks to AWS."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from registry.answers import (
    entries,
    live_endpoint,
    model_names,
    package_description,
    package_summary,
    required,
    serving_variants,
)
from registry.calls import MissingError, all_pages, call
from registry.clients import CALLS_AT_ONCE, Clients
from registry.errors import RegistryError, UnknownGroupError
from registry.values import LiveEndpoint, Package

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_PAGE_SIZE = 100  # the most that ListModelPackages gives

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class SageMakerRegistry:
    """Reads the model registry and the endpoints of one region. Every failure is a `RegistryError`.

    Reads are repeated with botocore's adaptive mode (back-off, and a rate that falls when AWS throttles).
    """

    def __init__(self, clients: Clients) -> None:
        """Read with these clients, in their region.

        Raises:
            AccessRefusedError: the environment names an AWS profile or a configuration that is not there.
        """
        self._clients = clients
        self._client: SageMakerClient = clients.get("sagemaker")

    def read_packages(self, group: str) -> tuple[Package, ...]:
        """Read all versions of a model package group.

        Raises:
            UnknownGroupError: there is no such group. A group without packages gives an empty answer.
            RegistryError: a page or a description could not be read, or is broken.
        """
        return self.read_groups([group])[group]

    def read_all_packages(self, group: str) -> tuple[Package, ...]:
        """Read all versions of a group, each with its description: also those that may not serve. A missing group is empty.

        Raises:
            RegistryError: a page or a description could not be read, or is broken.
        """
        try:
            listed = self._list(group)
        except UnknownGroupError:
            return ()
        return tuple(_at_once(self._describe, listed))

    def read_served(self) -> frozenset[str]:
        """ARNs of the packages that any live endpoint of the account and region serves.

        Raises:
            RegistryError: an endpoint, its configuration or a model could not be read.
        """
        names = [required(entry, "EndpointName", str, "ListEndpoints") for entry in self._endpoints()]
        configs = {config for found in _at_once(self._configs_of, names) for config in found or ()}
        models = {model for found in _at_once(self._models_of, sorted(configs)) for model in found}
        return frozenset(arn for arns in _at_once(self._packages_of, sorted(models)) for arn in arns)

    def read_groups(self, groups: Collection[str]) -> dict[str, tuple[Package, ...]]:
        """Read all versions of several groups, up to 16 reads at once; see `read_packages`."""
        names = list(dict.fromkeys(groups))
        listed = dict(zip(names, _at_once(self._list, names), strict=True))
        # The others cannot be served, so what their description says is of no use.
        to_describe = [package for packages in listed.values() for package in packages if package.may_serve]
        described = {package.arn: package for package in _at_once(self._describe, to_describe)}
        return {
            group: tuple(described.get(package.arn, package) for package in packages)
            for group, packages in listed.items()
        }

    def read_live(self, names: Collection[str]) -> dict[str, LiveEndpoint | None]:
        """Read endpoints as they are now, up to 16 at once. None stands for an endpoint that does not exist.

        Raises:
            RegistryError: an endpoint could not be read.
        """
        unique = list(dict.fromkeys(names))
        return dict(zip(unique, _at_once(self._live, unique), strict=True))

    def in_use(self, endpoint_name: str) -> frozenset[str] | None:
        """Name what a live endpoint serves with: its configuration and the one it is moving to, if any, and their models.

        Returns:
            Names of the configurations and the models. None when there is no such endpoint, or it is being deleted: AWS
            takes no way back from that.

        Raises:
            RegistryError: the endpoint or a configuration could not be read, also when a configuration is gone: then nobody
                knows which models the endpoint still uses. Or the endpoint is in a mix of two configurations.
        """
        configs = self._configs_of(endpoint_name)
        return None if configs is None else configs.union(*map(self._models_of, sorted(configs)))

    def _configs_of(self, endpoint_name: str) -> frozenset[str] | None:
        """Configurations of `in_use`."""
        description = self._endpoint(endpoint_name)
        if description is None or description.get("EndpointStatus") == "Deleting":
            return None
        where = f"DescribeEndpoint of endpoint {endpoint_name}"
        if description.get("EndpointStatus") == "UpdateRollbackFailed":
            # "in service with a mix of the old and new" (API_DescribeEndpoint.html, read 2026-11): nobody says which.
            message = (
                f"endpoint {endpoint_name} is UpdateRollbackFailed, a mix of two configurations; nothing of it is deleted. "
                f"Deploy again, or make it anew: pulumi up --replace URN"
            )
            raise RegistryError(message)
        configs = {required(description, "EndpointConfigName", str, where)}
        pending = description.get("PendingDeploymentSummary") or {}
        if pending.get("EndpointConfigName"):
            configs.add(str(pending["EndpointConfigName"]))
        return frozenset(configs)

    def _models_of(self, config: str) -> frozenset[str]:
        subject = f"endpoint configuration {config}"
        ask = partial(self._client.describe_endpoint_config, EndpointConfigName=config)
        return model_names(
            call("DescribeEndpointConfig", subject, ask), f"DescribeEndpointConfig of {subject}"
        )

    def account_id(self) -> str:
        """Ask STS whose credentials these are.

        Returns:
            The account's 12 digits.

        Raises:
            RegistryError: there are no valid credentials, or STS does not answer.
        """
        subject = "the caller's account"
        answer = call("GetCallerIdentity", subject, self._clients.get("sts").get_caller_identity)
        account: str = required(answer, "Account", str, f"GetCallerIdentity of {subject}")
        return account

    def _list(self, group: str) -> tuple[Package, ...]:
        where = f"ListModelPackages of model package group {group}"
        packages: dict[str, Package] = {}
        for page in all_pages(lambda token: self._page(group, token), _next_token, where):
            required(page, "ModelPackageSummaryList", list, where)
            for summary in entries(page, "ModelPackageSummaryList", where):
                package = package_summary(summary, group, where)
                packages[package.arn] = package
        if not packages:
            self._require_group(group)
        return tuple(packages.values())

    def _endpoints(self) -> list[Mapping[str, Any]]:
        def page(token: str | None) -> Mapping[str, Any]:
            following: Any = {"NextToken": token} if token else {}
            ask = partial(self._client.list_endpoints, MaxResults=_PAGE_SIZE, **following)
            answer = call("ListEndpoints", "the account", ask)
            required(answer, "Endpoints", list, "ListEndpoints")
            return answer

        pages = all_pages(page, _next_token, "ListEndpoints")
        return [entry for each in pages for entry in entries(each, "Endpoints", "ListEndpoints")]

    def _packages_of(self, model: str) -> tuple[str, ...]:
        """ARNs of the packages that a model was made from."""
        ask = partial(self._client.describe_model, ModelName=model)
        answer = call("DescribeModel", f"model {model}", ask)
        where = f"DescribeModel of model {model}"
        containers = [answer.get("PrimaryContainer") or {}, *entries(answer, "Containers", where)]
        return tuple(str(each["ModelPackageName"]) for each in containers if each.get("ModelPackageName"))

    def _page(self, group: str, token: str | None) -> Mapping[str, Any]:
        following: Any = {"NextToken": token} if token else {}
        ask = partial(
            self._client.list_model_packages,
            ModelPackageGroupName=group,
            MaxResults=_PAGE_SIZE,
            SortBy="CreationTime",
            SortOrder="Ascending",  # a package registered meanwhile comes last and moves none to another page
            **following,
        )
        return call("ListModelPackages", f"model package group {group}", ask, missing=_unknown_group(group))

    def _require_group(self, group: str) -> None:
        """Tell an empty group from one that does not exist: the list of either may be empty."""
        ask = partial(self._client.describe_model_package_group, ModelPackageGroupName=group)
        call("DescribeModelPackageGroup", f"model package group {group}", ask, missing=_unknown_group(group))

    def _describe(self, package: Package) -> Package:
        subject = f"package {package.arn}"
        ask = partial(self._client.describe_model_package, ModelPackageName=package.arn)
        answer = call("DescribeModelPackage", subject, ask)
        return package_description(package, answer, f"DescribeModelPackage of {subject}")

    def _endpoint(self, name: str) -> Mapping[str, Any] | None:
        ask = partial(self._client.describe_endpoint, EndpointName=name)
        gone = MissingError(name)
        try:
            return call("DescribeEndpoint", f"endpoint {name}", ask, missing=gone)
        except MissingError:
            return None

    def _live(self, name: str) -> LiveEndpoint | None:
        description = self._endpoint(name)
        if description is None:
            return None
        where = f"DescribeEndpoint of endpoint {name}"
        config = required(description, "EndpointConfigName", str, where)
        variants = serving_variants(description, where) or self._configured_variants(config)
        return live_endpoint(description, variants, where)

    def _configured_variants(self, config: str) -> list[Mapping[str, Any]]:
        """Variants of the configuration, for an endpoint that has none yet or failed before it had any."""
        subject = f"endpoint configuration {config}"
        ask = partial(self._client.describe_endpoint_config, EndpointConfigName=config)
        try:
            answer = call("DescribeEndpointConfig", subject, ask, missing=MissingError(config))
        except MissingError:
            return []
        return serving_variants(answer, f"DescribeEndpointConfig of {subject}")


def _next_token(page: Mapping[str, Any]) -> str | None:
    return page.get("NextToken")


def _unknown_group(group: str) -> UnknownGroupError:
    return UnknownGroupError(
        f"model package group {group} does not exist in this account and region; nothing was changed. "
        "Correct `models` in the stack file, or register the first version of the model"
    )


def _at_once(read: Callable[[_Item], _Result], items: Collection[_Item]) -> list[_Result]:
    """Read every item, up to 16 at once, in the order of the items; the first failure ends it all."""
    if not items:
        return []
    pool = ThreadPoolExecutor(min(CALLS_AT_ONCE, len(items)), thread_name_prefix="registry")
    try:
        reads = [pool.submit(read, item) for item in items]
        for done in as_completed(reads):
            done.result()  # raises the first failure, whichever read it was
    finally:
        pool.shutdown(cancel_futures=True)
    return [done.result() for done in reads]
