"""The files for Kubernetes fit together and to what Candlewick and Spark read."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tools import dist
from tools.architecture import ROOT

FOLDER = ROOT / "examples" / "kubernetes"
SUBMIT = (FOLDER / "submit.sh").read_text()


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def settings() -> dict[str, str]:
    """What submit.sh gives to Spark."""
    return dict(re.findall(r"--conf ([\w.]+)=(\S+)", SUBMIT))


def test_every_document_has_a_kind_and_a_version() -> None:
    kinds = {
        name: [document["kind"] for document in documents(name) if document["apiVersion"]]
        for name in ("rbac.yaml", "pod-template.yaml", "network-policy.yaml")
    }
    assert kinds == {
        "rbac.yaml": ["ServiceAccount", "Role", "RoleBinding"],
        "pod-template.yaml": ["Pod"],
        "network-policy.yaml": ["NetworkPolicy"],
    }
    assert {path.name for path in FOLDER.glob("*.yaml")} == set(kinds), "every file is checked"


def test_the_role_is_that_of_the_account() -> None:
    account, role, binding = documents("rbac.yaml")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [subject["name"] for subject in binding["subjects"]] == [account["metadata"]["name"]]
    assert settings()["spark.kubernetes.authenticate.driver.serviceAccountName"] == account["metadata"]["name"]


def test_native_files_go_into_a_folder_of_the_volume() -> None:
    (pod,) = documents("pod-template.yaml")
    (container,) = pod["spec"]["containers"]
    (mount,) = container["volumeMounts"]
    assert mount["name"] in [volume["name"] for volume in pod["spec"]["volumes"]]
    for who in ("driver", "executor"):
        assert (FOLDER / settings()[f"spark.kubernetes.{who}.podTemplateFile"]).is_file()
        option = settings()[f"spark.{who}.extraJavaOptions"]
        # The volume itself is writable by everybody, and refused.
        assert option.startswith(f"-Dcandlewick.native.cacheDir={mount['mountPath']}/")


def test_the_policy_opens_the_ports_that_are_set() -> None:
    (policy,) = documents("network-policy.yaml")
    label = policy["spec"]["podSelector"]["matchLabels"]["app"]
    assert {settings()[f"spark.kubernetes.{who}.label.app"] for who in ("driver", "executor")} == {label}
    (rule,) = policy["spec"]["ingress"]
    opened = {(port["port"], port.get("endPort", port["port"])) for port in rule["ports"]}
    names = (
        "spark.driver.port",
        "spark.blockManager.port",
        "spark.candlewick.coordinator.port",
        "spark.candlewick.trainer.portRange",
    )
    spans = [settings()[name].split("-") for name in names]
    assert opened == {(int(span[0]), int(span[-1])) for span in spans}


@pytest.mark.parametrize("name", ["spark.candlewick.coordinator.port", "spark.candlewick.trainer.portRange"])
def test_the_settings_are_those_that_candlewick_reads(name: str) -> None:
    sources = [path.read_text() for path in (ROOT / "spark-package" / "src" / "main").rglob("*.scala")]
    assert any(f'"{name}"' in source for source in sources)


def test_the_image_has_what_was_built() -> None:
    text = (FOLDER / "Dockerfile").read_text()
    assert f"dist/{dist.jar_name()}" in text and f"dist/{dist.wheel_name(dist.ARCHITECTURES.values())}" in text
    for source in re.findall(r"^COPY (examples/\S+)", text, re.MULTILINE):
        assert (ROOT / source).is_file()
    assert f"/{re.findall(r'local:///(.*)', SUBMIT)[0].rpartition('/')[0]}/" in text


def test_the_script_is_one() -> None:
    bash = shutil.which("bash")
    assert bash is not None
    subprocess.run([bash, "-n", str(FOLDER / "submit.sh")], check=True)
