"""The configuration: what is wrong is named with its place in the file and what is allowed there."""

import inspect
import json
import re
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from report_records import small_record
from sobolev_pruning import InputError, evaluate, reference, training
from sobolev_pruning.drawing.numbers import r2_text
from sobolev_pruning.reference import GaussianBasket
from sobolev_pruning.running import BASKET_R2, read_config, stages, to_toml, write_example_config
from sobolev_pruning.running.builders import key_for
from sobolev_pruning.running.config import LBFGSConfig, LevenbergMarquardtConfig, TrainingConfig
from sobolev_pruning.running.outputs import metrics_json
from sobolev_pruning.running.published import published_for
from sobolev_pruning.running.run_directory import claim_directory, locked_directory
from sobolev_pruning.running.source_config import (
    BlackScholesConfig,
    GeneExpressionConfig,
    HestonConfig,
    RandomMediumConfig,
)
from sobolev_pruning.running.sources import Workers, opened
from sobolev_pruning.running.sources.library import library_reference
from sobolev_pruning.running.stages import finetuning_samples
from sobolev_pruning.running.tables import stage_details
from sobolev_pruning.training import LBFGS
from surrogates import surrogate_of_shape

EXAMPLES = Path(__file__).parent.parent / "examples"
GOOD = """\
name = "good"

[oversized]
hidden = [8, 8]

[oversized.training]
order = 1

[oversized.training.optimiser]
kind = "adam"
steps = 10

[[pruning]]
keep = [2, 4]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("order = 1", "ordr = 1", r"line 7: oversized.training.ordr is not a known key; did you mean order\?"),
        ("order = 1", "order = 3", r"line 7: oversized.training.order is 3; allowed are 0, 1 or 2"),
        ("steps = 10", "steps = 2.5", r"line 11: oversized.training.optimiser.steps is 2.5; it must be a valid int"),
        ("steps = 10", "steps = 0", r"line 11: oversized.training.optimiser.steps is 0; it must be greater than"),
        ('kind = "adam"', 'kind = "adm"', r"line 9: .*kind is 'adm'; allowed are 'adam', 'lbfgs', 'levenberg-marq"),
        ('kind = "adam"\n', "", r'optimiser has no kind; choose "adam", "lbfgs" or "levenberg-marquardt"'),
        ("keep = [2, 4]", "keep = [2, 4, 4]", r"phase 1 names 3 layers in keep, but the network then has 2"),
        ("keep = [2, 4]", "keep = [0, 0]", r"phase 1 keeps 0 nodes of every layer"),
        ("keep = [2, 4]", "keep = [9, 4]", r"phase 1 keeps 9 nodes of hidden layer 1, which then has 8"),
        ("keep = [2, 4]", "", r"line 13: pruning.0.keep is missing; add it"),
        ("order = 1", "order = 2", "order 2 asks for second derivatives of simulated payoffs, which have a kink"),
        ("[[pruning]]", '[finetuning.reference]\ndesign = "sobol"\n[[pruning]]', "give finetuning.reference a number"),
        (
            "[[pruning]]",
            "[source]\nsmoothing = 0.1\n[finetuning.reference]\nsamples = 9\nconditional = true\n[[pruning]]",
            "two ways to smooth one payoff",
        ),
        ('name = "good"', 'name = "../up"', r"line 1: name is '../up'"),
        ('name = "good"', 'name = "good"\nseed = -1', r"line 2: seed is -1"),
        ("[[pruning]]", "[[pruning", r"is not valid TOML"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(InputError, match=message) as caught:
        read_config(written(tmp_path, GOOD.replace(old, new)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".".join(["a"] * 20_000) + " = 1", "has a key of more than 50 parts"),
        ("[" + " . ".join(['"a"'] * 10_000) + "]", "has a key of more than 50 parts"),
        ("a = " + "[" * 20_000, "brackets within brackets"),
        ("a = " + "{a = " * 8_000, "brackets within brackets"),
        ("seed = " + "9" * 5_000, "a number of thousands of digits; correct it"),
        (GOOD.replace("good", "g") + "x = 0x" + "f" * 40_000, "pruning.0.x is not a known key"),
        (GOOD.replace('"good"', "0x" + "f" * 40_000), "name is a number of thousands of digits"),
        (GOOD.replace('"good"', '"""\n[' + " " * 40_000 + '\n"""'), r"line 1: name is '\["),
        (GOOD.replace("good", "a\\u0000b"), r"line 1: name is 'a\\x00b'; it must match"),
        (GOOD.replace("good", "a" * 300), r"line 1: name is 'a{100,}\.\.\.; it must have at most 100 characters"),
        ("#" * 2**20 + "\n", r"is larger than 1\.0 MiB"),
    ],
    ids="dots header brackets braces digits unknown-digits name-digits spaces nul long large".split(),
)
def test_what_would_take_for_ever_or_cannot_be_is_one_sentence(tmp_path, text, message):
    start = time.monotonic()
    with pytest.raises(InputError, match=message) as caught:
        read_config(written(tmp_path, text))
    assert time.monotonic() - start < 2.0  # the first took a minute
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a\0b.toml", r"a\\x00b.toml cannot be read \(no file can have"),
        ("x" * 3000, "x{100,}.* cannot be read .File name"),
    ],
)
def test_a_name_that_no_file_can_have_is_one_sentence(path, message):
    with pytest.raises(InputError, match=message):
        read_config(path)


def test_a_directory_that_cannot_be_resumed_is_one_sentence(tmp_path):
    config, path = read_config(written(tmp_path, GOOD)), tmp_path / "run"
    path.mkdir()
    claim_directory(path, config, resume=False)
    good = (path / "config.toml").read_bytes()
    for damage in (b"\xff", b"\0", b"\xed\xa0\x80"):
        (path / "config.toml").write_bytes(good[:10] + damage + good[11:])
        with pytest.raises(InputError, match=r"config\.toml(, line 1:| is damaged).* or give another --out"):
            claim_directory(path, config, resume=True)
    with pytest.raises(InputError, match=r"x{100,}\.\.\. cannot be written \(File name too long\)"):
        with locked_directory(tmp_path / ("x" * 300)):
            pass


def test_second_derivatives_of_smooth_labels_are_allowed(tmp_path):
    smooth = GOOD.replace("order = 1", "order = 2").replace("[oversized]", "[source]\nsmoothing = 0.1\n[oversized]", 1)
    assert read_config(written(tmp_path, smooth)).samples_order == 2
    conditional = "[finetuning.reference]\nsamples = 9\nconditional = true\ntraining.order = 2\n"
    assert read_config(written(tmp_path, GOOD + conditional)).samples_order == 1


def test_fresh_samples_are_drawn_as_the_configuration_says(tmp_path):
    less_noise = '[finetuning.reference]\nsamples = 64\ndesign = "sobol"\nconditional = true\n'
    config = read_config(written(tmp_path, GOOD + less_noise), seed=3)
    key = key_for(config, "fresh samples")
    own = GaussianBasket.random(n_assets=7, seed=3).sample(key, 8)
    expected = GaussianBasket.random(n_assets=7, seed=3, design="sobol", conditional=True).sample(key, 64)
    with opened(config.source, config.seed, key_for(config, "source"), Workers()) as source:
        found = finetuning_samples(config, source, own)
    np.testing.assert_array_equal(found.x, expected.x)
    np.testing.assert_array_equal(found.dydx, expected.dydx)
    assert finetuning_samples(read_config(written(tmp_path, GOOD + "[finetuning.reference]\n")), source, own) is own


class Called(Exception):
    """Ends a training before it begins, with what `fit` was given."""


def test_every_setting_of_a_training_reaches_it(samples, surrogate, monkeypatch):
    def called(start, samples, order, **options):
        raise Called({"order": order} | options)

    monkeypatch.setattr(stages, "fit", called)
    settings = TrainingConfig(
        order=0,
        optimiser=LBFGSConfig(kind="lbfgs", iterations=7),
        balance="fixed",
        weight=(0.3, 0.7),
        scaled=True,
        starts=2,
        held_out=0.25,
        patience=5,
    )
    with pytest.raises(Called) as caught:
        stages.trained(surrogate, samples, settings, jax.random.key(0), "oversized", None, False)
    given = caught.value.args[0]
    assert given["optimiser"] == LBFGS(7)
    for name in set(TrainingConfig.model_fields) - {"optimiser", "noise_rounds"}:
        assert given[name] == getattr(settings, name) != TrainingConfig.model_fields[name].default, name


def test_rounds_with_estimated_noise_follow_the_first_training(samples, surrogate, monkeypatch, tmp_path):
    trainings, kept = [], []

    def counted(start, samples, order, **options):
        trainings.append((start, options.get("noise"), options.get("starts", 1)))
        kept.append(options["checkpoints"])
        return training.fit(start, samples, order, **options)

    monkeypatch.setattr(stages, "fit", counted)
    optimiser = LevenbergMarquardtConfig(kind="levenberg-marquardt", iterations=1)
    settings = TrainingConfig(optimiser=optimiser, noise_rounds=2, starts=2)
    stage = stages.trained(surrogate, samples, settings, jax.random.key(0), "fixed", tmp_path, False)
    assert kept == [tmp_path, tmp_path / "noise-1", tmp_path / "noise-2"]
    (_, none, starts), *rounds = trainings
    assert none is None and starts == 2 and [starts for *_, starts in rounds] == [1, 1]
    for begun, noise, _ in rounds:
        np.testing.assert_array_equal(noise.whitening, training.label_noise(begun, samples).whitening)
    assert len(rounds) == 2 and rounds[1][0] is not rounds[0][0] and stage.surrogate is not rounds[1][0]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "none.toml"))):
        read_config(tmp_path / "none.toml")


def test_the_resolved_configuration_reads_back_as_itself(tmp_path):
    config = read_config(written(tmp_path, GOOD), seed=7)
    assert config.seed == 7
    assert read_config(written(tmp_path, to_toml(config))) == config


@pytest.mark.parametrize("name", ["gaussian_basket.toml", "paper.toml"])
def test_the_examples_are_valid(name):
    assert read_config(EXAMPLES / name).source.n_assets == 7


def test_the_example_of_init_is_valid_and_names_every_key(tmp_path):
    path = tmp_path / "new.toml"
    write_example_config(path)
    read_config(path)
    named = set(re.findall(r"^(?:# )?(\w+) = ", path.read_text(), flags=re.MULTILINE))
    resolved = set(re.findall(r"^(\w+) = ", to_toml(read_config(path)), flags=re.MULTILINE))
    assert resolved <= named
    with pytest.raises(InputError, match="exists already"):
        write_example_config(path)


def test_the_papers_figures_stand_beside_its_own_model_and_widths_only(tmp_path):
    paper = read_config(EXAMPLES / "paper.toml")
    for config in (paper, read_config(EXAMPLES / "gaussian_basket.toml"), paper.model_copy(update={"seed": 5})):
        assert published_for(config) == BASKET_R2
    others = {"strike": 1.0, "option": "put", "n_assets": 3, "maturity": 3.0, "smoothing": 0.1}
    for name, setting in others.items():
        model = paper.source.model_copy(update={name: setting})
        assert published_for(paper.model_copy(update={"source": model})) == {}
    assert published_for(read_config(written(tmp_path, GOOD))) == {}


def test_the_metrics_hold_every_output():
    x = np.random.default_rng(0).normal(size=(20, 3))
    network = surrogate_of_shape([3, 4, 2], "tanh", False)
    found = evaluate(network, surrogate_of_shape([3, 4, 2], "tanh", False, seed=5).label(x))
    record = replace(small_record().stages[0], evaluation=found)
    run = replace(small_record(), stages=(record, small_record().stages[1]))
    stage = json.loads(metrics_json(run, 1.0))["stages"]
    assert [one["r2"]["value"] for one in stage[0]["outputs"]] == [one.value.r2 for one in found.outputs]
    assert stage[0]["r2"]["value"] == min(one.value.r2 for one in found.outputs) and "outputs" not in stage[1]
    rows = dict(stage_details(replace(small_record(), stages=(record,)))[0].rows)
    assert rows["value of output 1"][0] == r2_text(found.outputs[1].value.r2)


MODELS = {
    "black-scholes": 'payoff = "worst_of_call"\nassets = 2\ncorrelation = 0.3\ninputs = { spot = [80, 120] }',
    "heston": 'payoff = "put"\ninputs = { spot = [80, 120], maturity = [0.5, 1.5] }\nsteps = 8\nconditional = true',
    "gene-expression": "inputs = { transcription = [10, 30] }\nsteps = 10",
    "random-medium": "cells = 12",
}


@pytest.mark.parametrize("kind", MODELS)
def test_every_model_of_the_library_is_built_by_its_kind(tmp_path, kind):
    path = tmp_path / "run.toml"
    path.write_text(f'name = "a"\n[source]\nkind = "{kind}"\n{MODELS[kind]}\n[[pruning]]\nkeep = [9, 9, 9, 9, 9, 9]')
    config = read_config(path)
    model = library_reference(config.source, config.seed, "sobol")
    assert model.design == "sobol" and model.box[0].shape == (model.n_inputs,)
    assert read_config_text(to_toml(config), tmp_path) == config
    assert published_for(config) == {}


def read_config_text(text: str, folder: Path):
    (folder / "again.toml").write_text(text)
    return read_config(folder / "again.toml")


@pytest.mark.parametrize(
    ("table", "rest", "told"),
    [
        ('kind = "blackscholes"', "", "line 2: source.kind is 'blackscholes'; allowed are 'gaussian-basket'"),
        ("kind = 3", "", "source.kind is '3'"),
        ('kind = "function"\nfunction = "a:b"', "[finetuning.reference]\nsamples = 9\ndesign = 'sobol'", "design in"),
        ('kind = "heston"', "", "inputs"),
        ('kind = "heston"\ninputs = { spot = [1] }', "", "source.inputs.spot"),
        ('kind = "random-medium"', "oracle = true", "random-medium has none"),
        ('kind = "heston"\ninputs = { spot = [80, 120] }', "[oversized.training]\norder = 2", "order 2 asks"),
        ('kind = "random-medium"', "[finetuning.reference]\nsamples = 99\nconditional = true", "for the kinds"),
    ],
)
def test_what_a_model_does_not_offer_is_refused(tmp_path, table, rest, told):
    head, tail = (rest, "") if rest.startswith("oracle") else ("", rest)
    text = f'name = "a"\n[source]\n{table}\n{tail}\n[[pruning]]\nkeep = [9, 9, 9, 9, 9, 9]'
    (tmp_path / "run.toml").write_text(f"{head}\n{text}" if head else text)
    with pytest.raises(InputError, match=told):
        read_config(tmp_path / "run.toml")


def test_a_source_that_is_no_table_is_one_sentence(tmp_path):
    (tmp_path / "run.toml").write_text('name = "a"\nsource = 3\n[[pruning]]\nkeep = [9, 9, 9, 9, 9, 9]')
    with pytest.raises(InputError, match="line 2: source"):
        read_config(tmp_path / "run.toml")


@pytest.mark.parametrize(
    ("config", "factory"),
    [
        (BlackScholesConfig, reference.black_scholes),
        (HestonConfig, reference.heston),
        (GeneExpressionConfig, reference.gene_expression),
        (RandomMediumConfig, reference.random_medium),
    ],
)
def test_tables_of_models_offer_what_their_functions_take_with_the_same_defaults(config, factory):
    taken = dict(inspect.signature(factory).parameters)
    assert set(taken) - {"design"} == set(config.model_fields) - {"kind"}
    for name, field in config.model_fields.items():
        if name not in ("kind", "payoff", "inputs"):
            assert field.default == taken[name].default
