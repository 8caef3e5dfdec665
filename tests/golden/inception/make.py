"""Features of Inception v3 as the FID papers use it, from a small independent reference in plain PyTorch (1.13 or later).

    python3 make.py                      writes golden.safetensors beside it
    python3 make.py --weights DIR        also the whole weights, as a file that is named as the published one is

The weights are no training's but a formula's (see `drawn`), so that 90 MB need not be kept: tests/inception-formula.ts draws the same.
"""
import hashlib
import json
import os
import struct
import sys
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

here = os.path.dirname(os.path.abspath(__file__))


def drawn(name, count):
    """`count` numbers in [0, 1), float32: a hash of the position, keyed by the name's CRC-32."""
    h = np.arange(count, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(zlib.crc32(name.encode()))
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    return ((h >> np.uint32(8)).astype(np.float64) / 2**24).astype(np.float32)


class Conv(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Block(nn.Module):
    """A block by its letter; `width` is that of the pooled branch in A, of the 7 x 1 convolutions in C."""

    def __init__(self, letter, inputs, width=0, pool="average"):
        super().__init__()
        self.letter, self.pool = letter, pool
        row, column = dict(kernel=(1, 7), padding=(0, 3)), dict(kernel=(7, 1), padding=(3, 0))
        layers = {
            "A": lambda: dict(
                branch1x1=Conv(inputs, 64, 1), branch5x5_1=Conv(inputs, 48, 1), branch5x5_2=Conv(48, 64, 5, padding=2), branch3x3dbl_1=Conv(inputs, 64, 1),
                branch3x3dbl_2=Conv(64, 96, 3, padding=1), branch3x3dbl_3=Conv(96, 96, 3, padding=1), branch_pool=Conv(inputs, width, 1)),
            "B": lambda: dict(
                branch3x3=Conv(inputs, 384, 3, 2), branch3x3dbl_1=Conv(inputs, 64, 1), branch3x3dbl_2=Conv(64, 96, 3, padding=1), branch3x3dbl_3=Conv(96, 96, 3, 2)),
            "C": lambda: dict(
                branch1x1=Conv(inputs, 192, 1), branch7x7_1=Conv(inputs, width, 1), branch7x7_2=Conv(width, width, **row), branch7x7_3=Conv(width, 192, **column),
                branch7x7dbl_1=Conv(inputs, width, 1), branch7x7dbl_2=Conv(width, width, **column), branch7x7dbl_3=Conv(width, width, **row),
                branch7x7dbl_4=Conv(width, width, **column), branch7x7dbl_5=Conv(width, 192, **row), branch_pool=Conv(inputs, 192, 1)),
            "D": lambda: dict(
                branch3x3_1=Conv(inputs, 192, 1), branch3x3_2=Conv(192, 320, 3, 2), branch7x7x3_1=Conv(inputs, 192, 1), branch7x7x3_2=Conv(192, 192, **row),
                branch7x7x3_3=Conv(192, 192, **column), branch7x7x3_4=Conv(192, 192, 3, 2)),
            "E": lambda: dict(
                branch1x1=Conv(inputs, 320, 1), branch3x3_1=Conv(inputs, 384, 1), branch3x3_2a=Conv(384, 384, (1, 3), padding=(0, 1)),
                branch3x3_2b=Conv(384, 384, (3, 1), padding=(1, 0)), branch3x3dbl_1=Conv(inputs, 448, 1), branch3x3dbl_2=Conv(448, 384, 3, padding=1),
                branch3x3dbl_3a=Conv(384, 384, (1, 3), padding=(0, 1)), branch3x3dbl_3b=Conv(384, 384, (3, 1), padding=(1, 0)), branch_pool=Conv(inputs, 192, 1)),
        }[letter]()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x):
        chain = lambda x, *names: x if not names else chain(getattr(self, names[0])(x), *names[1:])
        average = lambda: chain(F.avg_pool2d(x, 3, 1, 1, count_include_pad=False), "branch_pool")
        if self.letter == "A":
            out = [chain(x, "branch1x1"), chain(x, "branch5x5_1", "branch5x5_2"), chain(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"), average()]
        elif self.letter == "B":
            out = [chain(x, "branch3x3"), chain(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"), F.max_pool2d(x, 3, 2)]
        elif self.letter == "C":
            out = [chain(x, "branch1x1"), chain(x, *[f"branch7x7_{i}" for i in (1, 2, 3)]), chain(x, *[f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5)]), average()]
        elif self.letter == "D":
            out = [chain(x, "branch3x3_1", "branch3x3_2"), chain(x, *[f"branch7x7x3_{i}" for i in (1, 2, 3, 4)]), F.max_pool2d(x, 3, 2)]
        else:
            single, double = chain(x, "branch3x3_1"), chain(x, "branch3x3dbl_1", "branch3x3dbl_2")
            pooled = average() if self.pool == "average" else chain(F.max_pool2d(x, 3, 1, 1), "branch_pool")
            out = [chain(x, "branch1x1"), chain(single, "branch3x3_2a"), chain(single, "branch3x3_2b"), chain(double, "branch3x3dbl_3a"), chain(double, "branch3x3dbl_3b"), pooled]
        return torch.cat(out, 1)


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        pool = lambda: nn.MaxPool2d(3, 2)
        self.stem = [("Conv2d_1a_3x3", Conv(3, 32, 3, 2)), ("Conv2d_2a_3x3", Conv(32, 32, 3)), ("Conv2d_2b_3x3", Conv(32, 64, 3, padding=1)), (None, pool()),
                     ("Conv2d_3b_1x1", Conv(64, 80, 1)), ("Conv2d_4a_3x3", Conv(80, 192, 3)), (None, pool())]
        self.blocks = [("Mixed_5b", Block("A", 192, 32)), ("Mixed_5c", Block("A", 256, 64)), ("Mixed_5d", Block("A", 288, 64)), ("Mixed_6a", Block("B", 288)),
                       ("Mixed_6b", Block("C", 768, 128)), ("Mixed_6c", Block("C", 768, 160)), ("Mixed_6d", Block("C", 768, 160)), ("Mixed_6e", Block("C", 768, 192)),
                       ("Mixed_7a", Block("D", 768)), ("Mixed_7b", Block("E", 1280)), ("Mixed_7c", Block("E", 2048, pool="largest"))]
        for name, layer in self.stem + self.blocks:
            if name:
                self.add_module(name, layer)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, images):
        x = (resize(images.float(), 299) - 128) / 128
        for _, layer in self.stem + self.blocks:
            x = layer(x)
        return F.adaptive_avg_pool2d(x, 1).flatten(1)


def resize(x, side):
    """tf.image.resize_bilinear of TensorFlow 1: pixel i of the result lies at i * size / side."""
    def grid(size):
        at = torch.arange(side, dtype=torch.float32) * torch.tensor(size / side, dtype=torch.float32)
        low = at.long()
        return low, (low + 1).clamp_max(size - 1), at - low.float()
    top, bottom, dy = grid(x.shape[2])
    left, right, dx = grid(x.shape[3])
    lines = lambda rows: rows[:, :, :, left] + (rows[:, :, :, right] - rows[:, :, :, left]) * dx
    above, below = lines(x[:, :, top]), lines(x[:, :, bottom])
    return above + (below - above) * dy.view(1, 1, side, 1)


def formula_weights(model):
    state = model.state_dict()
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        u = torch.from_numpy(drawn(name, tensor.numel())).view(tensor.shape)
        if name.endswith("running_var") or name.endswith("bn.weight"):
            tensor.copy_(u + 0.5)
        elif tensor.dim() == 1:
            tensor.copy_((u - 0.5) * 0.25)
        else:
            fan_in = tensor[0].numel()
            tensor.copy_((u - 0.5) * float(np.float32(2 * np.sqrt(6 / fan_in))))
    return model.eval()


def write_safetensors(path, tensors):
    at, header, parts = 0, {}, []
    for name, array in tensors.items():
        dtype = {"uint8": "U8", "float32": "F32"}[str(array.dtype)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        parts.append(array.tobytes())
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


torch.manual_seed(0)
with torch.no_grad():
    model = formula_weights(Inception())
    images = torch.from_numpy((drawn("images", 3 * 3 * 24 * 20) * 256).astype(np.uint8).reshape(3, 3, 24, 20))
    # of noise, a ramp and a dark picture: features that differ
    images[1] = (torch.arange(24).view(1, 24, 1) * 5 + torch.arange(20).view(1, 1, 20) * 4 + torch.tensor([0, 20, 60]).view(3, 1, 1)).to(torch.uint8)
    images[2] = images[0] // 8
    write_safetensors(os.path.join(here, "golden.safetensors"), {
        "images": images.numpy(), "features": model(images).numpy(),
        "resized.31": resize(images.float(), 31).numpy(), "resized.9": resize(images.float(), 9).numpy()
    })
    if "--weights" in sys.argv:
        folder = sys.argv[sys.argv.index("--weights") + 1]
        path = os.path.join(folder, "formula.pth")
        torch.save(model.state_dict(), path)
        with open(path, "rb") as file:
            digits = hashlib.sha256(file.read()).hexdigest()[:8]
        os.rename(path, os.path.join(folder, f"pt_inception-2015-12-05-{digits}.pth"))
