"""The outcome of a gate keeps to the formats that it is written in.

The files are the golden ones, which unit.report_check and unit.report_diff
hold to the writers: a failing gate, a clean one, one with too little data, and
one whose every name is hostile.
"""

import json
import pathlib
import re
import shutil
import subprocess
import urllib.parse
import xml.etree.ElementTree

import jsonschema
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"


def golden(pattern):
    files = sorted(GOLDEN.glob(pattern))
    assert files
    return pytest.mark.parametrize("path", files, ids=lambda path: path.name)


# -- our own JSON ----------------------------------------------------------

def validator(name):
    """Of a schema in reports/, which may refer to the others there."""
    schemas = {path.name: json.loads(path.read_text())
               for path in (ROOT / "reports").glob("*schema.json")}
    jsonschema.Draft202012Validator.check_schema(schemas[name])
    resolver = jsonschema.RefResolver("", schemas[name], store=schemas)
    return jsonschema.Draft202012Validator(schemas[name], resolver=resolver)


@golden("check/*.json")
def test_a_checks_json_keeps_to_its_schema(path):
    validator("check-schema.json").validate(json.loads(path.read_text()))


@golden("diff/*.json")
def test_a_diffs_json_keeps_to_its_schema(path):
    validator("diff-schema.json").validate(json.loads(path.read_text()))


def test_the_schemas_are_strict():
    check = json.loads((GOLDEN / "check/failing.json").read_text())
    for key in list(check):
        without = {k: v for k, v in check.items() if k != key}
        assert not validator("check-schema.json").is_valid(without), key
    assert not validator("check-schema.json").is_valid({**check, "more": 1})
    check["budgets"][0]["state"] = "perhaps"
    assert not validator("check-schema.json").is_valid(check)


# -- JUnit -----------------------------------------------------------------

@golden("check/*.junit.xml")
def test_junit_keeps_to_the_format(path):
    if not shutil.which("xmllint"):
        pytest.skip("no xmllint here (libxml2-utils)")
    done = subprocess.run(
        ["xmllint", "--noout", "--nonet", "--schema",
         ROOT / "tests/e2e/junit.xsd", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@golden("check/*.junit.xml")
def test_junit_counts_what_it_holds(path):
    root = xml.etree.ElementTree.parse(path).getroot()
    for element in [root, *root.iter("testsuite")]:
        for attribute, tag in [("tests", "testcase"), ("failures", "failure"),
                               ("skipped", "skipped")]:
            assert int(element.get(attribute)) == len(
                list(element.iter(tag)))


# -- SARIF -----------------------------------------------------------------

# What code scanning reads of SARIF 2.1.0, closed to anything else.
SARIF = {
    "$defs": {
        "message": {
            "type": "object", "additionalProperties": False,
            "required": ["text"],
            "properties": {"text": {"type": "string"}}},
        "location": {
            "type": "object", "additionalProperties": False,
            "properties": {
                "physicalLocation": {
                    "type": "object", "additionalProperties": False,
                    "required": ["artifactLocation"],
                    "properties": {
                        "artifactLocation": {
                            "type": "object", "additionalProperties": False,
                            "required": ["uri"],
                            "properties": {
                                "uri": {"type": "string",
                                        "pattern": "^[!#-;=?-Z_a-z~%]+$"},
                                "uriBaseId": {"const": "%SRCROOT%"}}},
                        "region": {
                            "type": "object", "additionalProperties": False,
                            "required": ["startLine"],
                            "properties": {"startLine": {
                                "type": "integer", "minimum": 1}}}}},
                "logicalLocations": {
                    "type": "array", "minItems": 1, "items": {
                        "type": "object", "additionalProperties": False,
                        "required": ["fullyQualifiedName", "kind"],
                        "properties": {
                            "fullyQualifiedName": {"type": "string"},
                            "kind": {"const": "function"}}}}}},
        "stack": {
            "type": "object", "additionalProperties": False,
            "required": ["frames"],
            "properties": {
                "message": {"$ref": "#/$defs/message"},
                "frames": {"type": "array", "items": {
                    "type": "object", "additionalProperties": False,
                    "properties": {
                        "location": {"$ref": "#/$defs/location"},
                        "module": {"type": "string"}}}}}},
        "result": {
            "type": "object", "additionalProperties": False,
            "required": ["ruleId", "ruleIndex", "level", "message",
                         "locations", "partialFingerprints"],
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"enum": ["error", "warning", "note"]},
                "message": {"$ref": "#/$defs/message"},
                "locations": {
                    "type": "array", "minItems": 1, "maxItems": 1,
                    "items": {"$ref": "#/$defs/location",
                              "required": ["physicalLocation"]}},
                "stacks": {"type": "array", "minItems": 1,
                           "items": {"$ref": "#/$defs/stack"}},
                "partialFingerprints": {
                    "type": "object", "minProperties": 1,
                    "additionalProperties": {"type": "string",
                                             "minLength": 1}},
                "suppressions": {"type": "array", "items": {
                    "type": "object", "required": ["kind"],
                    "properties": {"kind": {"enum": ["external",
                                                     "inSource"]}}}},
                "properties": {"type": "object"}}},
    },
    "type": "object", "additionalProperties": False,
    "required": ["$schema", "version", "runs"],
    "properties": {
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "maxItems": 1, "items": {
            "type": "object", "additionalProperties": False,
            "required": ["tool", "results"],
            "properties": {
                "tool": {
                    "type": "object", "required": ["driver"],
                    "properties": {"driver": {
                        "type": "object", "additionalProperties": False,
                        "required": ["name", "semanticVersion", "rules"],
                        "properties": {
                            "name": {"const": "Strandline"},
                            "semanticVersion": {
                                "type": "string",
                                "pattern": r"^\d+\.\d+\.\d+$"},
                            "rules": {"type": "array", "items": {
                                "type": "object",
                                "additionalProperties": False,
                                "required": ["id", "name",
                                             "shortDescription"],
                                "properties": {
                                    "id": {"type": "string"},
                                    "name": {"type": "string"},
                                    "shortDescription": {
                                        "$ref": "#/$defs/message"}}}}}}}},
                "invocations": {"type": "array", "items": {
                    "type": "object", "additionalProperties": False,
                    "required": ["executionSuccessful"],
                    "properties": {
                        "executionSuccessful": {"const": True},
                        "exitCode": {"type": "integer"},
                        "exitCodeDescription": {"type": "string"}}}},
                "columnKind": {"enum": ["utf16CodeUnits",
                                        "unicodeCodePoints"]},
                "results": {"type": "array",
                            "items": {"$ref": "#/$defs/result"}}}}},
    },
}


def run_of(path):
    return json.loads(path.read_text())["runs"][0]


@golden("check/*.sarif")
def test_sarif_keeps_to_the_format(path):
    jsonschema.Draft202012Validator(SARIF).validate(
        json.loads(path.read_text()))


@golden("check/*.sarif")
def test_sarif_results_name_their_rules(path):
    run = run_of(path)
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(ids)) == len(ids)
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]


@golden("check/*.sarif")
def test_sarif_fingerprints_tell_results_apart(path):
    prints = [tuple(result["partialFingerprints"].items())
              for result in run_of(path)["results"]]
    assert len(set(prints)) == len(prints)


def test_sarif_paths_are_relative_to_the_tree():
    leak = run_of(GOLDEN / "check/failing.sarif")["results"][0]
    place = leak["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "native/index.cpp",
                                         "uriBaseId": "%SRCROOT%"}
    assert place["region"]["startLine"] == 120
    outside = [frame["location"]["physicalLocation"]["artifactLocation"]
               for frame in leak["stacks"][0]["frames"]
               if "physicalLocation" in frame["location"]]
    assert {"uri": "file:///usr/lib/python3/dist-packages/uvicorn/server.py"
            } in outside


def test_sarif_uris_of_hostile_names_are_uris():
    leak = run_of(GOLDEN / "check/hostile.sarif")["results"][0]
    uri = leak["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert urllib.parse.unquote(uri) == 'src/a,b:c "d".c'
    assert ":" not in uri and " " not in uri and '"' not in uri


# -- GitHub ----------------------------------------------------------------

COMMAND = re.compile(
    r"^::(error|warning|notice) "
    r"(?:[a-z]+=[^,:\r\n]*,)*title=[^,:\r\n]+::[^\r\n]+$")


@golden("check/*.github")
def test_every_annotation_is_one_command(path):
    for line in path.read_text().splitlines():
        assert COMMAND.match(line), line


# -- markdown --------------------------------------------------------------

@golden("check/*.md")
def test_markdown_has_no_foreign_markup(path):
    text = path.read_text()
    assert text.startswith("### ")
    code = re.sub(r"``.*?``|`[^`\n]*`", "", text)
    assert not re.search(r"<(?!/?sub>)", code)
    assert not re.search("@[A-Za-z]", code)


@golden("*/*.md")
def test_markdown_tables_have_as_many_cells_in_every_row(path):
    for table in re.findall(r"(?:^\|.*\n)+", path.read_text(), re.M):
        rows = [re.sub(r"\\\|", "", row).count("|")
                for row in table.splitlines()]
        assert len(set(rows)) == 1, table
