"""The whole path on the local cloud, with real models: `python -m demo`, or `make demo`, which sets everything up first."""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from demo.cloud import take
from demo.console import ROOT, DemoError, Interrupted, Narrator, Shell, must, watch_sigterm
from demo.observed import (
    Serving,
    ask,
    ask_command,
    changes,
    endpoint_of,
    instance_kind,
    serverless_kind,
    serving,
)
from demo.packages import GROUP, Package, Registry
from demo.training import Flowers, TrainedModel, held_out, train
from sandbox import Sandbox, SandboxError
from sandbox.environment import UNSET
from sandbox.files import default_home
from settings import read
from tools.engine import EngineError

STAGING, PRODUCTION = endpoint_of("Staging"), endpoint_of("Production")

NEW_MODEL = {
    "CreateModel": 1,
    "CreateEndpointConfig": 1,
    "UpdateEndpoint": 1,
    "DeleteEndpointConfig": 1,
    "DeleteModel": 1,
}
"""All that a new model version may change: model and configuration beside the old ones, one endpoint moved over, the old
ones deleted."""

BAD_CONFIG = """\
Staging:
  InstanceType: ml.m5.large
  InstanceCount: 0
Production:
  ServerlesMaxConcurrency: 2
  ServerlessSizeInMB: 1500
"""


class Demo:
    """The story; each step is a method, told in the order of `tell`."""

    def __init__(self) -> None:
        self.tell_person = Narrator()
        self.sandbox = Sandbox(default_home())
        self.models: dict[int, TrainedModel] = {}
        self.packages: dict[int, Package] = {}
        self.flowers = held_out()
        self.shown: list[int] = []

    def tell(self) -> None:
        """Tell the whole story.

        Raises:
            DemoError, SandboxError, EngineError: a step failed, or something is not what it must be.
        """
        self.start_cloud()
        self.make_stacks()
        self.train_and_register()
        self.deploy_staging()
        self.move_staging_on()
        self.deploy_again()
        self.deploy_production()
        self.deploy_without_a_change()
        self.refuse_a_bad_configuration()
        self.close()

    def start_cloud(self) -> None:
        """Start the local cloud, or empty the one that an earlier demo left running."""
        self.tell_person.step("A local AWS that this checkout owns")
        self.tell_person.command("python -m sandbox start")
        self.tell_person.say(take(self.sandbox))
        environment = self.sandbox.environment()
        self.shell = Shell(environment, UNSET)
        session = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_REGION"],
        )
        url = environment["AWS_ENDPOINT_URL"]
        account = session.client("sts", endpoint_url=url).get_caller_identity()["Account"]
        self.sagemaker = session.client("sagemaker", endpoint_url=url)
        self.runtime = session.client("sagemaker-runtime", endpoint_url=url)
        self.registry = Registry(
            session.client("s3", endpoint_url=url),
            self.sagemaker,
            account=account,
            region=environment["AWS_REGION"],
        )
        self.tell_person.say(f"account {account} in {environment['AWS_REGION']}, at {url}")
        self.tell_person.say("the commands below are for a shell with these variables:")
        self.tell_person.command('. .venv/bin/activate && eval "$(python -m sandbox env)"')

    def make_stacks(self) -> None:
        """Make Pulumi's two stacks; the cloud and its state folder are empty here."""
        self.tell_person.step("One Pulumi stack for each environment, once")
        for stack in ("staging", "production"):
            self._run("pulumi", "stack", "init", stack, "--no-select")

    def train_and_register(self) -> None:
        """Train versions 1 and 2, package them and register them."""
        self.tell_person.step(f"Two versions of a scikit-learn model in the model package group {GROUP}")
        self.registry.prepare()
        self._train_and_register(1, "Production")
        self._train_and_register(2, "Staging")
        self._show_registered({1: "Production", 2: "Staging"})
        self.tell_person.say(
            "each is a model.tar.gz with model.joblib, code/inference.py and code/requirements.txt, in S3"
        )
        self.shown = telling_flowers(self.flowers, self.models[2])

    def deploy_staging(self) -> None:
        """Deploy version 2, and see it answer."""
        self.tell_person.step("Deploy staging: the version that MLflow calls Staging")
        self._run("python", "-m", "runner", "deploy", "staging")
        self._must_serve(STAGING, version=2)
        self._ask(STAGING, version=2)

    def move_staging_on(self) -> None:
        """Register version 3 as Staging; MLflow archives the version that was there."""
        self.tell_person.step("A third, better version goes to Staging; the second is archived")
        self._train_and_register(3, "Staging")
        self.registry.move(self.packages[2], "Archived")
        self._show_registered({1: "Production", 2: "Archived", 3: "Staging"})

    def deploy_again(self) -> None:
        """Deploy version 3, and see that nothing was changed that need not."""
        self.tell_person.step("Deploy staging again: only what must change does")
        before = serving(self.sagemaker, STAGING)
        self.sandbox.control.forget_calls()
        self._run("python", "-m", "runner", "deploy", "staging")
        made = changes(self.sandbox.control.calls())
        after = self._must_serve(STAGING, version=3)
        must(
            made == NEW_MODEL,
            f"the deploy made the calls {_listed(made)}; expected were {_listed(NEW_MODEL)}",
        )
        must(
            (before.created, before.role) == (after.created, after.role),
            "the endpoint or its role was made anew",
        )
        self.tell_person.say(f"calls that changed anything: {_listed(made)}")
        self.tell_person.say("the endpoint was updated in place; its role was not touched")
        self._ask(STAGING, version=3)

    def deploy_production(self) -> None:
        """Deploy version 1; the shipped configuration serves it without servers."""
        self.tell_person.step(
            "Deploy production: another stack, another version, served as config/inference.yaml says"
        )
        before = serving(self.sagemaker, STAGING)
        self._run("python", "-m", "runner", "deploy", "production")
        self._must_serve(PRODUCTION, version=1)
        must(serving(self.sagemaker, STAGING) == before, f"the deploy of production changed {STAGING}")
        self._ask(PRODUCTION, version=1)

    def deploy_without_a_change(self) -> None:
        """Deploy both again, and see that nothing happens."""
        self.tell_person.step("Deploy with nothing to do: no engine, no change")
        self.sandbox.control.forget_calls()
        for stack in ("staging", "production"):
            self._run("python", "-m", "runner", "deploy", stack)
        made = changes(self.sandbox.control.calls())
        must(not made, f"a deploy without a change made the calls {_listed(made)}")
        self.tell_person.say("calls that changed anything: none")

    def refuse_a_bad_configuration(self) -> None:
        """Check a copy of this checkout with mistakes in config/inference.yaml."""
        self.tell_person.step("A bad config/inference.yaml (in a copy) is refused before anything is touched")
        for line in BAD_CONFIG.splitlines():
            self.tell_person.say(f"  {line}")
        with tempfile.TemporaryDirectory(prefix="demo-") as folder:
            copy = linked_copy(ROOT, Path(folder))
            (copy / "config" / "inference.yaml").write_text(BAD_CONFIG, encoding="utf-8")
            self._run("python", "-m", "runner", "check", "staging", folder=copy, code=2)
        self.tell_person.say("exit code 2: settings")

    def close(self) -> None:
        """Print what is live, where to look next, and how to stop."""
        self.tell_person.heading("What is live now")
        for stack in ("staging", "production"):
            self._run("python", "-m", "runner", "status", stack)
        self.tell_person.heading("Where to look next")
        for line in (
            "config/inference.yaml            how each environment serves a model: change it and deploy again",
            "docs/getting-started-on-aws.md   the same on your AWS account",
            "docs/runner.md                   the runner's commands and exit codes",
            'eval "$(python -m sandbox env)"  points aws, boto3, terraform and pulumi to the local cloud',
            f"{_short(self.sandbox.files.logs):<32} what the local cloud and the models printed",
        ):
            self.tell_person.say(line)
        self.tell_person.heading("Stop it")
        self.tell_person.command("python -m sandbox stop")
        self.tell_person.heading(f"The demo took {self.tell_person.seconds:.0f} s; every step was checked.")

    def _run(self, *command: str, folder: Path = ROOT, code: int = 0) -> None:
        self.tell_person.command(" ".join(command))
        self.shell.run(command, folder=folder, code=code)

    def _train_and_register(self, version: int, stage: str) -> None:
        self.models[version] = train(version)
        self.packages[version] = self.registry.register(self.models[version], stage)

    def _show_registered(self, stages: dict[int, str]) -> None:
        rows = [
            (str(version), self.models[version].recipe, f"{self.models[version].accuracy:.0%}", stage)
            for version, stage in stages.items()
        ]
        self.tell_person.table(("version", "model", "right on held-out flowers", "MLflow stage"), rows)

    def _must_serve(self, endpoint: str, *, version: int) -> Serving:
        found, kind = serving(self.sagemaker, endpoint), configured_kind(endpoint)
        wanted = self.packages[version].arn
        must(found.package == wanted, f"{endpoint} serves {found.package}, expected was {wanted}")
        must(found.kind == kind, f"{endpoint} runs on {found.kind}, expected was {kind}")
        self.tell_person.say(f"{endpoint} serves version {version} on {kind}")
        return found

    def _ask(self, endpoint: str, *, version: int) -> None:
        """Ask about all held-out flowers at once, hold the answers to the model's own, and show three of them."""
        answers = ask(self.runtime, endpoint, self.flowers.measures)
        own = self.models[version].predictions
        must(answers == own, f"{endpoint} answers otherwise than version {version} itself")
        others = [model for number, model in self.models.items() if number != version]
        must(all(answers != model.predictions for model in others), "another version gives the same answers")
        self.tell_person.command(ask_command(endpoint, [self.flowers.measures[self.shown[-1]]]))
        rows = [
            (str(self.flowers.measures[index]), answers[index], self.flowers.species[index])
            for index in self.shown
        ]
        self.tell_person.table(("flower, in cm", "prediction", "true class"), rows)
        right = sum(said == true for said, true in zip(answers, self.flowers.species, strict=True))
        self.tell_person.say(
            f"asked about {len(answers)} flowers: {right} right, every answer is version {version}'s own"
        )


def configured_kind(endpoint: str) -> str:
    """Say what an endpoint must run on, by config/inference.yaml."""
    config = read(ROOT, endpoint.removeprefix(f"{GROUP}-")).inference_for(GROUP)
    if config.is_serverless:
        return serverless_kind(config.serverless_size_in_mb)
    return instance_kind(config.instance_count, config.instance_type)


def telling_flowers(flowers: Flowers, model: TrainedModel) -> list[int]:
    """Pick one flower of each species, where there is one that the model names wrong: a better version may show there."""
    return [
        min(
            (index for index, true in enumerate(flowers.species) if true == species),
            key=lambda index: (model.predictions[index] == flowers.species[index], index),
        )
        for species in sorted(set(flowers.species))
    ]


def linked_copy(root: Path, folder: Path) -> Path:
    """Make a project folder of links to this one, in which config/ is a copy that may be changed."""
    left_out = {".git", ".sandbox", "build", "config"}
    for entry in root.iterdir():
        if entry.name not in left_out:
            (folder / entry.name).symlink_to(entry)
    shutil.copytree(root / "config", folder / "config", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def main(arguments: Sequence[str]) -> int:
    """Tell the story; 0 when every step was as it must be, 1 with one message when not."""
    if arguments:
        print("usage: python -m demo   (no arguments; `make demo` sets everything up first)", file=sys.stderr)
        return 2
    watch_sigterm()
    try:
        Demo().tell()
    except (DemoError, SandboxError, EngineError, ClientError, BotoCoreError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, Interrupted):
        print(
            "\nThe demo was stopped. The local cloud may still run: python -m sandbox stop", file=sys.stderr
        )
        return 130
    return 0


def _listed(calls: dict[str, int]) -> str:
    return ", ".join(name if count == 1 else f"{count} × {name}" for name, count in calls.items()) or "none"


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
