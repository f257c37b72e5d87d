"""Training an adapter: base frozen, teachers of the product, checkpoints, and PEFT's own reading of what is exported."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from policy_torch import train
from policy_torch.adapter import FreshAdapter, StoredAdapter
from policy_torch.architecture import read_model
from policy_torch.batches import Continuation
from policy_torch.checkpoint import Checkpoints
from policy_torch.errors import CancelledWork, CheckpointError, UnsupportedError
from policy_torch.generate import Decoder, Sample
from policy_torch.group import Group
from policy_torch.model import LoadedModel, ModelOptions, quiet_libraries
from policy_torch.plan import TeacherSettings
from policy_torch.policy import Policy
from policy_torch.sampling import Sampling
from policy_torch.score import score
from room import TINY
from small_models import make_model
from test_train import EXAMPLES, PLAN

quiet_libraries()

FRESH = FreshAdapter(rank=2, alpha=4, targets=("q_proj", "v_proj", "down_proj"), seed=3)
CPU = torch.device("cpu")
TEXTS = [Continuation(each.student_prompt_ids, each.completion_ids) for each in EXAMPLES]


def new_policy(source: Any = FRESH, compute: torch.dtype = torch.float32, folder: Path = TINY) -> Policy:
    return Policy(LoadedModel(ModelOptions(folder, CPU, compute, adapter=source), Group()))


def run(policy: Policy, **changes: Any) -> Any:
    plan = replace(PLAN, expected_version=policy.version, **changes)
    return train.Transaction(policy, plan, EXAMPLES, 512).run()


def student(policy: Policy) -> dict[str, torch.Tensor]:
    parts = policy.whole_set(policy.student())
    return {name: part.clone() for name, part in zip(policy.parameters.names, parts, strict=True)}


def teacher(policy: Policy) -> torch.Tensor:
    return torch.cat([part.flatten() for part in policy.teacher]).clone()


def logprobs(policy: Policy) -> torch.Tensor:
    return torch.tensor([x for each in score(policy.model, TEXTS, 512) for x in each.logprobs])


def taught(policy: Policy) -> torch.Tensor:
    with policy.as_teacher(policy.teacher):
        return logprobs(policy)


def test_it_begins_as_the_model_itself_and_the_same_seed_draws_the_same() -> None:
    plain, adapted, again = new_policy(None), new_policy(), new_policy()
    assert torch.equal(logprobs(plain), logprobs(adapted))
    assert plain.model.card == adapted.model.card
    for one, other in zip(adapted.model.trained.local(), again.model.trained.local(), strict=True):
        assert torch.equal(one, other)
    assert all(each.dtype == torch.float32 for each in adapted.model.trained.local())


@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16], ids=str)
def test_targets_move_by_the_product_and_nothing_else_does(compute: torch.dtype) -> None:
    policy = new_policy(compute=compute)
    base = student(policy)
    run(policy)
    adapter = policy.model.adapter
    assert adapter is not None
    factors = dict(zip(adapter.factors.names, adapter.factors.local(), strict=True))
    for name, weights in student(policy).items():
        stem = name.removesuffix(".weight")
        if not name.endswith(("q_proj.weight", "v_proj.weight", "down_proj.weight")):
            assert torch.equal(weights, base[name]), name
            continue
        product = 2 * factors[f"{stem}.lora_B.weight"] @ factors[f"{stem}.lora_A.weight"]
        assert (weights - base[name] - product).abs().max() < 1e-6, name
        assert product.abs().max() > 0, name


def test_the_model_scores_and_samples_as_its_product_merged_in(tmp_path: Path) -> None:
    policy = new_policy()
    run(policy)
    checkpoints = Checkpoints(tmp_path, policy)
    merged = new_policy(None, folder=Path(checkpoints.export("merged")))
    assert (logprobs(policy) - logprobs(merged)).abs().max() < 1e-4
    asked = [Sample(1, 0, i, (1, 20, 33), Sampling(1.0, 1.0, 12, 7)) for i in range(4)]
    written = []
    for model in (policy.model, merged.model):
        decoder = Decoder(model, 4, 256)
        finished = decoder.start(asked, 0)
        while decoder.running:
            finished += decoder.step()
        written.append({each.sample_index: each.token_ids for each in finished})
    assert written[0] == written[1]


def test_the_gradient_is_that_of_the_merged_matrix() -> None:
    """By the chain rule dL/dB = s dL/dW A' and dL/dA = s B' dL/dW, with dL/dW of a policy that trains all weights."""
    adapted = new_policy()
    run(adapted)  # until both factors have a gradient
    whole = new_policy(None)
    whole.parameters.assign(list(student(adapted).values()))
    gradients: dict[str, dict[str, torch.Tensor]] = {}
    for name, policy in (("adapted", adapted), ("whole", whole)):

        def watch(settings: Any, name: str = name, policy: Policy = policy) -> tuple[float, bool]:
            found = policy.model.trained.gradients()
            gradients[name] = {n: g.clone() for n, g in zip(policy.model.trained.names, found, strict=True)}
            return 1.0, True

        policy.step = watch  # type: ignore[method-assign]
        run(policy, mini_batches=1, teacher=TeacherSettings("live", 0, "hold"))
    assert adapted.model.adapter is not None
    factors = dict(zip(adapted.model.trained.names, adapted.model.trained.local(), strict=True))
    for name in factors:
        stem, up = name.rsplit(".lora_", 1)[0], ".lora_B" in name
        slope, other = gradients["whole"][f"{stem}.weight"], factors[f"{stem}.lora_{'A' if up else 'B'}.weight"]
        expected = 2 * (slope @ other.T if up else other.T @ slope)
        assert (gradients["adapted"][name] - expected).abs().max() < 1e-5 + 1e-3 * expected.abs().max(), name


@pytest.mark.parametrize("cadence", ["batch", "step"])
def test_an_ema_teacher_follows_the_product_not_the_factors(cadence: Any) -> None:
    policy = new_policy()
    expected, move = teacher(policy), policy.move_teacher

    def watched(rate: float) -> None:
        nonlocal expected
        now = torch.cat([part.flatten() for part in policy.student()])
        expected = expected + rate * (now - expected)
        move(rate)

    policy.move_teacher = watched  # type: ignore[method-assign]
    for _ in range(2):
        run(policy, teacher=TeacherSettings("ema", 0.3, cadence))
    assert (teacher(policy) - expected).abs().max() < 1e-6
    # And it computes so: as a model whose weights these are.
    plain = new_policy(None)
    everything = student(plain) | dict(zip(policy.moving.names, policy.teacher, strict=True))
    plain.parameters.assign(list(everything.values()))
    assert (taught(policy) - logprobs(plain)).abs().max() < 1e-5


@pytest.mark.parametrize("kind", ["ema", "frozen", "live", "trust-region"])
def test_every_teacher_gives_the_first_losses_that_it_gives_a_policy_of_all_weights(kind: Any) -> None:
    """The student is the same, so are its teachers; only the way it moves differs."""
    adapted, whole = new_policy(), new_policy(None)
    run(adapted)
    initial = [part.clone() for part in whole.initial]
    whole.parameters.assign(list(student(adapted).values()))
    whole.own_teacher = list(adapted.whole_set(part.clone() for part in adapted.teacher))
    whole._initial = initial
    losses = []
    for policy in (adapted, whole):
        policy.step = lambda settings: (1.0, True)  # type: ignore[method-assign]
        losses.append(run(policy, mini_batches=1, teacher=TeacherSettings(kind, 0.3, "batch")).steps[0].loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_it_goes_on_from_a_checkpoint_to_the_same_bits(tmp_path: Path) -> None:
    policy = new_policy()
    run(policy)
    Checkpoints(tmp_path, policy).save("half-way")
    report = run(policy)
    resumed = new_policy()
    info = Checkpoints(tmp_path, resumed).restore("half-way")
    assert (info.version, resumed.version) == (3, 3)
    assert run(resumed).steps == report.steps
    assert all(torch.equal(a, b) for a, b in zip(student(policy).values(), student(resumed).values(), strict=True))
    assert torch.equal(teacher(policy), teacher(resumed))
    Checkpoints(tmp_path, resumed).restore("initial")
    assert torch.equal(logprobs(resumed), logprobs(new_policy(None)))


def test_it_goes_on_from_an_exported_adapter(tmp_path: Path) -> None:
    policy = new_policy()
    run(policy)
    folder = Path(Checkpoints(tmp_path, policy).export("mine", adapter=True))
    assert sorted(file.name for file in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    imported = new_policy(StoredAdapter(folder))
    at_start = logprobs(imported)
    assert torch.equal(at_start, logprobs(policy))
    # A frozen teacher and a fresh EMA are what the policy was started with, the adapter included.
    assert (taught(imported) - at_start).abs().max() < 1e-4
    run(imported)
    assert not torch.equal(at_start, logprobs(imported))
    Checkpoints(tmp_path, imported).restore("initial")
    assert torch.equal(at_start, logprobs(imported))


def test_peft_loads_what_is_exported(tmp_path: Path) -> None:
    from peft import PeftModel

    policy = new_policy()
    run(policy)
    folder = Checkpoints(tmp_path, policy).export("mine", adapter=True)
    loaded = PeftModel.from_pretrained(read_model(TINY), folder).eval()
    text = TEXTS[0]
    ids = torch.tensor([[*text.prompt_ids, *text.completion_ids]])
    with torch.no_grad():
        all_logprobs = torch.log_softmax(loaded(input_ids=ids).logits[0], dim=-1)
    expected = [float(all_logprobs[len(text.prompt_ids) - 1 + i, x]) for i, x in enumerate(text.completion_ids)]
    assert score(policy.model, [text], 512)[0].logprobs == pytest.approx(expected, abs=1e-4)


def test_a_broken_off_transaction_takes_nothing() -> None:
    policy = new_policy()
    run(policy)
    before, old_teacher, calls = student(policy), teacher(policy), iter(range(100))

    def cancel() -> None:
        if next(calls) == 4:
            raise CancelledWork

    plan = replace(PLAN, expected_version=3)
    with pytest.raises(CancelledWork):
        train.Transaction(policy, plan, EXAMPLES, 32, cancel).run()
    assert all(torch.equal(a, b) for a, b in zip(before.values(), student(policy).values(), strict=True))
    assert torch.equal(teacher(policy), old_teacher)


def test_checkpoints_of_other_kinds_and_models_are_refused(tmp_path: Path) -> None:
    plain, adapted = new_policy(None), new_policy()
    run(plain)
    run(adapted)
    Checkpoints(tmp_path, plain).save("plain")
    Checkpoints(tmp_path, adapted).save("adapted")
    with pytest.raises(CheckpointError, match=r"plain\.json: holds no adapter"):
        Checkpoints(tmp_path, adapted).restore("plain")
    with pytest.raises(CheckpointError, match=r"adapted\.json: holds an adapter .* trains all weights"):
        Checkpoints(tmp_path, plain).restore("adapted")
    other = new_policy(replace(FRESH, targets=("q_proj",)))
    with pytest.raises(CheckpointError, match="is not a tensor of this model"):
        Checkpoints(tmp_path, other).restore("adapted")
    with torch.no_grad():
        adapted.parameters.local()[0].mul_(1.5)
    version = adapted.version
    with pytest.raises(CheckpointError, match="holds an adapter of another model than this"):
        Checkpoints(tmp_path, adapted).restore("adapted")
    assert adapted.version == version
    with pytest.raises(UnsupportedError, match="trains no adapter that could be exported"):
        Checkpoints(tmp_path, plain).export("none", adapter=True)


def test_targets_are_the_models_own(tmp_path: Path) -> None:
    phi = make_model(tmp_path, "phi")
    usual = new_policy(FreshAdapter(2, 2), folder=phi).model.adapter
    assert usual is not None
    assert usual.settings.targets == ("q_proj", "k_proj", "v_proj")
    named = new_policy(FreshAdapter(2, 2, ("fc1", "dense", "q_proj")), folder=phi).model.adapter
    assert named is not None
    assert named.settings.targets == ("q_proj", "dense", "fc1")
    with pytest.raises(UnsupportedError, match=r"must be among q_proj, k_proj, v_proj, dense, fc1, fc2, are up_proj"):
        new_policy(FreshAdapter(2, 2, ("q_proj", "up_proj")), folder=phi)
    with pytest.raises(UnsupportedError, match="are none of the usual ones"):
        new_policy(FreshAdapter(2, 2), folder=make_model(tmp_path, "gpt2"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"peft_type": "IA3"}, r'peft_type: "IA3" is not supported; "LORA" is'),
        ({"use_dora": True}, "use_dora: true is not supported"),
        ({"modules_to_save": ["lm_head"]}, r'modules_to_save: \["lm_head"\] is not supported'),
        ({"rank_pattern": {"q_proj": 4}}, r'rank_pattern: {"q_proj": 4} is not supported'),
        ({"target_modules": ["lm_head"]}, 'target_modules: "lm_head" is not one of q_proj'),
        ({"target_modules": []}, "target_modules: is empty"),
        ({"r": 0}, "r: 0 is not a positive whole number"),
        ({"lora_alpha": None}, "lora_alpha: is missing"),
        ({"r": 3}, r'q_proj.lora_A.weight": expected shape \[3, \d+\], found \[2, \d+\]'),
        ({"target_modules": ["q_proj", "k_proj", "v_proj", "down_proj"]}, r'k_proj.lora_A.weight": is missing'),
        ({"target_modules": ["q_proj"]}, r'lora_A.weight": is not a tensor of this model'),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_adapter_that_cannot_be_taken_is_refused(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    folder = Path(Checkpoints(tmp_path, new_policy()).export("a", adapter=True))
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
    with pytest.raises(CheckpointError, match=message):
        new_policy(StoredAdapter(folder))


def test_an_adapter_in_a_narrower_type_is_read(tmp_path: Path) -> None:
    policy = new_policy()
    run(policy)
    folder = Path(Checkpoints(tmp_path, policy).export("a", adapter=True))
    file = folder / "adapter_model.safetensors"
    save_file({name: each.bfloat16() for name, each in load_file(file).items()}, file)
    assert (logprobs(new_policy(StoredAdapter(folder))) - logprobs(policy)).abs().max() < 0.05
    file.unlink()
    with pytest.raises(CheckpointError, match=r"adapter_model\.safetensors: does not exist"):
        new_policy(StoredAdapter(folder))
