from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bom.errors import BomFault
from bom.limits import MAX_FILE_BYTES
from mirror.errors import InputFault, MachineFault
from mirror.preflight.cluster import ClusterConfig, read_cluster
from tests.bom.documents import grammar

SECRET = "s3cretKEY"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "c.yaml"


def read(file: Path, text: str) -> ClusterConfig:
    file.write_text(text)
    return read_cluster(file)


def fault(file: Path, text: str) -> BomFault:
    with pytest.raises(BomFault) as caught:
        read(file, text)
    assert caught.value.file == str(file)
    return caught.value


def test_values_stay_as_they_were_written(file: Path) -> None:
    found = read(file, "A: 0123\nB: 3.10\nC: yes\nD: '  x '\nE: 2022.03.22\n")
    assert list(found.values.values()) == ["0123", "3.10", "yes", "  x ", "2022.03.22"]
    assert found.lines == {"A": 1, "B": 2, "C": 3, "D": 4, "E": 5}
    assert found.place("C") == f"{file}:3"
    assert found.place("X") == str(file)


def test_nothing_is_not_an_empty_text_as_tkg_tells_them_apart(file: Path) -> None:
    found = read(file, 'A:\nB: ~\nC: ""\n')
    assert found.values == {"C": ""}
    assert found.get("A", "default") == found.get("C", "default") == "default"
    assert found.place("A") == f"{file}:1"
    assert (found.found("A"), found.found("C")) == ("nothing", "''")


def test_letters_of_a_name_may_be_small_as_tkgs_reader_does_not_care(file: Path) -> None:
    found = read(file, "cluster_plan: prod\n")
    assert found.get("CLUSTER_PLAN") == "prod"


def test_one_variable_in_two_spellings_is_refused_as_either_may_win(file: Path) -> None:
    refusal = fault(file, "CLUSTER_PLAN: prod\ncluster_plan: dev\n")
    assert (refusal.line, refusal.key) == (2, "cluster_plan")


def test_the_same_variable_twice_is_refused_with_both_lines(file: Path) -> None:
    refusal = fault(file, "CNI: antrea\nX: 1\nCNI: calico\n")
    assert (refusal.line, refusal.key) == (3, "CNI")
    assert "line 1" in refusal.found


def test_labels_and_lists_are_left_out(file: Path) -> None:
    found = read(file, "LABELS: {a: b}\nLIST: [1]\nCNI: calico\n")
    assert found.values == {"CNI": "calico"}


def test_what_is_merged_counts_as_written_where_it_stands(file: Path) -> None:
    text = ".base: &base\n  CNI: antrea\n  CLUSTER_PLAN: dev\n<<: *base\nCLUSTER_PLAN: prod\n"
    found = read(file, text)
    assert found.values == {"CNI": "antrea", "CLUSTER_PLAN": "prod"}
    assert (found.lines["CNI"], found.lines["CLUSTER_PLAN"]) == (2, 5)


def test_of_several_that_are_merged_the_first_wins_and_merges_are_followed(file: Path) -> None:
    text = "a: &a {X: 1}\nb: &b {X: 2, Y: 2, Z: 2}\nc: &c {<<: *b, Z: 3}\n<<: [*a, *c]\nCNI:\n"
    assert read(file, text).values == {"X": "1", "Y": "2", "Z": "3"}


@given(st.dictionaries(st.sampled_from("ABCD"), st.sampled_from("123")), st.data())
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_merges_come_to_what_another_reader_has(
    file: Path, own: dict[str, str], data: st.DataObject
) -> None:
    one, two = (data.draw(st.dictionaries(st.sampled_from("ABCD"), st.just(w))) for w in "xy")
    text = f"one: &one {json.dumps(one)}\ntwo: &two {json.dumps(two)}\n<<: [*one, *two]\n"
    text += "".join(f'{name}: "{value}"\n' for name, value in own.items())
    known = yaml.safe_load(text)
    assert read(file, text).values == {k: v for k, v in known.items() if isinstance(v, str)}


@pytest.mark.parametrize("value", ["text", "[1]", "[{A: 1}, [2]]", ""])
def test_what_is_no_mapping_cannot_be_merged(file: Path, value: str) -> None:
    refusal = fault(file, f"CNI: antrea\n<<: {value}\n")
    assert (refusal.line, refusal.key) == (2, "<<")
    assert "a mapping to merge" in str(refusal)


def test_a_merge_in_other_letters_is_refused_as_either_may_win(file: Path) -> None:
    assert fault(file, "b: &b {cni: calico}\n<<: *b\nCNI: antrea\n").line in (1, 3)


def test_merges_that_unfold_to_more_than_there_is_are_refused(file: Path) -> None:
    lines = ["a0: &a0 {A: 1, B: 2}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    refusal = fault(file, "\n".join([*lines, "<<: *a11"]))
    assert "aliases written out" in refusal.found


def test_many_merges_of_nothing_cost_no_more_than_their_number(file: Path) -> None:
    names = "".join(f"N{n}: 1\n" for n in range(30_000))
    found = read(file, f"a: &a {{}}\n{names}<<: [{', '.join(['*a'] * 100_000)}]\n")
    assert len(found.values) == 30_000


def test_a_merge_of_itself_is_refused(file: Path) -> None:
    assert fault(file, "a: &a {<<: *a}\n").line == 1


@pytest.mark.parametrize("word", ["1", "t", "T", "true", "TRUE", "True"])
def test_these_words_are_yes_for_go(file: Path, word: str) -> None:
    assert read(file, f"X: {word}\n").flag("X")


@pytest.mark.parametrize("word", ["0", "f", "false", "False", "yes", "on", "tRUE", "2", "' true'"])
def test_other_words_are_not(file: Path, word: str) -> None:
    assert not read(file, f"X: {word}\n").flag("X", default=True)


def test_what_is_not_said_is_what_tkg_takes_by_default(file: Path) -> None:
    assert read(file, "X: ''\n").flag("X", default=True)
    assert not read(file, "X: ''\n").flag("Y")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("INFRASTRUCTURE_PROVIDER: aws", "aws"),
        ("INFRASTRUCTURE_PROVIDER: aws:v2.0.2", "aws"),
        ("INFRASTRUCTURE_PROVIDER: vsphere\nAWS_REGION: x", "vsphere"),
        ("AWS_REGION: us-east-1", "aws"),
        ("AWS_REGION: ''\nVSPHERE_SERVER: v", "vsphere"),
        ("CLUSTER_NAME: a", ""),
    ],
)
def test_the_infrastructure_is_said_or_shows(file: Path, lines: str, expected: str) -> None:
    assert read(file, lines).infrastructure == expected


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("", 1, "0 documents"),
        ("# nothing\n", 1, "0 documents"),
        ("A: 1\n---\nB: 2\n", 1, "2 documents"),
        ("- A\n", 1, "a list"),
        ("just a text\n", 1, "a text"),
        ("A: 1\nB: [1\n", 3, "did not find"),
        ("A: 1\n\tB: 2\n", 2, "tab"),
    ],
)
def test_what_is_no_such_file_is_refused_with_its_line(
    file: Path, text: str, line: int, found: str
) -> None:
    refusal = fault(file, text)
    assert refusal.line == line
    assert found in str(refusal) + refusal.hint


def test_a_kubernetes_object_is_told_from_a_file_of_variables(file: Path) -> None:
    text = "apiVersion: cluster.x-k8s.io/v1beta1\nkind: Cluster\nmetadata: {name: a}\n"
    assert "Kubernetes object" in fault(file, text).found
    assert "Kubernetes object" in fault(file, f"{text}---\n{text}").found


@pytest.mark.parametrize(
    "line", [f"KEY: *{SECRET}", f"KEY: {{{SECRET}, {SECRET}}}", f"KEY: &{SECRET} *{SECRET}"]
)
def test_a_secret_that_yaml_misreads_is_in_no_message(file: Path, line: str) -> None:
    refusal = fault(file, f"A: 1\n{line}\n")
    assert SECRET not in f"{refusal} {refusal.fact} {refusal.hint} {refusal.key}"
    assert refusal.line == 2


def test_values_are_in_no_repr() -> None:
    assert SECRET not in repr(ClusterConfig("c.yaml", {"AWS_SECRET_ACCESS_KEY": SECRET}))


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(InputFault, match="no such"):
        read_cluster(file)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputFault, match="folder"):
        read_cluster(tmp_path)


def test_a_file_that_leads_in_a_circle(file: Path) -> None:
    file.symlink_to(file)
    with pytest.raises(MachineFault, match="cannot read"):
        read_cluster(file)


def test_a_file_of_no_sensible_size(file: Path) -> None:
    with file.open("wb") as grown:
        grown.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(InputFault, match="too large"):
        read_cluster(file)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "c.yaml"


lines = st.lists(st.tuples(st.sampled_from(["CNI", "A", "B", "sIzE"]), st.text(max_size=9)))
flat = lines.map(lambda pairs: "".join(f"{name}: {value}\n" for name, value in pairs))
anything = st.binary() | st.text().map(str.encode) | grammar | flat.map(str.encode)


@settings(deadline=None)
@given(anything)
def test_any_bytes_are_a_configuration_or_a_fault_of_the_input(shared: Path, raw: bytes) -> None:
    shared.write_bytes(raw)
    try:
        found = read_cluster(shared)
    except BomFault as cause:
        refusal = cause
    else:
        well_read(found)
        return
    assert refusal.file == str(shared)
    assert refusal.line >= 1


def well_read(found: ClusterConfig) -> None:
    assert all(isinstance(value, str) for value in found.values.values())
    assert found.values.keys() <= found.lines.keys()
    for name in found.values:
        assert found.place(name).startswith(f"{found.file}:")
        assert found.found(name).isprintable()


values = st.dictionaries(
    st.text("ABCDEFGHIJ_", min_size=1), st.text(st.characters(codec="ascii")), min_size=1
)


@settings(deadline=None)
@given(values)
def test_what_yaml_writes_is_read_as_it_was(shared: Path, values: dict[str, str]) -> None:
    with contextlib.suppress(yaml.YAMLError):
        shared.write_text(yaml.safe_dump(values, default_style='"'))
        assert read_cluster(shared).values == values
