"""Writes optim_db.json with PyTorch (`make golden`): the samples of torch.testing's optim_db.

optim_db is what PyTorch tests its own optimisers with. Of every optimiser of the catalogue (docs/optimizers.md) that it
has, each sample is recorded: the document, six gradients, and the parameters after each step. `absent` lists those that
it does not have.
"""

import zlib

import torch
from golden import catalogue, numbers, write
from torch.testing._internal.common_optimizers import OptimizerInfo, optim_db

STEPS = 6
SIZE = 20


def plain(value: object) -> object:
    if isinstance(value, torch.Tensor):
        return value.item()
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def samples_of(info: OptimizerInfo) -> list[dict]:
    name = info.optim_cls.__name__
    torch.manual_seed(zlib.crc32(name.encode()))
    made = []
    for at, sample in enumerate(info.optim_inputs_func(device="cpu")):
        start = torch.randn(SIZE)
        weights = torch.nn.Parameter(start.double())
        optimizer = info.optim_cls([weights], **sample.kwargs)
        gradients, after = [], []
        for _ in range(STEPS):
            gradient = torch.randn(SIZE) * 0.5
            weights.grad = gradient.double()
            optimizer.step()
            gradients.append(numbers(gradient))
            after.append(numbers(weights))
        arguments = {key: plain(value) for key, value in sample.kwargs.items()}
        made.append(
            {
                "name": f"{name}/{at}",
                "document": {"type": name, **arguments},
                "start": numbers(start),
                "gradients": gradients,
                "after": after,
            }
        )
    return made


def main() -> None:
    torch.set_num_threads(1)
    known = {info.optim_cls.__name__: info for info in optim_db}
    # The page has the schedules too.
    names = [name for name in catalogue("optimizers.md") if hasattr(torch.optim, name) or not name.endswith("LR")]
    names = [name for name in names if not hasattr(torch.optim.lr_scheduler, name)]
    samples = [sample for name in names if name in known for sample in samples_of(known[name])]
    write("optim_db", {"samples": samples, "absent": sorted(name for name in names if name not in known)})


if __name__ == "__main__":
    main()
