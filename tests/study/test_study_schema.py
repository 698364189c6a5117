"""Every way in which a study file can be wrong says which key, which value, what is allowed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cohortium.errors import StudyError
from cohortium.study import load_study, parse_study

STUDY = """\
[study]
name = "asthma"

[[party]]
name = "north"
roles = ["data", "compute", "receive"]

[[party]]
name = "south"
roles = ["data", "compute", "receive"]

[[party]]
name = "uni"
roles = ["deal"]

[data]
label = "case"

[preparation]
clip = 8.0

[model]
iterations = 10

[[reveal]]
what = "model"
to = ["north", "south"]
"""


def refused(text: str) -> str:
    with pytest.raises(StudyError) as caught:
        parse_study(text, "asthma.toml")
    assert caught.value.exit_code == 2
    assert caught.value.remedy
    return str(caught.value)


def changed(old: str, new: str) -> str:
    assert old in STUDY
    return STUDY.replace(old, new, 1)


def test_a_good_study_is_read() -> None:
    study = parse_study(STUDY).study
    assert study.with_role("compute") == ("north", "south")
    assert study.with_role("deal") == ("uni",)
    assert study.model.l2 == [1.0]
    assert study.named("uni").roles == ["deal"]


@pytest.mark.parametrize(
    ("old", "new", "key", "nearest"),
    [
        ("iterations = 10", "iteratons = 10", "model.iteratons", "'iterations'"),
        ("clip = 8.0", "clipp = 8.0", "preparation.clipp", "'clip'"),
        ('label = "case"', 'lable = "case"', "data.lable", "'label'"),
        ('to = ["north', 'too = ["north', "reveal[1].too", "'to'"),
        ('roles = ["deal"]', 'role = ["deal"]', "party[3].role", "'roles'"),
        ('name = "asthma"', 'name = "asthma"\ndeadlin = 3', "study.deadlin", "'deadline'"),
        ("[preparation]", "[preparations]", "preparations", "'preparation'"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest(
    old: str, new: str, key: str, nearest: str
) -> None:
    text = refused(changed(old, new))
    assert f"{key} is not a known key (did you mean {nearest})" in text


def test_an_unknown_key_like_no_other_lists_the_known_ones() -> None:
    text = refused(changed("clip = 8.0", "xyz = 8.0"))
    assert "known keys: impute, standardise, clip" in text


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("iterations = 10", "iterations = 1.5", "model.iterations = 1.5 should be a whole number"),
        ("iterations = 10", 'iterations = "9"', 'model.iterations = "9" should be a whole number'),
        (
            "iterations = 10",
            "iterations = true",
            "model.iterations = true should be a whole number",
        ),
        ("clip = 8.0", 'clip = "8"', 'preparation.clip = "8" should be a number'),
        ('name = "asthma"', "name = 3", "study.name = 3 should be a text"),
        ('label = "case"', "label = ['a']", 'data.label = ["a"] should be a text'),
        ('roles = ["deal"]', 'roles = "deal"', 'party[3].roles = "deal" should be a list'),
        ('to = ["north", "south"]', 'to = "north"', 'reveal[1].to = "north" should be a list'),
        ("[model]\niterations = 10", "[[model]]\niterations = 10", "should be a table"),
        ("iterations = 10", 'l2 = [1.0, "x"]', 'model.l2[2] = "x" should be a number'),
    ],
)
def test_a_wrong_type_is_named(old: str, new: str, told: str) -> None:
    assert told in refused(changed(old, new))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("iterations = 10", "iterations = 0", "model.iterations = 0 should be greater than or eq"),
        ("iterations = 10", "iterations = 10001", "less than or equal to 10000"),
        ("clip = 8.0", "clip = 0", "preparation.clip = 0 should be greater than 0"),
        ("clip = 8.0", "clip = 1025", "less than or equal to 1024"),
        ("clip = 8.0", "clip = nan", "preparation.clip = NaN should be a finite number"),
        ("iterations = 10", "l2 = -1", "= -1 should be greater than or equal to 0"),
        ("iterations = 10", "l2 = inf", "should be a finite number"),
        ("iterations = 10", "l2 = 1e10", "less than or equal to 1000000000"),
        ("iterations = 10", "l2 = []", "model.l2 = [] should have 1 or more entries"),
        ("iterations = 10", "l2 = [1, 2, 1.0]", "asthma.toml: line 23: model.l2 has 1 twice"),
        ("iterations = 10", "sigmoid_error = 0.5", "model.sigmoid_error = 0.5 should be less"),
        ("iterations = 10", "logit_bound = 0.5", "model.logit_bound = 0.5 should be greater"),
        ("iterations = 10", 'kind = "neural"', "model.kind = \"neural\" should be 'logistic'"),
        ("clip = 8.0", 'impute = "zero"', "preparation.impute = \"zero\" should be 'site-mean'"),
        ("clip = 8.0", 'standardise = "all"', "should be 'site', 'pooled', 'allele-freq"),
        ('label = "case"', 'orientation = "rows"', "'samples_in_rows' or 'genes_in_rows'"),
        ('label = "case"', 'missing_label = "keep"', "should be 'error' or 'drop'"),
        ('name = "asthma"', 'name = ""', 'study.name = "" should not be empty'),
        ('name = "asthma"', 'name = "a"\ndeadline = 0', "study.deadline = 0 should be"),
        ('name = "asthma"', 'name = "a"\nconnect_timeout = 0', "study.connect_timeout = 0"),
        ('name = "uni"', 'name = "Uni"', 'party[3].name = "Uni" should be 1 to 32 of a-z'),
        ('name = "uni"', f'name = "{"u" * 33}"', "should be 1 to 32 of a-z"),
        ('name = "uni"', 'name = "uni\\n"', "should be 1 to 32 of a-z"),
        ('roles = ["deal"]', 'roles = ["dealer"]', "'data', 'compute', 'deal' or 'receive'"),
        ('roles = ["deal"]', "roles = []", "party[3].roles = [] should have 1 or more entries"),
        ('name = "uni"', 'name = "uni"\naddress = "uni"', 'address = "uni" should be HOST:PORT'),
        (
            'name = "uni"',
            'name = "uni"\naddress = "uni:70000"',
            "line 14: the address of 'uni', 'uni:70000', has",
        ),
        ('name = "uni"', 'name = "uni"\naddress = "uni:0"', "'uni:0', has no valid port"),
        ('what = "model"', 'what = "weights"', "reveal[1].what = \"weights\" should be 'model', "),
    ],
)
def test_a_value_out_of_range_is_named(old: str, new: str, told: str) -> None:
    assert told in refused(changed(old, new))


def test_two_dealers_are_refused() -> None:
    text = refused(
        changed('"receive"]\n\n[[party]]\nname = "uni"', '"deal"]\n[[party]]\nname="uni"')
    )
    assert "line 13: 2 parties have the role 'deal'" in text


def test_no_dealer_is_refused() -> None:
    assert "line 6: 0 parties have the role 'deal'" in refused(changed('["deal"]', '["receive"]'))


def test_a_dealer_that_computes_is_refused() -> None:
    text = refused(changed('["deal"]', '["deal", "compute"]'))
    assert "line 14: 'uni' deals and computes" in text


def test_one_computing_party_is_refused() -> None:
    text = refused(changed('["data", "compute", "receive"]', '["data", "receive"]'))
    assert "line 10: 1 parties have the role 'compute'" in text


def test_a_study_without_data_is_refused() -> None:
    text = refused(STUDY.replace('"data", ', ""))
    assert "line 6: no party has the role 'data'" in text


def test_two_parties_are_too_few() -> None:
    start = STUDY.index('[[party]]\nname = "uni"')
    text = refused(STUDY[:start] + STUDY[STUDY.index("[data]") :])
    assert "should have 3 or more entries" in text


def test_one_name_for_two_parties_is_refused() -> None:
    assert "line 9: the party name 'north' is there twice" in refused(changed('"south"', '"north"'))


def test_a_minimum_count_is_for_counts() -> None:
    text = refused(STUDY + "minimum_count = 10\n")
    assert "line 28: 'model' does not consist of counts" in text
    assert "it is for the [[reveal]] of calibration" in text
    counts = '[validation]\nfolds = 3\n[[reveal]]\nwhat = "calibration"\nto = ["north"]\n'
    for wrong in ("1", "0", "2.5", "1000001"):
        text = refused(f"{STUDY}{counts}minimum_count = {wrong}\n")
        assert f"reveal[2].minimum_count = {wrong} should be" in text
    study = parse_study(f"{STUDY}{counts}minimum_count = 10\n").study
    assert study.minimum_counts == {"calibration": 10}
    assert parse_study(STUDY + counts).study.minimum_counts == {}


def test_counts_are_no_metric_to_choose_by() -> None:
    text = refused(
        changed("iterations = 10", "l2 = [1, 2]\n[validation]\nfolds = 3\nchoose = 'calibration'")
    )
    assert "validation.choose" in text


def test_one_reveal_twice_is_refused() -> None:
    again = '\n[[reveal]]\nwhat = "model"\nto = ["north"]\n'
    assert "line 30: a [[reveal]] of the same thing, 'model', is there twice" in refused(
        STUDY + again
    )


def test_a_receiver_needs_its_role() -> None:
    text = refused(changed('to = ["north", "south"]', 'to = ["north", "uni"]'))
    assert "line 27: 'model' is revealed to 'uni', which does not have the role 'receive'" in text


def test_a_receiver_must_be_a_party() -> None:
    text = refused(changed('to = ["north", "south"]', 'to = ["east"]'))
    assert "line 27: 'model' is revealed to 'east', which is no party" in text
    assert "north, south, uni" in text


def test_missing_sections_are_named() -> None:
    text = refused("")
    assert "study is missing; party is missing; reveal is missing" in text


def test_all_problems_are_told_at_once() -> None:
    text = refused(changed("clip = 8.0", "clip = 0").replace("iterations = 10", "iterations = 0"))
    assert "preparation.clip" in text
    assert "model.iterations" in text


def test_a_long_value_is_cut() -> None:
    assert len(refused(changed("clip = 8.0", f'clip = "{"x" * 10_000}"'))) < 300


def test_bad_toml_names_the_line() -> None:
    text = refused(changed("clip = 8.0", "clip = "))
    assert "asthma.toml is not valid TOML" in text
    assert f"line {STUDY[: STUDY.index('clip')].count(chr(10)) + 1}," in text


def test_who_the_parties_are_is_told_for_an_unknown_one() -> None:
    with pytest.raises(StudyError, match=r"no party 'east'.*north, south, uni"):
        parse_study(STUDY).study.named("east")


def test_the_digest_is_of_the_files_bytes(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    content = STUDY.replace("\n", "\r\n").encode()
    path.write_bytes(content)
    assert load_study(path).digest == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("change", ["\n", " ", "# a remark"])
def test_one_more_byte_is_another_digest_and_the_same_study(change: str) -> None:
    one, other = parse_study(STUDY), parse_study(STUDY + change)
    assert one.digest != other.digest
    assert one.study == other.study


def test_a_byte_order_mark_is_no_error_and_counts_for_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(b"\xef\xbb\xbf" + STUDY.encode())
    study = load_study(path)
    assert study.study == parse_study(STUDY).study
    assert study.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"nowhere\.toml can not be read"):
        load_study(tmp_path / "nowhere.toml")


def test_a_folder_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="can not be read"):
        load_study(tmp_path)


def test_latin_1_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(changed("asthma", "Köln").encode("latin-1"))
    with pytest.raises(StudyError, match=r"study\.toml is not UTF-8"):
        load_study(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    with path.open("wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(StudyError, match="too large"):
        load_study(path)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('class_weight = "even"', "model.class_weight = \"even\" should be 'balanced'"),
        ("class_weight = [1.0]", "model.class_weight = [1.0] should have 2 or more entries"),
        ("class_weight = [1.0, 30.0]", "line 24: model.class_weight is larger than model.weight_b"),
        ('form = "dual"\nbatch = 3', "line 25: model.batch is for the primal"),
        (
            'batch = 3\nclass_weight = "balanced"',
            "line 25: model.class_weight is for the dual alone",
        ),
        (
            'form = "primal"\nl2 = [1.0, 2.0]',
            "line 25: several values of model.l2 is for the dual alone",
        ),
        (
            'form = "primal"\nsigmoid = "hong5"',
            "line 25: model.sigmoid = 'hong5' is for the dual alone",
        ),
        (
            'form = "primal"\n[validation]\nfolds = 3\n',
            "line 25: [validation] is for the dual alone",
        ),
        ("[validation]\nfolds = 3", "line 24: there is a [validation], but nothing of it is"),
        ("[validation]\nfolds = 1", "validation.folds = 1 should be greater than or equal to 2"),
        ('[validation]\nfolds = 3\nchoose = "auc"', "line 26: validation.choose has one value of"),
        (
            'l2 = [1.0, 2.0]\n[validation]\nfolds = 3\nchoose = "auc_bounds"',
            "line 27: validation.choose = 'auc_bounds' is two numbers, by which none is best",
        ),
        ('[features]\nmode = "any"', "features.mode = \"any\" should be 'same', 'intersection'"),
        ('[features]\nmode = "list"', "line 25: features.mode = 'list' and features.list go tog"),
        ('[features]\nlist = ["a"]', "line 25: features.mode = 'list' and features.list go tog"),
        (
            '[features]\nmode = "list"\nlist = ["a", "b", "a"]',
            "line 26: features.list has 'a' twice",
        ),
        (
            '[features]\nnames = "variant"\naliases = { "a" = "b" }',
            "line 26: features.aliases are of genes, but features.names is 'variant'",
        ),
    ],
)
def test_settings_that_contradict_each_other(lines: str, told: str) -> None:
    assert told in refused(changed("iterations = 10", f"iterations = 10\n{lines}"))


def test_a_genome_build_is_of_variants() -> None:
    build = changed("iterations = 10", 'iterations = 10\n[features]\nbuild = "GRCh38"')
    assert "line 25: features.build is of variants, but features.names is 'exact'" in refused(build)
    named = build.replace("[features]", '[features]\nnames = "variant"')
    assert parse_study(named).study.features.build == "GRCh38"


def test_a_union_needs_values_whose_mean_is_0() -> None:
    union = changed("clip = 8.0", 'clip = 8.0\nstandardise = "none"\n[features]\nmode = "union"')
    assert "line 23: features.mode = 'union' imputes a feature" in refused(union)


TOLD = '\n[[reveal]]\nwhat = "feature_statistics"\nto = ["north", "south"]\n'
POOLED = 'standardise = "pooled"\nimpute = "pooled-mean"\nvalue_bound = 64.0'


UNTOLD = 'standardise = "pooled"\nvalue_bound = 64.0'
COUNTS = 'standardise = "allele-frequency"'


@pytest.mark.parametrize(
    ("lines", "reveal", "told"),
    [
        (POOLED, "", "line 21: impute = 'pooled-mean' and a [[reveal]] of 'feature_statistics' go"),
        (UNTOLD + '\n[model]\nform = "primal"', "", "line 20: standardise = 'pooled' without a"),
        (UNTOLD + "\n[model]\nbatch = 3", "", "line 20: standardise = 'pooled' without a [[reve"),
        (UNTOLD + '\n[model]\nclass_weight = "balanced"', "", "line 23: model.class_weight and"),
        ("", TOLD, "line 30: 'feature_statistics' are revealed, but nothing is standardised by"),
        (UNTOLD.replace("64", "4096"), "", "line 21: value_bound = 4096 is above 1024"),
        (UNTOLD, TOLD, "line 31: impute = 'pooled-mean' and a [[reveal]] of 'feature_statistics'"),
        ('impute = "pooled-mean"', "", "line 20: impute = 'pooled-mean' and a [[reveal]] of"),
        (POOLED[:-18], TOLD, "line 20: standardise = 'pooled' and value_bound go together"),
        (
            COUNTS + '\nimpute = "pooled-mean"',
            "",
            "line 21: impute = 'pooled-mean' and a [[reveal]]",
        ),
        (COUNTS, TOLD, "line 30: impute = 'pooled-mean' and a [[reveal]] of 'feature_statistics'"),
        (COUNTS + "\nvalue_bound = 2.0", "", "line 21: standardise = 'allele-frequency' is of all"),
        (COUNTS + "\n[model]\nbatch = 3", "", "line 20: standardise = 'allele-frequency' without"),
        (
            COUNTS + '\n[model]\nclass_weight = "balanced"',
            "",
            "line 22: model.class_weight and standardise = 'allele-frequency' by means",
        ),
        (COUNTS + '\n[features]\nmode = "union"', "", "line 22: features.mode = 'union' imputes"),
        ("value_bound = 64.0", "", "line 20: standardise = 'pooled' and value_bound go together"),
        ("value_bound = 0.5", "", "preparation.value_bound = 0.5 should be greater than or equal"),
        (
            POOLED,
            TOLD.replace(', "south"', ""),
            "line 33: 'feature_statistics' are not revealed to 'south', which owns samples",
        ),
        (
            POOLED + '\n[features]\nmode = "union"',
            TOLD,
            "line 24: features.mode = 'union' imputes a feature that a site lacks by 0",
        ),
    ],
)
def test_pooled_standardisation_is_said_in_all_its_places(
    lines: str, reveal: str, told: str
) -> None:
    text = STUDY.replace("[preparation]\nclip = 8.0", f"[preparation]\n{lines}") + reveal
    if "[model]" in lines:
        text = text.replace("[model]\niterations = 10\n", "")
    assert told in refused(text)


def test_a_receiver_of_a_model_needs_the_statistics() -> None:
    text = STUDY.replace("clip = 8.0", POOLED).replace('["deal"]', '["deal", "receive"]') + TOLD
    assert parse_study(text).study.preparation.value_bound == 64.0
    told = refused(text.replace('to = ["north", "south"]', 'to = ["north", "uni"]', 1))
    assert "not revealed to 'uni', which receives the model" in told


def test_a_metric_needs_a_validation() -> None:
    text = refused(changed('what = "model"', 'what = "auc"'))
    assert "asthma.toml: line 26: 'auc' is revealed, but there is no [validation]" in text


@pytest.mark.parametrize("before", ["\ufeff", '# """ opens nothing\n'])
def test_what_stands_before_a_key_does_not_move_its_line(before: str) -> None:
    """A byte order mark, and signs in a remark, which are no text."""
    text = STUDY.replace("[study]", f"{before}[study]\nname_ = 3", 1)
    assert f"line {before.count(chr(10)) + 2}: study.name_ is not a known key" in refused(text)


def test_a_rule_between_keys_names_a_line_in_a_file_with_long_texts() -> None:
    """A certificate above may hold what looks like a section."""
    pem = 'certificate = """\n[[reveal]]\nto = 1\n"""\n'
    text = STUDY.replace("[[party]]\n", f"[[party]]\n{pem}", 1).replace('"south"]', '"uni"]')
    assert "line 31: 'model' is revealed to 'uni'" in refused(text)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('class_weight = "balanced"', "model.class_weight is of classes, but the labels of"),
        ('sigmoid = "hong5"', "model.sigmoid is of classes"),
        ("sigmoid_error = 1e-3", "model.sigmoid_error is of classes"),
        ('[validation]\nfolds = 3\n[[reveal]]\nwhat = "auc"\nto = ["north"]', "'auc' is of a log"),
        (
            'l2 = [1, 2]\n[validation]\nfolds = 3\nchoose = "brier"',
            "'brier' is of a logistic regression, but model.kind is 'linear'. Take one of r2",
        ),
    ],
)
def test_what_is_of_classes_is_not_for_numbers(lines: str, told: str) -> None:
    """And not refused without ``kind``."""
    text = changed("iterations = 10", lines)
    parse_study(text)
    assert told in refused(text.replace("[model]", '[model]\nkind = "linear"'))


def test_a_class_is_not_for_numbers() -> None:
    text = changed("[model]", '[model]\nkind = "linear"')
    told = refused(text.replace('label = "case"', 'label = "case"\npositive = "yes"'))
    assert "data.positive is of classes" in told


def test_what_is_of_numbers_is_not_for_classes() -> None:
    lines = '[validation]\nfolds = 3\n[[reveal]]\nwhat = "r2"\nto = ["north"]'
    told = refused(changed("iterations = 10", lines))
    assert "'r2' is of a linear regression, but model.kind is 'logistic'" in told


def test_a_column_is_one_thing() -> None:
    text = changed('label = "case"', 'label = "case"\nweight = "case"')
    assert "weight, group and covariates can not be one column" in refused(text)
    text = changed("iterations = 10", "batch = 3").replace(
        'label = "case"', 'label = "case"\nweight = "w"'
    )
    assert "data.weight is for the dual alone" in refused(text)


COVARIATES = """\
label = "case"
covariates = ["age", "sex"]

[data.ranges]
age = [0, 100]

[data.levels]
sex = ["female", "male"]

[data.fill]
age = 50
"""


def test_covariates_are_read() -> None:
    study = parse_study(changed('label = "case"\n', COVARIATES)).study
    assert study.data.covariates == ["age", "sex"]
    assert study.data.ranges == {"age": [0, 100]}
    inline = 'label = "case"\ncovariates = ["age"]\nranges = { age = [0, 100] }\n'
    assert parse_study(changed('label = "case"\n', inline)).study.data.ranges == {"age": [0, 100]}


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ('["age", "sex"]', '["age", "sex", "age"]', 18, "has 'age' twice"),
        ('["age", "sex"]', '["age", "sex", "case"]', 18, "has 'case', which is the label"),
        ('["age", "sex"]', '["age", "sex", "bmi"]', 18, "'bmi' has neither a range nor levels"),
        ("age = [0, 100]", "age = [0, 100]\nsex = [0, 1]", 18, "'sex' has a range and levels"),
        ("age = [0, 100]", "age = [0, 100]\nbmi = [0, 1]", 22, "'bmi', which is not in data.cov"),
        ("age = [0, 100]", "age = [100, 0]", 21, "ends at 0, not above its start 100"),
        ("age = [0, 100]", "age = [0]", 21, "data.ranges.age = [0] should have 2 or more"),
        ("age = [0, 100]", 'age = [0, "old"]', 21, "should be a number"),
        ('"male"]', '"male", "male"]', 24, "a level of 'sex' is there twice"),
        ('["female", "male"]', '["female"]', 24, "should have 2 or more"),
        ("age = 50", "age = 500", 27, "500.0 can not replace a missing value of 'age'"),
        ("age = 50", 'age = "old"', 27, "'old' can not replace a missing value of 'age'"),
        ("age = 50", 'sex = "?"', 27, "'?' can not replace a missing value of 'sex'"),
    ],
)
def test_covariates_that_contradict_each_other(old: str, new: str, line: int, what: str) -> None:
    assert old in COVARIATES
    text = refused(changed('label = "case"\n', COVARIATES.replace(old, new, 1)))
    assert what in text
    assert f"line {line}: " in text


@pytest.mark.parametrize("primal", ['form = "primal"', "batch = 8"])
def test_covariates_are_for_the_dual(primal: str) -> None:
    adjusted = changed('label = "case"\n', COVARIATES)
    model = "iterations = 10"
    text = refused(adjusted.replace(model, f"{model}\n{primal}"))
    assert "line 18: data.covariates is for the dual alone" in text
    text = refused(STUDY.replace(model, f"{model}\nsite_indicators = true\n{primal}"))
    assert "line 24: model.site_indicators is for the dual alone" in text


@pytest.mark.parametrize(
    ("adjusted", "line"),
    [
        (COVARIATES, "line 18: data.covariates"),
        ('label = "case"\n\n[model]\nsite_indicators = true\n', "model.site_indicators"),
    ],
)
def test_covariates_are_not_for_secret_pooled_moments(adjusted: str, line: str) -> None:
    text = changed("clip = 8.0", 'standardise = "pooled"\nvalue_bound = 16.0')
    if "[model]" in adjusted:
        text = text.replace("[model]\niterations = 10\n", "")
    text = text.replace('label = "case"\n', adjusted)
    told = refused(text)
    assert line in told
    assert "that nobody is" in told


def test_site_indicators_need_sites() -> None:
    alone = STUDY.replace("iterations = 10", "iterations = 10\nsite_indicators = true")
    parse_study(alone)
    one = alone.replace('roles = ["data", "compute", "receive"]', 'roles = ["compute"]', 1)
    one = one.replace('to = ["north", "south"]', 'to = ["south"]')
    assert "there is only one" in refused(one)


@pytest.mark.parametrize(
    ("model", "extra", "told"),
    [
        ('form = "primal"', "", "the state of a training in the primal is not kept"),
        ("batch = 8", "", "the state of a training in the primal is not kept"),
        (
            "",
            '[[reveal]]\nwhat = "feature_statistics"\nto = ["north", "south"]\n',
            "'feature_statistics' are revealed before the training",
        ),
    ],
)
def test_no_state_is_kept_that_could_not_be_gone_on_with(model: str, extra: str, told: str) -> None:
    text = changed("iterations = 10", f"iterations = 10\n{model}")
    pooled = 'standardise = "pooled"\nimpute = "pooled-mean"\nvalue_bound = 16.0'
    text = text.replace("clip = 8.0", pooled if extra else "clip = 8.0") + extra
    parse_study(text)
    kept = text.replace('name = "asthma"', 'name = "asthma"\ncheckpoint_every = 20')
    assert f"line 3: study.checkpoint_every is given, but {told}" in refused(kept)
    parse_study(changed('name = "asthma"', 'name = "asthma"\ncheckpoint_every = 10'))
    for wrong in ("9", "10001", "2.5"):
        assert "study.checkpoint_every" in refused(kept.replace("every = 20", f"every = {wrong}"))


def test_no_state_is_kept_of_a_selection() -> None:
    text = changed("clip = 8.0", 'value_bound = 16.0\n[selection]\nby = "variance"\ntop = 5')
    text += '[[reveal]]\nwhat = "selected_features"\nto = ["north", "south"]\n'
    parse_study(text)
    told = refused(text.replace('name = "asthma"', 'name = "asthma"\ncheckpoint_every = 20'))
    assert "line 3: study.checkpoint_every is given, but which features a [selection]" in told
