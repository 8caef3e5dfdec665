"""Makes the files beside it, as PyTorch 1.13 writes them: python3 make.py (in this folder)."""
import collections
import datetime
import torch

def ramp(*shape):
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape)

weights = collections.OrderedDict()
weights["plain"] = ramp(3, 4)
weights["double"] = ramp(2, 2).double()
weights["half"] = ramp(5).half()
weights["bfloat"] = ramp(2, 3).bfloat16()
weights["transposed"] = ramp(3, 4).t()
weights["channels_last"] = ramp(2, 3, 2, 2).contiguous(memory_format=torch.channels_last)
weights["columns"] = ramp(3, 4)[:, 1:3]
weights["row"] = ramp(3, 4)[1]
weights["scalar"] = torch.tensor(7.0)
weights["empty"] = torch.zeros(0, 3)
weights["parameter"] = torch.nn.Parameter(ramp(2, 2))
weights["steps"] = torch.tensor([1, 2, 2**40])
weights["one_by_two"] = ramp(2, 1).t()

for name, old in (("zip", False), ("old", True)):
    torch.save(weights, f"{name}.pth", _use_new_zipfile_serialization=not old)
    averaged = {f"module._orig_mod.{key}": value for key, value in weights.items()}
    torch.save({"step": 7, "note": "x", "lr": 2e-4, "betas": (0.9, 0.95), "done": False, "big": 2**70, "model": {"plain": ramp(3, 4) + 1}, "ema": averaged},
               f"{name}_nested.pth", _use_new_zipfile_serialization=not old)
torch.save({"plain": ramp(2), "when": datetime.date(2020, 1, 2)}, "foreign.pth")
module = torch.nn.Linear(2, 2)
torch.save(module, "module.pth")
