"""What the language host runs besides programs: policy packs and component packages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

RUNTIME = f"runtime:\n  name: python\n  options:\n    toolchain: pip\n    virtualenv: {sys.prefix}\n"

# A policy pack is a server of Pulumi's Analyzer protocol; the package pulumi-policy writes one with less code.
POLICY = """
from concurrent import futures
import sys
import threading

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, plugin_pb2

NAME = "no-public-buckets"


class Pack(analyzer_pb2_grpc.AnalyzerServicer):
    def Handshake(self, request, context):
        return analyzer_pb2.AnalyzerHandshakeResponse()

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="1.0.0")

    def GetAnalyzerInfo(self, request, context):
        policy = analyzer_pb2.PolicyInfo(name=NAME, enforcementLevel=analyzer_pb2.MANDATORY)
        return analyzer_pb2.AnalyzerInfo(name="pack", version="1.0.0", supportsConfig=True, policies=[policy])

    def Configure(self, request, context):
        return empty_pb2.Empty()

    def ConfigureStack(self, request, context):
        return analyzer_pb2.AnalyzerStackConfigureResponse()

    def Analyze(self, request, context):
        found = []
        if request.type == "aws:s3/bucket:Bucket" and request.properties["bucket"] == "open-to-all":
            found.append(analyzer_pb2.AnalyzeDiagnostic(
                policyName=NAME, policyPackName="pack", policyPackVersion="1.0.0",
                message="this bucket is open to all", enforcementLevel=analyzer_pb2.MANDATORY, urn=request.urn))
        return analyzer_pb2.AnalyzeResponse(diagnostics=found)

    def AnalyzeStack(self, request, context):
        return analyzer_pb2.AnalyzeResponse()


print("a line on stderr", file=sys.stderr)
server = grpc.server(futures.ThreadPoolExecutor())
analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Pack(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
threading.Event().wait()
"""

COMPONENT = '''
from typing import TypedDict

import pulumi
from pulumi.provider.experimental import component_provider_host
import pulumi_aws as aws


class KeeperArgs(TypedDict):
    file_name: pulumi.Input[str]
    """What is kept."""


class Keeper(pulumi.ComponentResource):
    bucket_name: pulumi.Output[str]

    def __init__(self, name: str, args: KeeperArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("keeping:index:Keeper", name, dict(args), opts)
        bucket = aws.s3.Bucket(f"{name}-files", tags={"file": args["file_name"]}, opts=pulumi.ResourceOptions(parent=self))
        self.bucket_name = bucket.bucket
        self.register_outputs({"bucket_name": self.bucket_name})


component_provider_host(name="keeping", components=[Keeper])
'''

USER = """
import pulumi


class Keeper(pulumi.ComponentResource):
    def __init__(self, name, file_name):
        super().__init__("keeping:index:Keeper", name, {"fileName": file_name, "bucketName": None}, remote=True)


keeper = Keeper("keeper", "model.tar.gz")
pulumi.export("bucket", keeper.bucketName)
"""


def write(folder: Path, manifest: str, content: str, program: str) -> Path:
    folder.mkdir()
    (folder / manifest).write_text(content + RUNTIME)
    (folder / "__main__.py").write_text(program)
    return folder


def test_a_policy_pack_refuses_what_it_forbids_and_leaves_nothing(
    project: Any, tmp_path: Path, wait_until: Any
) -> None:
    pack = write(tmp_path / "pack", "PulumiPolicy.yaml", "description: a test's\n", POLICY)
    project.write("import pulumi_aws as aws\naws.s3.Bucket('one', bucket='open-to-all')\n")
    project.pulumi("stack", "init", "dev")
    output = project.pulumi("preview", "--stack", "dev", "--policy-pack", str(pack), code=1)
    assert "[mandatory]" in output
    assert output.count("this bucket is open to all") == 1, output
    wait_until(lambda: project.processes() == {})

    project.write("import pulumi_aws as aws\naws.s3.Bucket('one', bucket='ours')\n")
    project.pulumi("preview", "--stack", "dev", "--policy-pack", str(pack))
    wait_until(lambda: project.processes() == {})


def test_a_component_package_gives_its_component_to_another_program(
    project: Any, tmp_path: Path, wait_until: Any
) -> None:
    package = write(tmp_path / "keeping", "PulumiPlugin.yaml", "", COMPONENT)
    plugins = f"plugins:\n  providers:\n    - name: keeping\n      path: {package}\n"
    project.write(USER, f"name: life\n{RUNTIME}{plugins}")
    project.pulumi("stack", "init", "dev")
    output = project.pulumi("up", "--yes", "--skip-preview", "--stack", "dev")
    assert "+ 3 created" in output, output
    assert project.pulumi("stack", "output", "bucket", "--stack", "dev").startswith("keeper-files-")
    project.pulumi("preview", "--stack", "dev", "--expect-no-changes")
    wait_until(lambda: project.processes() == {})


def test_about_names_the_environments_python(project: Any) -> None:
    project.write("")
    output = project.pulumi("about", "--json")
    assert f"{sys.prefix}/bin/python" in output
